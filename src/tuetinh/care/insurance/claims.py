"""The claim of a visit: every field is read from the record, and every value says from which fact it came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar, cast

from django.utils import timezone

from tuetinh.care.insurance import facts
from tuetinh.care.insurance.benefits import Situation, Split, split
from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.claim_tables import Sources, beginning, build
from tuetinh.care.insurance.errors import ClosedDecision, NoVisit
from tuetinh.care.insurance.queries import visit_situation
from tuetinh.care.insurance.rules.around import around
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.rules.desk import let_pass
from tuetinh.care.insurance.rules.vocabulary import Around
from tuetinh.care.insurance.rules.weigh import examine
from tuetinh.care.insurance.situations import FacilityFacts, ended, line, moment
from tuetinh.care.insurance.tables import Row, Tables, decision_on
from tuetinh.care.insurance.wire_xml3176 import write, write_status
from tuetinh.record import api as record
from tuetinh.record import errors, r4
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
    card: facts.Card | None
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
    found = let_pass(encounter_id, examine(tables, in_force(), by=by, around=around(visit, tables)))
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
    problems = examine({"XML0": [row]}, in_force(), by=by)
    return Claim(row["MA_LK"], visit.facility.code, by, {"XML0": [row]}, divided, xml, problems, sources.found)


def open_tables(asker: Asker, encounter_id: str) -> tuple[Tables, Around]:
    """The tables of a visit as they would be if it were claimed now, and what is known around them. Raises NoVisit."""
    visit, situation = gather(asker, encounter_id)
    tables = build(visit, split([line(item) for item in visit.charges], situation), Sources())
    return tables, around(visit, tables)


def gather(asker: Asker, encounter_id: str) -> tuple[Visit, Situation]:
    """Read the facts of a visit: a fixed number of searches, whatever its length."""
    try:
        encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
    except (errors.NotFound, errors.Gone) as error:
        raise NoVisit from error
    patient_id = (encounter.subject.reference or "").rpartition("/")[2] if encounter.subject else ""
    try:
        patient = cast(r4.Patient, record.read(asker, "Patient", patient_id))
    except (errors.NotFound, errors.Gone) as error:
        raise NoVisit from error
    situation, card, here = visit_situation(asker, encounter)
    about = f"encounter=Encounter/{encounter_id}&_count=500"
    charges = _all(asker, r4.ChargeItem, f"context=Encounter/{encounter_id}&_count=500")
    requests = _all(asker, r4.ServiceRequest, about)
    medicines = _all(asker, r4.MedicationRequest, about)
    observations = _all(asker, r4.Observation, about)
    visit = Visit(
        encounter=encounter,
        patient=patient,
        card=card,
        facility=here,
        charges=sorted(
            (c for c in charges if c.status in CHARGED), key=lambda c: (c.occurrenceDateTime or "", c.id or "")
        ),
        conditions={c.id or "": c for c in _all(asker, r4.Condition, about)},
        requests={r.id or "": r for r in requests},
        medicines=[m for m in medicines if m.status not in ("cancelled", "entered-in-error", "draft")],
        observations=[o for o in observations if o.status in ("final", "amended", "corrected")],
        reports=_all(asker, r4.DiagnosticReport, about),
        impressions=_all(asker, r4.ClinicalImpression, about),
        practitioners=_practitioners(asker, encounter, requests, medicines, observations),
        departments=_departments(asker, encounter),
        paid_at=_paid_at(asker, encounter_id, patient_id),
    )
    return visit, situation


def _all(asker: Asker, type_: type[R], query: str) -> list[R]:
    found, page = [], None
    while True:
        result = record.search(asker, type_.__name__, query, page)
        found += cast("list[R]", result.resources)
        page = result.next
        if page is None:
            return found


def _practitioners(
    asker: Asker,
    encounter: r4.Encounter,
    requests: Iterable[r4.ServiceRequest],
    medicines: Iterable[r4.MedicationRequest],
    observations: Iterable[r4.Observation],
) -> dict[str, r4.Practitioner]:
    named = [p.individual for p in encounter.participant or []]
    named += [r.requester for r in requests] + [m.requester for m in medicines]
    named += [performer for o in observations for performer in o.performer or []]
    ids = {
        (n.reference or "").rpartition("/")[2] for n in named if n and (n.reference or "").startswith("Practitioner/")
    }
    return cast("dict[str, r4.Practitioner]", record.read_many(asker, "Practitioner", ids))


def _departments(asker: Asker, encounter: r4.Encounter) -> dict[str, r4.Location]:
    ids = {(where.location.reference or "").rpartition("/")[2] for where in encounter.location or [] if where.location}
    return cast("dict[str, r4.Location]", record.read_many(asker, "Location", ids))


def _paid_at(asker: Asker, encounter_id: str, patient_id: str) -> datetime | None:
    """When the visit was paid in full: the date of its balanced invoice."""
    invoices = _all(asker, r4.Invoice, f"subject=Patient/{patient_id}&status=balanced&_count=100")
    mine = [i for i in invoices if any((n.value or "") == encounter_id for n in i.identifier or [])]
    return max((found for i in mine if (found := moment(i.date))), default=None)
