"""Enter the insurer's codes of medicines at a facility."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils import timezone

from tuetinh.care.insurance.approved.checking import MEDICINES
from tuetinh.care.insurance.errors import NotAllowed
from tuetinh.care.insurance.facts import ADMINISTERING
from tuetinh.care.insurance.medicines.wire_xlsx import Listed, read
from tuetinh.care.insurance.models import ApprovedItem
from tuetinh.commons.catalogues.api import Drug, drugs, fold, set_medicine_codes, without_code
from tuetinh.record.asker import Asker

_BESIDE, _APART = re.compile(r"\([^)]*\)"), re.compile(r"[^0-9a-z%+]+")


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a catalogue: medicines with a new code, with the same as before, and those that it gives several."""

    new: int
    same: int
    several: tuple[Drug, ...]


def enter(asker: Asker, medicine: str, code: str) -> None:
    """Enter the code of one medicine; "" takes it away. Raises NotAllowed, and CatalogueError for what is no code."""
    _allow(asker)
    set_medicine_codes(asker.facility, {medicine: code.strip().upper()}, account=asker.account)


def take(asker: Asker, data: bytes) -> Taken:
    """Enter the codes that a catalogue (XLSX) gives the medicines of the formulary. Raises NotAllowed, BadCatalogue and
    CatalogueError.
    """
    _allow(asker)
    found, several = _fitting(read(data))
    new, same = set_medicine_codes(asker.facility, found, account=asker.account)
    return Taken(new, same, tuple(several))


def take_approved(asker: Asker) -> Taken:
    """Enter the codes that the insurer's catalogue 03/DM in force gives the medicines that have none.

    Raises NotAllowed.
    """
    _allow(asker)
    rows = [
        Listed(item.code, item.row.get("TEN_HOAT_CHAT", ""), item.row.get("HAM_LUONG", "")) for item in _holding(asker)
    ]
    bare = {one.code for one in without_code(asker.facility)}
    found, several = _fitting(row for row in rows if row.name)
    wanted = {medicine: code for medicine, code in found.items() if medicine in bare}
    new, same = set_medicine_codes(asker.facility, wanted, account=asker.account)
    return Taken(new, same, tuple(one for one in several if one.code in bare))


def approved_medicines(facility: str) -> bool:
    """Whether a facility has a catalogue 03/DM in force."""
    return _in_force(facility).exists()


def _holding(asker: Asker) -> Iterable[ApprovedItem]:
    return _in_force(asker.facility).only("code", "row").iterator(chunk_size=2000)


def _in_force(facility: str) -> QuerySet[ApprovedItem]:
    today = timezone.localdate()
    rows = ApprovedItem.objects.filter(facility=facility, catalogue=MEDICINES, since__lte=today)
    return rows.filter(Q(until=None) | Q(until__gte=today))


def _allow(asker: Asker) -> None:
    if asker.role not in ADMINISTERING or not asker.facility:
        raise NotAllowed


def _fitting(rows: Iterable[Listed]) -> tuple[dict[str, str], list[Drug]]:
    """The code of each medicine by its ingredient, where rows differ by its strength too; those that stay ambiguous."""
    by_name: dict[str, list[Listed]] = defaultdict(list)
    for row in rows:
        by_name[_plain(row.name)].append(row)
    found: dict[str, str] = {}
    several = []
    for medicine in drugs():
        fit = by_name.get(_plain(medicine.name), [])
        if len({row.code for row in fit}) > 1:
            fit = [row for row in fit if _plain(row.strength) == _plain(medicine.strength)]
            if len({row.code for row in fit}) != 1:
                several.append(medicine)
                continue
        if fit:
            found[medicine.code] = fit[0].code
    return found, several


def _plain(text: str) -> str:
    """A name or strength without what people write now so, now otherwise."""
    return _APART.sub("", fold(_BESIDE.sub("", text)))
