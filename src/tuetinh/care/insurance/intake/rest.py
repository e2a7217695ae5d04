"""What of a claim its facts do not say: found by telling the claim from them, and kept with the fact of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, cast

from django.utils import timezone

from tuetinh.care.insurance import facts
from tuetinh.care.insurance.benefits import split
from tuetinh.care.insurance.claim_inputs import CHARGED, Inputs
from tuetinh.care.insurance.claim_tables import build, in_words_of
from tuetinh.care.insurance.filling import kept
from tuetinh.care.insurance.filling.kept import Kept
from tuetinh.care.insurance.filling.visit import FINAL, GONE, Visit
from tuetinh.care.insurance.intake.stay import Stay
from tuetinh.care.insurance.papers.facts import read as read_papers
from tuetinh.care.insurance.queries import cards_of_days
from tuetinh.care.insurance.situations import ended, facility, line, moment, situation
from tuetinh.care.insurance.tables import Field, Row, Tables
from tuetinh.record import r4

R = TypeVar("R", bound=r4.Resource)


def keep_rest(
    stay: Stay,
    patient: r4.Patient,
    cards: Sequence[r4.Coverage],
    organization: r4.Organization | None,
    practitioners: Mapping[str, r4.Practitioner],
) -> None:
    """Keep with the facts of a claim what they do not say. patient, cards, practitioners: as the record has them."""
    for table, rows in stay.rows.items():
        for place, fact in enumerate(rows, 1):
            kept.keep(fact, Kept(table, place, stay.told.decision, {}))
    tables = _told_by(_visit(stay, patient, cards, organization, practitioners), cards, stay.told.decision)
    for table, rows in stay.rows.items():
        known = kept.names(stay.told.decision, table)
        for place, (fact, was, now) in enumerate(zip(rows, stay.told.given[table], tables[table], strict=True), 1):
            rest = _rest(known, was, now)
            fact.extension = [one for one in fact.extension or [] if one.url != kept.KEPT]
            kept.keep(fact, Kept(table, place, stay.told.decision, rest))


def _rest(known: Mapping[str, Field], was: Row, now: Row) -> Row:
    """The values of a row that were told and are told in another way, or not at all."""
    return {name: told for name, one in known.items() if not _same(one, told := was.get(name, ""), now.get(name, ""))}


def _same(one: Field, told: str, now: str) -> bool:
    if told == now:
        return True
    if one.type != "number" or not (told and now):
        return False
    try:
        return Decimal(told) == Decimal(now)
    except InvalidOperation:
        return False


def _told_by(visit: Visit, cards: Sequence[r4.Coverage], by: str) -> Tables:
    known = facts.cards_of(cards)
    now = timezone.localdate()
    here = situation(visit.encounter, known, visit.cards, visit.facility, visit.inputs, now=now)
    return in_words_of(build(visit, split([line(item) for item in visit.charges], here)), by)


def _visit(
    stay: Stay,
    patient: r4.Patient,
    cards: Sequence[r4.Coverage],
    organization: r4.Organization | None,
    practitioners: Mapping[str, r4.Practitioner],
) -> Visit:
    """The visit as the record will have it."""
    encounter = cast("r4.Encounter", stay.made[0])
    paid = max((moment(one.date) for one in _of(stay, r4.Invoice)), default=None, key=str)
    made = cast("dict[str, r4.Practitioner]", _needed(stay, "Practitioner"))
    charges = [one for one in _of(stay, r4.ChargeItem) if one.status in CHARGED]
    return Visit(
        encounter=encounter,
        patient=patient,
        cards=cards_of_days(facts.cards_of(cards), encounter, ended(encounter) or timezone.localdate()),
        facility=facility(organization, stay.organization),
        charges=sorted(charges, key=lambda c: (c.occurrenceDateTime or "", c.id or "")),
        conditions={one.id or "": one for one in _of(stay, r4.Condition)},
        requests={one.id or "": one for one in _of(stay, r4.ServiceRequest)},
        medicines=_of(stay, r4.MedicationRequest),
        observations=[one for one in _of(stay, r4.Observation) if one.status in FINAL],
        reports=_of(stay, r4.DiagnosticReport),
        impressions=_of(stay, r4.ClinicalImpression),
        practitioners=made | dict(practitioners),
        departments=cast("dict[str, r4.Location]", _needed(stay, "Location")),
        procedures=_of(stay, r4.Procedure),
        given=_of(stay, r4.MedicationAdministration),
        plans=_of(stay, r4.CarePlan),
        appointments=[one for one in _of(stay, r4.Appointment) if one.status not in GONE],
        papers=read_papers(_of(stay, r4.QuestionnaireResponse)),
        inputs=Inputs(paid_at=paid),
        told=kept.read(cast("list[r4.DomainResource]", stay.made)),
    )


def _of(stay: Stay, type_: type[R]) -> list[R]:
    return [one for one in stay.made if isinstance(one, type_)]


def _needed(stay: Stay, type_: str) -> dict[str, Any]:
    return {id_: one for (kind, id_), one in stay.needed.items() if kind == type_}
