"""Files of claims as they come from anywhere are read one claim at a time, and a bad one is told, not tripped over."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest

from tuetinh.care.insurance.rules.files import claims_in
from tuetinh.care.insurance.wire_xml3176 import LIMIT
from tuetinh.node.claims.check import lines

GOLDEN = (Path(__file__).parent / "golden" / "claim_3176.xml").read_bytes()
SAMPLES = "data/vietnam/bhyt_xml_qd4750/synthetic_samples"
HOSO = re.search(rb"<HOSO>.*</HOSO>", GOLDEN, re.DOTALL)[0]  # type: ignore[index]
HEAD, TAIL = GOLDEN.split(HOSO)


@pytest.fixture(autouse=True)
def no_changes(db: None) -> None:
    """The rules as they came."""


def envelope(*claims: bytes, count: int | None = None, head: bytes = HEAD) -> bytes:
    told = len(claims) if count is None else count
    head = re.sub(rb"<SOLUONGHOSO>\d*<", b"<SOLUONGHOSO>%d<" % told, head)
    return head + b"".join(claims) + TAIL


def inline(**fields: str) -> bytes:
    """The golden claim with its tables as they are, not in base64, and some fields of table 1 changed."""

    def unpacked(found: re.Match[bytes]) -> bytes:
        text = base64.b64decode(found[1])
        for name, value in fields.items():
            text = re.sub(rb"<%s(/>|>.*?</%s>)" % (name.encode(), name.encode()), b"", text)
            text = text.replace(
                b"<TONG_HOP>", b"<TONG_HOP><%s>%s</%s>" % (name.encode(), value.encode(), name.encode())
            )
        return b"<NOIDUNGFILE>" + text.split(b"?>", 1)[1] + b"</NOIDUNGFILE>"

    return re.sub(rb"<NOIDUNGFILE>(.*?)</NOIDUNGFILE>", unpacked, HOSO)


def keyed(ma_lk: str) -> bytes:
    """The golden claim under another MA_LK, in all of its tables."""

    def renamed(found: re.Match[bytes]) -> bytes:
        text = re.sub(rb"<MA_LK>.*?</MA_LK>", b"<MA_LK>%s</MA_LK>" % ma_lk.encode(), base64.b64decode(found[1]))
        return b"<NOIDUNGFILE>" + base64.b64encode(text) + b"</NOIDUNGFILE>"

    return re.sub(rb"<NOIDUNGFILE>(.*?)</NOIDUNGFILE>", renamed, HOSO)


def told(content: bytes) -> list[dict[str, Any]]:
    return list(lines("f.xml", io.BytesIO(content)))


def rules(content: bytes) -> list[tuple[bool, list[tuple[str, str, str]]]]:
    return [(line["ok"], [(f["table"], f["field"], f["rule"]) for f in line["findings"]]) for line in told(content)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("synthetic_4750_base64.xml", []),
        ("synthetic_4750_inline.xml", []),
        (
            "synthetic_4750_inline_BAD_3errors.xml",
            [("NGAY_RA", "order"), ("T_BHTT", "formula"), ("MA_BENH_CHINH", "ICD-PRINCIPAL")],
        ),
    ],
)
def test_the_public_samples_give_exactly_what_is_expected_of_them(
    shared: Path, name: str, expected: list[tuple[str, str]]
) -> None:
    with (shared / SAMPLES / name).open("rb") as file:
        (line,) = lines(name, file)
    assert (line["file"], line["ma_lk"], line["version"]) == (name, "TEST-2026-000001", "4750")
    assert [(f["field"], f["rule"], f["table"], f["row"], f["severity"]) for f in line["findings"]] == [
        (field, rule, "XML1", 1, "block") for field, rule in expected
    ]
    assert line["ok"] is not bool(expected)


def test_the_golden_claim_is_ok() -> None:
    (line,) = told(GOLDEN)
    assert line == {"file": "f.xml", "ma_lk": line["ma_lk"], "version": "3176", "ok": True, "findings": []}
    assert line["ma_lk"]


def test_several_claims_are_a_line_each() -> None:
    assert rules(envelope(keyed("a"), inline(GIOI_TINH="9"), keyed("b"))) == [
        (True, []),
        (False, [("XML1", "GIOI_TINH", "code")]),
        (True, []),
    ]


def test_a_byte_order_mark_and_utf_16_are_read() -> None:
    assert rules(b"\xef\xbb\xbf" + GOLDEN) == [(True, [])]
    text = GOLDEN.decode().replace('encoding="utf-8"', 'encoding="utf-16"')
    assert rules(text.encode("utf-16")) == [(True, [])]


@pytest.mark.parametrize(
    ("broken", "rule", "table"),
    [
        (b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE><TONG_HOP></HOSO>", "xml", ""),
        (
            b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>@@@</NOIDUNGFILE></FILEHOSO></HOSO>",
            "base64",
            "XML1",
        ),
        (
            b"<HOSO><FILEHOSO><LOAIHOSO>XML99</LOAIHOSO><NOIDUNGFILE><A/></NOIDUNGFILE></FILEHOSO></HOSO>",
            "table",
            "XML99",
        ),
        (b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO></FILEHOSO></HOSO>", "content", ""),
        (
            b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>\xff\xfe</NOIDUNGFILE></FILEHOSO></HOSO>",
            "encoding",
            "",
        ),
        (b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>&lol9;</NOIDUNGFILE></FILEHOSO></HOSO>", "xml", ""),
        (b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>", "short", ""),
    ],
)
def test_a_broken_claim_does_not_hide_the_others(broken: bytes, rule: str, table: str) -> None:
    found = told(envelope(keyed("a"), broken, keyed("b")))
    assert [line["ok"] for line in found] == [True, False, True]
    (finding,) = found[1]["findings"]
    assert (finding["rule"], finding["table"], finding["severity"]) == (rule, table, "block")
    assert finding["message"]


def test_the_number_of_a_claim_that_cannot_be_read_is_told_where_it_is_legible() -> None:
    found = told(envelope(b"<HOSO><FILEHOSO><MA_LK>DT-1</MA_LK><oops></HOSO>"))
    assert [(line["ma_lk"], line["ok"]) for line in found] == [("DT-1", False)]


def test_a_hidden_base64_document_with_entities_is_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><TONG_HOP><MA_LK>&x;</MA_LK></TONG_HOP>'
    claim = b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>%s</NOIDUNGFILE></FILEHOSO></HOSO>"
    found = told(envelope(claim % base64.b64encode(bomb)))
    assert [(line["ok"], line["findings"][0]["rule"]) for line in found] == [(False, "doctype")]
    assert "root:" not in str(found)


@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE GIAMDINHHS [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE GIAMDINHHS [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    ],
)
def test_a_file_with_a_doctype_is_refused_and_its_claims_are_still_looked_at(doctype: bytes) -> None:
    head = HEAD.replace(b"<GIAMDINHHS>", doctype + b"<GIAMDINHHS>")
    assert rules(envelope(HOSO, head=head)) == [(True, []), (False, [("", "GIAMDINHHS", "doctype")])]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (HEAD + TAIL, "empty"),
        (b"<html></html>", "root"),
        (b"not xml at all", "xml"),
        (b"\x00\xff\x80 binary", "encoding"),
        (b"<!DOCTYPE l [<!ENTITY a 'b'>]><l>&a;</l>", "doctype"),
    ],
)
def test_a_file_without_claims_says_so(content: bytes, rule: str) -> None:
    assert [(ok, [f[2] for f in found]) for ok, found in rules(content)] == [(False, [rule])]


def test_a_file_that_ends_early_or_miscounts_is_told_after_its_claims() -> None:
    assert rules(GOLDEN[: GOLDEN.index(b"</DANHSACHHOSO>")]) == [(True, []), (False, [("", "GIAMDINHHS", "short")])]
    assert rules(envelope(keyed("a"), keyed("b"), count=3)) == [
        (True, []),
        (True, []),
        (False, [("", "SOLUONGHOSO", "count")]),
    ]


def test_a_claim_beyond_the_limit_is_passed_over_in_flat_memory() -> None:
    class Endless(io.RawIOBase):
        """HOSO that never ends, 100 MB of it, then a good one."""

        def __init__(self) -> None:
            self.left = [HEAD, b"<HOSO>", *[b"x" * 1_000_000] * (5 * LIMIT // 1_000_000), b"</HOSO>", HOSO, TAIL]
            self.most = 0

        def read(self, size: int = -1) -> bytes:
            return self.left.pop(0) if self.left else b""

    found = list(claims_in(Endless()))  # type: ignore[arg-type]
    assert [(claim.error.what if claim.error else "") for claim in found] == ["size", "", "count"]


@pytest.mark.parametrize("field", ["NGAY_VAO", "NGAY_RA", "NGAY_TTOAN"])
def test_a_time_in_the_future_is_told(field: str) -> None:
    (line,) = told(envelope(inline(**{field: "209901010800"})))
    assert not line["ok"]
    assert {"NGAY_VAO": "TIME-ARRIVAL", "NGAY_RA": "TIME-END", "NGAY_TTOAN": "TIME-PAID"}[field] in {
        finding["rule"] for finding in line["findings"]
    }


def test_a_notice_of_table_0_is_read() -> None:
    row = b"<TRANG_THAI_KCB><MA_LK>A</MA_LK></TRANG_THAI_KCB>"
    notice = b"<CHI_TIEU_TRANG_THAI_KCB><DSACH_TRANG_THAI_KCB>%s</DSACH_TRANG_THAI_KCB></CHI_TIEU_TRANG_THAI_KCB>" % row
    (line,) = told(notice)
    assert (line["ma_lk"], line["ok"]) == ("A", False)
    assert {finding["rule"] for finding in line["findings"]} == {"required"}
