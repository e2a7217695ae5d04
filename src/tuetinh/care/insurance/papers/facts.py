"""How papers look as FHIR: a QuestionnaireResponse each, and what others act on: a referral, an appointment.

Answers are told in the words of the table (`yyyymmdd`, codes), one for each field; FHIR's types are made of them here
and nowhere else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from tuetinh.care.insurance.papers.catalogue import PAPERS, Paper, described
from tuetinh.care.insurance.situations import CODE, HANOI
from tuetinh.commons.catalogues.api import list_code
from tuetinh.record import r4

QUESTIONNAIRE: Final = "https://tuetinh.vn/fhir/Questionnaire/"
A_MONTH: Final = 31  # days, of which ten working days never take so many
NUMBER: Final = "https://tuetinh.vn/fhir/sid/insurance-paper"
REFERRAL: Final = r4.Coding(system="http://snomed.info/sct", code="3457005", display="Patient referral")
HIV: Final = r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="HIV")
FOLLOW_UP: Final = r4.Coding(
    system="http://terminology.hl7.org/CodeSystem/v2-0276", code="FOLLOWUP", display="A follow up visit"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """A paper that was issued. number: as it is printed; answers: by field; issued: ISO."""

    id: str
    number: str
    issued: str
    author: r4.Reference | None
    answers: Mapping[str, str]


def response(
    paper: Paper, id_: str, encounter: r4.Encounter, answers: Mapping[str, str], *, number: str, now: str,
    author: r4.Reference | None,
) -> r4.QuestionnaireResponse:  # fmt: skip
    """Build the paper of a visit from its answers."""
    return r4.QuestionnaireResponse(
        id=id_,
        identifier=r4.Identifier(system=NUMBER, value=number),
        questionnaire=f"{QUESTIONNAIRE}{paper.name}",
        status="completed",
        meta=_security(paper, answers),
        subject=encounter.subject,
        encounter=r4.Reference(reference=f"Encounter/{encounter.id}"),
        authored=now,
        author=author,
        item=[_item(paper, name, answers[name]) for name in paper.asked if answers.get(name)],
    )


def _security(paper: Paper, answers: Mapping[str, str]) -> r4.Meta | None:
    """The label of a paper that tells of HIV: the whole of one kind, of another only where it says so."""
    infected = answers.get("PHANLOAI_LAO_HIV") == "1" or answers.get("NGAYKD_HIV")
    return r4.Meta(security=[HIV]) if paper.name == "hiv" or infected else None


def _item(paper: Paper, name: str, value: str) -> r4.QuestionnaireResponseItem:
    kind = paper.kind(name)
    values = value.split(";") if kind == "codes" else [value]
    answers = [_answer(kind, name, paper.table, one) for one in values]
    return r4.QuestionnaireResponseItem(linkId=name, text=described(paper.table)[name].label, answer=answers)


def _answer(kind: str, name: str, table: str, value: str) -> r4.QuestionnaireResponseItemAnswer:
    if kind in ("code", "codes"):
        list_ = described(table)[name].codes[-1][1]
        concept = list_code(list_, value)
        return r4.QuestionnaireResponseItemAnswer(valueCoding=(concept.coding or [r4.Coding(code=value)])[0])
    if kind == "flag":
        return r4.QuestionnaireResponseItemAnswer(valueBoolean=value == "1")
    if kind == "date":
        return r4.QuestionnaireResponseItemAnswer(valueDate=f"{value[:4]}-{value[4:6]}-{value[6:8]}")
    if kind == "moment":
        at = datetime.strptime(value, "%Y%m%d%H%M").replace(tzinfo=HANOI)
        return r4.QuestionnaireResponseItemAnswer(valueDateTime=at.isoformat(timespec="seconds"))
    if kind == "number":
        return r4.QuestionnaireResponseItemAnswer(valueDecimal=Decimal(value))
    return r4.QuestionnaireResponseItemAnswer(valueString=value)


def read(responses: Iterable[r4.QuestionnaireResponse]) -> dict[str, list[Answered]]:
    """The papers that stand, by their name, in the order of their ids."""
    found: dict[str, list[Answered]] = defaultdict(list)
    for one in sorted(responses, key=lambda one: one.id or ""):
        name = (one.questionnaire or "").removeprefix(QUESTIONNAIRE)
        if name in PAPERS and one.status in ("completed", "amended"):
            number = (one.identifier.value or "") if one.identifier else ""
            answers = {item.linkId: ";".join(map(_told, item.answer or [])) for item in one.item or []}
            found[name].append(Answered(one.id or "", number, one.authored or "", one.author, answers))
    return dict(found)


def _told(answer: r4.QuestionnaireResponseItemAnswer) -> str:
    if answer.valueCoding is not None:
        return answer.valueCoding.code or ""
    if answer.valueBoolean is not None:
        return "1" if answer.valueBoolean else "0"
    if answer.valueDecimal is not None:
        return f"{answer.valueDecimal:f}"
    if answer.valueDateTime is not None:
        return datetime.fromisoformat(answer.valueDateTime).astimezone(HANOI).strftime("%Y%m%d%H%M")
    return (answer.valueDate or "").replace("-", "") or answer.valueString or ""


def referral(
    paper: r4.QuestionnaireResponse,
    encounter: r4.Encounter,
    to: r4.Organization,
    reason: str,
    *,
    of: str,
    since: str,
    until: str,
) -> r4.ServiceRequest:
    """Build the referral that the paper orders: to whom, why, when it counts. of: MA_CSKCB that issues it."""
    number = (paper.identifier.value or "") if paper.identifier else ""
    provider = encounter.serviceProvider or r4.Reference()
    issuer = r4.Reference(reference=provider.reference, identifier=r4.Identifier(system=CODE, value=of))
    return r4.ServiceRequest(
        id=f"{paper.id}-order",
        identifier=[r4.Identifier(system=NUMBER, value=number, assigner=issuer)],
        status="active" if paper.status == "completed" else "entered-in-error",
        intent="order",
        category=[r4.CodeableConcept(coding=[REFERRAL])],
        code=r4.CodeableConcept(coding=[REFERRAL], text="Chuyển cơ sở khám bệnh, chữa bệnh"),
        subject=encounter.subject,
        encounter=r4.Reference(reference=f"Encounter/{encounter.id}"),
        occurrencePeriod=r4.Period(start=since, end=until),
        authoredOn=paper.authored,
        requester=paper.author,
        performer=[r4.Reference(reference=f"Organization/{to.id}", display=to.name)],
        reasonCode=[list_code("MA_LYDO_CT", reason)] if reason else None,
        supportingInfo=[r4.Reference(reference=f"QuestionnaireResponse/{paper.id}")],
    )


def holds_a_year(order: r4.ServiceRequest) -> bool:
    """Whether a referral counts for every visit of a year; one of ten working days counts for one visit."""
    period = order.occurrencePeriod or r4.Period()
    if not (period.start and period.end):
        return False
    return (date.fromisoformat(period.end[:10]) - date.fromisoformat(period.start[:10])).days > A_MONTH


def appointment(
    encounter: r4.Encounter, day: str, *, number: str, now: str, author: r4.Reference | None
) -> r4.Appointment:
    """Build the appointment to be seen again on a day (ISO) at the facility of a visit; "" calls it off."""
    start = datetime.fromisoformat(day).replace(hour=7, minute=30, tzinfo=HANOI) if day else None
    about = [r4.Reference(reference=f"Encounter/{encounter.id}"), encounter.serviceProvider]
    return r4.Appointment(
        id=f"{encounter.id}-revisit",
        identifier=[r4.Identifier(system=NUMBER, value=number)],
        status="booked" if start else "cancelled",
        appointmentType=r4.CodeableConcept(coding=[FOLLOW_UP], text="Khám lại"),
        supportingInformation=[one for one in about if one],
        start=start.isoformat(timespec="seconds") if start else None,
        end=(start + timedelta(minutes=30)).isoformat(timespec="seconds") if start else None,
        created=now,
        participant=[
            r4.AppointmentParticipant(actor=one, status="accepted") for one in (encounter.subject, author) if one
        ],
    )
