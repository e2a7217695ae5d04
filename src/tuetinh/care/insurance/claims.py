"""The claim of a visit: every field is read from the record, and every value says from which fact it came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain
from typing import TypeVar, cast

from django.utils import timezone

from tuetinh.care.insurance import facts
from tuetinh.care.insurance.benefits import Split, split
from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.claim_tables import Sources, beginning, build
from tuetinh.care.insurance.entitlement import Situation
from tuetinh.care.insurance.errors import ClosedDecision, NoVisit
from tuetinh.care.insurance.queries import visit_situations
from tuetinh.care.insurance.rules.around import around
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.rules.desk import let_pass
from tuetinh.care.insurance.rules.vocabulary import Around
from tuetinh.care.insurance.rules.weigh import examine
from tuetinh.care.insurance.situations import FacilityFacts, ended, line, moment
from tuetinh.care.insurance.tables import Row, Tables, decision_on
from tuetinh.care.insurance.wire_xml3176 import write, write_status
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

CHARGED = {"planned", "billable", "billed"}
R = TypeVar("R", bound=r4.Resource)


@dataclass(frozen=True, slots=True)
class Claim:
    """A visit's claim. xml: the file; problems: what stops it; sources: `table.row.field` to the fact behind it.

    facility: MA_CSKCB. warnings: what else the rules find.
    """

    ma_lk: str
    facility: str
    decision: str
    tables: Tables
    split: Split
    xml: bytes
    problems: list[Problem]
    sources: dict[str, str] = field(repr=False, default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)

    @property
    def summary(self) -> Row:
        """The row of table 1, of table 0 for a notice."""
        return (self.tables.get("XML1") or self.tables["XML0"])[0]


@dataclass(frozen=True, slots=True)
class Visit:
    """All facts of a visit that a claim is made of."""

    encounter: r4.Encounter
    patient: r4.Patient
    cards: list[facts.Card]
    facility: FacilityFacts
    charges: list[r4.ChargeItem]
    conditions: dict[str, r4.Condition]
    requests: dict[str, r4.ServiceRequest]
    medicines: list[r4.MedicationRequest]
    observations: list[r4.Observation]
    reports: list[r4.DiagnosticReport]
    impressions: list[r4.ClinicalImpression]
    practitioners: dict[str, r4.Practitioner]
    departments: dict[str, r4.Location]
    paid_at: datetime | None = None

    @property
    def place(self) -> str:
        """Id of the facility."""
        return _id_of(self.encounter.serviceProvider)


def claim(asker: Asker, encounter_id: str, *, made: date | None = None) -> Claim:
    """Build and check the claim of a visit. made: NGAYLAP, today when left out. Raises NoVisit, and ClosedDecision."""
    visit, situation = gather(asker, encounter_id)
    divided = split([line(item) for item in visit.charges], situation)
    day = ended(visit.encounter) or timezone.localdate()
    by = decision_on(day.isoformat())
    if by == "4210":
        raise ClosedDecision
    sources = Sources()
    tables = build(visit, divided, sources)
    xml = write(tables, facility=visit.facility.code, made=made or timezone.localdate(), by=by)
    ma_lk = tables["XML1"][0]["MA_LK"]
    found = let_pass(encounter_id, examine(tables, in_force(visit.place), by=by, around=around(visit)))
    problems = [problem for problem in found if problem.severity == "block"]
    warnings = [problem for problem in found if problem.severity != "block"]
    return Claim(ma_lk, visit.facility.code, by, tables, divided, xml, problems, sources.found, warnings)


def status(asker: Asker, encounter_id: str) -> Claim:
    """Build and check the notice that a visit has begun, with its first cost (table 0). Raises NoVisit."""
    visit, situation = gather(asker, encounter_id)
    divided = split([line(item) for item in visit.charges], situation)
    by = decision_on(timezone.localdate().isoformat())
    sources = Sources()
    row = beginning(build(visit, divided, sources), sources)
    xml = write_status([row], by=by)
    problems = examine({"XML0": [row]}, in_force(visit.place), by=by)
    return Claim(row["MA_LK"], visit.facility.code, by, {"XML0": [row]}, divided, xml, problems, sources.found)


def open_tables(asker: Asker, encounter_id: str) -> tuple[Tables, Around]:
    """The tables of a visit as they would be if it were claimed now, and what is known around them. Raises NoVisit."""
    visit, situation = gather(asker, encounter_id)
    tables = build(visit, split([line(item) for item in visit.charges], situation), Sources())
    return tables, around(visit)


def gather(asker: Asker, encounter_id: str) -> tuple[Visit, Situation]:
    """Read the facts of a visit: a fixed number of searches, whatever its length. Raises NoVisit."""
    found = gather_many(asker, [encounter_id])
    if encounter_id not in found:
        raise NoVisit
    return found[encounter_id]


def gather_many(asker: Asker, ids: Sequence[str]) -> dict[str, tuple[Visit, Situation]]:
    """Read the facts of several visits, in as many searches as for one; what is no visit, or of nobody, is left out."""
    encounters = cast("dict[str, r4.Encounter]", record.read_many(asker, "Encounter", ids))
    people = {id_: _id_of(encounter.subject) for id_, encounter in encounters.items()}
    patients = cast("dict[str, r4.Patient]", record.read_many(asker, "Patient", sorted({*people.values()} - {""})))
    here = {id_: encounter for id_, encounter in encounters.items() if people[id_] in patients}
    if not here:
        return {}
    about = "encounter=" + ",".join(f"Encounter/{id_}" for id_ in here)
    charges = _by_visit(_all(asker, r4.ChargeItem, about.replace("encounter=", "context=", 1)))
    requests = _by_visit(_all(asker, r4.ServiceRequest, about))
    medicines = _by_visit(_all(asker, r4.MedicationRequest, about))
    observations = _by_visit(_all(asker, r4.Observation, about))
    conditions = _by_visit(_all(asker, r4.Condition, about))
    reports = _by_visit(_all(asker, r4.DiagnosticReport, about))
    impressions = _by_visit(_all(asker, r4.ClinicalImpression, about))
    said = [*chain(*requests.values()), *chain(*medicines.values()), *chain(*observations.values())]
    practitioners = _practitioners(asker, here.values(), said)
    departments = _departments(asker, here.values())
    situations = visit_situations(asker, here.values())
    paid = _paid_at(asker, sorted({people[id_] for id_ in here}))
    found = {}
    for id_, encounter in here.items():
        situation, cards, facility = situations[id_]
        visit = Visit(
            encounter=encounter,
            patient=patients[people[id_]],
            cards=cards,
            facility=facility,
            charges=sorted(
                (c for c in charges[id_] if c.status in CHARGED), key=lambda c: (c.occurrenceDateTime or "", c.id or "")
            ),
            conditions={c.id or "": c for c in conditions[id_]},
            requests={r.id or "": r for r in requests[id_]},
            medicines=[m for m in medicines[id_] if m.status not in ("cancelled", "entered-in-error", "draft")],
            observations=[o for o in observations[id_] if o.status in ("final", "amended", "corrected")],
            reports=reports[id_],
            impressions=impressions[id_],
            practitioners=practitioners,
            departments=departments,
            paid_at=paid.get(id_),
        )
        found[id_] = visit, situation
    return found


def _id_of(reference: r4.Reference | None) -> str:
    return (reference.reference or "").rpartition("/")[2] if reference else ""


def _by_visit(resources: list[R]) -> dict[str, list[R]]:
    found: dict[str, list[R]] = defaultdict(list)
    for resource in resources:
        about = getattr(resource, "encounter", None) or getattr(resource, "context", None)
        found[_id_of(about)].append(resource)
    return found


def _all(asker: Asker, type_: type[R], query: str) -> list[R]:
    found, page = [], None
    while True:
        result = record.search(asker, type_.__name__, f"{query}&_count=500", page)
        found += cast("list[R]", result.resources)
        page = result.next
        if page is None:
            return found


def _practitioners(
    asker: Asker,
    encounters: Iterable[r4.Encounter],
    said: Iterable[r4.ServiceRequest | r4.MedicationRequest | r4.Observation],
) -> dict[str, r4.Practitioner]:
    named = [p.individual for encounter in encounters for p in encounter.participant or []]
    for one in said:
        named += (one.performer or []) if isinstance(one, r4.Observation) else [one.requester]
    ids = {_id_of(n) for n in named if n and (n.reference or "").startswith("Practitioner/")}
    return cast("dict[str, r4.Practitioner]", record.read_many(asker, "Practitioner", sorted(ids)))


def _departments(asker: Asker, encounters: Iterable[r4.Encounter]) -> dict[str, r4.Location]:
    ids = {_id_of(where.location) for encounter in encounters for where in encounter.location or [] if where.location}
    return cast("dict[str, r4.Location]", record.read_many(asker, "Location", sorted(ids)))


def _paid_at(asker: Asker, patients: Sequence[str]) -> dict[str, datetime]:
    """When each visit of these people was paid in full: the date of its balanced invoice."""
    subjects = ",".join(f"Patient/{id_}" for id_ in patients)
    found: dict[str, datetime] = {}
    for invoice in _all(asker, r4.Invoice, f"subject={subjects}&status=balanced"):
        at = moment(invoice.date)
        for identifier in (invoice.identifier or []) if at else []:
            found[identifier.value or ""] = max(at, found.get(identifier.value or "", at))
    return found
