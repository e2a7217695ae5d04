"""Whatever is in a file: every claim is told of, a bad one keeps no good one back, and people are nobody else."""

from __future__ import annotations

import copy
import gzip
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuetinh.care.insurance.intake import run as running
from tuetinh.care.insurance.intake.files import RATIO, sources
from tuetinh.care.insurance.intake.stay import visit_id
from tuetinh.care.insurance.models import ClaimImport, ImportedClaim
from tuetinh.care.insurance.tables import Tables
from tuetinh.care.insurance.tests.test_import_claim_files import GOLDEN, HOSPITAL, file_of, golden, report, take, types
from tuetinh.commons.identity import review
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
HOSO = GOLDEN[GOLDEN.index(b"<HOSO>") : GOLDEN.index(b"</HOSO>") + 7]


def keyed(ma_lk: str, **summary: str) -> Tables:
    """The golden claim under another key, with other values in table 1."""
    tables = {name: [row | {"MA_LK": ma_lk} for row in rows] for name, rows in copy.deepcopy(golden()).items()}
    tables["XML1"][0].update(summary)
    return tables


def patients() -> list[r4.Patient]:
    return [one for one in record.search(SYSTEM, "Patient", "_count=50").resources if isinstance(one, r4.Patient)]


def subject(ma_lk: str) -> str:
    visit: Any = record.read(SYSTEM, "Encounter", visit_id(HOSPITAL, ma_lk))
    return str(visit.subject.reference)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>&lol9;</NOIDUNGFILE></FILEHOSO></HOSO>", "xml"),
        (b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>\xff</NOIDUNGFILE></FILEHOSO></HOSO>", "encoding"),
        (b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>@</NOIDUNGFILE></FILEHOSO></HOSO>", "base64"),
        (b"<HOSO></HOSO>", "count"),
    ],
)
def test_a_bad_claim_keeps_no_good_one_back(tmp_path: Path, broken: bytes, rule: str) -> None:
    content = GOLDEN.replace(b"<SOLUONGHOSO>1<", b"<SOLUONGHOSO>3<").replace(HOSO, broken + HOSO + broken)
    found = report(take(tmp_path, content))
    assert [(place, state, rules) for place, _, state, rules in found] == [
        (1, "refused", [rule]),
        (2, "stored", []),
        (3, "refused", [rule]),
    ]


def test_a_doctype_is_told_and_nothing_of_it_followed(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    content = GOLDEN.replace(b"<GIAMDINHHS>", bomb + b"<GIAMDINHHS>", 1)
    assert [rules for *_, rules in report(take(tmp_path, content))] == [["doctype"], []]


@pytest.mark.parametrize(
    ("summary", "found"),
    [
        ({"NGAY_VAO": "209901010800", "NGAY_RA": "209901010900"}, ("XML1", 1, "NGAY_VAO", "future")),
        ({"NGAY_RA": "202611010800"}, ("XML1", 1, "NGAY_RA", "order")),
        ({"NGAY_VAO": "20261345"}, ("XML1", 1, "NGAY_VAO", "format")),
        ({"HO_TEN": ""}, ("XML1", 1, "HO_TEN", "required")),
        ({"MA_CSKCB": "x"}, ("XML1", 1, "MA_CSKCB", "pattern")),
    ],
)
def test_what_forbids_a_claim_is_told_with_its_place(
    tmp_path: Path, summary: dict[str, str], found: tuple[str, int, str, str]
) -> None:
    run = take(tmp_path, file_of(keyed("a", **summary), keyed("b")))
    first, second = running.outcomes(run)
    assert found in {(f["table"], f["row"], f["field"], f["rule"]) for f in first.findings}
    assert (first.state, second.state) == ("refused", "stored")
    assert not ImportedClaim.objects.filter(ma_lk="a").exists()


def test_values_that_are_none_are_left_out_and_told(tmp_path: Path) -> None:
    tables = keyed("a", T_BNTT="năm mươi")
    content = file_of(tables).replace(
        b"</HOSO>", b"<FILEHOSO><LOAIHOSO>XML99</LOAIHOSO><NOIDUNGFILE><A/></NOIDUNGFILE></FILEHOSO></HOSO>"
    )
    (one,) = running.outcomes(take(tmp_path, content))
    assert one.state == "stored"
    assert [(f["table"], f["row"], f["field"], f["rule"], f["severity"]) for f in one.findings] == [
        ("XML99", 0, "", "table", "warn"),
        ("XML1", 1, "T_BNTT", "value", "warn"),
    ]


def test_a_packed_file_that_unpacks_to_too_much_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuetinh.care.insurance.intake.files.FREE", 1 << 16)
    assert RATIO == 200
    packed = gzip.compress(b" " * (20 << 20))
    assert [rules for *_, rules in report(take(tmp_path, packed, "a.xml.gz"))] == [["bomb"]]
    assert [rules for *_, rules in report(take(tmp_path, gzip.compress(GOLDEN)[:1500], "b.xml.gz"))] == [["packed"]]


def test_one_person_is_known_by_each_of_their_numbers(tmp_path: Path) -> None:
    take(
        tmp_path,
        file_of(
            keyed("by-all"),
            keyed("by-cccd", MA_THE_BHYT="", MA_BN="9"),
            keyed("by-card", SO_CCCD="", MA_BN="8"),
            keyed("by-mrn", SO_CCCD="", MA_THE_BHYT=""),
        ),
    )
    (person,) = patients()
    assert {subject(one) for one in ("by-all", "by-cccd", "by-card", "by-mrn")} == {f"Patient/{person.id}"}


def test_a_number_of_somebody_with_another_name_and_birth_goes_to_the_review(tmp_path: Path) -> None:
    take(tmp_path, file_of(keyed("a")))
    take(
        tmp_path, file_of(keyed("b", HO_TEN="GIÀNG A PÁO", NGAY_SINH="195001020000", GIOI_TINH="1", MA_BN="7")), "b.xml"
    )
    assert len(patients()) == 2
    (pair,) = review.queue("open", limit=10)
    assert {f"Patient/{pair.one}", f"Patient/{pair.other}"} == {subject("a"), subject("b")}


def test_placeholder_numbers_make_nobody_one(tmp_path: Path) -> None:
    nobody = {"SO_CCCD": "000000000000", "MA_THE_BHYT": "GD4480000000000"}
    take(tmp_path, file_of(keyed("a", MA_BN="1", **nobody), keyed("b", MA_BN="2", HO_TEN="SÙNG A TỦA", **nobody)))
    assert subject("a") != subject("b")


def test_sensitive_diagnoses_have_their_labels(tmp_path: Path) -> None:
    tables = keyed("hiv", MA_BENH_CHINH="B20")
    tables["XML6"] = [{"MA_LK": "hiv", "MA_THE_BHYT": "GD4120000000017", "NGAYKD_HIV": "20200101"}]
    assert report(take(tmp_path, file_of(tables)))[0][2] == "stored"
    id_ = visit_id(HOSPITAL, "hiv")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT type, id FROM record.resource WHERE labels & 1 > 0 AND id LIKE %s ORDER BY 1", [f"{id_}%"]
        )
        diagnosis, origin, paper = cursor.fetchall()
    assert (diagnosis, paper) == (("Condition", f"{id_}-dx1"), ("QuestionnaireResponse", f"{id_}-xml6-r0001"))
    assert origin[0] == "Provenance"  # of both


def test_a_batch_asks_as_much_for_two_claims_as_for_many(tmp_path: Path) -> None:
    take(tmp_path, file_of(keyed("first")))
    counts = []
    for many in (2, 12):
        content = file_of(*(keyed(f"{many}-{n}") for n in range(many)))
        (tmp_path / f"{many}.xml").write_bytes(content)
        (source,) = sources(tmp_path / f"{many}.xml")
        run = running.begin(source)
        with CaptureQueriesContext(connection) as asked:
            assert running.take_in(run, source) == {"stored": many}
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_an_interrupted_import_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    content = file_of(*(keyed(f"k{n}") for n in range(5)))
    (tmp_path / "a.xml").write_bytes(content)
    (source,) = sources(tmp_path / "a.xml")
    run, kept = running.begin(source), running.keep
    seen: list[int] = []

    def dies(*arguments: Any) -> Any:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return kept(*arguments)

    monkeypatch.setattr(running, "keep", dies)
    with pytest.raises(KeyboardInterrupt):
        running.take_in(run, source)
    assert ImportedClaim.objects.count() == 2
    monkeypatch.setattr(running, "keep", kept)
    assert running.begin(source).pk == run.pk
    assert running.take_in(run, source) == {"stored": 5}
    assert [(place, state) for place, _, state, _ in report(run)] == [(n, "stored") for n in range(1, 6)]
    assert sum(types(visit_id(HOSPITAL, f"k{n}"))["Encounter"] for n in range(5)) == 5


FIELDS = (
    *(
        "HO_TEN",
        "SO_CCCD",
        "NGAY_SINH",
        "MA_BENH_CHINH",
        "MA_BENH_KT",
        "NGAY_RA",
        "MA_KHOA",
        "MA_THE_BHYT",
        "GT_THE_TU",
    ),
    *("DIA_CHI", "MA_LOAI_KCB", "MA_DOITUONG_KCB", "CHAN_DOAN_RV", "T_TONGCHI_BV", "MA_NOI_DEN", "MAXA_CU_TRU"),
)
LINES = (
    *(("XML2", name) for name in ("LIEU_DUNG", "SO_LUONG", "MA_THUOC")),
    *(("XML3", name) for name in ("MA_DICH_VU", "STT", "NGAY_YL", "MA_BAC_SI")),
    *(("XML4", name) for name in ("GIA_TRI", "NGAY_KQ")),
    ("XML5", "DIEN_BIEN_LS"),
)
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30),
    st.sampled_from(["", ";", "0", "-1", "1e9", "20261332", "202602300000", " . ", "<b>", "]]>", "9" * 40]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(FIELDS), TEXT, max_size=4),
    st.dictionaries(st.sampled_from(LINES), TEXT, max_size=4),
    st.integers(0, 8000),
)
def test_a_file_however_changed_is_reported_on(
    tmp_path_factory: pytest.TempPathFactory, summary: dict[str, str], lines: dict[tuple[str, str], str], cut: int
) -> None:
    tables = keyed("m", **summary)
    for (table, name), value in lines.items():
        tables[table][0][name] = value
    content = file_of(tables, keyed("good"), made=date(2026, 11, 2))
    for whole in (content, content[:cut] + content[cut + 3 :]):
        run = take(tmp_path_factory.mktemp("f"), whole)
        assert ClaimImport.objects.get(pk=run.pk).ended is not None
        found = report(run)
        assert found
        assert not any("unforeseen" in rules for *_, rules in found)
        if whole == content:
            assert found[-1][1:3] in (("good", "stored"), ("good", "unchanged"))
