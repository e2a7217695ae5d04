"""Tables 1 to 5 of a claim from the facts of a visit. No field is typed for its sake; what nobody said stays empty."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tuetinh.care.insurance.benefits import Split, SplitLine
from tuetinh.care.insurance.situations import charged_code, moment
from tuetinh.care.insurance.tables import Row, Tables
from tuetinh.care.insurance.wire_xml3176 import moment as written
from tuetinh.care.insurance.wire_xml3176 import number
from tuetinh.commons.catalogues.api import ICD10, SUBSTANCES, commune, drug, service
from tuetinh.commons.identity.api import display_name, ethnic_group, home, identifier, occupation, phone
from tuetinh.record import r4

if TYPE_CHECKING:
    from tuetinh.care.insurance.claims import Visit

MA_LK: Final = "https://tuetinh.vn/fhir/ma-lk"
REGISTRATION: Final = "https://tuetinh.vn/fhir/StructureDefinition/registration-number"
TENDER: Final = "https://tuetinh.vn/fhir/StructureDefinition/tender"
BODY_WEIGHT: Final = "29463-7"
SEXES: Final = {"male": "1", "female": "2"}
# MA_NHOM of a service by chapter of TT 23/2024: 22–25 laboratory, 18 imaging, 21 function tests.
GROUPS: Final = {"KHAM": "13", "22": "1", "23": "1", "24": "1", "25": "1", "18": "2", "21": "3"}
BEGINNING: Final = (
    *("MA_LK", "STT", "MA_BN", "HO_TEN", "SO_CCCD", "NGAY_SINH", "GIOI_TINH", "MA_THE_BHYT", "MA_DKBD", "GT_THE_TU"),
    *("GT_THE_DEN", "MA_DOITUONG_KCB", "NGAY_VAO", "NGAY_VAO_NOI_TRU", "LY_DO_VNT", "MA_LY_DO_VNT", "MA_LOAI_KCB"),
    "MA_CSKCB",
)  # of table 1, that table 0 says too
PROGRESS_FOR: Final = ("02", "03", "04", "05", "06", "08", "09")  # envelope §3: when table 5 is sent


@dataclass
class Sources:
    """Which fact each value came from, by `table.row.field`."""

    found: dict[str, str] = field(default_factory=dict)

    def row(self, table: str, number: int, values: Iterable[tuple[str, str, str]]) -> Row:
        """Make a row of (field, value, fact)."""
        row: Row = {}
        for name, value, fact in values:
            row[name] = value
            if value:
                self.found[f"{table}.{number}.{name}"] = fact
        return row


def build(visit: Visit, divided: Split, sources: Sources) -> Tables:
    """Build the tables; those without rows are left out by the writer."""
    charged = list(zip(visit.charges, divided.lines, strict=True))
    two = [pair for pair in charged if pair[1].line.kind == "drug"]
    three = [pair for pair in charged if pair[1].line.kind != "drug"]
    tables: Tables = {
        "XML2": [_medicine(visit, n, *pair, sources) for n, pair in enumerate(two, 1)],
        "XML3": [_service(visit, n, *pair, sources) for n, pair in enumerate(three, 1)],
        "XML4": [_result(visit, n, one, sources) for n, one in enumerate(_measured(visit), 1)],
    }
    summary = _summary(visit, divided, tables, sources)
    return {"XML1": [summary], **tables, "XML5": _progress(visit, summary["MA_LOAI_KCB"], sources)}


def beginning(tables: Tables, sources: Sources) -> Row:
    """The row of table 0: who came, when and with which card, and the first thing that cost something."""
    summary = tables["XML1"][0]
    told = [(name, summary.get(name, ""), sources.found.get(f"XML1.1.{name}", "")) for name in BEGINNING]
    costs = [(row.get("NGAY_YL", ""), table, place, row) for table in ("XML3", "XML2") for place, row in
             enumerate(tables[table], 1)]  # fmt: skip
    for _, table, place, row in sorted(costs, key=lambda cost: cost[0])[:1]:
        kinds = ("MA_DICH_VU", "TEN_DICH_VU") if table == "XML3" else ("MA_THUOC", "TEN_THUOC")
        for name in (*kinds, "NGAY_YL"):
            told.append((name, row.get(name, ""), sources.found.get(f"{table}.{place}.{name}", "")))
    return sources.row("XML0", 1, told)


def key(visit: Visit) -> str:
    """MA_LK of the visit."""
    own = next((i.value for i in visit.encounter.identifier or [] if i.system == MA_LK), None)
    return own or visit.encounter.id or ""


# Table 1 -----------------------------------------------------------------------------------------------------------


def _summary(visit: Visit, divided: Split, tables: Tables, sources: Sources) -> Row:
    e = f"Encounter/{visit.encounter.id}"
    values = [*_person(visit), *_card(visit), *_diagnoses(visit), *_stay(visit, e)]
    values += [("MA_DOITUONG_KCB", divided.code, "Coverage, Organization, QĐ 3276"), *_sums(divided, tables, visit)]
    return sources.row("XML1", 1, values)


def _person(visit: Visit) -> list[tuple[str, str, str]]:
    patient, p = visit.patient, f"Patient/{visit.patient.id}"
    text, ward = home(patient)
    place = commune(ward) if ward else None
    birth = (patient.birthDate or "").replace("-", "")
    return [
        ("MA_LK", key(visit), f"Encounter/{visit.encounter.id}.identifier"),
        ("STT", "1", ""),
        ("MA_BN", identifier(patient, "mrn") or patient.id or "", f"{p}.identifier"),
        ("HO_TEN", display_name(patient).upper(), f"{p}.name"),
        ("SO_CCCD", identifier(patient, "cccd") or identifier(patient, "passport"), f"{p}.identifier"),
        ("NGAY_SINH", birth.ljust(12, "0") if birth else "", f"{p}.birthDate"),
        ("GIOI_TINH", SEXES.get(patient.gender or "", "3"), f"{p}.gender"),
        ("MA_QUOCTICH", "000", f"{p}.address.country"),  # TT 07/2016/TT-BCA: Việt Nam
        ("MA_DANTOC", ethnic_group(patient), f"{p}.extension(dân tộc)"),
        ("MA_NGHE_NGHIEP", occupation(patient)[:2] or "00", f"{p}.extension(nghề nghiệp)"),
        ("DIA_CHI", text, f"{p}.address"),
        ("MATINH_CU_TRU", place.province[-2:] if place else "", f"{p}.address"),
        ("MAXA_CU_TRU", ward, f"{p}.address"),
        ("DIEN_THOAI", phone(patient), f"{p}.telecom"),
    ]


def _card(visit: Visit) -> list[tuple[str, str, str]]:
    cards = visit.cards
    if not cards:
        return []
    each = [
        ("MA_THE_BHYT", [card.number for card in cards], "Coverage.identifier"),
        ("MA_DKBD", [card.facility for card in cards], "Coverage.class"),
        ("GT_THE_TU", [card.valid_from.replace("-", "") for card in cards], "Coverage.period"),
        ("GT_THE_DEN", [card.valid_to.replace("-", "") for card in cards], "Coverage.period"),
    ]
    return [
        *((name, ";".join(values), fact) for name, values, fact in each),
        ("MA_KHUVUC", cards[-1].area, "Coverage.extension"),
        ("NAM_NAM_LIEN_TUC", cards[-1].five_years.replace("-", ""), "Coverage.extension"),
    ]


def _diagnoses(visit: Visit) -> list[tuple[str, str, str]]:
    named = [
        (d.rank or 99, _code(d.use, ""), condition)
        for d in visit.encounter.diagnosis or []
        if d.condition and (condition := visit.conditions.get((d.condition.reference or "").rpartition("/")[2]))
    ]
    if not named:
        named = [(99, "", condition) for condition in visit.conditions.values()]
    named.sort(key=lambda one: one[0])
    at_start = [c for _, use, c in named if use == "AD"]
    final = [c for _, use, c in named if use != "AD"] or at_start
    codes = list(dict.fromkeys(code for c in final if (code := _code(c.code, ICD10))))
    texts = "; ".join(dict.fromkeys(_text(c.code) for c in final))
    reason = next((_text(r) for r in visit.encounter.reasonCode or []), "")
    return [
        ("LY_DO_VV", reason, f"Encounter/{visit.encounter.id}.reasonCode"),
        ("CHAN_DOAN_VAO", "; ".join(_text(c.code) for c in at_start) or texts, "Condition.code"),
        ("CHAN_DOAN_RV", texts, "Condition.code"),
        ("MA_BENH_CHINH", codes[0] if codes else "", "Encounter.diagnosis.rank, Condition.code"),
        ("MA_BENH_KT", ";".join(codes[1:13]), "Encounter.diagnosis.rank, Condition.code"),
    ]


def _stay(visit: Visit, e: str) -> list[tuple[str, str, str]]:
    encounter = visit.encounter
    period = encounter.period or r4.Period()
    start, end = moment(period.start), moment(period.end)
    inpatient = bool(encounter.class_ and encounter.class_.code in ("IMP", "ACUTE"))
    leaving = _leaving(encounter)
    weights = [o for o in visit.observations if _code(o.code, "http://loinc.org") == BODY_WEIGHT and o.valueQuantity]
    weight = max(weights, key=lambda o: o.effectiveDateTime or "", default=None)
    return [
        ("NGAY_VAO", written(start), f"{e}.period"),
        ("NGAY_VAO_NOI_TRU", written(start) if inpatient else "", f"{e}.period"),
        ("NGAY_RA", written(end), f"{e}.period"),
        ("SO_NGAY_DTRI", str((end.date() - start.date()).days + 1) if start and end else "", f"{e}.period"),
        ("KET_QUA_DTRI", leaving.get("ket-qua-dtri", ""), f"{e}.hospitalization"),
        ("MA_LOAI_RV", leaving.get("ma-loai-rv", ""), f"{e}.hospitalization"),
        ("MA_NOI_DEN", leaving.get("ma-cskcb", ""), f"{e}.hospitalization.destination"),
        ("NGAY_TTOAN", written(visit.paid_at), "Invoice.date"),
        ("NAM_QT", f"{end:%Y}" if end else "", f"{e}.period"),
        ("THANG_QT", str(end.month) if end else "", f"{e}.period"),
        ("MA_LOAI_KCB", leaving.get("ma-loai-kcb") or ("03" if inpatient else "01"), f"{e}.class"),
        ("MA_KHOA", ";".join(_departments(visit)), f"{e}.location"),
        ("MA_CSKCB", visit.facility.code, f"{e}.serviceProvider"),
        ("CAN_NANG", _quantity(weight), f"Observation/{weight.id}" if weight else ""),
        ("MA_HSBA", key(visit), f"{e}.identifier"),
        ("MA_TTDV", visit.facility.head, "Organization.extension"),
    ]


def _sums(divided: Split, tables: Tables, visit: Visit) -> list[tuple[str, str, str]]:
    fact = f"ChargeItem × {len(visit.charges)}"
    drugs = sum((line.total for line in divided.lines if line.line.kind == "drug"), Decimal(0))
    supplies = sum((line.total for line in divided.lines if line.line.kind == "supply"), Decimal(0))
    rows = [*tables["XML2"], *tables["XML3"]]
    by_service = sum((Decimal(row["T_BHTT"]) for row in rows if row["MA_PTTT"] == "1"), Decimal(0))
    amounts = {
        "T_THUOC": drugs,
        "T_VTYT": supplies,
        "T_TONGCHI_BV": divided.total,
        "T_TONGCHI_BH": divided.insured,
        "T_BNTT": divided.patient,
        "T_BNCCT": divided.copay,
        "T_BHTT": divided.insured - divided.copay,  # XML1 field 51
        "T_NGUONKHAC": divided.other,
        "T_BHTT_GDV": by_service,
    }
    return [(name, number(amount), fact) for name, amount in amounts.items()]


# Tables 2 and 3 ----------------------------------------------------------------------------------------------------


def _scope(line: SplitLine) -> str:
    """PHAM_VI: 2 where the fund owes nothing, 3 what it pays beside the lists for army, police and cipher."""
    return str(line.line.scope) if line.line.fund_share and line.rate else "2"


def _money(line: SplitLine, item: str) -> list[tuple[str, str, str]]:
    sources = zip(("NSNN", "VTNN", "VTTN", "CL"), line.line.others, strict=True)
    return [
        ("PHAM_VI", _scope(line), f"{item}.extension"),
        ("SO_LUONG", number(line.line.quantity), f"{item}.quantity"),
        ("TYLE_TT_BH", number(line.line.fund_share), f"{item}.extension"),
        ("THANH_TIEN_BV", number(line.total), item),
        ("THANH_TIEN_BH", number(line.insured), item),
        *((f"T_NGUONKHAC_{name}", number(amount), item) for name, amount in sources),
        ("T_NGUONKHAC", number(line.other), item),
        ("MUC_HUONG", number(line.rate), "Coverage"),
        ("T_BNTT", number(line.patient), item),
        ("T_BNCCT", number(line.copay), item),
        ("T_BHTT", number(line.fund), item),
        ("MA_PTTT", "1", item),
    ]


def _medicine(visit: Visit, place: int, item: r4.ChargeItem, line: SplitLine, sources: Sources) -> Row:
    i = f"ChargeItem/{item.id}"
    known = drug(line.line.code)
    order = _order(visit, item)
    m = f"MedicationRequest/{order.id}" if order else i
    dose = (order.dosageInstruction or [r4.Dosage()])[0] if order else r4.Dosage()
    concept = (order.medicationCodeableConcept if order else None) or item.code
    found = {e.url: e.valueString or "" for e in item.extension or []}
    at = moment((order.authoredOn if order else None) or item.occurrenceDateTime)
    return sources.row("XML2", place, [
        ("MA_LK", key(visit), "Encounter.identifier"), ("STT", str(place), ""), ("MA_NHOM", "4", m),
        ("MA_THUOC", _code(concept, SUBSTANCES) or (known.substance_code if known else ""), m),
        ("TEN_THUOC", known.name if known else _text(concept), m), ("DON_VI_TINH", known.unit if known else "", m),
        ("HAM_LUONG", known.strength if known else "", m), ("DUONG_DUNG", known.route_code if known else "", m),
        ("DANG_BAO_CHE", known.form if known else "", m), ("LIEU_DUNG", _dose(order), f"{m}.dosageInstruction"),
        ("CACH_DUNG", dose.text or "", f"{m}.dosageInstruction"),
        ("SO_DANG_KY", found.get(REGISTRATION, ""), i), ("TT_THAU", found.get(TENDER, ""), i),
        ("DON_GIA", number(line.line.price), f"{i}.priceOverride"), *_money(line, i),
        ("MA_KHOA", _departments(visit)[0], "Encounter.location"),
        ("MA_BAC_SI", _licence(visit, order.requester if order else None), f"{m}.requester"),
        ("NGAY_YL", written(at), f"{m}.authoredOn"), ("NGUON_CTRA", "1", i),
    ])  # fmt: skip


def _dose(order: r4.MedicationRequest | None) -> str:
    """QĐ 3176, bảng 2, trường 12: amount each time * times a day * days [amount a day]; else the dose in words."""
    dose = (order.dosageInstruction or [r4.Dosage()])[0] if order else r4.Dosage()
    amount = (dose.doseAndRate or [r4.DosageDoseAndRate()])[0].doseQuantity or r4.Quantity()
    repeat = (dose.timing.repeat if dose.timing else None) or r4.TimingRepeat()
    supply = order.dispenseRequest.expectedSupplyDuration if order and order.dispenseRequest else None
    days = supply.value if supply else None
    daily = (repeat.period, repeat.periodUnit) == (1, "d")
    if amount.value is None or not repeat.frequency or not daily or days is None:
        return dose.text or ""
    unit, times = amount.unit or "", repeat.frequency
    each, a_day = number(amount.value), number(amount.value * times)
    return f"{each} {unit}/lần * {times} lần/ngày * {number(days)} ngày [{a_day} {unit}/ngày]"


def _service(visit: Visit, place: int, item: r4.ChargeItem, line: SplitLine, sources: Sources) -> Row:
    i = f"ChargeItem/{item.id}"
    known = service(line.line.code)
    request = next((r for r in visit.requests.values() if r.id in _about(item)), None)
    s = f"ServiceRequest/{request.id}" if request else i
    done, ready, by = _performed(visit, request)
    group = _group(line.line.code)
    ordered = moment((request.authoredOn if request else None) or item.occurrenceDateTime)
    if group == "13":
        ready = moment(visit.encounter.period.end) if visit.encounter.period else None
    return sources.row("XML3", place, [
        ("MA_LK", key(visit), "Encounter.identifier"), ("STT", str(place), ""),
        ("MA_DICH_VU", line.line.code, f"{i}.code"),
        ("MA_NHOM", group, f"{i}.code"), ("TEN_DICH_VU", known.name if known else _text(item.code), f"{i}.code"),
        ("DON_VI_TINH", "Lần", i), ("DON_GIA_BV", number(line.line.price), f"{i}.priceOverride"),
        ("DON_GIA_BH", number(line.insured_price), f"{i}.priceOverride"),
        ("TYLE_TT_DV", number(line.line.special_share), f"{i}.factorOverride"), *_money(line, i),
        ("MA_KHOA", _departments(visit)[0], "Encounter.location"),
        ("MA_BAC_SI", _licence(visit, request.requester if request else None), f"{s}.requester"),
        ("NGUOI_THUC_HIEN", by if group != "13" else "", "Observation.performer"),
        ("MA_BENH", {n: v for n, v, _ in _diagnoses(visit)}["MA_BENH_CHINH"], "Condition.code"),
        ("NGAY_YL", written(ordered), f"{s}.authoredOn"),
        ("NGAY_TH_YL", written(done or ordered), "Observation.effective"),
        ("NGAY_KQ", written(ready), "Observation.issued"),
    ])  # fmt: skip


def _performed(visit: Visit, request: r4.ServiceRequest | None) -> tuple[datetime | None, datetime | None, str]:
    """When an order was carried out, when its result was there, and the licences of those who did it."""
    mine = [o for o in visit.observations if request and _based_on(o.basedOn, request.id)]
    reports = [r for r in visit.reports if request and _based_on(r.basedOn, request.id)]
    done = min((found for o in mine if (found := moment(o.effectiveDateTime))), default=None)
    results: list[r4.Observation | r4.DiagnosticReport] = [*mine, *reports]
    ready = max((found for o in results if (found := moment(o.issued))), default=None)
    performers = [p for o in results for p in o.performer or []]
    licences = dict.fromkeys(filter(None, (_licence(visit, p, fallback=False) for p in performers)))
    return done, ready, ";".join(licences)


# Tables 4 and 5 ----------------------------------------------------------------------------------------------------


def _measured(visit: Visit) -> list[r4.Observation]:
    """Results of ordered tests, in the order in which they came."""
    found = [
        o for o in visit.observations if o.basedOn and (o.valueQuantity or o.valueString or o.valueCodeableConcept)
    ]
    return sorted(found, key=lambda o: (o.issued or o.effectiveDateTime or "", o.id or ""))


def _result(visit: Visit, place: int, one: r4.Observation, sources: Sources) -> Row:
    o = f"Observation/{one.id}"
    request = next((r for r in visit.requests.values() if _based_on(one.basedOn, r.id)), None)
    value = _quantity(one) if one.valueQuantity else one.valueString or _text(one.valueCodeableConcept)
    unit = (one.valueQuantity.unit or one.valueQuantity.code or "") if one.valueQuantity else ""
    reader = next((found for p in one.performer or [] if (found := _licence(visit, p, fallback=False))), "")
    return sources.row("XML4", place, [
        ("MA_LK", key(visit), "Encounter.identifier"), ("STT", str(place), ""),
        ("MA_DICH_VU", _code(request.code, "") if request else "", "ServiceRequest.code"),
        ("MA_CHI_SO", _code(one.code, ""), f"{o}.code"), ("TEN_CHI_SO", _text(one.code), f"{o}.code"),
        ("GIA_TRI", value, f"{o}.value"), ("DON_VI_DO", unit, f"{o}.value"),
        ("NGAY_KQ", written(moment(one.issued or one.effectiveDateTime)), f"{o}.issued"),
        ("MA_BS_DOC_KQ", reader, f"{o}.performer"),
    ])  # fmt: skip


def _progress(visit: Visit, kind: str, sources: Sources) -> list[Row]:
    if kind not in PROGRESS_FOR:
        return []
    notes = sorted((n for n in visit.impressions if n.summary), key=lambda n: n.date or n.effectiveDateTime or "")
    return [
        sources.row("XML5", place, [
            ("MA_LK", key(visit), "Encounter.identifier"), ("STT", str(place), ""),
            ("DIEN_BIEN_LS", note.summary or "", f"ClinicalImpression/{note.id}"),
            ("THOI_DIEM_DBLS", written(moment(note.date or note.effectiveDateTime)), f"ClinicalImpression/{note.id}"),
            ("NGUOI_THUC_HIEN", _licence(visit, note.assessor), f"ClinicalImpression/{note.id}"),
        ])
        for place, note in enumerate(notes, 1)
    ]  # fmt: skip


# Reading -----------------------------------------------------------------------------------------------------------


def _leaving(encounter: r4.Encounter) -> dict[str, str]:
    """Codes that the end of a visit gave, by name of their list: result, kind of leaving, kind of care."""
    concepts = [e.valueCodeableConcept for e in encounter.extension or []] + list(encounter.type or [])
    if encounter.hospitalization:
        concepts.append(encounter.hospitalization.dischargeDisposition)
    codings = [c for concept in concepts if concept for c in concept.coding or []]
    return {(c.system or "").rpartition("/")[2]: c.code or "" for c in codings}


def _departments(visit: Visit) -> list[str]:
    """MA_KHOA of the rooms of a visit, in order; K01 (consultation) where a room does not say."""
    found = []
    for where in visit.encounter.location or []:
        room = visit.departments.get((where.location.reference or "").rpartition("/")[2]) if where.location else None
        codings = [c for concept in (room.type or [] if room else []) for c in concept.coding or []]
        found += [c.code or "" for c in codings if (c.system or "").endswith("/ma-khoa")]
    return list(dict.fromkeys(found)) or ["K01"]


def _group(code: str) -> str:
    known = service(code)
    if known is None:
        return "19"
    if known.rank[:1] in ("P", "T") and known.group not in GROUPS:
        return "8" if known.rank.startswith("P") else "18"
    return GROUPS.get(known.group, "18")


def _order(visit: Visit, item: r4.ChargeItem) -> r4.MedicationRequest | None:
    """The prescription line of a charge: the one that it names, else the one with its code."""
    named = next((m for m in visit.medicines if m.id in _about(item)), None)
    code = charged_code(item)
    return named or next((m for m in visit.medicines if code in _codes(m.medicationCodeableConcept)), None)


def _about(item: r4.ChargeItem) -> set[str]:
    return {
        (r.reference or "").rpartition("/")[2] for r in [*(item.supportingInformation or []), *(item.service or [])]
    }


def _licence(visit: Visit, who: r4.Reference | None, *, fallback: bool = True) -> str:
    """Licence number of a practitioner; where nobody is named, of the one who led the visit."""
    id_ = (who.reference or "").rpartition("/")[2] if who else ""
    if not id_ and fallback:
        leads = [p.individual for p in visit.encounter.participant or [] if p.individual]
        id_ = next(((p.reference or "").rpartition("/")[2] for p in leads), "")
    person = visit.practitioners.get(id_)
    if person is None:
        return ""
    licences = [i.value for q in person.qualification or [] for i in q.identifier or [] if i.value]
    return licences[0] if licences else next((i.value or "" for i in person.identifier or []), "")


def _based_on(references: list[r4.Reference] | None, id_: str | None) -> bool:
    return any((r.reference or "").rpartition("/")[2] == id_ for r in references or [])


def _quantity(one: r4.Observation | None) -> str:
    value = one.valueQuantity.value if one and one.valueQuantity else None
    return "" if value is None else f"{value:f}"


def _codes(concept: r4.CodeableConcept | None) -> set[str]:
    return {c.code or "" for c in (concept.coding if concept else None) or []}


def _code(concept: r4.CodeableConcept | None, system: str) -> str:
    """The code of a system, the first code for ""."""
    return next((c.code or "" for c in (concept.coding if concept else None) or [] if system in ("", c.system)), "")


def _text(concept: r4.CodeableConcept | None) -> str:
    if concept is None:
        return ""
    return concept.text or next((c.display or c.code or "" for c in concept.coding or []), "")
