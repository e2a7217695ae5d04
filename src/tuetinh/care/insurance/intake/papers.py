"""Tables 6 to 15: the papers, each with its answers by field; and what others act on, a referral or an appointment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from tuetinh.care.insurance.intake import reading
from tuetinh.care.insurance.intake.lines import numbered
from tuetinh.care.insurance.intake.reading import LISTS, SNOMED
from tuetinh.care.insurance.intake.stay import Stay
from tuetinh.care.insurance.papers.facts import FOLLOW_UP, NUMBER, QUESTIONNAIRE
from tuetinh.care.insurance.situations import CODE
from tuetinh.care.insurance.tables import Field, Row, decision, in_force
from tuetinh.record import r4
from tuetinh.record.labels import ACT_CODE

NAMES: Final = {
    "XML6": "hiv", "XML7": "ra-vien", "XML8": "tom-tat-benh-an", "XML9": "chung-sinh", "XML10": "duong-thai",
    "XML11": "nghi-om", "XML12": "giam-dinh-y-khoa", "XML13": "chuyen-co-so", "XML15": "lao",
}  # fmt: skip
NUMBERS: Final = ("SO_LUU_TRU", "SO_CHUYENTUYEN", "SO_GIAYHEN_KL", "SO_CT", "SO", "SO_BIEN_BAN")
SENSITIVE: Final = {"XML6": "HIV"}  # labels (record.labels) of a whole paper, whatever codes it holds


def add(stay: Stay) -> None:
    """Add the papers of a claim."""
    for table, name in NAMES.items():
        for number, row in numbered(stay.told.tables.get(table, [])):
            paper = _response(stay, table, name, number, row)
            stay.add(paper)
            stay.add_row(table, paper)
            if label := SENSITIVE.get(table):
                paper.meta = r4.Meta(source=stay.source, security=[r4.Coding(system=ACT_CODE, code=label)])
            if table == "XML13":
                stay.add(_referral(stay, paper, row), table, number)
    for number, row in numbered(stay.told.tables.get("XML14", [])):
        appointment = _appointment(stay, number, row)
        stay.add(appointment, "XML14", number)
        stay.add_row("XML14", appointment)
    if not stay.told.tables.get("XML14"):
        for place, day in enumerate(reading.parts(stay.told.summary.get("NGAY_TAI_KHAM", "")), 1):
            stay.add(_appointment(stay, f"{place:04}", {"NGAY_HEN_KL": day}), "XML1", f"{place:04}")


def _response(stay: Stay, table: str, name: str, number: str, row: Row) -> r4.QuestionnaireResponse:
    known = {one.name: one for one in decision(stay.told.decision).tables[table].fields}
    told = next((row[one] for one in NUMBERS if row.get(one)), f"{stay.told.ma_lk}-{table}-{number}")
    items = [
        r4.QuestionnaireResponseItem(linkId=field, text=label, answer=[_answer(known.get(field), value)])
        for field, value in row.items()
        if field not in ("MA_LK", "STT")
        for label in [(known[field].label if field in known else "") or None]
    ]
    return r4.QuestionnaireResponse(
        id=f"{stay.id}-{table.lower()}-{number}",
        identifier=r4.Identifier(system=NUMBER, value=told),
        questionnaire=f"{QUESTIONNAIRE}{name}",
        status="completed",
        subject=stay.subject,
        encounter=stay.encounter,
        authored=_issued(stay, row),
        author=stay.who(row.get("MA_BS", "") or row.get("MA_BAC_SI", ""), row.get("TEN_BS", "")),
        item=items or None,
    )


def _issued(stay: Stay, row: Row) -> str:
    summary = stay.told.summary
    told = (row.get("NGAY_CT"), summary.get("NGAY_RA"), summary["NGAY_VAO"])
    return next(found for one in told if one and (found := reading.at(one)))


def _answer(one: Field | None, value: str) -> r4.QuestionnaireResponseItemAnswer:
    """An answer as the description of its field has it; in words where it is not such a value."""
    if one is not None:
        if one.pattern == "[01]" and value in ("0", "1"):
            return r4.QuestionnaireResponseItemAnswer(valueBoolean=value == "1")
        list_ = in_force(one.codes, "9999") if one.codes else None
        if list_ and not one.separator:
            system = f"{LISTS}/{list_.lower().replace('_', '-')}"
            return r4.QuestionnaireResponseItemAnswer(valueCoding=r4.Coding(system=system, code=reading.code(value)))
        if one.format and (found := reading.at(value)):
            if len(found) == 10:
                return r4.QuestionnaireResponseItemAnswer(valueDate=found)
            return r4.QuestionnaireResponseItemAnswer(valueDateTime=found)
        if one.type == "number" and (number := reading.amount(value)) is not None:
            return r4.QuestionnaireResponseItemAnswer(valueDecimal=number)
    return r4.QuestionnaireResponseItemAnswer(valueString=value)


def _referral(stay: Stay, paper: r4.QuestionnaireResponse, row: Row) -> r4.ServiceRequest:
    """The order to be seen elsewhere that the paper gives."""
    coding = r4.Coding(system=SNOMED, code="3457005", display="Patient referral")
    issuer = r4.Reference(
        reference=stay.provider.reference, identifier=r4.Identifier(system=CODE, value=stay.told.facility)
    )
    number = paper.identifier.value if paper.identifier else None
    to, why = row.get("MA_CSKCB_DEN"), reading.code(row.get("MA_LYDO_CT", ""))
    return r4.ServiceRequest(
        id=f"{paper.id}-order",
        identifier=[r4.Identifier(system=NUMBER, value=number, assigner=issuer)],
        status="active",
        intent="order",
        category=[r4.CodeableConcept(coding=[coding])],
        code=r4.CodeableConcept(coding=[coding], text="Chuyển cơ sở khám bệnh, chữa bệnh"),
        subject=stay.subject,
        encounter=stay.encounter,
        authoredOn=paper.authored,
        requester=paper.author,
        performer=[r4.Reference(reference=f"Organization/{to}")] if to and _is_id(to) else None,
        reasonCode=[reading.coded(f"{LISTS}/ma-lydo-ct", why)] if why else None,
        supportingInfo=[r4.Reference(reference=f"QuestionnaireResponse/{paper.id}")],
    )


def _is_id(text: str) -> bool:
    """Whether a code can be an id."""
    return text.isascii() and text.isalnum()


def _appointment(stay: Stay, number: str, row: Row) -> r4.Appointment:
    """The appointment to be seen again; one without a day is proposed only."""
    day = reading.day(row.get("NGAY_HEN_KL", ""))
    start = datetime.fromisoformat(f"{day}T07:30:00{reading.ZONE}") if day else None
    who = (stay.subject, stay.who(row.get("MA_BAC_SI", "")))
    paper = row.get("SO_GIAYHEN_KL")
    return r4.Appointment(
        id=f"{stay.id}-revisit" if number in ("0001", "r0001") else f"{stay.id}-revisit-{number}",
        identifier=[r4.Identifier(system=NUMBER, value=paper)] if paper else None,
        status="booked" if start else "proposed",
        appointmentType=r4.CodeableConcept(coding=[FOLLOW_UP], text="Khám lại"),
        supportingInformation=[stay.encounter],
        start=start.isoformat(timespec="seconds") if start else None,
        end=(start + timedelta(minutes=30)).isoformat(timespec="seconds") if start else None,
        created=_issued(stay, row),
        participant=[r4.AppointmentParticipant(actor=one, status="accepted") for one in who if one],
    )
