"""Tables 2 and 3: what was charged, a medicine, service or supply, with its order and how it was carried out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.functional import cached_property

from tuetinh.care.insurance.benefits import SplitLine
from tuetinh.care.insurance.filling.fills import NUMBERED, Claimed, Fill, Filling, OfVisit
from tuetinh.care.insurance.filling.reading import (
    ICD9,
    about,
    amount,
    based_on,
    code,
    id_of,
    licence,
    licences,
    listed,
    machines,
    text,
    told,
)
from tuetinh.care.insurance.filling.summary import (
    department_at,
    key,
    kind_of_care,
    principal,
    rooms_at,
    traditional,
)
from tuetinh.care.insurance.filling.visit import Visit
from tuetinh.care.insurance.kinds import bed_group
from tuetinh.care.insurance.situations import (
    BASE,
    CEILING,
    CLAIM_LINE,
    COST_GROUP,
    REGISTRATION,
    SUPPLIES,
    TENDER,
    charged_code,
    moment,
)
from tuetinh.care.insurance.wire_xml3176 import moment as written
from tuetinh.care.insurance.wire_xml3176 import number
from tuetinh.commons.catalogues.api import SUBSTANCES, Drug, Service, drug, service
from tuetinh.record import r4

# MA_NHOM of a service by chapter of TT 23/2024: 22–25 laboratory, 18 imaging, 21 function tests.
GROUPS: Final = {"KHAM": "13", "22": "1", "23": "1", "24": "1", "25": "1", "18": "2", "21": "3"}
SUPPLY_PACKAGE, REUSED, MODEL = f"{BASE}/supply-package", f"{BASE}/supply-reused", f"{BASE}/supply-model"
RECURRED: Final = f"{BASE}/recurred-wound"
STRENGTH, FORM = f"{BASE}/medicine-strength", f"{BASE}/medicine-form"
PROCESSING, SOURCE, USED_IN = f"{BASE}/processing-method", f"{BASE}/source-facility", f"{BASE}/used-in-service"
FUEL: Final = f"{BASE}/fuel"
WARD: Final = "Encounter.location.period, Location.type(ma-khoa), XML1.MA_KHOA"
_BED = re.compile("[HTCK][0-9]{3}")
_BEDS: Final = ("14", "15", "16")
_PAYERS: Final = ("3", "2", "4", "4")  # NGUON_CTRA by the source: state budget, foreign, domestic aid, the rest


@dataclass(frozen=True)
class Charged:
    """A charge, what its cost is divided into, and what it rests on."""

    visit: Visit
    item: r4.ChargeItem
    line: SplitLine

    @property
    def code(self) -> str:
        """The code that was charged."""
        return self.line.line.code

    @cached_property
    def own(self) -> set[str]:
        """Ids of what the charge rests on."""
        return about(self.item)

    # of a medicine

    @cached_property
    def drug(self) -> Drug | None:
        """The medicine of the formulary."""
        return drug(self.code)

    @cached_property
    def medicine(self) -> r4.MedicationRequest | None:
        """The prescription line: the one that the charge names, else the one with its code."""
        lines, own = self.visit.medicines, self.own
        named = next((m for m in lines if m.id in own), None) if own else None
        return named or next((m for m in lines if self.code in _codes(m.medicationCodeableConcept)), None)

    @property
    def dosage(self) -> r4.Dosage:
        """How it is taken."""
        told = self.medicine.dosageInstruction if self.medicine else None
        return (told or [r4.Dosage()])[0]

    # of a service

    @cached_property
    def service(self) -> Service | None:
        """The service of the catalogue."""
        return service(self.code)

    @cached_property
    def request(self) -> r4.ServiceRequest | None:
        """The order that the charge names."""
        return next((self.visit.requests[id_] for id_ in sorted(self.own) if id_ in self.visit.requests), None)

    @cached_property
    def results(self) -> list[r4.Observation]:
        """What was measured for the order."""
        mine = self.request
        return self.visit.results_of.get(mine.id or "", []) if mine else []

    @cached_property
    def reports(self) -> list[r4.DiagnosticReport]:
        """What was reported for the order."""
        mine = self.request
        return self.visit.reports_of.get(mine.id or "", []) if mine else []

    @cached_property
    def procedures(self) -> list[r4.Procedure]:
        """What was done for the order, or is named by the charge."""
        mine = self.request
        return [
            p for p in self.visit.procedures if p.id in self.own or (mine is not None and based_on(p.basedOn, mine.id))
        ]

    @cached_property
    def group(self) -> str:
        """MA_NHOM."""
        if said := told(self.item, COST_GROUP):
            own = said in _BEDS and not any(one.system == CLAIM_LINE for one in self.item.identifier or ())
            return bed_group(kind_of_care(self.visit)) if own else said
        if self.line.line.kind == "supply":
            return "10"
        known = self.service
        if known is None:
            return "19"
        if known.rank[:1] in ("P", "T") and known.group not in GROUPS:
            return "8" if known.rank.startswith("P") else "18"
        return GROUPS.get(known.group, "18")


def _codes(concept: r4.CodeableConcept | None) -> set[str]:
    return {c.code or "" for c in (concept.coding if concept else None) or []}


def _aid(place: int) -> Fill:
    return Fill("ChargeItem.extension(other-source)", lambda c: number(c.line.line.others[place]))


def _scope(charged: Charged) -> str:
    """PHAM_VI: 2 where the fund owes nothing, 3 what it pays beside the lists for army, police and cipher."""
    line = charged.line
    return str(line.line.scope) if line.line.fund_share and line.rate else "2"


MONEY: Final = {
    "PHAM_VI": Fill("ChargeItem.extension(payment-scope), Coverage", _scope),
    "SO_LUONG": Fill("ChargeItem.quantity", lambda c: number(c.line.line.quantity)),
    "TYLE_TT_BH": Fill("ChargeItem.extension(fund-share)", lambda c: number(c.line.line.fund_share)),
    "THANH_TIEN_BV": Fill("ChargeItem: SO_LUONG × đơn giá × TYLE_TT_DV", lambda c: number(c.line.total)),
    "THANH_TIEN_BH": Fill("ChargeItem: SO_LUONG × đơn giá BH × TYLE_TT_BH", lambda c: number(c.line.insured)),
    "T_NGUONKHAC_NSNN": _aid(0),
    "T_NGUONKHAC_VTNN": _aid(1),
    "T_NGUONKHAC_VTTN": _aid(2),
    "T_NGUONKHAC_CL": _aid(3),
    "T_NGUONKHAC": Fill("ChargeItem.extension(other-source): tổng", lambda c: number(c.line.other)),
    "MUC_HUONG": Fill("Coverage, Organization, QĐ 3276", lambda c: number(c.line.rate)),
    "T_BNTT": Fill("THANH_TIEN_BV - THANH_TIEN_BH - nguồn khác", lambda c: number(c.line.patient)),
    "T_BNCCT": Fill("THANH_TIEN_BH - T_BHTT - nguồn khác", lambda c: number(c.line.copay)),
    "T_BHTT": Fill("THANH_TIEN_BH × MUC_HUONG - nguồn khác", lambda c: number(c.line.fund)),
    "MA_PTTT": Fill("1: theo phí dịch vụ", lambda _: "1"),
    "VET_THUONG_TP": Fill("ChargeItem.extension(recurred-wound)", lambda c: "1" if _flagged(c.item, RECURRED) else ""),
}


def _flagged(item: r4.ChargeItem, url: str) -> bool:
    return any(e.url == url and e.valueBoolean for e in item.extension or [])


# Table 2 ------------------------------------------------------------------------------------------------------------


def _product(url: str, name: str) -> Fill:
    """SO_DANG_KY or TT_THAU: of the product that was handed out, else of the facility's approved list."""

    def read(c: Charged) -> str:
        row = c.visit.prices.get(charged_code(c.item))
        return told(c.item, url) or (getattr(row, name) if row else "")

    return Fill(f"ChargeItem.extension({url.rpartition('/')[2]}), danh mục giá của cơ sở", read)


def _substance(c: Charged) -> str:
    if own := c.visit.medicine_codes.get(c.code):
        return own
    concept = (c.medicine.medicationCodeableConcept if c.medicine else None) or c.item.code
    return code(concept, SUBSTANCES) or (c.drug.substance_code if c.drug else "")


def _dose(c: Charged) -> str:
    """QĐ 3176, bảng 2, trường 12: amount each time * times a day * days [amount a day]; else the dose in words."""
    dose = c.dosage
    each = (dose.doseAndRate or [r4.DosageDoseAndRate()])[0].doseQuantity or r4.Quantity()
    repeat = (dose.timing.repeat if dose.timing else None) or r4.TimingRepeat()
    supply = c.medicine.dispenseRequest.expectedSupplyDuration if c.medicine and c.medicine.dispenseRequest else None
    days = supply.value if supply else None
    daily = (repeat.period, repeat.periodUnit) == (1, "d")
    if each.value is None or not repeat.frequency or not daily or days is None:
        return dose.text or ""
    unit, times = each.unit or "", repeat.frequency
    one, a_day = number(each.value), number(each.value * times)
    return f"{one} {unit}/lần * {times} lần/ngày * {number(days)} ngày [{a_day} {unit}/ngày]"


def _given(c: Charged) -> str:
    """NGAY_TH_YL of a medicine that was given here: the first time."""
    mine = c.medicine
    times = [
        moment(one.effectiveDateTime or (one.effectivePeriod.start if one.effectivePeriod else None))
        for one in c.visit.given
        if mine and id_of(one.request) == mine.id
    ]
    return written(min(filter(None, times), default=None))


def _payer(c: Charged) -> str:
    return next((payer for payer, each in zip(_PAYERS, c.line.line.others, strict=True) if each), "1")


def _by_drug(name: str, source: str, otherwise: Callable[[Charged], str]) -> Fill:
    """What the formulary says of a medicine, of others what the prescription or the charge says."""
    return Fill(f"danh mục thuốc, {source}", lambda c: getattr(c.drug, name) if c.drug else otherwise(c))


def _measured_in(c: Charged) -> str:
    asked = c.medicine.dispenseRequest.quantity if c.medicine and c.medicine.dispenseRequest else None
    return next((one.unit for one in (c.item.quantity, asked) if one and one.unit), "")


MEDICINE: Final = {
    "MA_LK": OfVisit("XML1.MA_LK", key),
    "STT": NUMBERED,
    "MA_THUOC": Fill("mã thuốc của cơ sở, MedicationRequest.medication(mã hoạt chất)", _substance),
    "MA_PP_CHEBIEN": Fill("ChargeItem.extension(processing-method)", lambda c: told(c.item, PROCESSING)),
    "MA_CSKCB_THUOC": Fill("ChargeItem.extension(source-facility)", lambda c: told(c.item, SOURCE)),
    "MA_NHOM": Fill("ChargeItem.extension(cost-group), 4: thuốc", lambda c: told(c.item, COST_GROUP) or "4"),
    "TEN_THUOC": Fill(
        "MedicationRequest.medication, danh mục thuốc",
        lambda c: (
            c.drug.name
            if c.drug
            else text((c.medicine.medicationCodeableConcept if c.medicine else None) or c.item.code)
        ),
    ),
    "DON_VI_TINH": _by_drug("unit", "ChargeItem.quantity.unit, MedicationRequest.dispenseRequest", _measured_in),
    "HAM_LUONG": _by_drug(
        "strength", "MedicationRequest.extension(medicine-strength)", lambda c: told(c.medicine, STRENGTH)
    ),
    "DUONG_DUNG": _by_drug("route_code", "MedicationRequest.dosageInstruction.route", lambda c: code(c.dosage.route)),
    "DANG_BAO_CHE": _by_drug("form", "MedicationRequest.extension(medicine-form)", lambda c: told(c.medicine, FORM)),
    "LIEU_DUNG": Fill("MedicationRequest.dosageInstruction, dispenseRequest", _dose),
    "CACH_DUNG": Fill("MedicationRequest.dosageInstruction.text", lambda c: c.dosage.text or ""),
    "SO_DANG_KY": _product(REGISTRATION, "registration"),
    "TT_THAU": _product(TENDER, "tender"),
    "DON_GIA": Fill("ChargeItem.priceOverride", lambda c: number(c.line.line.price)),
    **MONEY,
    "MA_KHOA": Fill(WARD, lambda c: department_at(c.visit, _prescribed(c))),
    "MA_BAC_SI": Fill(
        "MedicationRequest.requester, Practitioner.qualification",
        lambda c: licence(c.visit, c.medicine.requester if c.medicine else None),
    ),
    "MA_DICH_VU": Fill("ChargeItem.extension(used-in-service)", lambda c: told(c.item, USED_IN)),
    "NGAY_YL": Fill("MedicationRequest.authoredOn, ChargeItem.occurrence", lambda c: written(_prescribed(c))),
    "NGAY_TH_YL": Fill("MedicationAdministration.effective", _given),
    "NGUON_CTRA": Fill("ChargeItem.extension(other-source), 1", _payer),
}


def _prescribed(c: Charged) -> datetime | None:
    return moment((c.medicine.authoredOn if c.medicine else None) or c.item.occurrenceDateTime)


# Table 3 ------------------------------------------------------------------------------------------------------------


def _supply(c: Charged) -> str:
    return code(c.item.code, SUPPLIES) if c.line.line.kind == "supply" else ""


def _is_service(c: Charged) -> bool:
    return c.line.line.kind != "supply"


def _unit(c: Charged) -> str:
    if not _is_service(c):
        return (c.item.quantity.unit or "") if c.item.quantity else ""
    return "Ngày" if c.group in _BEDS else "Lần"


def _ceiling(c: Charged) -> str:
    return number(amount(c.item, CEILING))


def _bed(c: Charged) -> str:
    """MA_GIUONG, of a charge for a day in bed."""
    return _lain_in(c)[0] if c.group in _BEDS else ""


def _lain_in(c: Charged) -> tuple[str, r4.EncounterLocation | None]:
    """The bed where the person lay at the time of a charge, else the last one, and since when until when."""
    there = rooms_at(c.visit, _ordered(c))
    for where in reversed([*(c.visit.encounter.location or []), *there]):
        place = c.visit.departments.get(id_of(where.location))
        named = [
            *(i.value or "" for i in (place.identifier if place else None) or []),
            (place.name or "") if place else "",
        ]
        if found := next((one for one in named if _BED.fullmatch(one)), ""):
            return found, where
    return "", None


def _performers(c: Charged) -> str:
    """NGUOI_THUC_HIEN: who carried it out; nobody beside the doctor does for an examination."""
    if c.group == "13":
        return ""
    acted = [one.actor for done in c.procedures for one in done.performer or []]
    results: list[r4.Observation | r4.DiagnosticReport] = [*c.results, *c.reports]
    return licences(c.visit, [*acted, *(p for one in results for p in one.performer or [])])


def _started(procedure: r4.Procedure) -> datetime | None:
    period = procedure.performedPeriod
    return moment(procedure.performedDateTime or (period.start if period else None))


def _carried_out(c: Charged) -> datetime | None:
    """NGAY_TH_YL: when it was done, else when it was ordered."""
    times = [moment(o.effectiveDateTime) for o in c.results] + [_started(p) for p in c.procedures]
    return min(filter(None, times), default=None) or _ordered(c)


def _ready(c: Charged) -> datetime | None:
    """NGAY_KQ: when the result was there; the end of an operation, of lying in a bed, of an examination's visit."""
    left = moment(c.visit.encounter.period.end) if c.visit.encounter.period else None
    if c.group == "13":
        return left
    if c.group in _BEDS:
        where = _lain_in(c)[1]
        return (moment(where.period.end) if where and where.period else None) or left
    results: list[r4.Observation | r4.DiagnosticReport] = [*c.results, *c.reports]
    times = [moment(one.issued) for one in results]
    times += [moment(p.performedPeriod.end) for p in c.procedures if p.performedPeriod]
    return max(filter(None, times), default=None)


def _machines(c: Charged) -> str:
    """MA_MAY: the machines that results are from, and those that something was done with."""
    used = (one for done in c.procedures for one in done.usedReference or [])
    return machines(c.visit, [*(one.device for one in c.results), *used])


SERVICE: Final = {
    "MA_LK": OfVisit("XML1.MA_LK", key),
    "STT": NUMBERED,
    "MA_DICH_VU": Fill("ChargeItem.code", lambda c: c.code if _is_service(c) else ""),
    "MA_PTTT_QT": Fill(
        "Procedure.code(ICD-9-CM)",
        lambda c: ";".join(dict.fromkeys(filter(None, (code(p.code, ICD9) for p in c.procedures)))),
    ),
    "MA_VAT_TU": Fill("ChargeItem.code(vat-tu-y-te)", _supply),
    "MA_NHOM": Fill("ChargeItem.extension(cost-group), ChargeItem.code, danh mục dịch vụ", lambda c: c.group),
    "GOI_VTYT": Fill("ChargeItem.extension(supply-package)", lambda c: told(c.item, SUPPLY_PACKAGE)),
    "TEN_VAT_TU": Fill("ChargeItem.code(vat-tu-y-te)", lambda c: "" if _is_service(c) else text(c.item.code)),
    "TEN_DICH_VU": Fill(
        "ChargeItem.code, danh mục dịch vụ",
        lambda c: (c.service.name if c.service else text(c.item.code)) if _is_service(c) else "",
    ),
    "MA_XANG_DAU": Fill("ChargeItem.extension(fuel)", lambda c: told(c.item, FUEL)),
    "DON_VI_TINH": Fill("ChargeItem.quantity.unit, Lần, Ngày", _unit),
    "DON_GIA_BV": Fill("ChargeItem.priceOverride", lambda c: number(c.line.line.price)),
    "DON_GIA_BH": Fill("ChargeItem.extension(insured-price), priceOverride", lambda c: number(c.line.insured_price)),
    "TT_THAU": Fill("ChargeItem.extension(tender)", lambda c: "" if _is_service(c) else told(c.item, TENDER)),
    "TYLE_TT_DV": Fill("ChargeItem.factorOverride", lambda c: number(c.line.line.special_share)),
    "T_TRANTT": Fill("ChargeItem.extension(payment-ceiling)", _ceiling),
    **MONEY,
    "MA_KHOA": Fill(WARD, lambda c: department_at(c.visit, _ordered(c))),
    "MA_GIUONG": Fill("Encounter.location, Location.identifier", _bed),
    "MA_BAC_SI": Fill(
        "ServiceRequest.requester, Practitioner.qualification",
        lambda c: licence(c.visit, c.request.requester if c.request else None),
    ),
    "NGUOI_THUC_HIEN": Fill("Procedure.performer, Observation.performer, DiagnosticReport.performer", _performers),
    "MA_BENH": OfVisit("XML1.MA_BENH_CHINH", principal),
    "MA_BENH_YHCT": OfVisit("XML1.MA_BENH_YHCT", traditional),
    "NGAY_YL": Fill("ServiceRequest.authoredOn, ChargeItem.occurrence", lambda c: written(_ordered(c))),
    "NGAY_TH_YL": Fill("Observation.effective, Procedure.performed", lambda c: written(_carried_out(c))),
    "NGAY_KQ": Fill(
        "Observation.issued, DiagnosticReport.issued, Procedure.performed.end, Encounter.location.period.end",
        lambda c: written(_ready(c)),
    ),
    "PP_VO_CAM": Fill(
        "Procedure.usedCode(pp-vo-cam)",
        lambda c: listed([used for p in c.procedures for used in p.usedCode or []], "pp-vo-cam"),
    ),
    "VI_TRI_TH_DVKT": Fill(
        "Procedure.bodySite(vi-tri)",
        lambda c: listed([site for p in c.procedures for site in p.bodySite or []], "vi-tri"),
    ),
    "MA_MAY": Fill("Observation.device, Procedure.usedReference, Device.identifier(ma-may)", _machines),
    "MA_HIEU_SP": Fill("ChargeItem.extension(supply-model)", lambda c: told(c.item, MODEL)),
    "TAI_SU_DUNG": Fill("ChargeItem.extension(supply-reused)", lambda c: "1" if _flagged(c.item, REUSED) else ""),
}


def _ordered(c: Charged) -> datetime | None:
    return moment((c.request.authoredOn if c.request else None) or c.item.occurrenceDateTime)


def _rows(*kinds: str) -> Callable[[Claimed], Iterator[tuple[Charged, Mapping[str, str]]]]:
    def rows(claimed: Claimed) -> Iterator[tuple[Charged, Mapping[str, str]]]:
        for item, line in zip(claimed.visit.charges, claimed.divided.lines, strict=True):
            if line.line.kind in kinds:
                charged = Charged(claimed.visit, item, line)
                order = charged.medicine if line.line.kind == "drug" else charged.request
                ids = {"ChargeItem": item.id or "", "Encounter": claimed.visit.id}
                yield charged, ids | ({order.resourceType: order.id or ""} if order else {})

    return rows


MEDICINES: Final = Filling(_rows("drug"), MEDICINE)
SERVICES: Final = Filling(_rows("service", "supply"), SERVICE)
