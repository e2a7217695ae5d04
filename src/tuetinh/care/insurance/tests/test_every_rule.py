"""Every rule that comes with the house finds its fault, and nothing in a claim that has none."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from tuetinh.care.insurance.approved.checking import Book as Catalogues
from tuetinh.care.insurance.approved.checking import Item
from tuetinh.care.insurance.rules.book import delivered, delivered_book
from tuetinh.care.insurance.rules.language import MOMENTS, BadCondition, Book, Program, Rule, environment, verify
from tuetinh.care.insurance.rules.vocabulary import Around, Licence, medicine
from tuetinh.care.insurance.rules.weigh import weigh
from tuetinh.care.insurance.tables import Tables
from tuetinh.care.insurance.wire_xml3176 import read

NOW = "202612010800"
APRIL = date(2026, 4, 1)
GOLDEN = read((Path(__file__).parent / "golden" / "claim_3176.xml").read_bytes()).tables
DOCTOR, TECHNICIAN = "000456/LCH-GPHN", "000789/LCH-GPHN"
EXAM, TEST = 0, 1  # lines of table 3
OLD = {"NGAY_VAO": "202605020815", "NGAY_RA": "202605021040"}
STAY = {
    "MA_LOAI_KCB": "03",
    "NGAY_VAO": "202611010800",
    "NGAY_VAO_NOI_TRU": "202611010800",
    "NGAY_RA": "202611031000",
    "SO_NGAY_DTRI": "3",
}
BED = {"MA_NHOM": "15", "MA_DICH_VU": "K02.1911", "SO_LUONG": "1", "MA_GIUONG": "H001"}
SURGERY = {"MA_NHOM": "8", "PP_VO_CAM": "1", "NGAY_TH_YL": "202611020845", "NGAY_KQ": "202611020945"}
SUPPLY = {"MA_VAT_TU": "N07.01.010", "MA_NHOM": "10", "GOI_VTYT": "G1", "THANH_TIEN_BH": "113850001"}  # 45 × 2,530,000
MEDICINE = medicine(GOLDEN["XML2"][0])


def licence(**told: str) -> Around:
    scopes = tuple(told.pop("scopes", "102").split())
    return Around(licences={DOCTOR: Licence(scopes=scopes, **told), TECHNICIAN: Licence(**told)})


def catalogue(number: str, field: str = "", **told: Any) -> Around:
    """A catalogue of the codes that the golden claim has in a field; empty without one."""
    item = Item(**{"price": None, "tender": "", "registration": "", "since": APRIL, "until": None} | told)
    table = "XML2" if number == "03" else "XML3"
    return Around(approved=Catalogues({number: {row[field]: [item] for row in GOLDEN[table] if field}}))


def one(**fields: str) -> dict[int, dict[str, str]]:
    return {0: fields}


# code: what is changed in the golden claim by table and row, what is known around it
CASES: list[tuple[str, dict[str, dict[int, dict[str, str]]], Around]] = [
    ("ICD-UNKNOWN", {"XML1": one(MA_BENH_CHINH="Q99.99")}, Around()),
    ("ICD-UNKNOWN-KT", {"XML1": one(MA_BENH_KT="J00;Q99.99")}, Around()),
    ("ICD-DIGITS", {"XML1": one(MA_BENH_CHINH="A01")}, Around()),
    ("ICD-DIGITS-KT", {"XML1": one(MA_BENH_KT="A01")}, Around()),
    ("ICD-DEATH", {"XML1": one(MA_BENH_CHINH="{death}")}, Around()),
    ("ICD-DEATH-KT", {"XML1": one(MA_BENH_KT="{death}")}, Around()),
    ("ICD-SEX-4469", {"XML1": one(MA_BENH_CHINH="C61", **OLD)}, Around()),
    ("ICD-SEX-4469-KT", {"XML1": one(MA_BENH_KT="C61", **OLD)}, Around()),
    ("ICD-SEX", {"XML1": one(MA_BENH_CHINH="C61")}, Around()),
    ("ICD-SEX-KT", {"XML1": one(MA_BENH_KT="C61")}, Around()),
    ("ICD-AGE", {"XML1": one(MA_BENH_CHINH="P22.0")}, Around()),
    ("ICD-AGE-KT", {"XML1": one(MA_BENH_KT="P22.0")}, Around()),
    ("ICD-PRINCIPAL", {"XML1": one(MA_BENH_CHINH="B95.0")}, Around()),
    ("ICD-DISCOURAGED", {"XML1": one(MA_BENH_CHINH="{discouraged}")}, Around()),
    ("ICD-PAIR", {"XML1": one(MA_BENH_KT="G01")}, Around()),
    ("ICD-TWICE", {"XML1": one(MA_BENH_KT="J00;I10")}, Around()),
    ("ICD-ACCIDENT", {"XML1": one(MA_BENH_CHINH="S52.5")}, Around()),
    ("ICD-LINE", {"XML3": {TEST: {"MA_BENH": "I10;ZZ9"}}}, Around()),
    ("TIME-ARRIVAL", {"XML1": one(NGAY_VAO="202612020800")}, Around()),
    ("TIME-END", {"XML1": one(NGAY_RA="202612020800")}, Around()),
    ("TIME-PAID", {"XML1": one(NGAY_TTOAN="202612020800")}, Around()),
    ("TIME-BIRTH", {"XML1": one(NGAY_SINH="202611030000")}, Around()),
    ("TIME-PAID-EARLY", {}, Around()),
    ("TIME-REVISIT", {"XML1": one(NGAY_TAI_KHAM="20261202;20261102")}, Around()),
    ("TIME-SETTLED", {"XML1": one(THANG_QT="9")}, Around()),
    ("BIRTH-NEWBORN", {"XML1": one(NGAY_SINH="202610200000")}, Around()),
    ("PERSON-NUMBER", {"XML1": one(SO_CCCD="12345678901")}, Around()),
    ("PROVINCE", {"XML1": one(MATINH_CU_TRU="99")}, Around()),
    ("COMMUNE", {"XML1": one(MAXA_CU_TRU="")}, Around()),
    ("CARD-NOT-YET", {"XML1": one(GT_THE_TU="20261103")}, Around()),
    ("CARD-EXPIRED", {"XML1": one(GT_THE_DEN="20261101")}, Around()),
    ("CARD-15-DAYS", {"XML1": one(NGAY_VAO="202610010800", GT_THE_DEN="20261010")}, Around()),
    ("CARD-NONE", {"XML1": one(MA_THE_BHYT="")}, Around()),
    ("CARD-DAYS", {"XML1": one(GT_THE_TU="")}, Around()),
    ("CARD-PLACE", {"XML1": one(MA_DKBD="")}, Around()),
    ("CARD-GROUP", {"XML1": one(MA_THE_BHYT="ZZ4120000000017")}, Around()),
    ("CARD-PROVINCE", {"XML1": one(MA_THE_BHYT="GD4000000000017")}, Around()),
    ("BENEFIT-SMALL", {"XML1": one(T_TONGCHI_BH="379000")}, Around()),
    ("BENEFIT-RATE-DRUG", {"XML1": one(T_TONGCHI_BH="379500"), "XML2": one(MUC_HUONG="100")}, Around(primary=False)),
    ("BENEFIT-RATE-SERVICE", {"XML1": one(**STAY, T_TONGCHI_BH="379500"), "XML3": {TEST: {"MUC_HUONG": "95"}}}, Around()),
    ("BENEFIT-RATE-ODD-DRUG", {"XML2": one(MUC_HUONG="70")}, Around()),
    ("BENEFIT-RATE-ODD-SERVICE", {"XML3": {TEST: {"MUC_HUONG": "79"}}}, Around()),
    ("OUT-OF-SCOPE-DRUG", {"XML2": one(PHAM_VI="2")}, Around()),
    ("OUT-OF-SCOPE-SERVICE", {"XML3": {TEST: {"PHAM_VI": "2"}}}, Around()),
    ("ARMY-SCOPE-DRUG", {"XML2": one(PHAM_VI="3")}, Around()),
    ("ARMY-SCOPE-SERVICE", {"XML3": {TEST: {"PHAM_VI": "3"}}}, Around()),
    ("OUT-OF-SCOPE-RATE-DRUG", {"XML2": one(PHAM_VI="2")}, Around()),
    ("OUT-OF-SCOPE-RATE-SERVICE", {"XML3": {TEST: {"PHAM_VI": "2"}}}, Around()),
    ("REGISTERED-ELSEWHERE", {"XML1": one(MA_DKBD="12002;12003")}, Around()),
    ("TOTAL-SERVICE", {"XML1": one(T_BHTT_GDV="0")}, Around()),
    ("RATE-LIST", {"XML1": one(MA_DOITUONG_KCB="9")}, Around()),
    ("INTERVAL", {"XML1": one(NGAY_RA="202611020818")}, Around()),
    ("DEATH-REVISIT", {"XML1": one(KET_QUA_DTRI="5")}, Around()),
    ("TRANSFER-WHERE", {"XML1": one(MA_LOAI_RV="2")}, Around()),
    ("TRANSFER-NONE", {"XML1": one(MA_NOI_DEN="12002")}, Around()),
    ("TRANSFER-FROM", {"XML1": one(MA_DOITUONG_KCB="1.3")}, Around()),
    ("TABLE-13", {"XML1": one(MA_LOAI_RV="2")}, Around()),
    ("TABLE-14", {}, Around()),
    ("TABLE-5", {"XML1": one(MA_LOAI_KCB="02"), "XML5": {}}, Around()),
    ("TABLE-7", {"XML1": one(**STAY)}, Around()),
    ("WEIGHT-CHILD", {"XML1": one(NGAY_SINH="202610010000", CAN_NANG="")}, Around()),
    ("VISIT-OVERLAP", {}, Around(hours_since_last=-0.5)),
    ("VISIT-AGAIN", {}, Around(hours_since_last=23.5)),
    ("SUPPLY-PACKAGE", {"XML3": {TEST: SUPPLY}}, Around()),
    ("BED-4-HOURS", {"XML1": one(**STAY | {"NGAY_RA": "202611011100"}), "XML3": {TEST: BED}}, Around()),
    ("BED-MORE-DAYS", {"XML1": one(**STAY), "XML3": {TEST: BED | {"SO_LUONG": "4"}}}, Around()),
    ("BED-OUTPATIENT", {"XML3": {TEST: BED}}, Around()),
    ("BED-CODE", {"XML1": one(**STAY), "XML3": {TEST: BED | {"MA_GIUONG": "5"}}}, Around()),
    ("EXAM-INPATIENT", {"XML1": one(**STAY), "XML3": {EXAM: {"SO_LUONG": "2"}}}, Around()),
    ("EXAM-MANY", {"XML3": {EXAM: {"SO_LUONG": "6"}}}, Around()),
    ("EXAM-SHARE", {"XML3": {TEST: {"MA_NHOM": "13"}}}, Around()),
    ("EXAM-LINE", {"XML3": {EXAM: {"SO_LUONG": "2"}}}, Around()),
    ("STAY-UNDER-4", {"XML1": one(**STAY | {"MA_LOAI_KCB": "09"})}, Around()),
    ("DAY-BED", {"XML3": {TEST: BED | {"MA_NHOM": "14"}}}, Around()),
    ("STAY-START", {"XML1": one(**STAY | {"NGAY_VAO_NOI_TRU": "202611031001"})}, Around()),
    ("STAY-START-UNTOLD", {"XML1": one(**STAY | {"NGAY_VAO_NOI_TRU": ""})}, Around()),
    ("STAY-DAYS-NONE", {"XML1": one(MA_LOAI_KCB="09")}, Around()),
    ("STAY-DAYS-SERVED", {"XML1": one(MA_LOAI_KCB="02", SO_NGAY_DTRI="2")}, Around()),
    ("STAY-DAYS-DRUG", {"XML1": one(MA_LOAI_KCB="05", SO_NGAY_DTRI="21")}, Around()),
    ("SERVICE-DAY", {"XML3": {TEST: {"MA_NHOM": "2", "SO_LUONG": "4"}}}, Around()),
    ("LAB-DAY", {"XML3": {TEST: {"SO_LUONG": "13"}}}, Around()),
    ("HBA1C", {"XML3": {TEST: {"MA_DICH_VU": "23.0083.1523", "SO_LUONG": "2"}}}, Around()),
    ("SERVICE-AGAIN", {"XML3": {EXAM: {"MA_NHOM": "1", "MA_DICH_VU": "23.0075.1494", "NGAY_TH_YL": "202611020842"}}}, Around()),
    ("SURGERY-SHORT", {"XML3": {TEST: SURGERY | {"NGAY_KQ": "202611020849"}}}, Around()),
    ("SURGERY-LONG", {"XML3": {TEST: SURGERY | {"NGAY_TH_YL": "202611010844"}}}, Around()),
    ("SERVICE-FUTURE", {"XML3": {TEST: {"NGAY_KQ": "202612010801"}}}, Around()),
    ("SERVICE-AFTER", {"XML3": {TEST: {"NGAY_KQ": "202611021041"}}}, Around()),
    ("SERVICE-SEX", {"XML1": one(GIOI_TINH="1"), "XML3": {TEST: {"MA_DICH_VU": "13.0033.0614"}}}, Around()),
    ("SERVICE-WHOLE", {"XML3": {TEST: {"SO_LUONG": "1.5"}}}, Around()),
    ("EXAM-NIGHT", {"XML3": {EXAM: {"NGAY_YL": "202611020210"}}}, Around()),
    ("SURGERY-ANAESTHESIA", {"XML3": {TEST: SURGERY | {"PP_VO_CAM": ""}}}, Around()),
    ("NO-RESULT", {"XML4": {}}, Around()),
    ("MACHINE", {}, Around()),
    ("GROUP-DRUG", {"XML2": one(MA_NHOM="1")}, Around()),
    ("GROUP-SERVICE", {"XML3": {TEST: {"MA_NHOM": "4"}}}, Around()),
    ("SERVICE-UNPRICED", {"XML3": {TEST: {"MA_DICH_VU": "23.0075.0000"}}}, Around()),
    ("STAFF-DRUG-EXPIRED", {}, licence(until="20261101")),
    ("STAFF-DRUG-EARLY", {}, licence(since="20261103")),
    ("STAFF-DRUG-UNKNOWN", {}, Around(staffed=True)),
    ("STAFF-SERVICE-EXPIRED", {}, licence(until="20261101")),
    ("STAFF-SERVICE-EARLY", {}, licence(since="20261103")),
    ("STAFF-SERVICE-UNKNOWN", {}, Around(staffed=True)),
    ("STAFF-RESULT-EXPIRED", {}, licence(until="20261101")),
    ("STAFF-RESULT-EARLY", {}, licence(since="20261103")),
    ("STAFF-RESULT-UNKNOWN", {}, Around(staffed=True)),
    ("SCOPE-DRUG", {}, licence(scopes="301 302")),
    ("SCOPE-SURGERY", {"XML3": {TEST: SURGERY}}, licence(scopes="201")),
    ("PERFORMER", {"XML3": {TEST: {"NGUOI_THUC_HIEN": ""}}}, Around()),
    ("TWO-PLACES-MACHINE", {"XML3": {TEST: {"MA_MAY": "HH.1.X1"}}}, Around(busy={("XML3", 2): ("other", "")})),
    ("TWO-PLACES-PERSON", {"XML3": {TEST: {"MA_NHOM": "2"}}}, Around(busy={("XML3", 2): ("", "other")})),
    ("DRUG-NO-CODE", {"XML2": one(MA_THUOC="")}, Around()),
    ("DRUG-METFORMIN", {"XML2": one(MA_THUOC="40.807")}, Around()),
    ("DRUG-INSULIN", {"XML2": one(MA_THUOC="40.806")}, Around()),
    ("DRUG-LEVOTHYROXIN", {"XML2": one(MA_THUOC="40.815")}, Around()),
    ("DRUG-THIAMAZOL", {"XML2": one(MA_THUOC="40.817")}, Around()),
    ("DRUG-STATIN", {"XML2": one(MA_THUOC="40.549")}, Around()),
    ("DRUG-AMLODIPIN", {"XML1": one(MA_BENH_CHINH="J00")}, Around()),
    ("DRUG-CODEIN", {"XML1": one(NGAY_SINH="201611030000"), "XML2": one(MA_THUOC="40.50")}, Around()),
    ("DRUG-TETRACYCLIN", {"XML1": one(NGAY_SINH="202011030000"), "XML2": one(TEN_THUOC="Doxycyclin")}, Around()),
    ("DRUG-DAYS", {"XML1": one(MA_BENH_CHINH="J00"), "XML2": one(LIEU_DUNG="1 Viên/lần * 1 lần/ngày * 31 ngày [1 Viên/ngày]")}, Around()),
    ("DRUG-90-DAYS", {"XML2": one(LIEU_DUNG="1 Viên/lần * 1 lần/ngày * 91 ngày [1 Viên/ngày]")}, Around()),
    ("DRUG-TWICE", {"XML2": {1: GOLDEN["XML2"][0]}}, Around()),
    ("DRUG-FUTURE", {"XML2": one(NGAY_YL="202612010801")}, Around()),
    ("PRICE-DRUG", {}, Around(prices={MEDICINE: 499.0})),
    ("PRICE-SERVICE", {}, Around(prices={"23.0075.1494": 442_499.0})),
    ("PRICE-BH-BV", {"XML3": {TEST: {"DON_GIA_BV": "442499"}}}, Around()),
    ("PRICE-CEILING", {"XML3": {TEST: {"T_TRANTT": "400000"}}}, Around()),
    ("TENDER-FORM", {"XML2": one(TT_THAU="0000/QĐ-SYT")}, Around()),
    ("TENDER-SUPPLY", {"XML3": {TEST: {"MA_VAT_TU": "N01.01.010", "TT_THAU": "0000/QĐ-SYT;1;2"}}}, Around()),
    ("TENDER-OTHER", {}, Around(tenders={MEDICINE: "1/QĐ;G1;N2;2026"})),
    ("RESULT-CONTRADICTS", {"XML4": {1: GOLDEN["XML4"][0] | {"GIA_TRI": "9.9"}}}, Around()),
    ("RESULT-EARLY", {"XML4": one(NGAY_KQ="202611020829")}, Around()),
    ("RESULT-FUTURE", {"XML4": one(NGAY_KQ="202612010801")}, Around()),
    ("RESULT-CONCLUSION", {"XML3": {TEST: {"MA_NHOM": "2"}}}, Around()),
    ("RESULT-PREGNANT-MAN", {"XML1": one(GIOI_TINH="1"), "XML4": one(TEN_CHI_SO="Beta-hCG", GIA_TRI="Dương tính")}, Around()),
    ("RESULT-PERCENT", {"XML4": one(TEN_CHI_SO="HCT", DON_VI_DO="%", GIA_TRI="462")}, Around()),
    ("RESULT-ORPHAN", {"XML4": one(MA_DICH_VU="23.0051.1494")}, Around()),
    ("RESULT-AFTER", {"XML4": one(NGAY_KQ="202611021041")}, Around()),
    ("CHECKIN-EMERGENCY", {"XML0": one(MA_DOITUONG_KCB="2")}, Around()),
    ("CHECKIN-FUTURE", {"XML0": one(NGAY_VAO="202612010801")}, Around()),
    ("CHECKIN-CARD", {"XML0": one(MA_THE_BHYT="GD4120000000017", GT_THE_DEN="20261101", NGAY_VAO="202611020800")}, Around()),
    ("CHECKIN-NUMBER", {"XML0": one(SO_CCCD="12345")}, Around()),
    ("ARV-DAYS", {"XML6": one(NGAY_BAT_DAU_XU_TRI="20261102", NGAY_KET_THUC_XU_TRI="20261201", SO_NGAY_CAP_THUOC_ARV="30")}, Around()),
    ("DISCHARGE-DAY", {"XML7": one(NGAY_RA="202611021040", NGAY_CT="20261103")}, Around()),
    ("PREGNANCY-WORDS", {"XML10": one(CHAN_DOAN_RV="Dọa sảy thai")}, Around()),
    ("PREGNANCY-START", {"XML10": one(TU_NGAY="20261103")}, Around()),
    ("LEAVE-LONG", {"XML11": one(SO_NGAY_NGHI="31")}, Around()),
    ("LEAVE-DAYS", {"XML11": one(TU_NGAY="20261102", DEN_NGAY="20261103", SO_NGAY_NGHI="3")}, Around()),
    ("LEAVE-START", {"XML11": one(TU_NGAY="20261101")}, Around()),
    ("BIRTH-NOTE", {"XML9": one(SINHCON_PHAUTHUAT="0", SINHCON_DUOI32TUAN="1")}, Around()),
    ("TB-HIV-ARV", {"XML15": one(PHANLOAI_LAO_HIV="1")}, Around()),
    ("APPROVED-DRUG", {}, catalogue("03")),
    ("APPROVED-DRUG-REGISTRATION", {}, catalogue("03", "MA_THUOC", registration="VD-9")),
    ("APPROVED-DRUG-TENDER", {}, catalogue("03", "MA_THUOC", tender="1/QĐ;G1;N1;2026")),
    ("APPROVED-DRUG-PRICE", {}, catalogue("03", "MA_THUOC", price=D(499))),
    ("APPROVED-DRUG-NAME", {}, catalogue("03", "MA_THUOC", name="Thuốc khác")),
    ("APPROVED-SERVICE", {}, catalogue("05")),
    ("APPROVED-SUPPLY-TENDER", {"XML3": {TEST: {"MA_VAT_TU": "N01", "TT_THAU": "1/QĐ;G1;N1;2026"}}},
     Around(approved=Catalogues({"04": {"N01": [Item(None, "2/QĐ;G1;N1;2026", "", APRIL, None)]}}))),
    ("APPROVED-SERVICE-PRICE", {}, catalogue("05", "MA_DICH_VU", price=D(1))),
    ("APPROVED-SERVICE-NAME", {}, catalogue("05", "MA_DICH_VU", name="Dịch vụ khác")),
    ("APPROVED-STAFF-DRUG", {}, catalogue("02")),
    ("APPROVED-STAFF-SERVICE", {}, catalogue("02")),
    ("APPROVED-MACHINE", {"XML3": {TEST: {"MA_MAY": "HH.1.X1"}}}, catalogue("06")),
    ("APPROVED-PLACE", {"XML3": {TEST: BED}}, catalogue("01")),
]  # fmt: skip
ALWAYS = {"MACHINE", "TABLE-14", "TIME-PAID-EARLY"}  # hints that the golden claim deserves


def changed(edits: dict[str, dict[int, dict[str, str]]]) -> Tables:
    found = {name: [dict(row) for row in rows] for name, rows in GOLDEN.items()}
    for name, rows in edits.items():
        if not rows:
            found[name] = []
        for place, fields in rows.items():
            found.setdefault(name, [])
            while len(found[name]) <= place:
                found[name].append({})
            found[name][place] |= {field: _code(value) for field, value in fields.items()}
    return found


def _code(value: str) -> str:
    from tuetinh.commons.catalogues.api import Flag, all_codes

    flags = {"{death}": Flag.DEATH_ONLY, "{discouraged}": Flag.DISCOURAGED}
    if value not in flags:
        return value
    return next(e.code for e in all_codes() if flags[value] in e.flags)


def codes_of(tables: Tables, around: Around, when: str = "claim") -> set[str]:
    return {problem.code for problem in weigh(tables, delivered_book(), when=when, around=replace(around, now=NOW))}


@pytest.mark.parametrize(("code", "edits", "around"), CASES, ids=[case[0] for case in CASES])
def test_a_rule_finds_its_fault(code: str, edits: dict[str, Any], around: Around) -> None:
    rule = delivered_book().rules[code]
    when = "claim" if "claim" in rule.when else rule.when[0]
    assert code in codes_of(changed(edits), around, when)
    if code not in ALWAYS:
        assert code not in codes_of(GOLDEN, Around(), when)


EXAMINED = {"MA_NHOM": "13", "PHAM_VI": "1", "NGAY_YL": "202611020820"}
LOST = {"SO_NGAY_NGHI": "50", "MA_DINH_CHI_THAI": "1"}
LIMITS: list[tuple[str, dict[str, dict[int, dict[str, str]]], bool]] = [
    ("LEAVE-LONG", {"XML11": one(**LOST, TUOI_THAI="12")}, True),
    ("LEAVE-LONG", {"XML11": one(**LOST, TUOI_THAI="13")}, False),
    ("LEAVE-LONG", {"XML11": one(**LOST)}, True),
    ("LEAVE-LONG", {"XML11": one(**LOST | {"SO_NGAY_NGHI": "51"}, TUOI_THAI="20")}, True),
    ("PERSON-NUMBER", {"XML1": one(SO_CCCD="B1234567")}, False),
    ("PERSON-NUMBER", {"XML1": one(SO_CCCD="123456789")}, False),
    ("PERSON-NUMBER", {"XML1": one(SO_CCCD="b1234567")}, True),
    ("CHECKIN-NUMBER", {"XML0": one(SO_CCCD="B1234567")}, False),
    ("CHECKIN-NUMBER", {"XML0": one(SO_CCCD="b1234567")}, True),
    ("GROUP-DRUG", {"XML2": one(MA_NHOM="19")}, True),
    *(("GROUP-DRUG", {"XML2": one(MA_NHOM=group)}, False) for group in ("4", "7", "17")),
    *(("GROUP-SERVICE", {"XML3": {TEST: {"MA_NHOM": group}}}, True) for group in ("7", "17")),
    ("GROUP-SERVICE", {"XML3": {TEST: {"MA_NHOM": "19"}}}, False),
    *(("EXAM-SHARE", {"XML3": {place: EXAMINED | {"TYLE_TT_DV": share} for place, share in enumerate(shares.split())}}, told)
      for shares, told in (("100 30 30 30 10 0", False), ("30 100", False), ("100 31", True), ("100 30 30 30 30", True),
                           ("100 30 30 30 10 10", True))),
    ("SERVICE-WHOLE", {"XML3": {TEST: {"SO_LUONG": "2"}}}, False),
    *(("CARD-PROVINCE", {"XML1": one(MA_THE_BHYT=f"{group}970000000017")}, False)
      for group in ("QN5", "CA5", "CY5", "HC4", "LS4", "XK4", "TQ4", "TA4", "TY4")),
    ("CARD-PROVINCE", {"XML1": one(MA_THE_BHYT="QN5970000000017;GD4970000000017")}, True),
    ("COMMUNE", {"XML1": one(MAXA_CU_TRU="", MA_QUOCTICH="156")}, False),
    ("BIRTH-NOTE", {"XML9": one(SINHCON_PHAUTHUAT="1", GHI_CHU="Sinh con phải phẫu thuật")}, False),
    ("BIRTH-NOTE", {"XML9": one(SINHCON_PHAUTHUAT="0", SINHCON_DUOI32TUAN="0")}, False),
    ("TB-HIV-ARV", {"XML15": one(PHANLOAI_LAO_HIV="2")}, False),
]  # fmt: skip


@pytest.mark.parametrize(("code", "edits", "told"), LIMITS)
def test_a_rule_finds_no_fault_within_its_limits(code: str, edits: dict[str, Any], told: bool) -> None:
    assert (code in codes_of(changed(edits), Around())) is told


def test_every_rule_has_its_case() -> None:
    assert [rule.code for rule in delivered()] == sorted(
        {case[0] for case in CASES}, key=list(delivered_book().rules).index
    )
    assert len(delivered_book().rules) == len(delivered())


@pytest.mark.parametrize(
    ("visit", "rate", "primary", "told"),
    [
        ({}, "80", False, False), ({}, "80.5", False, True), ({}, "100", True, False), ({}, "100", None, False),
        ({"MA_LOAI_KCB": "03"}, "100", None, True), ({"T_TONGCHI_BH": "379499"}, "100", False, False),
        ({"NGAY_MIEN_CCT": "20260901"}, "100", False, False), ({"MA_THE_BHYT": "CN3121200000017"}, "100", False, False),
        ({"MA_THE_BHYT": "GB4121200000017;TE1121200000017", "GT_THE_TU": "20260101;20261101", "GT_THE_DEN": "20261031;20271231"}, "100", False, False),
        ({"MA_DOITUONG_KCB": "1.13"}, "40", False, False), ({"MA_DOITUONG_KCB": "1.13"}, "41", True, True),
        ({"MA_DOITUONG_KCB": "3.1", "MA_LOAI_KCB": "03"}, "32", False, False),
        ({"MA_DOITUONG_KCB": "3.1", "MA_LOAI_KCB": "03"}, "80", False, True),
        ({"MA_DOITUONG_KCB": "9"}, "80", True, True), ({"MA_DOITUONG_KCB": "9"}, "0", False, False),
        ({"MA_DOITUONG_KCB": "7.2"}, "100", False, False), ({"MA_THE_BHYT": ""}, "100", False, False),
    ],
)  # fmt: skip
def test_a_rate_is_no_higher_than_card_category_and_cost_allow(
    visit: dict[str, str], rate: str, primary: bool | None, told: bool
) -> None:
    lines = {place: {"MUC_HUONG": rate} for place in (EXAM, TEST)}
    edits = {"XML1": one(**{"T_TONGCHI_BH": "500000"} | visit), "XML3": lines}
    assert ("BENEFIT-RATE-SERVICE" in codes_of(changed(edits), Around(primary=primary), "claim")) is told


def test_nothing_but_hints_is_found_in_the_golden_claim() -> None:
    assert {when: codes_of(GOLDEN, Around(), when) for when in MOMENTS} == {
        "diagnose": set(), "order": set(), "prescribe": set(), "result": {"MACHINE"}, "pay": set(),
        "claim": ALWAYS,
    }  # fmt: skip


@pytest.mark.parametrize("rule", delivered(), ids=lambda rule: rule.code)
def test_every_rule_can_be_asked_and_says_where_it_stands(rule: Rule) -> None:
    verify(rule)
    assert rule.clause
    assert rule.vi
    assert rule.en
    assert rule.severity != "block" or rule.when


def a_rule(condition: str, **told: Any) -> Rule:
    facts: dict[str, Any] = {
        "code": "MINE", "group": "services", "table": "XML3", "field": "SO_LUONG", "severity": "warn", "when": ("claim",),
        "condition": condition, "vi": "x", "en": "x", "clause": "x",
    }  # fmt: skip
    return Rule(**facts | told)


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ('MA_NHOM == 1', "no matching overload"),
        ('NOPE == "1"', "undeclared reference to 'NOPE'"),
        ('SO_LUONG >', "Syntax error"),
        ("SO_LUONG", "DOUBLE ≠ BOOL"),
        ('__import__("os").system("id") == ""', "undeclared reference"),
        ('co_ma("MA_TINH_65", XML1.MATINH_CU_TRU)', 'co_ma: không có danh mục "MA_TINH_65"'),
        ("nhom('KE_DON_TREN_90_NGAY', BENH)", "nhom: không có danh mục 'KE_DON_TREN_90_NGAY'"),
        ('co_ma("MA_TINH_63" + MA_NHOM, MA_NHOM)', "co_ma: không có danh mục \\?"),
        ('co_ma(MA_NHOM, "x")', "co_ma: không có danh mục \\?"),
        ('MA_NHOM == "1" ' + '|| MA_NHOM == "1" ' * 400, "> 4000"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_is_refused_with_the_reason(condition: str, why: str) -> None:
    with pytest.raises(BadCondition, match=why.replace("(", r"\(")):
        verify(a_rule(condition))


def test_lists_that_there_are_may_be_asked_and_named_in_texts() -> None:
    verify(a_rule('co_ma( "MA_TINH_63" , MA_NHOM) && MA_NHOM != "co_ma(x)" && nhom(\'KE_DON_TREN_30_NGAY\', BENH)'))


class Cleared(dict[Any, Any]):
    """What another thread clears as soon as something is kept."""

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.clear()


def test_what_a_book_keeps_may_be_cleared_under_one_that_asks() -> None:
    book = Book([a_rule('MA_NHOM == "13"')])
    book.of_day = Cleared()
    assert [p.row for p in weigh(GOLDEN, book, when="claim", around=Around(now=NOW))] == [1]


@pytest.mark.parametrize(("words", "times"), [("", 1), (" && NGAY_YL > XML1.NGAY_VAO", 3)])
def test_what_is_asked_of_lines_that_say_the_same_is_worked_out_once(
    monkeypatch: pytest.MonkeyPatch, words: str, times: int
) -> None:
    """Unless it is about times, which hardly any other line has."""
    evaluated: list[tuple[Any, ...]] = []
    said = Program._said

    def counted(program: Program, *asked: Any) -> Any:
        evaluated.append(asked)
        return said(program, *asked)

    monkeypatch.setattr(Program, "_said", counted)
    line = GOLDEN["XML3"][0]
    assert line["MA_NHOM"] == "13"
    book = Book([a_rule(f'SO_LUONG == 1 && MA_NHOM == "13"{words}')])
    tables = {**GOLDEN, "XML3": [line, line, line]}
    assert [p.row for p in weigh(tables, book, when="claim", around=Around(now=NOW))] == [1, 2, 3]
    assert len(evaluated) == times


def test_a_condition_that_would_never_end_is_cut_off_and_finds_nothing() -> None:
    many = "[" + ",".join(["1"] * 60) + "]"
    heavy = f"{many}.all(a,{many}.all(b,{many}.all(c,{many}.all(d,{many}.all(e, e > 0)))))"
    book = Book([a_rule(heavy), a_rule("SO_LUONG > 0", code="LIGHT")])
    assert {problem.code for problem in weigh(GOLDEN, book, when="claim", around=Around(now=NOW))} == {"LIGHT"}


def test_whole_numbers_compare_with_decimals_and_texts_are_left_alone() -> None:
    compiled = environment("XML3").compile('MA_DICH_VU == "1" || SO_LUONG > 1.0')
    assert compiled.return_type().name() == "BOOL"
    book = Book([a_rule('SO_LUONG == 1 && MA_NHOM == "13"')])
    assert [p.row for p in weigh(GOLDEN, book, when="claim", around=Around(now=NOW))] == [1]


def test_a_rule_is_asked_only_of_visits_that_end_in_its_time() -> None:
    def found(**told: Any) -> list[int]:
        return [p.row for p in weigh(GOLDEN, Book([a_rule("true", **told)]), when="claim", around=Around(now=NOW))]

    assert found(from_="2026-11-02", to="2026-11-02") == [1, 2]
    assert found(from_="2026-11-03") == []
    assert found(to="2026-11-01") == []
    assert found(on=False) == []
    assert found(when=("order",)) == []
