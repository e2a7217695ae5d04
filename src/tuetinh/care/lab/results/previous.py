"""What was known of a person before: earlier results, and whether she is pregnant."""

from __future__ import annotations

from collections.abc import Set
from datetime import timedelta
from typing import cast

from django.utils import timezone

from tuetinh.care.lab import facts
from tuetinh.commons.catalogues.api import ICD10
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

_HISTORY_DAYS = 730
_PREGNANCY_DAYS = 300
PREGNANCY_STATUS = "82810-3"  # LOINC; LA15173-0 is "Pregnant"
_PREGNANT = ("LA15173-0", "77386006")


def history(
    asker: Asker,
    patient: str,
    loincs: list[str],
    *,
    skip: Set[str] = frozenset(),
    count: int = 200,
) -> dict[str, list[r4.Observation]]:
    """Released results of a person by LOINC code, newest first."""
    if not loincs:
        return {}
    codes = ",".join(f"{facts.LOINC}|{c}" for c in dict.fromkeys(loincs))
    since = (timezone.localdate() - timedelta(days=_HISTORY_DAYS)).isoformat()
    query = (
        f"patient=Patient/{patient}&code={codes}&status=final,amended,corrected&date=ge{since}"
        f"&_sort=-date&_count={count}"
    )
    found: dict[str, list[r4.Observation]] = {}
    for result in cast("list[r4.Observation]", record.search(asker, "Observation", query).resources):
        if result.id in skip:
            continue
        for coding in (result.code.coding if result.code else None) or []:
            if coding.system == facts.LOINC:
                found.setdefault(coding.code or "", []).append(result)
    return found


def pregnant(asker: Asker, patient: str) -> bool:
    """Whether the newest word of the last months is that she is pregnant: an Observation of it, else a diagnosis."""
    since = (timezone.localdate() - timedelta(days=_PREGNANCY_DAYS)).isoformat()
    query = f"patient=Patient/{patient}&code={facts.LOINC}|{PREGNANCY_STATUS}&date=ge{since}&_sort=-date&_count=1"
    told = cast("list[r4.Observation]", record.search(asker, "Observation", query).resources)
    if told:
        concept = told[0].valueCodeableConcept
        return any(c.code in _PREGNANT for c in (concept.coding if concept else None) or [])
    query = f"patient=Patient/{patient}&recorded-date=ge{since}&_sort=-recorded-date&_count=50"
    conditions = cast("list[r4.Condition]", record.search(asker, "Condition", query).resources)
    return any(_of_pregnancy(condition) for condition in conditions)


def _of_pregnancy(condition: r4.Condition) -> bool:
    """Z32.1, Z33 to Z36, and of chapter O what is before delivery: O00 to O79 but for abortion (O03 to O08)."""
    codes = [c.code or "" for c in (condition.code.coding if condition.code else None) or [] if c.system == ICD10]
    return any(
        code.startswith(("Z32.1", "Z33", "Z34", "Z35", "Z36"))
        or (code[:1] == "O" and code[1:3].isdigit() and int(code[1:3]) < 80 and not 3 <= int(code[1:3]) <= 8)
        for code in codes
    )
