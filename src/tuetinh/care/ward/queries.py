"""What the pages of a ward ask: departments and beds, who lies in them, what a day of somebody was made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar, cast

from django.utils import timezone

from tuetinh.care.insurance.api import COST_GROUP, charged_code, kind
from tuetinh.care.ward import facts
from tuetinh.commons.identity.api import display_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.text import concept_text

R = TypeVar("R", bound=r4.Resource)
GONE = ("aborted", "cancelled", "entered-in-error", "stopped", "draft")


@dataclass(frozen=True, slots=True)
class Bed:
    """A bed. patient: who lies in it, "" for nobody."""

    id: str
    name: str
    patient: str = ""


@dataclass(frozen=True, slots=True)
class Inpatient:
    """Somebody who lies in. department_code: MA_KHOA; day: of the stay, from 1; since: when it began."""

    encounter: str
    patient: str
    name: str
    birth: str
    sex: str
    department: str
    department_name: str
    department_code: str
    bed: str
    bed_name: str
    since: datetime
    day: int
    diagnosis: str


@dataclass(frozen=True, slots=True)
class Department:
    """A department with its beds and who lies in."""

    id: str
    name: str
    beds: list[Bed] = field(default_factory=list)
    people: list[Inpatient] = field(default_factory=list)

    @property
    def free(self) -> list[Bed]:
        """Beds in which nobody lies."""
        return [bed for bed in self.beds if not bed.patient]


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was charged. kind: bed, supply, drug or service."""

    id: str
    at: datetime | None
    name: str
    kind: str
    quantity: str
    unit: str
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Ordered:
    """A medicine of a day, and when it was given."""

    id: str
    name: str
    dose: str
    at: datetime | None
    given: list[datetime]


def departments(asker: Asker) -> list[Department]:
    """The departments of the asker's facility, in the order of their names, with beds and people."""
    places = _all(SYSTEM, r4.Location, f"organization=Organization/{asker.facility}&status=active")
    beds: dict[str, list[r4.Location]] = defaultdict(list)
    for place in places:
        if facts.is_bed(place):
            beds[facts.within(place)].append(place)
    lying: dict[str, list[Inpatient]] = defaultdict(list)
    for one in inpatients(asker):
        lying[one.department].append(one)
    taken = {one.bed: one.patient for people in lying.values() for one in people}
    found = [
        Department(
            place.id or "",
            place.name or "",
            sorted(
                (Bed(b.id or "", b.name or "", taken.get(b.id or "", "")) for b in beds[place.id or ""]),
                key=lambda bed: bed.name,
            ),
            sorted(lying[place.id or ""], key=lambda one: one.bed_name),
        )
        for place in places
        if facts.is_department(place)
    ]
    return sorted(found, key=lambda one: one.name)


def inpatients(asker: Asker) -> list[Inpatient]:
    """Everybody who lies in at the asker's facility."""
    query = f"service-provider=Organization/{asker.facility}&class={facts.INPATIENT}&status=in-progress"
    visits = _all(asker, r4.Encounter, query)
    return _told(asker, [visit for visit in visits if facts.lies_in(visit)])


def inpatient(asker: Asker, encounter_id: str) -> Inpatient | None:
    """One who lies in, or has lain in, at the asker's facility."""
    visit = cast("r4.Encounter | None", record.read_many(asker, "Encounter", [encounter_id]).get(encounter_id))
    if visit is None or not facts.lies_in(visit) or _id(visit.serviceProvider) != asker.facility:
        return None
    return _told(asker, [visit])[0]


def bed(asker: Asker, bed_id: str) -> tuple[r4.Location, r4.Location] | None:
    """A bed of the asker's facility and its department."""
    place = cast("r4.Location | None", record.read_many(SYSTEM, "Location", [bed_id]).get(bed_id)) if bed_id else None
    if place is None or not facts.is_bed(place) or _id(place.managingOrganization) != asker.facility:
        return None
    above = facts.within(place)
    department = cast("r4.Location | None", record.read_many(SYSTEM, "Location", [above]).get(above)) if above else None
    return (department, place) if department is not None and facts.is_department(department) else None


def lines(asker: Asker, encounter_id: str, day: date) -> list[Line]:
    """What was charged on a day of a visit, in the order of the times."""
    items = _all(asker, r4.ChargeItem, f"context=Encounter/{encounter_id}")
    found = [_line(item) for item in items if item.status not in GONE]
    return sorted((one for one in found if one.at and one.at.date() == day), key=lambda one: (one.at, one.id))


def has_bed_day(asker: Asker, encounter_id: str, day: date) -> bool:
    """Whether a day in bed of that day is charged."""
    return any(one.kind == "bed" for one in lines(asker, encounter_id, day))


def medicines(asker: Asker, encounter_id: str, day: date) -> list[Ordered]:
    """The medicines that were ordered for a day: those of it, and those of before whose days are not over."""
    about = f"Encounter/{encounter_id}"
    given: dict[str, list[datetime]] = defaultdict(list)
    for one in _all(asker, r4.MedicationAdministration, f"context={about}"):
        if one.status not in GONE and (at := moment(one.effectiveDateTime)) and at.date() == day:
            given[_id(one.request)].append(at)
    found = []
    for order in _all(asker, r4.MedicationRequest, f"encounter={about}"):
        at = moment(order.authoredOn)
        supply = order.dispenseRequest.expectedSupplyDuration if order.dispenseRequest else None
        days = int(supply.value) if supply and supply.value else 1
        if order.status in GONE or at is None or not 0 <= (day - at.date()).days < max(days, 1):
            continue
        dose = (order.dosageInstruction or [r4.Dosage()])[0].text or ""
        name = concept_text(order.medicationCodeableConcept)
        found.append(Ordered(order.id or "", name, dose, at, sorted(given[order.id or ""])))
    return sorted(found, key=lambda one: (one.at, one.id))


def moment(text: str | None) -> datetime | None:
    """A FHIR dateTime in Vietnam's time."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return timezone.localtime(found) if found.tzinfo else timezone.make_aware(found)


def _line(item: r4.ChargeItem) -> Line:
    price = item.priceOverride.value if item.priceOverride else None
    count = item.quantity.value if item.quantity and item.quantity.value is not None else Decimal(1)
    return Line(
        item.id or "",
        moment(item.occurrenceDateTime),
        concept_text(item.code) or charged_code(item),
        "bed" if is_bed_day(item) else kind(item),
        f"{count.normalize():f}".replace(".", ","),
        (item.quantity.unit or "") if item.quantity else "",
        None if price is None else price * count,
    )


def is_bed_day(item: r4.ChargeItem) -> bool:
    """Whether a charge is one of a day in bed."""
    return any(one.url == COST_GROUP and one.valueString in ("14", "15", "16") for one in item.extension or [])


def _told(asker: Asker, visits: list[r4.Encounter]) -> list[Inpatient]:
    people = record.read_many(asker, "Patient", {_id(visit.subject) for visit in visits} - {""}) if visits else {}
    ids = {_id(place.location) for visit in visits for place in visit.location or []} - {""}
    places = cast("dict[str, r4.Location]", record.read_many(SYSTEM, "Location", ids)) if ids else {}
    first = {visit.id: min(visit.diagnosis or [], key=lambda one: one.rank or 99, default=None) for visit in visits}
    named = {_id(one.condition) for one in first.values() if one} - {""}
    conditions = cast("dict[str, r4.Condition]", record.read_many(asker, "Condition", named)) if named else {}
    today = timezone.localdate()
    found = []
    for visit in visits:
        here = [places[id_] for one in visit.location or [] if (id_ := _id(one.location)) in places]
        department = next((place for place in reversed(here) if facts.is_department(place)), None)
        lies = next((place for place in reversed(here) if facts.is_bed(place)), None)
        since = _admitted(visit)
        person = cast("r4.Patient | None", people.get(_id(visit.subject)))
        one = first[visit.id]
        condition = conditions.get(_id(one.condition)) if one else None
        left = moment(visit.period.end) if visit.period else None
        found.append(
            Inpatient(
                visit.id or "",
                _id(visit.subject),
                display_name(person) if person else "",
                (person.birthDate or "") if person else "",
                (person.gender or "") if person else "",
                (department.id or "") if department else "",
                (department.name or "") if department else "",
                facts.department_code(department) if department else "",
                (lies.id or "") if lies else "",
                (lies.name or "") if lies else "",
                since,
                ((left.date() if left else today) - since.date()).days + 1,
                concept_text(condition.code) if condition else "",
            )
        )
    return found


def _admitted(visit: r4.Encounter) -> datetime:
    since = [one.period.start for one in visit.classHistory or [] if one.class_.code == facts.INPATIENT and one.period]
    began = visit.period.start if visit.period else None
    return next(filter(None, map(moment, [*since, began])), timezone.localtime())


def _id(reference: r4.Reference | None) -> str:
    return (reference.reference or "").rpartition("/")[2] if reference else ""


def _all(asker: Asker, type_: type[R], query: str) -> list[R]:
    found: list[R] = []
    page = None
    while True:
        result = record.search(asker, type_.__name__, f"{query}&_count=500", page)
        found += cast("Iterable[R]", result.resources)
        page = result.next
        if page is None:
            return found
