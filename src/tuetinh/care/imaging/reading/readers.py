"""Who reads what for a facility, and how much of it a peer reads again. Nobody named: each of the desk reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet

from tuetinh.care.imaging.errors import NeedsSecond, NoSenior, NotAllowed, NotReader
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.reading.models import Reader, ReadingRules
from tuetinh.care.imaging.reading.tables import REGIONS, regions_of
from tuetinh.record.asker import Asker


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody reads here. signs: also alone; modalities, regions: of what, none for everything."""

    reads: bool
    signs: bool
    modalities: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()

    def fits(self, exam: Exam) -> bool:
        """Whether an examination is of what they read; of no region that is known, it is everybody's."""
        if self.modalities and exam.modality not in self.modalities:
            return False
        found = regions_of(exam.description)
        return not self.regions or not found or bool(found & self.regions)


def rights(asker: Asker) -> Rights:
    """What the asker reads at their facility."""
    named = Reader.objects.filter(facility=asker.facility)
    mine = named.filter(account=asker.account).first()
    if mine is None:
        everybody = asker.role == "imaging" and not named.exists()
        return Rights(everybody, everybody)
    signs = mine.level == Reader.Level.SENIOR
    return Rights(asker.role == "imaging", signs, frozenset(mine.modalities), frozenset(mine.regions))


def check(asker: Asker, *, signing: bool) -> None:
    """Raise NotReader or NeedsSecond where the asker may not read, or not sign, at their facility."""
    found = rights(asker)
    if not found.reads:
        raise NotReader
    if signing and not found.signs:
        raise NeedsSecond


def staff(facility: str) -> QuerySet[Any]:
    """The accounts of the imaging desk of a facility."""
    accounts = get_user_model().objects
    return accounts.filter(facility=facility, role="imaging", is_active=True).order_by("full_name", "pk")


def name_readers(asker: Asker, wanted: Iterable[Reader], reviewed: int) -> None:
    """Let these read for the administrator's facility from now on, and a peer read this percent of signed readings.

    Raises NotAllowed, also for an account that is not of the imaging desk there; NoSenior.
    """
    wanted = list(wanted)
    if asker.role != "admin" or not asker.facility or not 0 <= reviewed <= 100:
        raise NotAllowed
    known = {str(one.pk) for one in staff(asker.facility)}
    if any(one.account not in known or not set(one.regions) <= REGIONS.keys() for one in wanted):
        raise NotAllowed
    if wanted and not any(one.level == Reader.Level.SENIOR for one in wanted):
        raise NoSenior
    for one in wanted:
        one.facility = asker.facility
    with transaction.atomic():
        ReadingRules.objects.update_or_create(facility=asker.facility, defaults={"reviewed": reviewed})
        Reader.objects.filter(facility=asker.facility).delete()
        Reader.objects.bulk_create(wanted)


def reviewed_percent(facility: str) -> int:
    """Percent of signed readings that a peer reads again."""
    found = ReadingRules.objects.filter(facility=facility).values_list("reviewed", flat=True).first()
    return found or 0
