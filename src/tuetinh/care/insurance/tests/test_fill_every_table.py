"""Every table of every decision, filled from the record: byte for byte, and from where.

`TUETINH_GOLDEN=1 pytest …` writes the golden files anew, for a reviewer to look at.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tuetinh.care.insurance.api import claim, claims, described_fields, fields_of
from tuetinh.care.insurance.claim_tables import FILLINGS, source_of
from tuetinh.care.insurance.claims import Claim
from tuetinh.care.insurance.claims import status as status_of
from tuetinh.care.insurance.papers.catalogue import PAPERS
from tuetinh.care.insurance.papers.facts import read as read_papers
from tuetinh.care.insurance.papers.facts import response
from tuetinh.care.insurance.tables import DECISIONS, decision
from tuetinh.care.insurance.tests.full_visit import DOCTOR, ISSUED, VISIT, store_full_visit
from tuetinh.care.insurance.wire_xml3176 import read, write, write_table
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

GOLDEN = Path(__file__).parent / "golden"
MADE = date(2026, 11, 6)
UNSIGNED, REPORT = ("Observation", "full-glucose"), ("DiagnosticReport", "full-report")
TABLES = [(by, name) for by in DECISIONS for name in decision(by).tables if name != "XML0"]


@pytest.fixture
def full(db: None) -> str:
    return store_full_visit()


def golden(by: str, name: str, written: bytes) -> bytes:
    path = GOLDEN / by / f"{name}.xml"
    if os.environ.get("TUETINH_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(written + b"\n")
    return path.read_bytes()


@pytest.mark.parametrize("by", DECISIONS)
def test_each_table_is_filled_byte_for_byte(full: str, by: str) -> None:
    made = claim(SYSTEM, full, made=MADE, by=by)
    filled = {name for name, rows in made.tables.items() if rows}
    assert filled == {name for name in decision(by).tables if name != "XML0"}
    for name, rows in made.tables.items():
        written = write_table(name, rows, by=by)
        assert golden(by, name, written) == written + b"\n", name


@pytest.mark.parametrize("by", [by for by in DECISIONS if by != "4210"])
def test_the_notice_is_filled_byte_for_byte(full: str, by: str) -> None:
    (row,) = status_of(SYSTEM, full).tables["XML0"]
    names = {field.name for field in decision(by).tables["XML0"].fields}
    written = write_table("XML0", [{name: value for name, value in row.items() if name in names}], by=by)
    assert golden(by, "XML0", written) == written + b"\n"


@pytest.mark.parametrize("by", DECISIONS)
def test_what_is_written_comes_back_and_is_written_the_same(full: str, by: str) -> None:
    made = claim(SYSTEM, full, made=MADE, by=by)
    told = read(made.xml)
    assert (told.facility, told.made, told.decision) == ("12001", "20261106", by)
    assert write(told.tables, facility=told.facility, made=MADE, by=by) == made.xml


def test_papers_go_to_the_claim_and_come_back_as_the_same_papers(full: str) -> None:
    before = claim(SYSTEM, full, made=MADE)
    told = read(before.xml).tables
    encounter = record.read(SYSTEM, "Encounter", VISIT)
    assert isinstance(encounter, r4.Encounter)
    for paper in PAPERS.values():
        if paper.table not in told:
            continue  # table 12 is keyed by hand
        known = read_papers(_responses())[paper.name]
        for one, row in zip(known, told[paper.table], strict=True):
            answers = {name: row.get(name, "") for name in paper.asked}
            made = response(paper, one.id, encounter, answers, number=one.number, now=ISSUED, author=DOCTOR)
            record.update(SYSTEM, made)
    assert claim(SYSTEM, full, made=MADE).xml == before.xml


def _responses() -> list[r4.QuestionnaireResponse]:
    found = record.search(SYSTEM, "QuestionnaireResponse", f"encounter=Encounter/{VISIT}&_count=100").resources
    return [one for one in found if isinstance(one, r4.QuestionnaireResponse)]


def test_nothing_that_must_be_is_missing(full: str) -> None:
    made = claim(SYSTEM, full, made=MADE)
    missing = {(p.table, p.field) for p in made.problems if p.code == "required"}
    assert missing == set()


@pytest.mark.parametrize(
    ("table", "row", "field", "value"),
    [
        ("XML1", 1, "NHOM_MAU", "O+"),
        ("XML1", 1, "MA_NOI_DI", "12104"),
        ("XML1", 1, "MA_NOI_DEN", "12002"),
        ("XML1", 1, "GIAY_CHUYEN_TUYEN", "26/CT/000009"),
        ("XML1", 1, "NGAY_TAI_KHAM", "20261112"),
        ("XML1", 1, "MA_PTTT_QT", "47.01"),
        ("XML1", 1, "PP_DIEU_TRI", "Nội khoa, Phẫu thuật"),
        ("XML1", 1, "GHI_CHU", "Thay băng mỗi ngày"),
        ("XML1", 1, "CAN_NANG_CON", "3;3"),
        ("XML1", 1, "LY_DO_VNT", "Đau bụng"),
        ("XML1", 1, "DU_PHONG", "155"),
        ("XML2", 1, "SO_DANG_KY", "VD-00001-26"),
        ("XML2", 1, "TT_THAU", "01/QĐ-SYT;G1;N4;2026"),
        ("XML2", 1, "NGAY_TH_YL", "202611021630"),
        ("XML2", 1, "NGUON_CTRA", "4"),
        ("XML2", 1, "T_NGUONKHAC_VTTN", "1000"),
        ("XML3", 2, "MA_MAY", "HH.1.BC5000"),
        ("XML3", 3, "PP_VO_CAM", "1"),
        ("XML3", 3, "MA_PTTT_QT", "47.01"),
        ("XML3", 3, "NGAY_KQ", "202611021530"),
        ("XML3", 4, "MA_VAT_TU", "N05.02.030"),
        ("XML3", 4, "MA_DICH_VU", ""),
        ("XML3", 4, "T_TRANTT", "250000"),
        ("XML3", 4, "DON_GIA_BH", "250000"),
        ("XML4", 1, "KET_LUAN", "Bình thường"),
        ("XML4", 1, "MO_TA", "Mẫu đạt"),
        ("XML5", 2, "DIEN_BIEN_LS", "Bụng mềm CSST<T37.5>"),
        ("XML5", 2, "HOI_CHAN", "Hội chẩn: mổ"),
        ("XML5", 1, "PHAU_THUAT", "Ruột thừa viêm mủ"),
        ("XML7", 1, "NGOAITRU_DENNGAY", "20261108"),
        ("XML11", 1, "MA_BHXH", "1290000017"),
        ("XML13", 1, "GIAY_CHUYEN_TUYEN", "26/CT/000001"),
        ("XML14", 1, "NGAY_HEN_KL", "20261112"),
        ("XML15", 1, "MA_BN", "full-patient"),
    ],
)
def test_a_field_says_what_its_fact_says(full_claim: Claim, table: str, row: int, field: str, value: str) -> None:
    assert full_claim.tables[table][row - 1][field] == value


@pytest.fixture(scope="module")
def full_claim(django_db_setup: None, django_db_blocker: Any) -> Claim:
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        store_full_visit()
        made = claim(SYSTEM, VISIT, made=MADE)
        transaction.set_rollback(True)
    return made


def test_every_value_says_from_which_fact(full_claim: Claim) -> None:
    told = {
        f"{table}.{number}.{name}"
        for table, rows in full_claim.tables.items()
        for number, row in enumerate(rows, 1)
        for name, value in row.items()
        if value
    }
    assert told == {place for place in full_claim.sources if place in told}
    machine = "Observation.device, Procedure.usedReference, Device.identifier(ma-may)"
    assert full_claim.sources["XML3.2.MA_MAY"] == machine
    assert full_claim.sources["XML2.1.DON_GIA"] == "ChargeItem/full-drug.priceOverride"
    assert full_claim.sources["XML13.1.DAU_HIEU_LS"] == f"QuestionnaireResponse/{VISIT}-ct(chuyen-co-so).DAU_HIEU_LS"


def test_a_report_that_nobody_has_signed_is_not_claimed(full: str) -> None:
    glucose, report = (record.read(SYSTEM, *named) for named in (UNSIGNED, REPORT))
    assert isinstance(glucose, r4.Observation) and isinstance(report, r4.DiagnosticReport)
    glucose.status = "preliminary"
    record.update(SYSTEM, glucose)
    said = {}
    for status in ("preliminary", "partial", "final", "appended"):
        report.status = status
        record.update(SYSTEM, report)
        said[status] = [row["KET_LUAN"] for row in claim(SYSTEM, full, made=MADE).tables["XML4"]]
    assert said == {"preliminary": [], "partial": [], "final": ["Bình thường"], "appended": ["Bình thường"]}


def test_the_report_of_a_visit_is_what_the_claim_says(full_claim: Claim) -> None:
    found = {(one.table, one.row, one.field.name): one for one in fields_of(full_claim)}
    assert found["XML1", 1, "HO_TEN"].value == "LÒ THỊ PÂNG"
    assert found["XML1", 1, "HO_TEN"].state == "filled"
    assert found["XML1", 1, "MA_TAI_NAN"].state == "empty"
    assert len(found) == sum(
        len(rows) * len(decision("3176").tables[table].fields) for table, rows in full_claim.tables.items()
    )


def test_what_must_be_and_is_not_is_called_missing(desk: Any) -> None:
    found = {(one.table, one.field.name): one.state for one in fields_of(claim(SYSTEM, desk.id))}
    assert found["XML1", "MA_BENH_CHINH"] == "missing"
    assert found["XML1", "MA_TAI_NAN"] == "empty"


@pytest.mark.parametrize("by", DECISIONS)
def test_every_field_that_must_be_has_a_source(by: str) -> None:
    without = {(one.table, one.field.name) for one in described_fields(by) if one.needed == "always" and not one.source}
    assert without == set()


def test_what_fills_a_field_is_a_field_of_some_decision() -> None:
    known = {(table, field.name) for by in DECISIONS for table, d in decision(by).tables.items() for field in d.fields}
    assert {(table, name) for table, how in FILLINGS.items() for name in how.fields} <= known
    assert source_of("4750", "XML13", "MA_NOI_DEN") == "QuestionnaireResponse(chuyen-co-so).MA_CSKCB_DEN"
    assert source_of("3176", "XML1", "MA_LY_DO_VNT") == ""


def test_many_claims_ask_no_more_than_one(full: str) -> None:
    for number in range(3):
        copy = record.read(SYSTEM, "Encounter", VISIT)
        copy.id, copy.meta = f"copy-{number}", None
        record.create(SYSTEM, copy)
    list(claims(SYSTEM, [VISIT], made=MADE))

    def asked(ids: list[str]) -> int:
        with CaptureQueriesContext(connection) as caught:
            made = list(claims(SYSTEM, ids, made=MADE))
        assert [id_ for id_, one in made if one] == ids
        return len(caught)

    one = asked([VISIT])
    let_pass = 3  # one question of each visit that has something against it: what somebody went on against
    assert asked([VISIT, *(f"copy-{n}" for n in range(3))]) <= one + let_pass


def test_what_was_entered_in_error_is_not_claimed(full: str) -> None:
    before = claim(SYSTEM, full, made=MADE).tables["XML5"]
    (note,) = record.search(SYSTEM, "ClinicalImpression", f"encounter=Encounter/{full}&_count=1").resources
    assert isinstance(note, r4.ClinicalImpression)
    told = note.summary or note.description or ""
    assert any(told in row["DIEN_BIEN_LS"] for row in before)
    note.status = "entered-in-error"
    record.update(SYSTEM, note)
    after = claim(SYSTEM, full, made=MADE).tables["XML5"]
    assert not any(told in row["DIEN_BIEN_LS"] for row in after)
    assert len(after) == len(before) - 1
