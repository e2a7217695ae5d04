"""The claim file of a visit: tables of QĐ 4210, 130, 4750 and 3176/QĐ-BYT in the envelope GIAMDINHHS (CV 1245), and the
notice of its beginning (table 0), which goes by itself; both ways.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from itertools import repeat
from operator import getitem
from zoneinfo import ZoneInfo

from lxml import etree  # type: ignore[import-untyped]

from tuetinh.care.insurance.errors import WireError
from tuetinh.care.insurance.tables import DECISIONS, Row, Tables, decision, decision_on, in_force

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
HEAD = '<?xml version="1.0" encoding="utf-8"?>'
REMEMBERED = 64  # characters of a value that is worth remembering
MOST_REMEMBERED = 2_000  # values of a field
LIMIT = 20_000_000  # bytes; the gateway takes no more in busy hours (result code 1001)
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2
_DECLARED = re.compile(r"^<\?xml[^>]*\?>")  # the encoding that it names is no longer that of what was read
_PLAIN = re.compile(r"[\x20-\x25\x27-\x3b\x3d\x3f-\x7e]*")  # ASCII but for & < >


@dataclass(frozen=True, slots=True)
class Envelope:
    """A claim file that was read: who sent it, the day it was made, its tables, and the decision they are of."""

    facility: str
    made: str
    tables: Tables
    decision: str


def write(tables: Tables, *, facility: str, made: date, by: str) -> bytes:
    """Write the claim file. facility: its 5 characters; made: NGAYLAP; by: decision.

    Empty tables are left out, and those that have no place in it. A paper that holds one row is a file for each.
    """
    files = "".join(
        f"<FILEHOSO><LOAIHOSO>{name}</LOAIHOSO><NOIDUNGFILE>"
        f"{base64.b64encode(write_table(name, rows, by=by)).decode()}</NOIDUNGFILE></FILEHOSO>"
        for name, table in decision(by).tables.items()
        if tables.get(name) and not table.apart
        for rows in ([tables[name]] if len(table.root) > 1 else [[row] for row in tables[name]])
    )
    return (
        f"{HEAD}\n<GIAMDINHHS><THONGTINDONVI>{_element('MACSKCB', facility)}</THONGTINDONVI><THONGTINHOSO>"
        f"<NGAYLAP>{made:%Y%m%d}</NGAYLAP><SOLUONGHOSO>1</SOLUONGHOSO><DANHSACHHOSO><HOSO>{files}</HOSO></DANHSACHHOSO>"
        "</THONGTINHOSO><CHUKYDONVI/></GIAMDINHHS>\n"
    ).encode()


def write_status(rows: list[Row], *, by: str) -> bytes:
    """Write the notice that a visit has begun: table 0 and a place for the signature."""
    outer = decision(by).tables["XML0"].root[0]
    return write_table("XML0", rows, by=by).removesuffix(f"</{outer}>".encode()) + f"<CHUKYDONVI/></{outer}>\n".encode()


def write_table(name: str, rows: list[dict[str, str]], *, by: str) -> bytes:
    """Write the document of one table, fields in the order of the decision, what is not said as an empty element."""
    table = decision(by).tables[name]
    elements = _elements(by, name)
    bodies = ["".join(map(getitem, elements.values(), map(row.get, elements, repeat("")))) for row in rows]
    *outer, last = table.root
    inner = "".join(f"<{last}>{body}</{last}>" for body in bodies)
    return (HEAD + "".join(f"<{e}>" for e in outer) + inner + "".join(f"</{e}>" for e in reversed(outer))).encode()


def read(data: bytes, *, by: str = "") -> Envelope:
    """Read a claim file, its tables in base64 or inline; by: its decision, found out when left out.

    Raises WireError naming the place for anything else.
    """
    root = parse(data, "GIAMDINHHS")
    if root.tag != "GIAMDINHHS":
        raise WireError("root", str(root.tag))
    tables, by = read_tables(root, by=by)
    facility, made = (root.findtext(path) or "" for path in ("THONGTINDONVI/MACSKCB", "THONGTINHOSO/NGAYLAP"))
    return Envelope(facility, made, tables, by)


def read_tables(root: etree._Element, *, by: str = "", left_out: list[str] | None = None) -> tuple[Tables, str]:
    """The tables of an element with FILEHOSO in it, and their decision. Raises WireError as `read` does.

    left_out: takes the names of tables that no decision has, which are refused without it.
    """
    documents = list(_documents(root))
    by = by or _decision_of(documents)
    tables: Tables = {}
    for name, document in documents:
        if name not in decision(by).tables:
            if left_out is not None:
                left_out.append(name)
                continue
            raise WireError("table", name)
        tables.setdefault(name, []).extend(_rows(document, name, by))
    return tables, by


def read_status(data: bytes, *, by: str = "3176") -> list[Row]:
    """Read the notice that a visit has begun. Raises WireError as `read` does."""
    return _rows(parse(data, "XML0"), "XML0", by)


def number(value: Decimal | int | None) -> str:
    """Write a number: a point, no exponent, no zeros at the end; nothing for None."""
    if value is None:
        return ""
    text = str(value)
    if "E" in text:
        text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=4096)
def moment(value: datetime | None) -> str:
    """Write a moment as yyyymmddHHMM in Vietnam's time."""
    return value.astimezone(HANOI).strftime("%Y%m%d%H%M") if value else ""


@cache
def _elements(by: str, table: str) -> dict[str, _Elements]:
    """The elements of each field of a table, in their order."""
    return {field.name: _Elements(field.name) for field in decision(by).tables[table].fields}


class _Elements(dict[str, str]):
    """A field as it stands in the file, by what it says: most values of a month come again and again."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __missing__(self, value: str) -> str:
        element = _element(self.name, value)
        if len(value) <= REMEMBERED and len(self) < MOST_REMEMBERED:
            self[value] = element
        return element


def _element(name: str, value: str) -> str:
    text = _content(value)
    return f"<{name}>{text}</{name}>" if text else f"<{name}/>"


def _content(value: str) -> str:
    """A value as it stands in an element."""
    text = _FORBIDDEN.sub("", value)
    if not text or _PLAIN.fullmatch(text):
        return text
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"


def parse(data: bytes, place: str) -> etree._Element:
    """Parse a document that came from outside. Raises WireError naming the place."""
    if len(data) > LIMIT:
        raise WireError("size", place)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _unreadable(data, place, error) from error
    if root.getroottree().docinfo.doctype:  # no claim has one; entities are how XML readers are attacked
        raise WireError("doctype", place)
    return root


def _unreadable(data: bytes, place: str, error: Exception) -> WireError:
    """Why a document cannot be parsed: it has entities, bytes that are no UTF-8, or is no XML."""
    if b"<!DOCTYPE" in data:
        return WireError("doctype", place)
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data.decode()
        except UnicodeDecodeError as wrong:
            line = data.count(b"\n", 0, wrong.start) + 1
            return WireError("encoding", place, line, wrong.start - data.rfind(b"\n", 0, wrong.start))
    return WireError("xml", place, *getattr(error, "position", (0, 0)))


def _document(text: str, place: str) -> bytes:
    """The document that a text is, in base64, or as it stands where it was put in CDATA or escaped."""
    text = text.strip().removeprefix("\ufeff")
    if text.startswith("<"):
        return _DECLARED.sub("", text).encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise WireError("base64", place) from error


def _documents(root: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """The name and the document of each file of an envelope."""
    for number, file in enumerate(root.iter("FILEHOSO"), 1):
        name = (file.findtext("LOAIHOSO") or "").strip().upper()
        content = file.find("NOIDUNGFILE")
        if not name or content is None:
            raise WireError("content", f"FILEHOSO[{number}]")
        yield name, content[0] if len(content) else parse(_document(content.text or "", name), name)


def _decision_of(documents: list[tuple[str, etree._Element]]) -> str:
    """The decision that fits the fields best, of equals their codes, of equals the nearest to the visit's end.

    A value that is too long by one decision tells of another where it is just as long as that one's codes are.
    """
    told: dict[tuple[str, str], int] = {}  # fields that are there, and the length of their longest value
    for name, document in documents:
        for element in document.iter():
            if not len(element):
                key = (name, str(element.tag))
                told[key] = max(told.get(key, 0), len((element.text or "").strip()))
    names = {name for name, _ in documents}
    ends = (document.findtext("NGAY_RA") or "" for name, document in documents if name == "XML1")
    day = next((f"{end[:4]}-{end[4:6]}-{end[6:8]}" for end in ends if re.fullmatch("[0-9]{8}([0-9]{4})?", end)), "9999")
    limits = {by: _limits(by, day) for by in DECISIONS}

    def code_of_another(key: tuple[str, str], length: int, by: str) -> bool:
        own = limits[by].get(key)
        return own is not None and own < length and any(one.get(key) == length for one in limits.values())

    def fit(by: str) -> tuple[int, int]:
        here = {key for key in limits[by] if key[0] in names}
        return len(told.keys() ^ here), sum(code_of_another(key, length, by) for key, length in told.items())

    then = decision_on(day)
    return min((then, *(DECISIONS if then == DECISIONS[0] else reversed(DECISIONS))), key=fit)


@lru_cache(maxsize=256)
def _limits(by: str, day: str) -> dict[tuple[str, str], int | None]:
    """Table and name of each field of a decision, and how long it may be on a day."""
    tables = decision(by).tables.items()
    return {(name, field.name): in_force(field.length, day) for name, table in tables for field in table.fields}


def _rows(root: etree._Element, name: str, by: str) -> list[dict[str, str]]:
    path = decision(by).tables[name].root
    if root.tag != path[0]:
        raise WireError("root", name, field=str(root.tag))
    rows = [root] if len(path) == 1 else root.findall("/".join(path[1:]))
    return [_row(row, name, place) for place, row in enumerate(rows, 1)]


def _row(element: etree._Element, table: str, place: int) -> Row:
    row = {str(field.tag): (field.text or "").strip() for field in element}
    if len(row) < len(element):
        told: set[str] = set()
        again = next(tag for field in element if (tag := str(field.tag)) in told or told.add(tag))  # type: ignore[func-returns-value]
        raise WireError("twice", table, row=place, field=again)
    return row
