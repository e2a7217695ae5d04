"""A claim file that is broken in any way ends with a line for each claim that names where, never with a traceback."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tuetinh.care.insurance.rules.files import claims_in
from tuetinh.care.insurance.tables import decision
from tuetinh.care.insurance.tests.test_check_claim_files import (
    GOLDEN,
    HEAD,
    HOSO,
    TAIL,
    envelope,
    inline,
    keyed,
    rules,
    told,
)
from tuetinh.care.insurance.wire_xml3176 import write
from tuetinh.node.claims.check import lines

pytestmark = pytest.mark.django_db  # the rules as they came
LAUGHS = b"<!DOCTYPE a [<!ENTITY a 'ha'>%s]><TONG_HOP><HO_TEN>&j;</HO_TEN></TONG_HOP>" % b"".join(
    b"<!ENTITY %c '%s'>" % (letter, b"&%c;" % (letter - 1) * 10) for letter in b"bcdefghij"
)
CLAIM = b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>%s</NOIDUNGFILE></FILEHOSO></HOSO>"


def places(content: bytes) -> list[set[tuple[str, int, str, str]]]:
    """What is found in each claim: table, row, field, rule."""
    return [{(f["table"], f["row"], f["field"], f["rule"]) for f in line["findings"]} for line in told(content)]


def test_the_second_claim_with_a_key_is_told() -> None:
    assert places(envelope(HOSO, HOSO, keyed("b"))) == [set(), {("XML1", 1, "MA_LK", "duplicate")}, set()]


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        (b"<NGAYLAP>20261102<", b"<NGAYLAP>20260230<", "NGAYLAP", "format"),
        (b"<NGAYLAP>20261102</NGAYLAP>", b"", "NGAYLAP", "format"),
        (b"<MACSKCB>12001<", b"<MACSKCB>120011<", "MACSKCB", "format"),
        (b"<MACSKCB>12001</MACSKCB>", b"", "MACSKCB", "format"),
    ],
)
def test_what_the_envelope_says_is_looked_at(old: bytes, new: bytes, field: str, rule: str) -> None:
    assert old in GOLDEN
    assert rules(GOLDEN.replace(old, new)) == [(False, [("", field, rule)])]


@pytest.mark.parametrize(
    ("by", "end", "severity"),
    [
        ("4210", "20240630", None), ("4210", "20240701", "block"), ("4210", "20260901", "block"),
        ("130", "20230901", None), ("130", "20240630", None), ("130", "20240701", "block"),
        ("130", "20260901", "block"),
        ("4750", "20240101", None), ("4750", "20240701", None), ("4750", "20250101", "hint"),
        ("3176", "20241231", "warn"), ("3176", "20250101", None),
    ],
)  # fmt: skip
def test_a_claim_by_the_decision_of_another_time_is_told(by: str, end: str, severity: str | None) -> None:
    names = [field.name for field in decision(by).tables["XML13" if by in ("4750", "3176") else "XML1"].fields]
    visit = {field.name: "" for field in decision(by).tables["XML1"].fields} | {"MA_LK": "L1"}
    visit |= {"NGAY_VAO": f"{end}0800", "NGAY_RA": f"{end}0900"}
    tables = {"XML1": [visit]} | ({"XML13": [dict.fromkeys(names, "")]} if by in ("4750", "3176") else {})
    content = write(tables, facility="12001", made=date(2026, 11, 2), by=by)
    (line,) = lines("f.xml", io.BytesIO(content), hints=True)
    assert line["version"] == by
    told = [(f["table"], f["field"], f["severity"]) for f in line["findings"] if f["rule"] == "version"]
    assert told == ([("XML1", "NGAY_RA", severity)] if severity else [])


@pytest.mark.parametrize(
    ("field", "value", "by", "told"),
    [
        ("MA_BENH_YHCT", "U" * 151, "3176", "length"),  # is too long for QĐ 3176, not by far for QĐ 4750
        ("MA_BENH_YHCT", "U" * 255, "4750", None),
        ("MA_NGHE_NGHIEP", "00000", "4750", None),  # as the codes of QĐ 4750 are
        ("MA_NGHE_NGHIEP", "000", "3176", "length"),
    ],
)
def test_a_value_that_is_too_long_does_not_make_it_another_decision(
    field: str, value: str, by: str, told: str | None
) -> None:
    told_of = {"MA_TTDV": "000123", field: value}  # of a length that both decisions have
    (line,) = lines("f.xml", io.BytesIO(envelope(inline(**told_of))))
    found = {f["rule"] for f in line["findings"] if f["field"] == field and f["rule"] == "length"}
    assert (line["version"], found) == (by, {told} if told else set())


def test_the_card_of_a_claim_of_qd_4210_is_known_to_the_rules() -> None:
    visit = {field.name: "" for field in decision("4210").tables["XML1"].fields} | {
        "MA_LK": "L1", "MA_THE": "ZZ4120000000017", "T_BHTT": "1",
        "NGAY_VAO": "202607010800", "NGAY_RA": "202607010900",
    }  # fmt: skip
    content = write({"XML1": [visit]}, facility="12001", made=date(2026, 11, 2), by="4210")
    found = {(f["field"], f["rule"]) for line in told(content) for f in line["findings"]}
    assert ("MA_THE", "CARD-GROUP") in found
    assert "CARD-NONE" not in {rule for _field, rule in found}


def test_claims_of_another_facility_than_the_sender_are_remarked() -> None:
    (line,) = told(GOLDEN.replace(b"<MACSKCB>12001<", b"<MACSKCB>12002<"))
    assert line["ok"]
    assert [(f["field"], f["rule"], f["severity"]) for f in line["findings"]] == [("MACSKCB", "same", "warn")]


@pytest.mark.parametrize(
    ("content", "field", "rule"),
    [
        (GOLDEN + b"garbage", "GIAMDINHHS", "xml"),
        (GOLDEN + b"\xff\x00\x80", "GIAMDINHHS", "encoding"),
        (GOLDEN + b"x" * 200_000, "GIAMDINHHS", "xml"),
        (HEAD + HOSO + b"garbage" + TAIL, "DANHSACHHOSO", "stray"),
        (GOLDEN.replace(b"<NGAYLAP>", b"<NGAYLAP>1</SO>"), "GIAMDINHHS", "xml"),
        (GOLDEN.replace(b"GIAMDINHHS", b"GIAMDINH"), "GIAMDINH", "root"),
        (GOLDEN.replace(b"<SOLUONGHOSO>1</SOLUONGHOSO>", b""), "SOLUONGHOSO", "count"),
        (GOLDEN.replace(b"<SOLUONGHOSO>1<", "<SOLUONGHOSO>một<".encode()), "SOLUONGHOSO", "count"),
    ],
)
def test_what_stands_around_the_claims_is_looked_at(content: bytes, field: str, rule: str) -> None:
    assert [(ok, found) for ok, found in rules(content)][-1] == (False, [("", field, rule)])
    assert len(told(content)) == 2


def test_spaces_after_a_file_are_no_fault() -> None:
    assert rules(GOLDEN + b" \n" * 100_000 + b"<!-- het -->") == [(True, [])]


def test_stray_text_between_claims_is_told_once() -> None:
    found = rules(envelope(keyed("a"), b"1", keyed("b"), b"2", keyed("c"), count=3))
    assert found == [(True, []), (True, []), (True, []), (False, [("", "DANHSACHHOSO", "stray")])]


def test_tags_in_lower_case_are_no_claim() -> None:
    assert rules(GOLDEN.replace(b"HOSO>", b"hoso>")) == [(False, [("", "GIAMDINHHS", "empty")])]
    assert rules(GOLDEN.lower()) == [(False, [("", "giamdinhhs", "root")])]


def test_a_field_that_stands_twice_in_a_row_is_told_with_its_place() -> None:
    text = b"<TONG_HOP><MA_LK>a</MA_LK><STT>1</STT><MA_LK>b</MA_LK></TONG_HOP>"
    assert places(envelope(CLAIM % base64.b64encode(text))) == [{("XML1", 1, "MA_LK", "twice")}]


def test_fields_in_another_order_are_a_hint() -> None:
    content = envelope(inline(T_BHTT="0"))
    (line,) = lines("f.xml", io.BytesIO(content), hints=True)
    assert [(f["table"], f["row"], f["field"]) for f in line["findings"] if f["rule"] == "sequence"] == [
        ("XML1", 1, "MA_LK")
    ]
    assert "sequence" not in {rule for *_, rule in places(content)[0]}


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        (b'<?xml version="1.0" encoding="klingon"?><TONG_HOP><MA_LK>a</MA_LK></TONG_HOP>', "xml"),
        (b"<TONG_HOP>" + b"<A>" * 500 + b"</A>" * 500 + b"</TONG_HOP>", "xml"),
        (b"<TONG_HOP><HO_TEN>\xff\xfe</HO_TEN></TONG_HOP>", "encoding"),
        (LAUGHS, "doctype"),
        (base64.b64encode(b"x"), "xml"),
        (
            b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><TONG_HOP><HO_TEN>&b;</HO_TEN></TONG_HOP>',
            "doctype",
        ),
    ],
)
def test_a_document_that_is_none_is_told_of_its_table(document: bytes, rule: str) -> None:
    assert rules(envelope(CLAIM % base64.b64encode(document))) == [(False, [("XML1", "", rule)])]


def test_where_a_byte_is_no_utf_8_is_told() -> None:
    document = "<TONG_HOP>\n<HO_TEN>LÒ ".encode() + b"\xc3\x28</HO_TEN></TONG_HOP>"
    (line,) = told(envelope(CLAIM % base64.b64encode(document)))
    assert [f["message"] for f in line["findings"]] == ["Có byte không phải UTF-8. (dòng 2, cột 13)"]
    (_, line) = told(GOLDEN.replace(b"<NGAYLAP>", b"<GHI_CHU>\xff</GHI_CHU><NGAYLAP>"))
    assert [(f["field"], f["rule"]) for f in line["findings"]] == [("GIAMDINHHS", "encoding")]


def test_a_table_in_lower_case_is_told_with_its_name() -> None:
    document = b"<tong_hop><ma_lk>a</ma_lk></tong_hop>"
    assert rules(envelope(CLAIM % base64.b64encode(document))) == [(False, [("XML1", "tong_hop", "root")])]


def test_base64_that_breaks_off_in_its_middle_is_told_of_its_table() -> None:
    middle = HOSO.index(b"<NOIDUNGFILE>", HOSO.index(b"XML2")) + 200
    assert rules(envelope(HOSO[:middle] + b"*" + HOSO[middle:])) == [(False, [("XML2", "", "base64")])]


def test_cdata_is_read_as_text() -> None:
    assert rules(envelope(inline(DIEN_THOAI="<![CDATA[0912345678]]>"))) == [(True, [])]
    assert places(envelope(inline(GIOI_TINH="<![CDATA[9]]>"))) == [{("XML1", 1, "GIOI_TINH", "code")}]


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"NGAY_TTOAN": "202602301200"}, "NGAY_TTOAN", "format"),
        ({"T_BNTT": "1,5"}, "T_BNTT", "type"),
        ({"T_BNTT": "-1"}, "T_BNTT", "type"),
        ({"T_BNTT": "1e999999"}, "T_BNTT", "type"),
        ({"CAN_NANG": "x" * 50_000}, "CAN_NANG", "length"),
        ({"HO_TEN": ""}, "HO_TEN", "required"),
        ({"HO_TEN": "<b>A</b>"}, "HO_TEN", "required"),
        ({"CHUA_CO": "1"}, "CHUA_CO", "unknown"),
    ],
)
def test_a_value_that_is_none_is_told_where_it_stands(fields: dict[str, str], field: str, rule: str) -> None:
    (line,) = told(envelope(inline(**fields)))
    assert not line["ok"]
    assert ("XML1", 1, field, rule) in {(f["table"], f["row"], f["field"], f["rule"]) for f in line["findings"]}


def test_a_claim_without_table_1_or_with_two_is_told() -> None:
    tables = re.findall(rb"<FILEHOSO>.*?</FILEHOSO>", HOSO, re.DOTALL)
    for files in (tables[1:], [tables[0], *tables]):
        (line,) = told(envelope(b"<HOSO>" + b"".join(files) + b"</HOSO>"))
        assert (line["ok"], line["findings"][0]["table"], line["findings"][0]["rule"]) == (False, "XML1", "count")


class _Long(io.RawIOBase):
    """A file of so many claims that none is kept of them, made while it is read."""

    def __init__(self, count: int) -> None:
        self.parts = self._made(count)
        self.size = 0

    @staticmethod
    def _made(count: int) -> Iterator[bytes]:
        yield HEAD.replace(b"HOSO>1<", b"HOSO>%d<" % count)
        for _ in range(count):
            yield CLAIM % b"<TONG_HOP/>" + b" " * 100_000
        yield TAIL

    def read(self, size: int = -1) -> bytes:
        part = next(self.parts, b"")
        self.size += len(part)
        return part


def test_half_a_gigabyte_is_read_in_flat_memory() -> None:
    file = _Long(5_000)
    tracemalloc.start()
    count = sum(claim.error is None for claim in claims_in(file))  # type: ignore[arg-type]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (count, file.size > 500_000_000, most < 8_000_000) == (5_000, True, True)


def test_the_command_says_where_and_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "good.xml").write_bytes(GOLDEN)
    (tmp_path / "bad.xml").write_bytes(envelope(inline(T_BHTT="1e999999"), b"<HOSO>") + b"\x00")
    program = "from tuetinh.node.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", program, "claims", "check", "--data", str(tmp_path / "none")]
    environment = {name: value for name, value in os.environ.items() if name != "TUETINH_DATABASE_URL"}

    def run(*files: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *files], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    found = run("good.xml")
    assert (found.returncode, found.stderr, found.stdout.count("\n")) == (0, "", 1)
    found = run("bad.xml", "good.xml", "missing.xml")
    assert (found.returncode, found.stderr) == (1, "")
    lines_ = [json.loads(line) for line in found.stdout.splitlines()]
    assert [(line["file"], line["ok"], line["findings"][0]["rule"] if line["findings"] else "") for line in lines_] == [
        ("bad.xml", False, "type"),
        ("bad.xml", False, "short"),
        ("bad.xml", False, "short"),
        ("good.xml", True, ""),
        ("missing.xml", False, "file"),
    ]
