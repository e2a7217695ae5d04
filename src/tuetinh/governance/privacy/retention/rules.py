"""How long a record is kept by its kind: a table with dates in force, counted from the end of the year of treatment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from tuetinh.record import labels, r4

MENTAL: Final = labels.BITS["PSY"]
DIED: Final = "exp"  # Encounter.hospitalization.dischargeDisposition


class Class(msgspec.Struct, frozen=True):
    """A kind of record in the words of `words.RETENTION`. years: None for ever. until: its last day, if any."""

    code: str
    since: date
    years: int | None
    law: str
    until: date | None = None


@cache
def classes() -> list[Class]:
    """The whole table."""
    path = Path(__file__).parents[1] / "data" / "retention.json"
    return msgspec.json.decode(path.read_bytes(), type=list[Class])


def years(code: str, ended: date, today: date) -> int | None:
    """For how many years a record of this kind is kept: by the law at its end or that of today, whichever is longer.

    None is for ever. Raises KeyError for a kind that neither knows.
    """
    found = [
        one.years
        for one in classes()
        for day in (ended, today)
        if one.code == code and one.since <= day and (one.until is None or day <= one.until)
    ]
    if not found:
        raise KeyError(code)
    return None if None in found else max(year for year in found if year is not None)


def kind_of(visit: r4.Encounter, conditions: Iterable[r4.Condition] = (), patient: r4.Patient | None = None) -> str:
    """The kind of the record of a visit: of somebody who died in it, of mental health, or any other.

    conditions: of the visit. patient: whose it is.
    """
    disposition = visit.hospitalization.dischargeDisposition if visit.hospitalization else None
    if disposition and any(coding.code == DIED for coding in disposition.coding or []):
        return "death"
    if patient and _died_by(patient, ((visit.period.end if visit.period else None) or "")[:10]):
        return "death"
    written = (visit, *conditions)
    return "record-20" if any(labels.of(r4.encode(one)) & MENTAL for one in written) else "record"


def kind_of_pictures(bits: int, made: date, patient: r4.Patient | None = None) -> str:
    """The same of pictures that belong to no visit. bits: of their labels."""
    if patient and _died_by(patient, made.isoformat()):
        return "death"
    return "record-20" if bits & MENTAL else "record"


def shortest() -> int:
    """The fewest years for which any record of a treatment is kept."""
    return min(one.years for one in classes() if one.years is not None and one.code.startswith("record"))


def _died_by(patient: r4.Patient, end: str) -> bool:
    """Whether somebody had died when a visit ended; who died on a day that is not known, may have."""
    day = (patient.deceasedDateTime or "")[:10]
    return day <= end if day else bool(patient.deceasedBoolean)


def kept_until(kind: str, ended: date, today: date) -> date | None:
    """The last day on which it must be kept: years after 31/12 of the year in which treatment ended; None for ever."""
    count = years(kind, ended, today)
    return None if count is None else date(ended.year + count, 12, 31)
