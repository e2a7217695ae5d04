"""Claim files of other systems become visits of their people; the same again changes nothing."""

from __future__ import annotations

import io
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tuetinh.care.insurance.claims import claim
from tuetinh.care.insurance.intake import run as running
from tuetinh.care.insurance.intake.directory import Directory
from tuetinh.care.insurance.intake.files import sources
from tuetinh.care.insurance.intake.keeping import keep
from tuetinh.care.insurance.intake.rows import told
from tuetinh.care.insurance.intake.stay import visit_id
from tuetinh.care.insurance.models import ClaimImport
from tuetinh.care.insurance.rules.files import Piece, claim_of, claims_in, pieces_in
from tuetinh.care.insurance.tables import Tables
from tuetinh.care.insurance.wire_xml3176 import write
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

pytestmark = pytest.mark.django_db
GOLDEN = (Path(__file__).parent / "golden" / "claim_3176.xml").read_bytes()
SAMPLES = "data/vietnam/bhyt_xml_qd4750/synthetic_samples"
HOSPITAL, KEY = "12001", "12001-26-000017"


def golden(key: str = KEY) -> Tables:
    (found,) = claims_in(io.BytesIO(GOLDEN))
    return {
        name: [row | {"MA_LK": key} if "MA_LK" in row else row for row in rows] for name, rows in found.tables.items()
    }


def file_of(*claims: Tables, made: date = date(2026, 11, 2), by: str = "3176") -> bytes:
    """One file of these claims."""
    written = [write(one, facility=HOSPITAL, made=made, by=by) for one in claims]
    head, tail = written[0].split(b"<HOSO>")[0], written[0].split(b"</HOSO>")[1]
    head = head.replace(b"<SOLUONGHOSO>1<", b"<SOLUONGHOSO>%d<" % len(claims))
    return (
        head + b"".join(b"<HOSO>" + one.split(b"<HOSO>")[1].split(b"</HOSO>")[0] + b"</HOSO>" for one in written) + tail
    )


def take(folder: Path, content: bytes, name: str = "a.xml", facility: str = "") -> ClaimImport:
    """Take a file in."""
    (folder / name).write_bytes(content)
    (source,) = sources(folder / name)
    run = running.begin(source, facility=facility)
    running.take_in(run, source)
    return run


def report(run: ClaimImport) -> list[tuple[int, str, str, list[str]]]:
    return [(o.place, o.ma_lk, o.state, [f["rule"] for f in o.findings]) for o in running.outcomes(run)]


def types(visit: str) -> Counter[str]:
    """How many resources of each type the visit has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT type FROM record.resource WHERE id LIKE %s AND NOT deleted", [f"{visit}%"])
        return Counter(row[0] for row in cursor.fetchall())


def versions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record.feed")
        return int(cursor.fetchone()[0])


def stored_ids(type_: str) -> list[str]:
    with transaction.atomic(), connection.cursor() as cursor:
        enter(SYSTEM)
        cursor.execute("SELECT id FROM record.resource WHERE type = %s ORDER BY id", [type_])
        return [row[0] for row in cursor.fetchall()]


def read(type_: str, id_: str) -> Any:
    return record.read(SYSTEM, type_, id_)


VISIT = visit_id(HOSPITAL, KEY)


def test_a_claim_becomes_a_visit(tmp_path: Path) -> None:
    run = take(tmp_path, GOLDEN)
    assert report(run) == [(1, KEY, "stored", [])]
    visit = read("Encounter", VISIT)
    assert (visit.status, visit.class_.code) == ("finished", "AMB")
    assert visit.period == r4.Period(start="2026-11-02T08:15:00+07:00", end="2026-11-02T10:40:00+07:00")
    assert visit.serviceProvider.reference == "Organization/12001"
    assert types(VISIT) == {
        "Encounter": 1, "Condition": 2, "ServiceRequest": 1, "Observation": 2, "DiagnosticReport": 1,
        "MedicationRequest": 1, "MedicationDispense": 1, "ChargeItem": 3, "ClinicalImpression": 1, "Invoice": 1,
        "Claim": 1, "Appointment": 1, "Provenance": 1,
    }  # fmt: skip
    person = read("Patient", visit.subject.reference.partition("/")[2])
    assert person.name[0].text == "Lò Thị Pâng"
    assert {i.value for i in person.identifier} == {"012172000017", "GD4120000000017", "260000123"}
    assert visit.meta.source == f"urn:tuetinh:claims:{run.sha256[:16]}:a.xml"


def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    take(tmp_path, GOLDEN)
    before = versions()
    again = take(tmp_path, GOLDEN)
    assert report(again) == [(1, KEY, "unchanged", [])]
    assert versions() == before


def test_another_file_that_says_the_same_changes_nothing(tmp_path: Path) -> None:
    take(tmp_path, GOLDEN)
    before = versions()
    again = take(tmp_path, file_of(golden(), made=date(2026, 11, 5)), "b.xml")
    assert report(again) == [(1, KEY, "unchanged", [])]
    assert versions() == before


def test_a_correction_makes_new_versions_and_marks_what_has_vanished(tmp_path: Path) -> None:
    take(tmp_path, GOLDEN)
    new = golden()
    new["XML4"][0]["GIA_TRI"] = "7.20"
    new["XML2"] = []
    run = take(tmp_path, file_of(new, made=date(2026, 11, 5)), "b.xml")
    assert report(run) == [(1, KEY, "updated", [])]
    glucose = read("Observation", f"{VISIT}-o0001")
    assert (str(glucose.valueQuantity.value), glucose.meta.versionId) == ("7.20", "2")
    assert read("MedicationRequest", f"{VISIT}-m0001").status == "entered-in-error"
    assert read("MedicationDispense", f"{VISIT}-md0001").status == "entered-in-error"
    assert read("ChargeItem", f"{VISIT}-c20001").status == "entered-in-error"
    assert read("ChargeItem", f"{VISIT}-c30001").meta.versionId == "1"
    assert types(VISIT)["Provenance"] == 2
    assert types(VISIT)["Observation"] == 2
    before = versions()
    older = take(tmp_path, GOLDEN)
    assert report(older) == [(1, KEY, "unchanged", [])]
    assert versions() == before


def test_record_and_file_and_record_say_the_same(tmp_path: Path) -> None:
    take(tmp_path, GOLDEN)
    first = claim(SYSTEM, VISIT).tables
    again = {name: [row | {"MA_LK": "khac-1"} for row in rows] for name, rows in first.items()}
    take(tmp_path, file_of(again), "b.xml")
    second = claim(SYSTEM, visit_id(HOSPITAL, "khac-1")).tables
    for name, rows in second.items():
        for row, was in zip(rows, first[name], strict=True):
            assert row | {"MA_LK": KEY, "MA_HSBA": ""} == was | {"MA_HSBA": ""}


def test_what_no_catalogue_of_ours_knows_is_claimed_as_it_came(tmp_path: Path) -> None:
    medicine = {
        "MA_THUOC": "05C.1", "TEN_THUOC": "Vị thuốc lạ", "HAM_LUONG": "3 g", "DON_VI_TINH": "thang", "MA_NHOM": "7",
        "DUONG_DUNG": "1.01", "DANG_BAO_CHE": "Cao", "MA_PP_CHEBIEN": "2", "MA_CSKCB_THUOC": "12002",
        "MA_DICH_VU": "K02.1911",
    }  # fmt: skip
    service = {"MA_DICH_VU": "K02.1911", "TEN_DICH_VU": "Ngày giường", "MA_NHOM": "15", "MA_XANG_DAU": "D5S2V1"}
    told = golden()
    told["XML2"][0] |= medicine
    told["XML3"][0] |= service
    take(tmp_path, file_of(told))
    made = claim(SYSTEM, VISIT).tables
    assert {name: made["XML2"][0][name] for name in medicine} == medicine
    assert {name: made["XML3"][0][name] for name in service} == service


def test_a_stay_is_claimed_as_it_came(tmp_path: Path) -> None:
    """Beds, departments, the machine of an operation, the number of the record, the advice, why one was kept."""
    told = golden()
    summary = {
        "MA_LOAI_KCB": "03", "MA_KHOA": "K02;K03", "MA_HSBA": "26.000123", "GHI_CHU": "Tập thở", "LY_DO_VV": "Sốt",
        "LY_DO_VNT": "Khó thở", "NGAY_VAO_NOI_TRU": "202611020820",
    }  # fmt: skip
    told["XML1"][0] |= summary
    bed = {
        "MA_NHOM": "15",
        "MA_DICH_VU": "K02.1911",
        "TEN_DICH_VU": "Giường",
        "NGUOI_THUC_HIEN": "",
        "DON_VI_TINH": "Ngày",
    }
    times = [("202611020820", "202611020900"), ("202611020900", "202611021000"), ("202611021000", "202611021040")]
    rows = [
        bed | {"MA_KHOA": "K02", "MA_GIUONG": "H001"},
        bed | {"MA_KHOA": "K03", "MA_GIUONG": "T015"},
        {"MA_KHOA": "K03", "MA_NHOM": "8", "MA_DICH_VU": "10.0807.0577", "MA_MAY": "PT.1.X2", "PP_VO_CAM": "1"},
    ]
    rows = [row | {"NGAY_YL": since, "NGAY_TH_YL": since, "NGAY_KQ": until}
            for row, (since, until) in zip(rows, times, strict=True)]  # fmt: skip
    told["XML3"] = [told["XML3"][0] | row | {"STT": str(n)} for n, row in enumerate(rows, 1)]
    told["XML4"] = []
    take(tmp_path, file_of(told))
    made = claim(SYSTEM, VISIT).tables
    assert {name: made["XML1"][0][name] for name in summary} == summary
    assert [{name: row[name] for name in was} for row, was in zip(made["XML3"], rows, strict=True)] == rows


def test_what_comes_from_a_finished_visit_is_what_was_there(visit: str, tmp_path: Path) -> None:
    first = claim(SYSTEM, visit)
    own = take(tmp_path, first.xml)
    assert report(own) == [(1, first.ma_lk, "unchanged", ["own"])]
    tables = {name: [row | {"MA_LK": "khac-2"} for row in rows] for name, rows in first.tables.items()}
    take(tmp_path, file_of(tables), "b.xml")
    second = claim(SYSTEM, visit_id(HOSPITAL, "khac-2")).tables
    for name, rows in second.items():
        for row, was in zip(rows, first.tables[name], strict=True):
            assert row | {"MA_LK": "", "MA_HSBA": "", "MA_BN": ""} == was | {"MA_LK": "", "MA_HSBA": "", "MA_BN": ""}


def test_the_public_samples_are_taken_in(shared: Path, tmp_path: Path) -> None:
    found = {}
    for path in sorted((shared / SAMPLES).glob("*.xml")):
        found[path.name] = report(take(tmp_path, path.read_bytes(), path.name))
    assert found == {
        "synthetic_4750_base64.xml": [(1, "TEST-2026-000001", "stored", [])],
        "synthetic_4750_inline.xml": [(1, "TEST-2026-000001", "unchanged", [])],
        "synthetic_4750_inline_BAD_3errors.xml": [(1, "TEST-2026-000001", "refused", ["order"])],
    }
    id_ = visit_id("00000", "TEST-2026-000001")
    assert read("Encounter", id_).class_.code == "IMP"
    assert types(id_)["MedicationAdministration"] == 2


def test_claims_of_a_hospital_that_was_deleted_are_refused(tmp_path: Path) -> None:
    take(tmp_path, GOLDEN)
    record.delete(SYSTEM, "Organization", HOSPITAL)
    before = versions()
    run = take(tmp_path, file_of(golden("another")), "b.xml")
    assert report(run) == [(1, "another", "refused", ["facility"])]
    assert [f["message"] for o in running.outcomes(run) for f in o.findings] == [
        "Cơ sở này đã bị xoá khỏi danh mục của hệ thống."
    ]
    assert versions() == before


@pytest.mark.parametrize(("type_", "name"), [("Location", "Khám bệnh"), ("Practitioner", "000789/LCH-GPHN")])
def test_claims_that_name_what_was_deleted_are_refused_and_name_it(tmp_path: Path, type_: str, name: str) -> None:
    first = take(tmp_path, GOLDEN)
    assert report(first) == [(1, KEY, "stored", [])]
    named = stored_ids(type_)[0]
    record.delete(SYSTEM, type_, named)
    before = versions()
    new = golden()
    new["XML4"][0]["GIA_TRI"] = "7.20"
    run = take(tmp_path, file_of(new, made=date(2026, 11, 5)), "b.xml")
    (found,) = [f for o in running.outcomes(run) for f in o.findings]
    assert (found["field"], found["message"]) == (name, "Đã bị xoá khỏi danh mục của hệ thống.")
    assert [o.state for o in running.outcomes(run)] == ["refused"]
    assert versions() == before


@pytest.mark.django_db(transaction=True)
def test_imports_at_once_make_a_hospital_and_its_people_once(tmp_path: Path) -> None:
    start, known = threading.Barrier(4), []
    files = []
    for number in range(4):
        (tmp_path / f"{number}.xml").write_bytes(file_of(golden(f"K{number}")))
        files.append(tmp_path / f"{number}.xml")

    def bring(file: Path) -> None:
        directory = Directory()
        pieces = [one for one in pieces_in(io.BytesIO(file.read_bytes())) if isinstance(one, Piece)]
        claims = [told(claim_of(one), []) for one in pieces]
        run = ClaimImport.objects.create(name=file.name, sha256=file.name, size=1, began=timezone.now())
        try:
            start.wait()
            directory.find_hospitals({HOSPITAL}, make=True)
            directory.find_practitioners(claims)
            known.append([one.state for one in keep(run, directory, claims)])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(bring, files))
    assert known == [["stored"]] * 4
    assert stored_ids("Organization") == [HOSPITAL]
    for type_ in ("Organization", "Location", "Practitioner"):
        assert {read(type_, id_).meta.versionId for id_ in stored_ids(type_)} == {"1"}
