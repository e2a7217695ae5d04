"""What waits for those who carry on after the doctor: prescriptions, visits to file. Read only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from tuetinh.care.clinic import queries
from tuetinh.commons.identity.api import display_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.text import concept_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuetinh.record.asker import Asker

R = TypeVar("R", bound=r4.Resource)
SHOWN = 25
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
OPEN = "arrived,triaged,in-progress,onleave"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list. at: when, as FHIR has it; told: what it is about; missing: what is not complete."""

    encounter: str
    patient: str
    name: str
    birth: str
    at: str
    told: list[str]
    missing: list[str] = field(default_factory=list)


class Listed(NamedTuple):
    """A page of a list, and the token of the following one."""

    rows: list[Row]
    next: str | None


def prescriptions(asker: Asker, day: date, page: str | None = None) -> Listed:
    """Visits here that medicines were prescribed in on a day, newest first, each with all its medicines."""
    first, after = (quote(datetime.combine(on, time(), HANOI).isoformat()) for on in (day, day + timedelta(days=1)))
    prescribed = "_has:MedicationRequest:encounter:authoredon"
    within = f"date=lt{after}&{prescribed}=ge{first}&{prescribed}=lt{after}"
    found = record.search(
        asker,
        "Encounter",
        f"{_here(asker)}&{within}&_sort=-date&_count={SHOWN}&_include=Encounter:subject",
        page,
    )
    visits = cast("list[r4.Encounter]", found.resources)
    lines = _by_visit(_about(asker, r4.MedicationRequest, visits))
    rows = []
    for visit in visits:
        standing = [line for line in lines[visit.id or ""] if line.status not in queries.GONE]
        told = [f"{values['label']} · {values['quantity']}" for values in map(queries.line_values, standing)]
        if told:
            rows.append(_row(visit.id or "", visit.subject, _start(visit), told, found.included))
    return Listed(rows, found.next)


def files(asker: Asker, *, closed: bool, page: str | None = None) -> Listed:
    """Visits at the asker's facility that are over, or are not, newest first, with what their file lacks."""
    found = record.search(
        asker,
        "Encounter",
        f"{_here(asker)}&status={'finished' if closed else OPEN}&_sort=-date&_count={SHOWN}&_include=Encounter:subject",
        page,
    )
    visits = cast("list[r4.Encounter]", found.resources)
    diagnoses = _by_visit(_about(asker, r4.Condition, visits))
    undone = _by_visit(_about(asker, r4.ServiceRequest, visits, "&status=active"))
    rows = []
    for visit in visits:
        id_ = visit.id or ""
        told = list(dict.fromkeys(concept_text(condition.code) for condition in diagnoses[id_]))
        missing = [] if told else [_("chẩn đoán")]
        missing += [_("%(n)s chỉ định chưa làm") % {"n": len(undone[id_])}] if undone[id_] else []
        rows.append(_row(id_, visit.subject, _start(visit), told, found.included, missing=missing))
    return Listed(rows, found.next)


def _here(asker: Asker) -> str:
    return f"service-provider=Organization/{asker.facility}"


def _start(visit: r4.Encounter) -> str:
    return (visit.period.start or "") if visit.period else ""


def _about(asker: Asker, type_: type[R], visits: Sequence[r4.Encounter], more: str = "") -> list[R]:
    if not visits:
        return []
    ids = ",".join(f"Encounter/{visit.id}" for visit in visits)
    return queries.found(asker, type_, f"encounter={ids}{more}&_count=500")


def _by_visit(resources: Iterable[R]) -> dict[str, list[R]]:
    of: dict[str, list[R]] = defaultdict(list)
    for one in resources:
        encounter = cast("r4.Reference | None", getattr(one, "encounter", None))
        of[(encounter.reference or "").rpartition("/")[2] if encounter else ""].append(one)
    return of


def _row(
    encounter: str,
    subject: r4.Reference | None,
    at: str,
    told: list[str],
    included: Iterable[r4.Resource],
    *,
    missing: list[str] | None = None,
) -> Row:
    id_ = (subject.reference or "").rpartition("/")[2] if subject else ""
    person = next((one for one in included if isinstance(one, r4.Patient) and one.id == id_), None)
    name, birth = (display_name(person), person.birthDate or "") if person else ("", "")
    return Row(encounter, id_, name, birth, at, told, missing or [])
