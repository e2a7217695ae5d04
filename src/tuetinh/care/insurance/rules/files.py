"""Claim files as they come from anywhere: many claims a file, of any size, read one at a time.

A file is cut at its HOSO elements before anything is parsed, so that a broken claim does not hide those behind it and
none is in memory longer than it is looked at. Nothing of a DOCTYPE is ever followed: who sends one is told so.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from lxml import etree  # type: ignore[import-untyped]

from tuetinh.care.insurance.errors import WireError
from tuetinh.care.insurance.tables import Tables, decision
from tuetinh.care.insurance.wire_xml3176 import LIMIT, parse, read_status, read_tables

PIECE = 1 << 20
HEADER = 1 << 16  # what stands before the first claim, and after the last, is a few hundred bytes
TAG = 1 << 10  # the longest opening tag that may be cut in two
_OPEN, _CLOSE = re.compile(rb"<HOSO(?:\s[^>]*)?>"), re.compile(rb"</HOSO\s*>")
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*\?>")  # the encoding that it names is no longer that of what was read
_KEY = re.compile(rb"<MA_LK>\s*(?:<!\[CDATA\[)?\s*([^<\]]{1,100})")


@dataclass(frozen=True, slots=True)
class FileClaim:
    """One claim of a file.

    place: from 1, 0 for what is wrong with the file; made: NGAYLAP; error: if unreadable; again: whether the file has
    an earlier one with this MA_LK.
    """

    place: int
    ma_lk: str
    decision: str = ""
    facility: str = ""
    made: str = ""
    tables: Tables = field(default_factory=dict)
    error: WireError | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of one HOSO, or why it has none, with what the envelope says."""

    place: int
    content: bytes | WireError
    facility: str = ""
    made: str = ""


def claims_in(file: BinaryIO) -> Iterator[FileClaim]:
    """Each claim of a file in turn, then what is wrong with the file itself. Never raises for what the file says."""
    seen: set[int] = set()  # of the keys: memory stays flat however long they are
    for one in pieces_in(file):
        claim = claim_of(one) if isinstance(one, Piece) else one
        key = hash(claim.ma_lk)
        yield replace(claim, again=True) if claim.ma_lk and key in seen else claim
        seen.add(key)


def pieces_in(file: BinaryIO) -> Iterator[Piece | FileClaim]:
    """Each HOSO of a file, not yet looked at, then what is wrong with the file itself, or the notices that it is."""
    cutter = _Cutter(file)
    place = 0
    for place, content in enumerate(cutter.pieces(), 1):
        yield Piece(place, content, _told(cutter.head, b"MACSKCB"), _told(cutter.head, b"NGAYLAP"))
    if not place and b"<!DOCTYPE" not in cutter.head:
        yield from _without_claims(cutter)
    elif fault := _fault_around(cutter, place):
        yield FileClaim(0, "", error=fault)


def _fault_around(cutter: _Cutter, claims: int) -> WireError | None:
    """What is wrong with a file around its claims: how it begins and ends, and how many it says that it has."""
    if b"<!DOCTYPE" in cutter.head:
        return WireError("doctype", "GIAMDINHHS")
    around = _DECLARED.sub(b"", cutter.head) + b"<HOSO/>" + cutter.stray + b"<HOSO/>" + cutter.rest
    try:
        root = parse(around, "GIAMDINHHS")
    except WireError as error:
        return error if b"</GIAMDINHHS" in cutter.rest else WireError("short", "GIAMDINHHS")
    if root.tag != "GIAMDINHHS":
        return WireError("root", str(root.tag))
    if any(text.strip() for one in root.iter("HOSO") for text in (one.tail or "", one.getparent().text or "")):
        return WireError("stray", "DANHSACHHOSO")
    told = (root.findtext("THONGTINHOSO/SOLUONGHOSO") or "").strip()
    return None if told == str(claims) else WireError("count", "SOLUONGHOSO")


def claim_of(piece: Piece, left_out: list[str] | None = None) -> FileClaim:
    """Read a HOSO. left_out: as `read_tables` takes it."""
    if isinstance(piece.content, WireError):
        return FileClaim(piece.place, "", facility=piece.facility, made=piece.made, error=piece.content)
    try:
        tables, by = read_tables(_parsed(piece.content), left_out=left_out)
    except WireError as error:
        key = _KEY.search(piece.content)
        ma_lk = key[1].decode("utf-8", "replace").strip() if key else ""
        return FileClaim(piece.place, ma_lk, facility=piece.facility, made=piece.made, error=error)
    ma_lk = next((row.get("MA_LK", "") for rows in tables.values() for row in rows), "")
    return FileClaim(piece.place, ma_lk, by, piece.facility, piece.made, tables)


class _Cutter:
    """Cuts a file at its HOSO elements.

    head: what came before the first; rest: what came after the last; stray: what stood between two, if anything did.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.head = self.rest = self.stray = b""
        self.cut = False  # the last claim ended as it should
        self.first = True
        self.utf16: codecs.IncrementalDecoder | None = None

    def pieces(self) -> Iterator[bytes | WireError]:
        """The bytes of each HOSO, or why it has none."""
        held, started = b"", False
        while True:
            read = self._read()
            held += read
            while True:
                found, held, started = self._cut(held, started)
                if found is None:
                    break
                self.cut = isinstance(found, bytes)
                yield found
            if not read:
                break
        if started and held:
            yield WireError("short", "HOSO")
        elif self.head:
            self._pass(held)
        else:
            self.head = held  # the whole of a file without claims

    def _cut(self, held: bytes, started: bool) -> tuple[bytes | WireError | None, bytes, bool]:  # noqa: FBT001
        if not started:
            opened = _OPEN.search(held)
            if opened is None:
                if not self.head and len(held) <= LIMIT:
                    return None, held, False  # a file without claims is looked at as a whole
                self.head = self.head or held[:HEADER]
                self._pass(held[:-TAG])
                return None, held[-TAG:], False
            self._pass(held[: opened.start()])
            if not self.head:
                self.head = self.rest or b" "
            elif self.cut:
                self.stray = self.stray or self.rest.strip()
            self.rest = b""
            held = held[opened.start() :]
        closed = _CLOSE.search(held)
        again = _OPEN.search(held, 5)
        if again and (closed is None or again.start() < closed.start()):  # the one before was never closed
            return WireError("short", "HOSO"), held[again.start() :], True
        if closed is not None:
            return held[: closed.end()], held[closed.end() :], False
        if len(held) > LIMIT * 2:
            return WireError("size", "HOSO"), b"", False
        return None, held, True

    def _pass(self, text: bytes) -> None:
        """Keep the beginning of what stands outside the claims."""
        self.rest += text[: HEADER - len(self.rest)]

    def _read(self) -> bytes:
        """The next piece, in UTF-8 without a byte order mark."""
        read = self.file.read(PIECE)
        if self.first and read.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self.utf16 = codecs.getincrementaldecoder("utf-16")("replace")
        elif self.first:
            read = read.removeprefix(codecs.BOM_UTF8)
        self.first = False
        return self.utf16.decode(read, not read).encode() if self.utf16 else read


def _parsed(piece: bytes) -> etree._Element:
    try:
        piece.decode()
    except UnicodeDecodeError as error:
        raise WireError("encoding", "HOSO", piece.count(b"\n", 0, error.start) + 1, error.start + 1) from error
    return parse(piece, "HOSO")


def _without_claims(cutter: _Cutter) -> Iterator[FileClaim]:
    """A notice of table 0, which has no HOSO; else what the file is instead of a claim file."""
    document = cutter.head
    try:
        document.decode()
    except UnicodeDecodeError:
        yield FileClaim(0, "", error=WireError("encoding", "GIAMDINHHS"))
        return
    try:
        if not document.strip():
            raise WireError("empty", "GIAMDINHHS")
        root = parse(document, "GIAMDINHHS")
        if root.tag == decision("3176").tables["XML0"].root[0]:
            for place, row in enumerate(read_status(document), 1):
                yield FileClaim(place, row.get("MA_LK", ""), "3176", row.get("MA_CSKCB", ""), tables={"XML0": [row]})
            return
        raise WireError("empty" if root.tag == "GIAMDINHHS" else "root", str(root.tag))
    except WireError as error:
        yield FileClaim(0, "", error=error)


def _told(head: bytes, name: bytes) -> str:
    found = re.search(rb"<" + name + rb">\s*([^<\s]{1,20})\s*</", head)
    return found[1].decode("utf-8", "replace") if found else ""
