"""All facts of a visit that a claim is made of: read for one visit or many in the same number of searches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import chain
from typing import Any, TypeVar, cast

from django.utils import timezone

from tuetinh.care.insurance import facts
from tuetinh.care.insurance.claim_inputs import CHARGED, Inputs, inputs_of
from tuetinh.care.insurance.entitlement import Situation
from tuetinh.care.insurance.errors import NoVisit
from tuetinh.care.insurance.filling.kept import KEPT, Kept
from tuetinh.care.insurance.filling.kept import read as read_kept
from tuetinh.care.insurance.filling.reading import extension, id_of, search_all
from tuetinh.care.insurance.papers.facts import Answered, read
from tuetinh.care.insurance.queries import visit_situations
from tuetinh.care.insurance.situations import REGISTRATION, FacilityFacts, charged_code, ended, kind
from tuetinh.commons.catalogues.api import PriceRow, medicine_codes, price_rows
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.sight import EVERYTHING

FINAL = ("final", "amended", "corrected")
GONE = ("cancelled", "entered-in-error", "draft", "not-done")
ROWS = (  # what a row of a table can be
    *(r4.ChargeItem, r4.Observation, r4.DiagnosticReport, r4.ClinicalImpression, r4.QuestionnaireResponse),
    r4.Appointment,
)
R = TypeVar("R", bound=r4.Resource)


@dataclass(frozen=True, slots=True)
class Visit:
    """All facts of a visit that a claim is made of.

    papers: those that were issued, by their name; inputs: what it rests on besides its own facts; prices: the lines of
    the price list of medicines whose charge does not say which product it was; medicine_codes: MA_THUOC as the facility
    entered it, by medicine. told: what is kept of the rows of an imported claim, by table and fact. results_of,
    reports_of: by order; licences: what was found of practitioners.
    """

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
    procedures: list[r4.Procedure] = field(default_factory=list)
    given: list[r4.MedicationAdministration] = field(default_factory=list)
    plans: list[r4.CarePlan] = field(default_factory=list)
    appointments: list[r4.Appointment] = field(default_factory=list)
    papers: dict[str, list[Answered]] = field(default_factory=dict)
    devices: dict[str, r4.Device] = field(default_factory=dict)
    prices: dict[str, PriceRow] = field(default_factory=dict)
    medicine_codes: Mapping[str, str] = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs)
    told: Mapping[str, Mapping[str, Kept]] = field(default_factory=dict)
    results_of: dict[str, list[r4.Observation]] = field(init=False)
    reports_of: dict[str, list[r4.DiagnosticReport]] = field(init=False)
    licences: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "results_of", _by_order(self.observations))
        object.__setattr__(self, "reports_of", _by_order(self.reports))

    @property
    def place(self) -> str:
        """Id of the facility."""
        return id_of(self.encounter.serviceProvider)

    @property
    def paid_at(self) -> datetime | None:
        """When it was paid in full."""
        return self.inputs.paid_at

    @property
    def id(self) -> str:
        """Id of the Encounter."""
        return self.encounter.id or ""


def _by_order(found: Iterable[Any]) -> dict[str, list[Any]]:
    by: dict[str, list[Any]] = defaultdict(list)
    for one in found:
        for order in dict.fromkeys(id_of(reference) for reference in one.basedOn or []):
            by[order].append(one)
    return dict(by)


def gather(asker: Asker, encounter_id: str, *, whole: bool = False) -> tuple[Visit, Situation]:
    """Read the facts of a visit: a fixed number of searches, whatever its length. Raises NoVisit.

    whole: of a visit of the asker's facility also what the asker no longer sees, as what others did for it.
    """
    found = gather_many(asker, [encounter_id], whole=whole)
    if encounter_id not in found:
        raise NoVisit
    return found[encounter_id]


def gather_many(asker: Asker, ids: Sequence[str], *, whole: bool = False) -> dict[str, tuple[Visit, Situation]]:
    """Read the facts of several visits, in as many searches as for one; what is no visit, or of nobody, is left out."""
    encounters = cast("dict[str, r4.Encounter]", record.read_many(asker, "Encounter", ids))
    if whole and {id_of(visit.serviceProvider) for visit in encounters.values()} == {asker.facility}:
        asker = replace(asker, sight=EVERYTHING)
    people = {id_: id_of(encounter.subject) for id_, encounter in encounters.items()}
    patients = cast("dict[str, r4.Patient]", record.read_many(asker, "Patient", sorted({*people.values()} - {""})))
    here = {id_: encounter for id_, encounter in encounters.items() if people[id_] in patients}
    if not here:
        return {}
    known = _Known(asker, list(here))
    practitioners = _named(asker, "Practitioner", _people(here.values(), known))
    departments = _named(asker, "Location", _locations(here.values()))
    used = (one for done in known.all(r4.Procedure) for one in done.usedReference or [])
    devices = _named(asker, "Device", chain((o.device for o in known.all(r4.Observation)), used))
    inputs = inputs_of(here.values())
    situations = visit_situations(asker, here.values(), inputs=inputs)
    codes = {place: medicine_codes(place) for place in {id_of(one.serviceProvider) for one in here.values()}}
    found = {}
    for id_, encounter in here.items():
        situation, cards, facility = situations[id_]
        charges = [one for one in known.of(id_, r4.ChargeItem) if one.status in CHARGED]
        visit = Visit(
            encounter=encounter,
            patient=patients[people[id_]],
            cards=cards,
            facility=facility,
            charges=sorted(charges, key=lambda c: (c.occurrenceDateTime or "", c.id or "")),
            conditions={c.id or "": c for c in known.of(id_, r4.Condition)},
            requests={r.id or "": r for r in known.of(id_, r4.ServiceRequest)},
            medicines=[m for m in known.of(id_, r4.MedicationRequest) if m.status not in GONE],
            observations=[o for o in known.of(id_, r4.Observation) if o.status in FINAL],
            reports=known.of(id_, r4.DiagnosticReport),
            impressions=known.of(id_, r4.ClinicalImpression),
            procedures=[p for p in known.of(id_, r4.Procedure) if p.status not in GONE],
            given=[m for m in known.of(id_, r4.MedicationAdministration) if m.status not in GONE],
            plans=known.of(id_, r4.CarePlan),
            appointments=[a for a in known.of(id_, r4.Appointment) if a.status not in GONE],
            papers=read(known.of(id_, r4.QuestionnaireResponse)),
            practitioners=cast("dict[str, r4.Practitioner]", practitioners),
            departments=cast("dict[str, r4.Location]", departments),
            devices=cast("dict[str, r4.Device]", devices),
            medicine_codes=codes[id_of(encounter.serviceProvider)],
            inputs=inputs[id_],
            told=known.told(encounter),
        )
        found[id_] = visit, situation
    _add_prices([visit for visit, _ in found.values()])
    return found


class _Known:
    """What was written in some visits, by type and visit."""

    PARAMETERS: Mapping[type[r4.Resource], str] = {
        r4.ChargeItem: "context",
        r4.ServiceRequest: "encounter",
        r4.MedicationRequest: "encounter",
        r4.Observation: "encounter",
        r4.Condition: "encounter",
        r4.DiagnosticReport: "encounter",
        r4.ClinicalImpression: "encounter",
        r4.Procedure: "encounter",
        r4.MedicationAdministration: "context",
        r4.CarePlan: "encounter",
        r4.QuestionnaireResponse: "encounter",
        r4.Appointment: "supporting-info",
    }

    def __init__(self, asker: Asker, visits: Sequence[str]) -> None:
        about = ",".join(f"Encounter/{id_}" for id_ in visits)
        self.found: dict[type[r4.Resource], dict[str, list[Any]]] = {}
        for type_, parameter in self.PARAMETERS.items():
            mine = self.found[type_] = defaultdict(list)
            for resource in search_all(asker, type_, f"{parameter}={about}"):
                if not _mistaken(resource):
                    mine[_visit_of(resource)].append(resource)

    def of(self, visit: str, type_: type[R]) -> list[R]:
        """Of one visit, in the order in which they were written."""
        return cast("list[R]", self.found[type_].get(visit, []))

    def told(self, encounter: r4.Encounter) -> dict[str, dict[str, Kept]]:
        """What is kept of the rows of an imported claim; nothing of other visits."""
        if not extension(encounter, KEPT):
            return {}
        rows = chain.from_iterable(self.found[type_].get(encounter.id or "", []) for type_ in ROWS)
        return read_kept(chain([encounter], rows))

    def all(self, type_: type[R]) -> Iterator[R]:
        """Of all of them."""
        return chain.from_iterable(cast("dict[str, list[R]]", self.found[type_]).values())


def _mistaken(resource: Any) -> bool:
    """Whether it was never so: a claim tells nothing of what was entered in error."""
    verified = resource.verificationStatus if isinstance(resource, r4.Condition) else None
    return "entered-in-error" in (
        getattr(resource, "status", None),
        *(c.code for c in (verified and verified.coding) or []),
    )


def _visit_of(resource: Any) -> str:
    if isinstance(resource, r4.Appointment):
        named = (one for one in resource.supportingInformation or [])
        return next((id_of(one) for one in named if (one.reference or "").startswith("Encounter/")), "")
    return id_of(getattr(resource, "encounter", None) or getattr(resource, "context", None))


def _people(encounters: Iterable[r4.Encounter], known: _Known) -> Iterator[r4.Reference | None]:
    """Everyone who had a part in the visits."""
    for encounter in encounters:
        yield from (one.individual for one in encounter.participant or [])
    for order in chain(known.all(r4.ServiceRequest), known.all(r4.MedicationRequest)):
        yield order.requester
    for result in chain(known.all(r4.Observation), known.all(r4.DiagnosticReport)):
        yield from result.performer or []
    for report in known.all(r4.DiagnosticReport):
        yield from report.resultsInterpreter or []
    for procedure in known.all(r4.Procedure):
        yield from (one.actor for one in procedure.performer or [])
    yield from (note.assessor for note in known.all(r4.ClinicalImpression))
    yield from (paper.author for paper in known.all(r4.QuestionnaireResponse))
    for appointment in known.all(r4.Appointment):
        yield from (one.actor for one in appointment.participant)


def _locations(encounters: Iterable[r4.Encounter]) -> Iterator[r4.Reference | None]:
    for encounter in encounters:
        yield from (where.location for where in encounter.location or [])


def _named(asker: Asker, type_: str, references: Iterable[r4.Reference | None]) -> dict[str, r4.Resource]:
    ids = {id_of(one) for one in references if one and (one.reference or "").startswith(f"{type_}/")}
    return record.read_many(asker, type_, sorted(ids)) if ids else {}


def _add_prices(visits: Iterable[Visit]) -> None:
    """What the price list says of medicines whose charge does not name its product: one query a facility and day."""
    asked: dict[tuple[str, date], list[tuple[Visit, set[str]]]] = defaultdict(list)
    for visit in visits:
        if codes := _unnamed(visit):
            asked[visit.place, ended(visit.encounter) or timezone.localdate()].append((visit, codes))
    for (place, on), group in asked.items():
        rows = price_rows(place, set().union(*(codes for _, codes in group)), on)
        for visit, codes in group:
            visit.prices.update({code: rows[code] for code in codes if code in rows})


def _unnamed(visit: Visit) -> set[str]:
    return {
        charged_code(item)
        for item in visit.charges
        if kind(item) == "drug" and not any(e.url == REGISTRATION for e in item.extension or [])
    }
