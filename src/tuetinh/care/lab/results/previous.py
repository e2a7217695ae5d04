"""What was known of people before: earlier results, and who is pregnant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from datetime import timedelta
from itertools import takewhile
from typing import TypeVar, cast

from django.utils import timezone

from tuetinh.care.lab import facts
from tuetinh.commons.catalogues.api import ICD10
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

_HISTORY_DAYS = 730
_PREGNANCY_DAYS = 300
PREGNANCY_STATUS = "82810-3"  # LOINC; LA15173-0 is "Pregnant"
_PEOPLE = 200  # that one search names
_PAGE = 500  # results that one search brings
_PREGNANT = ("LA15173-0", "77386006")
R = TypeVar("R", bound=r4.Resource)


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
    found: dict[str, list[r4.Observation]] = {}
    query = f"{_released([patient], loincs)}&_count={count}"
    for result in _recent(cast("list[r4.Observation]", record.search(asker, "Observation", query).resources)):
        if result.id not in skip:
            for code in _codes(result):
                found.setdefault(code, []).append(result)
    return found


def newest(
    asker: Asker, patients: Set[str], loincs: Set[str], *, beyond: Set[str] = frozenset()
) -> dict[str, dict[str, list[r4.Observation]]]:
    """The last released results of many people by LOINC code, newest first, up to one whose id is not in `beyond`."""
    found: dict[str, dict[str, list[r4.Observation]]] = {}
    if not loincs:
        return found
    for some in _parts(patients):
        missing = {(patient, code) for patient in some for code in loincs}
        for result in _recent(_every(asker, r4.Observation, _released(some, sorted(loincs)))):
            patient = facts.id_of(result.subject)
            for code in _codes(result):
                if (patient, code) in missing:
                    found.setdefault(patient, {}).setdefault(code, []).append(result)
                    if result.id not in beyond:
                        missing.discard((patient, code))
            if not missing:
                break
    return found


def _released(patients: Iterable[str], loincs: Iterable[str]) -> str:
    """A search without bounds of time, for its plan is then made once (`_recent`)."""
    codes = ",".join(f"{facts.LOINC}|{c}" for c in dict.fromkeys(loincs))
    return f"{_of(patients)}&code={codes}&status=final,amended,corrected&_sort=-date"


def _recent(results: Iterable[r4.Observation]) -> Iterator[r4.Observation]:
    """Of results by date, newest first, those that are not too old to tell anything; those without a date come last."""
    since = (timezone.localdate() - timedelta(days=_HISTORY_DAYS)).isoformat()
    return takewhile(lambda result: _day(result) >= since, results)


def _day(result: r4.Observation) -> str:
    period = result.effectivePeriod
    during = (period.end or period.start) if period else None
    return (result.effectiveDateTime or result.effectiveInstant or during or "")[:10]


def _of(patients: Iterable[str]) -> str:
    return "patient=" + ",".join(f"Patient/{patient}" for patient in patients)


def _parts(patients: Set[str]) -> Iterator[list[str]]:
    """People, as many as one search names."""
    ids = sorted(patients)
    return (ids[at : at + _PEOPLE] for at in range(0, len(ids), _PEOPLE))


def _every(asker: Asker, kind: type[R], query: str) -> Iterator[R]:
    """All that a search finds, page after page."""
    page: str | None = None
    while True:
        found = record.search(asker, kind.__name__, f"{query}&_count={_PAGE}", page)
        yield from cast("list[R]", found.resources)
        if not (page := found.next):
            return


def _codes(result: r4.Observation) -> list[str]:
    return [c.code or "" for c in (result.code.coding if result.code else None) or [] if c.system == facts.LOINC]


def pregnant(asker: Asker, patients: Set[str]) -> set[str]:
    """Of whom the newest word of the last months is that she is pregnant: an Observation of it, else a diagnosis."""
    since = (timezone.localdate() - timedelta(days=_PREGNANCY_DAYS)).isoformat()
    told: dict[str, bool] = {}
    for some in _parts(patients):
        query = f"{_of(some)}&code={facts.LOINC}|{PREGNANCY_STATUS}&date=ge{since}&_sort=-date"
        for status in _every(asker, r4.Observation, query):
            concept = status.valueCodeableConcept
            said = any(c.code in _PREGNANT for c in (concept.coding if concept else None) or [])
            told.setdefault(facts.id_of(status.subject), said)
    expecting = {patient for patient, said in told.items() if said}
    for some in _parts(patients - told.keys()):
        query = f"{_of(some)}&recorded-date=ge{since}&_sort=-recorded-date"
        found = _every(asker, r4.Condition, query)
        expecting |= {facts.id_of(condition.subject) for condition in found if _of_pregnancy(condition)}
    return expecting


def _of_pregnancy(condition: r4.Condition) -> bool:
    """Z32.1, Z33 to Z36, and of chapter O what is before delivery: O00 to O79 but for abortion (O03 to O08)."""
    codes = [c.code or "" for c in (condition.code.coding if condition.code else None) or [] if c.system == ICD10]
    return any(
        code.startswith(("Z32.1", "Z33", "Z34", "Z35", "Z36"))
        or (code[:1] == "O" and code[1:3].isdigit() and int(code[1:3]) < 80 and not 3 <= int(code[1:3]) <= 8)
        for code in codes
    )
