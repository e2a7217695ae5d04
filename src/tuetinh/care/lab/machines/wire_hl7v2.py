"""HL7 v2.x as laboratories speak it: results in (ORU, OUL), acknowledgements out. Knows nothing of the record.

Names and places are the standard's (chapter 2 control, chapter 7 observations, chapter 13 automation). Reading is
tolerant of what analysers really send; what is refused is refused with a code of table 0357 and its place.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Final
from uuid import uuid4

import hl7

from tuetinh.care.lab.machines import curves
from tuetinh.care.lab.machines.drivers import Driver, recognise
from tuetinh.care.lab.machines.messages import (
    NOTHING,
    Code,
    Header,
    Message,
    Order,
    Query,
    Refused,
    Result,
    number,
    timestamp,
)

# MSH-12. 2.3 to 2.5.1 are what analysers speak; later versions only add to them.
VERSIONS: Final = frozenset(
    [
        "2.1",
        "2.2",
        "2.3",
        "2.3.1",
        "2.4",
        "2.5",
        "2.5.1",
        "2.6",
        "2.7",
        "2.7.1",
        "2.8",
        "2.8.1",
        "2.8.2",
        "2.9",
        "2.9.1",
    ]
)
QUERIES: Final = {"QRY": frozenset({"Q01", "Q02", "R02"}), "QBP": frozenset({"Q11", "WOS", "SLI"})}
ANSWERS: Final = frozenset({"ADT", "ACK", "ORR", "ORL"})  # taken note of
RESULTS: Final = {"ORU": frozenset({"R01", "R30", "R31", "R32", "R40"}), "OUL": frozenset({"R21", "R22", "R23", "R24"})}
# MSH-18, table 0211. Empty means ASCII, which in the field means UTF-8 or a neighbour of Latin-1.
CHARSETS: Final = {
    "": "utf-8",
    "ASCII": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "UNICODE": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "GB 18030-2000": "gb18030",
    "WINDOWS-1252": "cp1252",
    "WINDOWS-1258": "cp1258",
    **{f"8859/{n}": f"iso8859-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    **{f"ISO-8859-{n}": f"iso8859-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    # As machines and other systems write them besides, DICOM's names among them.
    "US-ASCII": "utf-8", "ISO IR6": "utf-8", "ISO IR100": "iso8859-1", "ISO IR192": "utf-8", "CP1252": "cp1252",
    "CP1258": "cp1258", "GBK": "gb18030", "GB2312": "gb18030", "GB18030": "gb18030", "CP936": "gb18030",
    "BIG-5": "big5", "ISO IR87": "iso2022_jp", "KS X 1001": "euc_kr",
}  # fmt: skip
_CHARSETS: Final = {re.sub(r"[^A-Z0-9]", "", name): codec for name, codec in CHARSETS.items()}
# Table 0357, message error condition codes.
CONDITIONS: Final = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "207": "Application internal error",
}
_HEADERS = ("MSH", "BHS", "FHS")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class _Signs:
    """What separates fields, repetitions, components and subcomponents, and what escapes (MSH-1, MSH-2)."""

    field: str
    repetition: str
    component: str
    subcomponent: str
    escape: str


def _signs(text: str) -> _Signs:
    """What a message declares. Raises where it does not begin with a header."""
    return _declared(text[:4] + text[4:9].partition(text[3])[0] + text[3])


@lru_cache(maxsize=64)
def _declared(begin: str) -> _Signs:
    header = hl7.parse(begin)
    if len(set(header.separators)) < len(header.separators):
        raise ValueError(begin)  # one that stands for two separates nothing
    return _Signs(*header.separators[1:], header.esc)


class _Segment:
    """A line, read by the standard's numbers. What is not there is "".

    The library says what separates; it would make a tree of everything, of which little is looked at.
    """

    __slots__ = ("_fields", "_signs", "name")

    def __init__(self, line: str, signs: _Signs) -> None:
        self._fields, self._signs = line.split(signs.field), signs
        self.name = self._fields[0]
        if self.name == "MSH":
            self._fields.insert(1, signs.field)  # MSH-1 is the separator itself

    def repetitions(self, number: int) -> list[str]:
        """The repetitions of a field."""
        return self._fields[number].split(self._signs.repetition) if number < len(self._fields) else []

    def get(self, number: int, component: int = 1, sub: int = 1) -> str:
        """One value of a field's first repetition, its escapes undone."""
        field = self._fields[number] if number < len(self._fields) else ""
        return self.part(field.partition(self._signs.repetition)[0], component, sub) if field else ""

    def part(self, repetition: str, component: int = 1, sub: int = 1) -> str:
        """One value of a repetition."""
        value = _piece(_piece(repetition, self._signs.component, component), self._signs.subcomponent, sub)
        value = _unescape(value, self._signs).strip()
        return "" if value == '""' else value  # 2.5.3: "" deletes a value

    def words(self, number: int) -> str:
        """A whole field as text: repetitions on lines."""
        return "\n".join(
            _unescape(r, self._signs) if self._signs.component in r else self.part(r) for r in self.repetitions(number)
        ).strip()

    def code(self, number: int) -> Code:
        """A coded field."""
        first = self.repetitions(number)[:1]
        return Code(*(self.part(piece) for text in first for piece in text.split(self._signs.component)[:6]))


def _piece(text: str, separator: str, number: int) -> str:
    """One of the parts of a text, which count from 1."""
    if separator not in text:
        return text if number == 1 else ""
    parts = text.split(separator, number)
    return parts[number - 1] if number <= len(parts) else ""


def _unescape(text: str, signs: _Signs) -> str:
    r"""Undo the escapes of 2.7: delimiters, `\.br\` and friends, `\Xhh…\`; what is unknown stays as it was sent."""
    esc = signs.escape
    if esc not in text:
        return text
    known = {
        "F": signs.field, "R": signs.repetition, "S": signs.component, "T": signs.subcomponent, "E": esc, "H": "",
        "N": "", ".br": "\n",
    }  # fmt: skip

    def undo(match: re.Match[str]) -> str:
        body = match.group(1)
        if body in known:
            return known[body]
        if re.fullmatch(r"\.(br|sp|ce|sk|in|ti|fi|nf)[+-]?\d*", body):
            return "\n" if body[1:3] in ("br", "sp", "ce") else " "
        if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", body):
            return bytes.fromhex(body[1:]).decode("utf-8", "replace")
        return match.group()

    return re.sub(f"{re.escape(esc)}([^{re.escape(esc)}]*){re.escape(esc)}", undo, text)


def split(payload: bytes) -> list[bytes]:
    """Cut what came in one frame into messages: one, or those of a batch (FHS, BHS … BTS, FTS)."""
    body = payload.removeprefix(_BOM).strip(b"\0\r\n \x0b")
    if body[:3] not in (b"FHS", b"BHS") and len(re.findall(rb"(?:^|[\r\n])MSH[^\w\s]", body)) < 2:
        return [body] if body else []
    body = re.sub(rb"(?:^|(?<=[\r\n]))(?:FHS|BHS|BTS|FTS)[^\r\n]*(?:[\r\n]+|$)", b"", body)
    return [part.strip(b"\r\n") for part in re.split(rb"[\r\n]+(?=MSH[^\w\s])", body) if part.strip()]


def is_batch(payload: bytes) -> bool:
    """Whether the sender opened a batch, and so expects one answer for it."""
    return payload.removeprefix(_BOM).lstrip(b"\0\r\n")[:3] in (b"FHS", b"BHS")


def read_header(message: bytes) -> Header:
    """Read MSH without decoding the rest. Raises Refused (AR) when there is none, or a required field is empty."""
    return _begin(message)[0]


def _begin(message: bytes) -> tuple[Header, _Segment]:
    if message[:3] != b"MSH" or len(message) < 8:
        raise Refused("AR", "100", "MSH")
    line = re.split(rb"[\r\n]", message, maxsplit=1)[0].decode("utf-8", "replace").replace("\0", "")
    try:
        msh = _Segment(line, _signs(line))
    except Exception as error:
        raise Refused("AR", "100", "MSH") from error
    header = Header(
        application=msh.get(3), facility=msh.get(4), receiver=msh.get(5), receiver_facility=msh.get(6),
        type=msh.get(9), event=msh.get(9, 2), control_id=msh.get(10), processing=msh.get(11), version=msh.get(12),
        charset=msh.get(18),
    )  # fmt: skip
    for place, value in ((9, header.type), (10, header.control_id), (12, header.version)):
        if not value:
            raise Refused("AR", "101", f"MSH^1^{place}", header)
    if header.version not in VERSIONS:
        raise Refused("AR", "203", "MSH^1^12", header)
    return header, msh


def decode(message: bytes, header: Header) -> str:
    """Decode by MSH-18 to composed (NFC) text. Raises Refused (AE) when the bytes are not what the header says."""
    name = re.sub(r"[^A-Z0-9]", "", header.charset.upper())
    if name not in _CHARSETS:
        raise Refused("AE", "103", "MSH^1^18", header)
    try:
        text = message.decode(_CHARSETS[name])
    except UnicodeDecodeError as error:
        if name in ("", "ASCII", "USASCII"):  # nothing was promised
            text = _guess(message)
        else:
            line = message[: error.start].replace(b"\n", b"\r").count(b"\r") + 1
            segment = re.split(rb"[\r\n]+", message)[line - 1][:3].decode("ascii", "replace")
            raise Refused("AE", "102", segment, header) from error
    return unicodedata.normalize("NFC", text.replace("\0", ""))


def _guess(message: bytes) -> str:
    """Bytes of no announced charset that are no UTF-8: Vietnamese Windows, else Latin-1, which reads every byte."""
    try:
        return message.decode("cp1258")
    except UnicodeDecodeError:
        return message.decode("latin-1")


def read(message: bytes, driver: Driver | None = None) -> Message:
    """Read one message. Of types other than results and queries only header and patient are read.

    driver: of the machine, else found by its name. Raises Refused with the right acknowledgement code, condition and
    place, and the header as far as it was read.
    """
    header, msh = _begin(message)
    if header.type not in RESULTS and header.type not in QUERIES and header.type not in ANSWERS:
        raise Refused("AR", "200", "MSH^1^9", header)
    if header.type in QUERIES and header.event and header.event not in QUERIES[header.type]:
        raise Refused("AR", "201", "MSH^1^9", header)
    if header.type in RESULTS and header.event and header.event not in RESULTS[header.type]:
        raise Refused("AR", "201", "MSH^1^9", header)
    try:
        segments = [msh, *_segments(decode(message, header))]
        found = _assemble(header, segments)
    except (Refused, RecursionError):
        raise
    except (ValueError, LookupError, TypeError, hl7.HL7Exception) as error:
        raise Refused("AE", "102", "", header) from error
    if header.type in RESULTS and not found.results and not any(o.specimen_results for o in found.orders):
        raise Refused("AE", "100", "OBX" if found.orders else "OBR", header)
    if header.type in QUERIES and not found.queries:
        raise Refused("AE", "100", "QRD" if header.type == "QRY" else "QPD", header)
    known = driver or recognise(header.sender, "hl7v2")
    _mark_controls(found, segments, known)
    for order in found.orders if known else ():
        curves.of_results(order, known)
        _set_apart(order, known)
    return found


def _set_apart(order: Order, driver: Driver) -> None:
    """Leave out what the model never reports; alarms that it raises (`IS` with `T`) are a note of the first result."""
    silent = [driver.silent(f"{result.kind} {result.code.code}") for result in order.results]
    alarms = [r.code.text for r, never in zip(order.results, silent, strict=True) if never and r.text == "T"]
    order.results = [r for r, never in zip(order.results, silent, strict=True) if not never]
    if alarms and order.results:
        first = order.results[0]
        order.results[0] = replace(first, notes=(*first.notes, f"Máy báo: {', '.join(filter(None, alarms))}"))


def _mark_controls(found: Message, segments: list[_Segment], driver: Driver | None) -> None:
    """Tell quality control from patients: MSH-11 `Q`, SPM-11 `Q` (table 0369), or the model's own mark."""
    held = {segment.name: segment for segment in segments}
    spm, rules = held.get("SPM"), driver.description.controls if driver else ()
    whole = found.header.processing == "Q" or (spm is not None and spm.get(11) == "Q")
    for order in found.orders:
        name = next(iter(order.keys), "")
        for rule in rules:
            segment, _, number = rule.at.partition(".")
            value = name if rule.at == "specimen" else held[segment].get(int(number)) if segment in held else ""
            if re.search(rule.matches, value, re.IGNORECASE):
                order.control = name or "QC"
        if whole:
            order.control = name or "QC"
        if driver:
            order.results = [replace(r, text=driver.word(r.text)) for r in order.results]


def _segments(text: str) -> list[_Segment]:
    """The segments after MSH. A line that cannot begin one goes on with the text of the one before it."""
    signs = _signs(text)
    begins = re.compile(rf"[A-Z][A-Z0-9]{{2}}(?:{re.escape(signs.field)}|$)")
    lines: list[str] = []
    for line in text.replace("\r\n", "\r").replace("\n", "\r").split("\r")[1:]:
        if begins.match(line):
            lines.append(line)
        elif line.strip() and lines:
            lines[-1] += "\n" + line
    return [_Segment(line, signs) for line in lines]


def _assemble(header: Header, segments: list[_Segment]) -> Message:
    """Follow the order of the segments: ORU has OBR, OBX…, SPM; OUL has SPM, (SAC), OBR, OBX…."""
    message = Message(header)
    order: Order | None = None
    tubes: list[str] = []  # of an OUL, for the orders after them; of an ORU, for those that name nothing
    in_specimen = False
    for segment in segments:
        match segment.name:
            case "PID":
                _patient(message, segment)
            case "PV1":
                message.visit = segment.get(19)
            case "ORC" if header.type == "ORU":
                order, in_specimen = Order(placer=segment.get(2), filler=segment.get(3)), False
            case "OBR":
                order = _order(segment, order if order and not order.code.code and not order.results else None)
                order.specimens[:0] = tubes if header.type == "OUL" else ()
                message.orders.append(order)
                in_specimen = False
            case "SPM" | "SAC":
                ids = _tube_ids(segment)
                if header.type == "OUL":
                    tubes = ids if segment.name == "SPM" else [*tubes, *ids]
                    order = None
                elif order:
                    order.specimens += ids
                    in_specimen = bool(order.results)
                else:
                    tubes += ids
            case "OBX":
                if order is None or order not in message.orders[-1:]:
                    order = _begun(message, order, tubes)
                (order.specimen_results if in_specimen else order.results).append(_result(segment, order))
            case "NTE":
                _note(order, segment)
            case "QRD":  # QRD-8 who, QRD-9 what, QRD-4 the query's own number
                message.queries.append(Query(tuple(filter(None, (segment.get(8),))), segment.get(4)))
            case "QPD":  # QPD-2 the query's tag, QPD-3 the first of its parameters: the specimen
                keys = tuple(filter(None, (segment.part(r) for r in segment.repetitions(3))))
                message.queries.append(Query(keys, segment.get(2), segment.code(1)))
            case _:
                pass
    for nameless in (one for one in message.orders if not one.keys):
        nameless.specimens = list(tubes)
    return message


def _begun(message: Message, common: Order | None, tubes: list[str]) -> Order:
    """The order of results without an OBR of their own. common: of an ORC, which may stand after its OBR."""
    last = message.orders[-1] if message.orders else None
    if common and last and not last.results:
        last.placer, last.filler = last.placer or common.placer, last.filler or common.filler
        return last
    order = common or Order(specimens=list(tubes))
    message.orders.append(order)
    return order


def _patient(message: Message, pid: _Segment) -> None:
    ids = [pid.part(r) for number in (2, 3, 4) for r in pid.repetitions(number)]
    message.patient_ids += [i for i in dict.fromkeys(ids) if i]
    message.patient_name = " ".join(filter(None, (pid.get(5, 1), pid.get(5, 3), pid.get(5, 2))))
    message.birth = pid.get(7)[:8]


def _order(obr: _Segment, begun: Order | None) -> Order:
    order = begun or Order()
    order.placer = obr.get(2) or order.placer
    order.filler = obr.get(3) or order.filler
    order.code, order.status, order.at = obr.code(4), obr.get(25), timestamp(obr.get(7))
    return order


def _tube_ids(segment: _Segment) -> list[str]:
    """SPM-2 is a pair (placer, filler) of entity identifiers; SAC-3 the container, SAC-4 the carrier's."""
    if segment.name == "SPM":
        found = [segment.part(r, c) for r in segment.repetitions(2) for c in (1, 2)]
    else:
        found = [segment.get(3), segment.get(2)]
    return [f for f in found if f]


def _note(order: Order | None, nte: _Segment) -> None:
    """A note belongs to the OBX before it, else to the OBR."""
    text = nte.words(3)
    if not order or not text:
        return
    if not order.results:
        order.notes.append(text)
        return
    last = order.results[-1]
    values = {name: getattr(last, name) for name in Result.__slots__} | {"notes": (*last.notes, text)}
    order.results[-1] = Result(**values)


def _result(obx: _Segment, order: Order) -> Result:
    kind = obx.get(2).upper()
    text = obx.words(5)
    values: dict[str, Any] = {"text": text}
    if kind in ("CE", "CWE", "CNE", "CF", "IS"):
        coded = obx.code(5)
        values = {"text": coded.text or coded.alternate_text or coded.code, "coded": coded}
    elif kind == "SN":  # comparator ^ number ^ separator ^ number
        values = _structured(obx)
    elif kind in ("ED", "RP"):
        said = " ".join(filter(None, (obx.get(5, 2), obx.get(5, 3)))) or obx.get(5)
        values = {"text": said, "content": _embedded(obx) if kind == "ED" else b""}
    elif kind in ("NM", "ST", "") and len(obx.repetitions(5)) == 1 and (found := number(text)):
        values |= {"comparator": found[0], "number": found[1]}
    elif kind == "NM" and NOTHING.fullmatch(text):
        values = {"text": ""}
    return Result(
        place=len(order.results) + 1,
        code=obx.code(3),
        sub_id=obx.get(4),
        kind=kind,
        unit=_unit(obx),
        reference=obx.words(7),
        flags=tuple(f for f in (obx.part(r) for r in obx.repetitions(8)) if f),
        status=obx.get(11),
        at=timestamp(obx.get(14)) or timestamp(obx.get(19)),
        operator=obx.get(16),
        device=obx.get(18),
        **values,
    )


def _embedded(obx: _Segment) -> bytes:
    """Data of OBX-5: source ^ kind ^ subtype ^ encoding (table 0299) ^ data. What cannot be decoded is nothing."""
    encoding, data = obx.get(5, 4).strip().lower(), re.sub(r"\s+", "", obx.get(5, 5))
    try:
        if encoding == "base64":
            return base64.b64decode(data, validate=True)
        return bytes.fromhex(data) if encoding == "hex" else b""
    except ValueError:
        return b""


def _unit(obx: _Segment) -> str:
    """OBX-6. Analysers write `10^9/L` without escaping, which cuts it in two."""
    code, rest = obx.get(6), obx.get(6, 2)
    return f"{code}^{rest}" if code.endswith("10") and re.match(r"\d", rest) else code


def _structured(obx: _Segment) -> dict[str, Any]:
    comparator, low, separator, high = (obx.get(5, n) for n in range(1, 5))
    first, second = number(low), number(high)
    text = f"{comparator}{low}{separator}{high}"
    if first is None or comparator not in ("", "=", "<", ">", "<=", ">="):
        return {"text": text}
    if second and separator in ("-", ""):
        return {"text": text, "number": first[1], "high": second[1]}
    if separator:  # a titre 1:128, `2+`
        return {"text": text}
    return {"text": text, "comparator": "" if comparator == "=" else comparator, "number": first[1]}


def acknowledge(
    header: Header | None, code: str, *, condition: str = "", place: str = "", words: str = "", warn: bool = False
) -> bytes:
    """Build the ACK (chapter 2, 2.14.1): MSH, MSA and, where something is to be told, ERR.

    code: AA, AE or AR. condition: of table 0357; place: `OBX^1^5`. words: for the person at the analyser. warn: the
    message is accepted, yet something wants attention.
    """
    header = header or Header()
    version = header.version if header.version in VERSIONS else "2.5.1"
    now = datetime.now(UTC).astimezone(timezone(timedelta(hours=7))).strftime("%Y%m%d%H%M%S+0700")
    kind = f"ACK^{header.event}^ACK" if header.event else "ACK"
    msh = [
        "MSH", r"^~\&", header.receiver or "TUETINH", header.receiver_facility, header.application, header.facility,
        now, "", kind, uuid4().hex[:20], header.processing or "P", version, "", "", "", "", "", "UNICODE UTF-8",
    ]  # fmt: skip
    lines = ["|".join([msh[0], msh[1], *(_escape_keeping(m, i) for i, m in enumerate(msh[2:], 2))])]
    lines.append(f"MSA|{code}|{escape(header.control_id)}")
    if condition:
        if _before_2_5(version):  # ERR-1: segment^sequence^field^CE
            spot = [*place.split("^"), "", ""][:3]
            lines.append(f"ERR|{'^'.join(spot)}^{condition}&{CONDITIONS[condition]}&HL70357")
        else:
            severity = "W" if warn else "E"
            coded = f"{condition}^{CONDITIONS[condition]}^HL70357"
            lines.append(f"ERR||{place}|{coded}|{severity}||||{escape(words)}".rstrip("|"))
    return ("\r".join(lines) + "\r").encode()


def batch(answers: list[bytes]) -> bytes:
    """Wrap the answers to the messages of a batch."""
    return b"BHS|^~\\&|TUETINH\r" + b"".join(answers) + f"BTS|{len(answers)}\r".encode()


def _before_2_5(version: str) -> bool:
    return tuple(int(n) for n in version.split(".")[:2]) < (2, 5)


_ESCAPES: Final = str.maketrans(
    {"\\": r"\E" "\\", "|": r"\F" "\\", "^": r"\S" "\\", "~": r"\R" "\\", "&": r"\T" "\\", "\r": " ", "\n": " "}
)


def escape(text: str) -> str:
    return text.translate(_ESCAPES)


def _escape_keeping(text: str, number: int) -> str:
    """MSH-9 is composed of components by us; everything else is the sender's text."""
    return text if number == 8 else escape(text)
