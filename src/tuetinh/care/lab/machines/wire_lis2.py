"""LIS2-A2 (ASTM E1394): the records of laboratory instruments, read and written. Knows nothing of lines.

Fields are counted as the standard does, the record's type being the first: `O.3` is the specimen ID. Where a model puts
things elsewhere, its description says so. Clauses are those of LIS2-A2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Final

from tuetinh.care.lab.machines.curves import Streams
from tuetinh.care.lab.machines.drivers import Control, Driver, recognise
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

TYPES: Final = frozenset("HPORCQMSL")
_HEADER = re.compile(rb"(?:^|(?<=[\r\n]))H(?=[^\w\s])")
_CONTROL_WORDS = re.compile(r"(?:QC|CTRL|CONTROL)\b", re.IGNORECASE)  # 9.4.16, where it names no specimen of a person
_TIME = re.compile(r"\d{8}(?:\d{4}(?:\d\d)?)?")
# Where things stand in a message of the standard.
USUAL: Final = {
    "sender": ("H.5.1",), "control_id": ("H.3",), "time": ("R.13", "R.12", "R.10"), "specimen": ("O.3.1", "O.4.1"),
    "code": ("R.3.4", "R.3.5", "R.3.2", "R.3.1"), "code_text": ("R.3.5",), "loinc": ("R.3.1",),
    "value": ("R.4.1", "R.4.2"),
    "unit": ("R.5",), "reference": ("R.6.1",), "flag": ("R.7",), "status": ("R.9",), "operator": ("R.11.1",),
    "device": ("R.14",), "serial": (), "patient": ("P.4.1", "P.3.1", "P.5.1"), "name": ("P.6",), "birth": ("P.8",),
    "query": ("Q.3.2", "Q.3.1"), "panel": ("O.5.4", "O.5.1"), "control": ("O.3.1", "O.4.1"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delimiters:
    """H.1 and H.2 (6.2)."""

    field: str = "|"
    repeat: str = "\\"
    component: str = "^"
    escape: str = "&"


@dataclass(frozen=True, slots=True)
class Record:
    """One record, read by the standard's numbers. What is not there is ""."""

    kind: str
    fields: tuple[str, ...]
    signs: Delimiters

    def raw(self, number: int) -> str:
        """A whole field, its escapes undone."""
        return self._plain(self.fields[number - 1]) if number <= len(self.fields) else ""

    def get(self, number: int, component: int = 1, repetition: int = 0) -> str:
        """A component of a field."""
        if number > len(self.fields):
            return ""
        repetitions = self.fields[number - 1].split(self.signs.repeat)
        parts = repetitions[repetition].split(self.signs.component) if repetition < len(repetitions) else []
        return self._plain(parts[component - 1]) if component <= len(parts) else ""

    def repetitions(self, number: int) -> int:
        """How often a field is repeated."""
        return self.fields[number - 1].count(self.signs.repeat) + 1 if number <= len(self.fields) else 0

    def _plain(self, text: str) -> str:
        """6.4.4: `&F&` and its like, and `&Xhh&`."""
        esc = self.signs.escape
        if not esc or esc not in text:
            return text.strip()
        known = {"F": self.signs.field, "S": self.signs.component, "R": self.signs.repeat, "E": esc, "H": "", "N": ""}

        def undo(match: re.Match[str]) -> str:
            body = match.group(1)
            if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", body):
                return bytes.fromhex(body[1:]).decode("utf-8", "replace")
            return known.get(body, match.group())

        return re.sub(f"{re.escape(esc)}([^{re.escape(esc)}]*){re.escape(esc)}", undo, text).strip()


def split(text: bytes) -> list[bytes]:
    """Cut what came together into messages, each from its H record on."""
    starts = [found.start() for found in _HEADER.finditer(text)]
    if not starts:
        return [text] if text.strip() else []
    cuts = [*starts, len(text)]
    parts = [text[: starts[0]]] if text[: starts[0]].strip() else []
    return parts + [text[a:b] for a, b in pairwise(cuts)]


def decode(payload: bytes) -> str:
    """UTF-8 where it is, else Vietnamese Windows, else Latin-1, which reads every byte; composed."""
    for charset in ("utf-8", "cp1258"):
        try:
            return unicodedata.normalize("NFC", payload.decode(charset).replace("\0", ""))
        except UnicodeDecodeError:
            continue
    return unicodedata.normalize("NFC", payload.decode("latin-1").replace("\0", ""))


def records(payload: bytes) -> Iterator[Record]:
    """The records of a message. Empty lines and those that begin with # are nobody's. Raises Refused."""
    found = (line.lstrip(" ") for line in re.split(r"[\r\n]+", decode(payload)))
    lines = [line for line in found if line.strip() and not line.startswith("#")]
    if not lines or not re.match(r"H[^\w\s]", lines[0]):
        raise Refused("AE", "100", "H")
    signs = _delimiters(lines[0])
    for place, line in enumerate(lines, 1):
        kind = line[:1]
        if kind not in TYPES or line[1:2] not in ("", signs.field):
            raise Refused("AE", "100", f"{line[:1]}^{place}")
        fields = line.split(signs.field)
        if kind == "H":  # H.2 holds the signs themselves
            fields[1:2] = [""]
        yield Record(kind, tuple(fields), signs)


def _delimiters(line: str) -> Delimiters:
    signs, separator = line[2:5], line[1]
    if len(set(signs)) != 3 or separator in signs or any(sign.isalnum() for sign in signs):
        raise Refused("AE", "101", "H^1^2")
    return Delimiters(separator, *signs)


@dataclass(slots=True)
class _Reading:
    """What has been read of a message so far."""

    driver: Driver | None
    message: Message
    held: dict[str, Record] = field(default_factory=dict)
    order: Order | None = None
    streams: Streams = field(default_factory=Streams)
    ended: bool = False

    def find(self, what: str) -> str:
        """The first place of something that holds a value."""
        usual = USUAL[what]
        for place in self.driver.places(what, usual) if self.driver else usual:
            if value := self.at(place):
                return self.driver.tidy(what, value) if self.driver else value
        return ""

    def at(self, place: str) -> str:
        """The value at a place such as `O.3.2`."""
        kind, number, *component = place.split(".")
        if not (record := self.held.get(kind)):
            return ""
        return record.get(int(number), int(component[0])) if component else record.raw(int(number))


def read(payload: bytes, driver: Driver | None = None) -> Message:
    """Read one message. Raises Refused with its place and, as far as it was read, its header."""
    found = _Reading(driver, Message(Header(wire="lis2", type="LIS2")))
    try:
        for record in records(payload):
            _take(found, record)
    except Refused as refused:
        refused.header = found.message.header
        raise
    header = found.message.header
    if not found.ended:  # 6.6: a message ends with its L record
        raise Refused("AE", "no-terminator", "L", header)
    return found.message


def _take(found: _Reading, record: Record) -> None:
    found.held[record.kind] = record
    match record.kind:
        case "H":
            _header(found, record)
        case "P":
            found.held.pop("O", None)
            found.order = None
            _patient(found)
        case "O":
            found.held.pop("R", None)
            found.order = _order(found)
            found.message.orders.append(found.order)
        case "R":
            if found.order is None:
                found.order = _order(found)
                found.message.orders.append(found.order)
            found.order.results.append(_result(found))
        case "C":
            _comment(found, record)
        case "Q":
            _question(found, record)
        case "M":
            _picture(found, record)
        case "L":
            found.ended = True
        case _:
            pass  # S is the maker's, as is most of M: kept with the message


def _header(found: _Reading, record: Record) -> None:
    found.driver = found.driver or recognise(record.raw(5), "lis2")
    found.message.header = Header(
        application=found.find("sender"), type="LIS2", control_id=found.find("control_id"), processing=record.get(12),
        version=record.raw(13), wire="lis2", serial=found.find("serial"),
    )  # fmt: skip


def _patient(found: _Reading) -> None:
    message, person = found.message, found.held["P"]
    ids = [person.get(number) for number in (3, 4, 5)]
    message.patient_ids += [i for i in dict.fromkeys(ids) if i and i not in message.patient_ids]
    message.patient_name = " ".join(filter(None, (person.get(6, n) for n in (1, 3, 2)))) or message.patient_name
    message.birth = found.find("birth")[:8] or message.birth


def _order(found: _Reading) -> Order:
    specimen = found.find("specimen")
    order = Order(Code(found.find("panel")), specimens=[specimen] if specimen else [])
    others = [found.at(place) for place in ("O.3.1", "O.4.1")]
    order.filler = next((other for other in others if other and other != specimen), "")
    order.at = timestamp(found.at("O.8") or found.at("O.7"))
    if _is_control(found, specimen):
        order.control = found.find("control") or found.at("O.16.3") or specimen or "QC"
    return order


def _is_control(found: _Reading, specimen: str) -> bool:
    """7.1.12 processing `Q`, 9.4.12 action code `Q`, the specimen's description, or the model's own mark."""
    if "Q" in (found.at("H.12"), found.at("O.12")) or _CONTROL_WORDS.match(found.at("O.16.1")):
        return True
    rules = found.driver.description.controls if found.driver else ()
    return any(_marks(rule, specimen if rule.at == "specimen" else found.at(rule.at)) for rule in rules)


def _marks(rule: Control, value: str) -> bool:
    return re.search(rule.matches, value, re.IGNORECASE) is not None


def _result(found: _Reading) -> Result:
    text, flags = found.find("value"), tuple(filter(None, re.split(r"[\\^~ ]", found.find("flag"))))
    if found.driver:
        text = found.driver.word(text)
    values: dict[str, object] = {"text": "" if NOTHING.fullmatch(text) else text}
    if measured := number(text):
        sign = next((f for f in flags if f in ("<", ">")), "")  # 10.1.7: outside of what can be measured
        values |= {"comparator": measured[0] or sign, "number": measured[1]}
    assert found.order  # noqa: S101  (a result has one)
    code = found.find("code")
    return Result(
        place=len(found.order.results) + 1,
        code=Code(code, found.find("code_text"), alternate=found.find("loinc")),
        unit=found.find("unit"),
        reference=found.find("reference"),
        flags=flags,
        status=found.find("status")[:1],
        at=timestamp(found.find("time")) or found.order.at,
        operator=found.find("operator"),
        device=found.find("device"),
        **values,  # type: ignore[arg-type]
    )


def _comment(found: _Reading, record: Record) -> None:
    text = record.raw(4)
    if not text or not found.order or re.fullmatch(r"[IG]?", text):
        return
    if not found.order.results:
        found.order.notes.append(text)
        return
    last = found.order.results[-1]
    values = {name: getattr(last, name) for name in Result.__slots__} | {"notes": (*last.notes, text)}
    found.order.results[-1] = Result(**values)


def _picture(found: _Reading, record: Record) -> None:
    """A curve of the order before it: `M|1|HISTOGRAM|…|name|lines|points`."""
    if found.driver and found.order and record.raw(3) in ("HISTOGRAM", "MATRIX"):
        curve = found.streams.curve(found.driver, record.raw(5), record.raw(6), record.raw(7))
        found.order.curves += [curve] if curve else []


def _question(found: _Reading, record: Record) -> None:
    """A host query (11), or a control as some middleware writes it: `Q|1|code^lot^level|value|unit|time`."""
    if _TIME.fullmatch(record.raw(6)) and record.raw(4):
        _control(found, record)
        return
    if record.get(13) == "A":  # 11.13: the question is taken back
        return
    places = found.driver.places("query", USUAL["query"]) if found.driver else USUAL["query"]
    keys = []
    for repetition in range(record.repetitions(3)):
        numbers = (int(place.split(".")[2]) for place in places)
        value = next((v for n in numbers if (v := record.get(3, n, repetition))), "")
        keys.append(found.driver.tidy("query", value) if found.driver else value)
    found.message.queries.append(Query(tuple(k for k in keys if k and k.upper() != "ALL"), record.raw(3)))


def _control(found: _Reading, record: Record) -> None:
    lot, level = record.get(3, 2), record.get(3, 3)
    material = " ".join(filter(None, (lot, level)))
    order = next((o for o in found.message.orders if o.control == material), None)
    if order is None:
        order = Order(control=material or "QC")
        found.message.orders.append(order)
    text = record.get(4)
    measured = number(text)
    order.results.append(
        Result(
            place=len(order.results) + 1, code=Code(record.get(3, 1)), text=text, unit=record.raw(5),
            comparator=measured[0] if measured else "", number=measured[1] if measured else None,
            flags=tuple(filter(None, (record.get(7),))), status="F", at=timestamp(record.raw(6)),
        )
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ask:
    """What a machine is to do with one tube. codes: its own; a person's details stay "" for a machine nobody knows.

    added: besides what it was told before; cancelled: no longer.
    """

    specimen: str
    codes: tuple[str, ...]
    urgent: bool = False
    patient: str = ""
    name: str = ""
    birth: str = ""
    sex: str = ""
    cancelled: bool = False
    added: bool = False


def orders(asks: Iterable[Ask], *, sender: str = "TUETINH", receiver: str = "", asked: bool = True) -> bytes:
    """Write orders as an instrument takes them (9): its answer when `asked`, else what it is sent of itself.

    Without any, the L record says that there is none (12.1.3: `I`).
    """
    now = datetime.now(UTC).astimezone(timezone(timedelta(hours=7))).strftime("%Y%m%d%H%M%S")
    lines = [rf"H|\^&|||{_clean(sender)}|||||{_clean(receiver)}||P|LIS2-A2|{now}"]
    count = 0
    for ask in asks:
        count += 1
        sex = {"male": "M", "female": "F"}.get(ask.sex, "U")
        birth = ask.birth.replace("-", "")
        lines.append(f"P|{count}|{_clean(ask.patient)}|||{_clean(ask.name)}||{birth}|{sex}")
        tests = "\\".join(f"^^^{_clean(code)}" for code in ask.codes)
        action = "C" if ask.cancelled else "A" if asked or ask.added else "N"  # 9.4.12
        report = "Q" if asked else "O"  # 9.4.26: an answer to a question
        priority = "S" if ask.urgent else "R"
        lines.append(f"O|1|{_clean(ask.specimen)}||{tests}|{priority}||||||{action}||||||||||||||{report}")
    end = "F" if asked and count else "N" if count else "I"
    lines.append(f"L|1|{end}")
    return "".join(f"{line}\r" for line in lines).encode()


def _clean(text: str) -> str:
    escapes = str.maketrans({"|": "&F&", "\\": "&R&", "^": "&S&", "&": "&E&", "\r": " ", "\n": " "})
    return re.sub(r"[\x00-\x1f]", "", text.translate(escapes))
