"""Table 1, who came, why, and what it cost; and table 0, that says of it what is known when the first cost arises."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from django.utils import timezone

from tuetinh.care.insurance.filling.fills import NUMBERED, Claimed, Fill, Filling, OfVisit, Sources
from tuetinh.care.insurance.filling.reading import (
    ICD9,
    code,
    id_of,
    listed,
    measured,
    quantity,
    text,
)
from tuetinh.care.insurance.filling.visit import Visit
from tuetinh.care.insurance.kinds import INPATIENT, told_kind
from tuetinh.care.insurance.repeats import longest_drug, served_days
from tuetinh.care.insurance.situations import CODE, moment
from tuetinh.care.insurance.tables import Row, Tables
from tuetinh.care.insurance.wire_xml3176 import moment as written
from tuetinh.care.insurance.wire_xml3176 import number
from tuetinh.commons.catalogues.api import ICD10, commune
from tuetinh.commons.identity.api import display_name, ethnic_group, home, identifier, occupation, phone
from tuetinh.record import r4

MA_LK: Final = "https://tuetinh.vn/fhir/ma-lk"
CHART: Final = "https://tuetinh.vn/fhir/sid/ma-hsba"
BIRTH_TIME: Final = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
NATIONALITY: Final = "http://hl7.org/fhir/StructureDefinition/patient-nationality"
NEWBORN: Final = 28  # days, in which the time of birth is told
SEXES: Final = {"male": "1", "female": "2"}
WEIGHT, HEIGHT, BLOOD_GROUP = ("29463-7", "3141-9"), ("8302-2",), ("882-1", "883-9")
SHORT_STAY: Final = timedelta(hours=4)
# MA_LOAI_KCB by Encounter.class; an inpatient of less than four hours is 09.
KINDS: Final = {"IMP": "03", "ACUTE": "03", "NONAC": "03", "SS": "09", "VR": "14", "HH": "12", "FLD": "11"}
BY_SERVICE, BY_DRUG = ("02", "08"), ("05", "07")  # kinds whose days are those of services, of medicines
NEW_KINDS: Final = "2026-08-01"  # QĐ 1804/QĐ-BYT brings 11 to 16
TRADITIONAL: Final = "ma-benh-yhct"
BEGINNING: Final = (
    *("MA_LK", "STT", "MA_BN", "HO_TEN", "SO_CCCD", "NGAY_SINH", "GIOI_TINH", "MA_THE_BHYT", "MA_DKBD", "GT_THE_TU"),
    *("GT_THE_DEN", "MA_DOITUONG_KCB", "NGAY_VAO", "NGAY_VAO_NOI_TRU", "LY_DO_VNT", "MA_LY_DO_VNT", "MA_LOAI_KCB"),
    "MA_CSKCB",
)  # of table 1, that table 0 says too


def key(visit: Visit) -> str:
    """MA_LK of the visit."""
    own = next((i.value for i in visit.encounter.identifier or [] if i.system == MA_LK), None)
    return own or visit.id


def chart(visit: Visit) -> str:
    """MA_HSBA: the number of the medical record, where the visit has one of its own."""
    return next((i.value or "" for i in visit.encounter.identifier or [] if i.system == CHART), "") or key(visit)


# The person ---------------------------------------------------------------------------------------------------------


def _birth(visit: Visit) -> str:
    """yyyymmddHHMM; the time only of a newborn, else zeros."""
    patient = visit.patient
    day = (patient.birthDate or "").replace("-", "")
    extensions = patient.birthDate_ext.extension if patient.birthDate_ext else None
    at = next((moment(e.valueDateTime) for e in extensions or [] if e.url == BIRTH_TIME), None)
    began = moment(visit.encounter.period.start if visit.encounter.period else None)
    if at and began and (began.date() - at.date()).days <= NEWBORN:
        return written(at)
    return day.ljust(12, "0") if day else ""


def _nationality(visit: Visit) -> str:
    for extension in visit.patient.extension or []:
        if extension.url == NATIONALITY:
            part = next((e for e in extension.extension or [] if e.url == "code"), None)
            return code(part.valueCodeableConcept) if part else ""
    return "000"  # TT 07/2016/TT-BCA: Việt Nam


def _district(visit: Visit) -> str:
    """Code of the district, of addresses of before 01/07/2025."""
    known = next((a.district or "" for a in visit.patient.address or [] if a.district), "")
    return known if known.isdigit() else ""


def _province(visit: Visit) -> str:
    place = commune(ward) if (ward := home(visit.patient)[1]) else None
    return place.province[-2:] if place else ""


def _blood_group(visit: Visit) -> str:
    found = measured(visit, *BLOOD_GROUP)
    return (found.valueString or text(found.valueCodeableConcept)) if found else ""


PERSON: Final = {
    "MA_LK": OfVisit("Encounter.identifier, Encounter.id", key),
    "STT": NUMBERED,
    "MA_BN": OfVisit(
        "Patient.identifier(mrn), Patient.id", lambda v: identifier(v.patient, "mrn") or v.patient.id or ""
    ),
    "HO_TEN": OfVisit("Patient.name", lambda v: display_name(v.patient).upper()),
    "SO_CCCD": OfVisit(
        "Patient.identifier(cccd, passport)",
        lambda v: identifier(v.patient, "cccd") or identifier(v.patient, "passport"),
    ),
    "NGAY_SINH": OfVisit("Patient.birthDate, patient-birthTime", _birth),
    "GIOI_TINH": OfVisit("Patient.gender", lambda v: SEXES.get(v.patient.gender or "", "3")),
    "NHOM_MAU": OfVisit("Observation(882-1, 883-9).value", _blood_group),
    "MA_QUOCTICH": OfVisit("Patient.extension(patient-nationality), 000", _nationality),
    "MA_DANTOC": OfVisit("Patient.extension(dân tộc)", lambda v: ethnic_group(v.patient)),
    "MA_NGHE_NGHIEP": OfVisit("Patient.extension(nghề nghiệp), 00", lambda v: occupation(v.patient)[:2] or "00"),
    "DIA_CHI": OfVisit("Patient.address", lambda v: home(v.patient)[0]),
    "MATINH_CU_TRU": OfVisit("Patient.address(mã xã)", _province),
    "MAHUYEN_CU_TRU": OfVisit("Patient.address.district", _district),
    "MAXA_CU_TRU": OfVisit("Patient.address(mã xã)", lambda v: home(v.patient)[1]),
    "DIEN_THOAI": OfVisit("Patient.telecom", lambda v: phone(v.patient)),
}

# The card -----------------------------------------------------------------------------------------------------------


def _free_of_copayment(claimed: Claimed) -> str:
    """NGAY_MIEN_CCT: the day of the insurer's paper, else when six base salaries were reached, here or before."""
    visit, divided = claimed.visit, claimed.divided
    period = visit.encounter.period or r4.Period()
    began, end = moment(period.start), moment(period.end) or timezone.localtime()
    since = visit.cards[-1].exempt_from if visit.cards else ""
    if since and since <= end.date().isoformat() and (began or end).year <= int(since[:4]):
        return since.replace("-", "")
    if divided.passed:
        return written(divided.passed.at)
    return written(visit.inputs.free_since) if divided.waived else ""


CARD: Final = {
    "MA_THE_BHYT": OfVisit("Coverage.identifier", lambda v: ";".join(card.number for card in v.cards)),
    "MA_DKBD": OfVisit("Coverage.class", lambda v: ";".join(card.facility for card in v.cards)),
    "GT_THE_TU": OfVisit("Coverage.period.start", lambda v: ";".join(c.valid_from.replace("-", "") for c in v.cards)),
    "GT_THE_DEN": OfVisit("Coverage.period.end", lambda v: ";".join(c.valid_to.replace("-", "") for c in v.cards)),
    "MA_KHUVUC": OfVisit("Coverage.extension(coverage-area)", lambda v: v.cards[-1].area if v.cards else ""),
    "NAM_NAM_LIEN_TUC": OfVisit(
        "Coverage.extension(coverage-five-years)",
        lambda v: v.cards[-1].five_years.replace("-", "") if v.cards else "",
    ),
}

# Diagnoses ----------------------------------------------------------------------------------------------------------


def _conditions(visit: Visit) -> tuple[list[r4.Condition], list[r4.Condition]]:
    """The final diagnoses in their order, and those at the start (use AD)."""
    named = [
        (d.rank or 99, code(d.use), condition)
        for d in visit.encounter.diagnosis or []
        if d.condition and (condition := visit.conditions.get(id_of(d.condition)))
    ]
    named = named or [(99, "", condition) for condition in visit.conditions.values()]
    named.sort(key=lambda one: one[0])
    at_start = [condition for _, use, condition in named if use == "AD"]
    return [condition for _, use, condition in named if use != "AD"] or at_start, at_start


def diagnoses(visit: Visit) -> list[str]:
    """ICD-10 codes, the principal one first."""
    return list(dict.fromkeys(found for c in _conditions(visit)[0] if (found := code(c.code, ICD10))))


def principal(visit: Visit) -> str:
    """The principal ICD-10 code, or ""."""
    return next(iter(diagnoses(visit)), "")


def traditional(visit: Visit) -> str:
    """MA_BENH_YHCT: codes of traditional medicine of the same diagnoses."""
    return listed((c.code for c in _conditions(visit)[0]), TRADITIONAL)


def _words(conditions: list[r4.Condition]) -> str:
    return "; ".join(dict.fromkeys(text(c.code) for c in conditions))


def _on_arrival(visit: Visit) -> str:
    final, at_start = _conditions(visit)
    return _words(at_start or final)


def reason(visit: Visit) -> str:
    """Why the person came, in words."""
    return next((text(one) for one in visit.encounter.reasonCode or []), "")


def _why_admitted(visit: Visit) -> str:
    """Why the person was kept: what was told last."""
    return next((text(one) for one in reversed(visit.encounter.reasonCode or [])), "")


def surgery(visit: Visit) -> str:
    """ICD-9-CM codes of operations and procedures."""
    return ";".join(dict.fromkeys(filter(None, (code(one.code, ICD9) for one in visit.procedures))))


ILLNESS: Final = {
    "LY_DO_VV": OfVisit("Encounter.reasonCode", reason),
    "LY_DO_VNT": OfVisit("Encounter.reasonCode (nội trú, cuối)", lambda v: _why_admitted(v) if admitted(v) else ""),
    "CHAN_DOAN_VAO": OfVisit("Encounter.diagnosis(AD), Condition.code", _on_arrival),
    "CHAN_DOAN_RV": OfVisit("Encounter.diagnosis, Condition.code", lambda v: _words(_conditions(v)[0])),
    "MA_BENH_CHINH": OfVisit("Encounter.diagnosis.rank, Condition.code(ICD-10)", principal),
    "MA_BENH_KT": OfVisit("Encounter.diagnosis.rank, Condition.code(ICD-10)", lambda v: ";".join(diagnoses(v)[1:13])),
    "MA_BENH_YHCT": OfVisit(f"Condition.code({TRADITIONAL})", traditional),
    "MA_PTTT_QT": OfVisit("Procedure.code(ICD-9-CM)", surgery),
    "MA_TAI_NAN": OfVisit(
        "Condition.code(ma-tai-nan), Encounter.type",
        lambda v: listed([*(c.code for c in v.conditions.values()), *(v.encounter.type or [])], "ma-tai-nan"),
    ),
}

# The stay -----------------------------------------------------------------------------------------------------------


def leaving(encounter: r4.Encounter) -> dict[str, str]:
    """Codes that the end of a visit gave, by name of their list: result, kind of leaving, kind of care."""
    concepts = [e.valueCodeableConcept for e in encounter.extension or []] + list(encounter.type or [])
    if encounter.hospitalization:
        concepts.append(encounter.hospitalization.dischargeDisposition)
    codings = [c for concept in concepts if concept for c in concept.coding or []]
    return {(c.system or "").rpartition("/")[2]: c.code or "" for c in codings}


def times(visit: Visit) -> tuple[datetime | None, datetime | None]:
    """When the visit began and ended."""
    period = visit.encounter.period or r4.Period()
    return moment(period.start), moment(period.end)


def inpatient(visit: Visit) -> bool:
    """Whether the person lay in hospital."""
    return bool(visit.encounter.class_ and visit.encounter.class_.code in INPATIENT)


def admitted(visit: Visit) -> datetime | None:
    """When the stay as an inpatient began; None for an outpatient."""
    return admitted_at(visit.encounter) or (times(visit)[0] if inpatient(visit) else None)


def admitted_at(encounter: r4.Encounter) -> datetime | None:
    """When an outpatient became an inpatient, by the classes of the visit; None for others."""
    if not (encounter.class_ and encounter.class_.code in INPATIENT):
        return None
    changed = [h.period.start for h in encounter.classHistory or [] if h.class_.code in INPATIENT and h.period]
    return min(filter(None, map(moment, changed)), default=None)


def kind_of_care(visit: Visit) -> str:
    """MA_LOAI_KCB: what the end of the visit said, else by the class of the visit."""
    if told := told_kind(visit.encounter):
        return told
    own = visit.encounter.class_.code or "" if visit.encounter.class_ else ""
    start, end = admitted(visit), times(visit)[1]
    if own in INPATIENT and start and end and end - start < SHORT_STAY:
        return "09"
    found = KINDS.get(own, "01")
    return found if found < "11" or not end or end.date().isoformat() >= NEW_KINDS else "01"


def _days(claimed: Claimed) -> str:
    """SO_NGAY_DTRI (QĐ 3176, bảng 1, trường 39): by the kind of care, else the days from the first to the last."""
    start, end = times(claimed.visit)
    if not start or not end:
        return ""
    kind = kind_of_care(claimed.visit)
    if kind == "09":
        return "0"
    told = served_days(claimed.tables["XML3"]) if kind in BY_SERVICE else 0
    told = int(longest_drug(claimed.tables["XML2"])) if kind in BY_DRUG else told
    return str(told or (end.date() - start.date()).days + 1)


def departments(visit: Visit) -> list[str]:
    """MA_KHOA of the rooms of a visit, in order; K01 (consultation) where a room does not say."""
    found = [code for where in visit.encounter.location or [] for code in _departments(visit, where)]
    return list(dict.fromkeys(found)) or ["K01"]


def department_at(visit: Visit, at: datetime | None) -> str:
    """MA_KHOA of the room in which the person was at a time; the first one of the visit where no room says when."""
    moved = len(visit.encounter.location or []) > 1
    there = [code for where in rooms_at(visit, at) for code in _departments(visit, where)] if moved else []
    return there[-1] if there else departments(visit)[0]


def rooms_at(visit: Visit, at: datetime | None) -> list[r4.EncounterLocation]:
    """The rooms in which the person was at a time, by what they say of it, the last one that was entered last."""
    told = [
        (since, where)
        for where in visit.encounter.location or []
        if where.period and at and (since := moment(where.period.start)) and since <= at
        and not ((until := moment(where.period.end)) and until <= at)
    ]  # fmt: skip
    return [where for _since, where in sorted(told, key=lambda one: one[0])]


def _departments(visit: Visit, where: r4.EncounterLocation) -> list[str]:
    room = visit.departments.get(id_of(where.location))
    codings = [c for concept in (room.type or [] if room else []) for c in concept.coding or []]
    return [c.code or "" for c in codings if (c.system or "").endswith("/ma-khoa")]


def _came_from(visit: Visit) -> str:
    """MA_NOI_DI: who referred the person here."""
    stay, order = visit.encounter.hospitalization, visit.inputs.referral
    origin = stay.origin if stay else None
    issuer = next((i.assigner for i in order.identifier or [] if i.assigner), None) if order else None
    return _facility(origin) or _facility(issuer)


def _facility(reference: r4.Reference | None) -> str:
    """MA_CSKCB that a reference to a facility tells, by its identifier or its id."""
    told = reference.identifier if reference else None
    own = (told.value or "") if told and told.system == CODE else ""
    named = id_of(reference)
    return own or (named if len(named) == 5 else "")


def _paper_brought(visit: Visit) -> str:
    """GIAY_CHUYEN_TUYEN: number of the referral or of the appointment that the person came with."""
    stay, inputs = visit.encounter.hospitalization, visit.inputs
    if stay and stay.preAdmissionIdentifier and stay.preAdmissionIdentifier.value:
        return stay.preAdmissionIdentifier.value
    for paper in (inputs.referral, inputs.appointment):
        if paper is not None:
            return next((i.value or "" for i in paper.identifier or []), "")
    return ""


def went_to(visit: Visit) -> str:
    """MA_NOI_DEN: where the person was referred to."""
    told = leaving(visit.encounter).get("ma-cskcb", "")
    return told or next((one.answers.get("MA_CSKCB_DEN", "") for one in visit.papers.get("chuyen-co-so", [])), "")


def treatment(visit: Visit) -> str:
    """PP_DIEU_TRI: the kinds of treatment that were given."""
    kinds = ["Nội khoa"] if visit.medicines or visit.given else []
    if any(code(one.category) == "387713003" for one in visit.procedures):  # SNOMED CT: surgical procedure
        kinds.append("Phẫu thuật")
    elif any(code(one.code, ICD9) for one in visit.procedures):  # what else was done is no intervention
        kinds.append("Thủ thuật")
    return ", ".join(kinds)


def _weight(visit: Visit) -> str:
    """CAN_NANG: kilograms, two decimals at most."""
    told = quantity(measured(visit, *WEIGHT))
    return number(Decimal(told).quantize(Decimal("0.01"), ROUND_HALF_UP)) if told else ""


def seen_again(visit: Visit) -> list[str]:
    """Days of appointments to be seen again, yyyymmdd."""
    return [f"{at:%Y%m%d}" for one in visit.appointments if (at := moment(one.start))]


STAY: Final = {
    "MA_NOI_DI": OfVisit("Encounter.hospitalization.origin, ServiceRequest.identifier.assigner", _came_from),
    "MA_NOI_DEN": OfVisit(
        "Encounter.hospitalization.destination, QuestionnaireResponse(chuyen-co-so).MA_CSKCB_DEN", went_to
    ),
    "NGAY_VAO": OfVisit("Encounter.period.start", lambda v: written(times(v)[0])),
    "NGAY_VAO_NOI_TRU": OfVisit("Encounter.classHistory, Encounter.period", lambda v: written(admitted(v))),
    "NGAY_RA": OfVisit("Encounter.period.end", lambda v: written(times(v)[1])),
    "GIAY_CHUYEN_TUYEN": OfVisit(
        "Encounter.hospitalization.preAdmissionIdentifier, ServiceRequest.identifier, Appointment.identifier",
        _paper_brought,
    ),
    "PP_DIEU_TRI": OfVisit("MedicationRequest, MedicationAdministration, Procedure.category", treatment),
    "KET_QUA_DTRI": OfVisit(
        "Encounter.hospitalization.dischargeDisposition", lambda v: leaving(v.encounter).get("ket-qua-dtri", "")
    ),
    "MA_LOAI_RV": OfVisit(
        "Encounter.hospitalization.dischargeDisposition", lambda v: leaving(v.encounter).get("ma-loai-rv", "")
    ),
    "GHI_CHU": OfVisit(
        "CarePlan.description", lambda v: "; ".join(p.description or "" for p in v.plans if p.description)
    ),
    "NGAY_TTOAN": OfVisit("Invoice.date", lambda v: written(v.paid_at)),
    "NAM_QT": OfVisit("Encounter.period.end", lambda v: f"{end:%Y}" if (end := times(v)[1]) else ""),
    "THANG_QT": OfVisit("Encounter.period.end", lambda v: str(end.month) if (end := times(v)[1]) else ""),
    "MA_LOAI_KCB": OfVisit("Encounter.type(ma-loai-kcb), Encounter.class", kind_of_care),
    "MA_KHOA": OfVisit("Encounter.location, Location.type(ma-khoa), K01", lambda v: ";".join(departments(v))),
    "MA_CSKCB": OfVisit("Encounter.serviceProvider, Organization.identifier", lambda v: v.facility.code),
    "CAN_NANG": OfVisit("Observation(29463-7, 3141-9).value", _weight),
    "CAN_NANG_CON": OfVisit(
        "QuestionnaireResponse(chung-sinh).CAN_NANG_CON",
        lambda v: ";".join(one.answers.get("CAN_NANG_CON", "") for one in v.papers.get("chung-sinh", [])),
    ),
    "NGAY_TAI_KHAM": OfVisit("Appointment.start", lambda v: ";".join(seen_again(v))),
    "MA_HSBA": OfVisit("Encounter.identifier, Encounter.id", chart),
    "MA_TTDV": OfVisit("Organization.extension(facility-head-licence)", lambda v: v.facility.head),
    "DU_PHONG": OfVisit("Observation(8302-2).value", lambda v: quantity(measured(v, *HEIGHT))),
}

# Sums ---------------------------------------------------------------------------------------------------------------


def _sum_of(kind: str) -> Fill:
    def read(claimed: Claimed) -> str:
        return number(sum((one.total for one in claimed.divided.lines if one.line.kind == kind), Decimal(0)))

    return Fill("ChargeItem: tổng THANH_TIEN_BV", read)


def _by_service(claimed: Claimed) -> str:
    rows = [*claimed.tables["XML2"], *claimed.tables["XML3"]]
    return number(sum((Decimal(row["T_BHTT"]) for row in rows if row["MA_PTTT"] == "1"), Decimal(0)))


SUMS: Final = {
    "SO_NGAY_DTRI": Fill(
        "Encounter.period: ngày ra - ngày vào + 1; 02, 08: XML3.NGAY_TH_YL; 05, 07: XML2.LIEU_DUNG", _days
    ),
    "NGAY_MIEN_CCT": Fill("Coverage.extension(copay-exempt), Invoice.totalPriceComponent", _free_of_copayment),
    "MA_DOITUONG_KCB": Fill("Coverage, Organization, Encounter, QĐ 3276", lambda c: c.divided.code),
    "T_THUOC": _sum_of("drug"),
    "T_VTYT": _sum_of("supply"),
    "T_TONGCHI_BV": Fill("ChargeItem: tổng THANH_TIEN_BV", lambda c: number(c.divided.total)),
    "T_TONGCHI_BH": Fill("ChargeItem: tổng THANH_TIEN_BH", lambda c: number(c.divided.insured)),
    "T_BNTT": Fill("ChargeItem: tổng T_BNTT", lambda c: number(c.divided.patient)),
    "T_BNCCT": Fill("ChargeItem: tổng T_BNCCT", lambda c: number(c.divided.copay)),
    "T_BHTT": Fill("XML1.T_TONGCHI_BH - XML1.T_BNCCT", lambda c: number(c.divided.insured - c.divided.copay)),
    "T_NGUONKHAC": Fill("ChargeItem: tổng T_NGUONKHAC", lambda c: number(c.divided.other)),
    "T_BHTT_GDV": Fill("XML2, XML3: tổng T_BHTT của MA_PTTT 1", _by_service),
}


def _one(claimed: Claimed) -> list[tuple[Claimed, dict[str, str]]]:
    visit = claimed.visit
    return [(claimed, {"Encounter": visit.id, "Patient": visit.patient.id or "", "Organization": visit.place})]


SUMMARY: Final = Filling(_one, {**PERSON, **CARD, **ILLNESS, **STAY, **SUMS})

# Table 0 ------------------------------------------------------------------------------------------------------------

FIRST_COST: Final = {
    "MA_DICH_VU": "XML3.MA_DICH_VU", "TEN_DICH_VU": "XML3.TEN_DICH_VU", "MA_THUOC": "XML2.MA_THUOC",
    "TEN_THUOC": "XML2.TEN_THUOC", "MA_VAT_TU": "XML3.MA_VAT_TU", "TEN_VAT_TU": "XML3.TEN_VAT_TU",
}  # fmt: skip
STATUS: Final = {name: f"XML1.{name}" for name in BEGINNING} | FIRST_COST | {"NGAY_YL": "XML2.NGAY_YL, XML3.NGAY_YL"}


def beginning(tables: Tables, sources: Sources | None) -> Row:
    """The row of table 0: who came, when and with which card, and the first thing that cost something.

    Of an inpatient it is the first that cost something since the admission, where there is such a thing.
    """
    summary = tables["XML1"][0]
    row: Row = {name: summary.get(name, "") for name in BEGINNING}
    froms = {name: f"XML1.1.{name}" for name in BEGINNING}
    costs = [(one.get("NGAY_YL", ""), table, place, one) for table in ("XML3", "XML2") for place, one in
             enumerate(tables[table], 1)]  # fmt: skip
    since = summary.get("NGAY_VAO_NOI_TRU", "")
    for _, table, place, one in sorted(costs, key=lambda cost: (cost[0] < since, cost[0]))[:1]:
        for name in [name for name, source in FIRST_COST.items() if source.startswith(table)] + ["NGAY_YL"]:
            row[name], froms[name] = one.get(name, ""), f"{table}.{place}.{name}"
    if sources is not None:
        for name, value in row.items():
            if value:
                sources.found[f"XML0.1.{name}"] = sources.found.get(froms[name], "")
    return row
