"""What machines send, in one shape whatever wire it came by: results with their orders, and questions for orders."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation


class Refused(Exception):
    """A message that cannot be taken. ack: AE (content) or AR (kind); condition: table 0357; place: `OBX^1^5`."""

    def __init__(self, ack: str, condition: str, place: str = "", header: Header | None = None) -> None:
        super().__init__(f"{ack} {condition} {place}".strip())
        self.ack, self.condition, self.place, self.header = ack, condition, place, header


@dataclass(frozen=True, slots=True)
class Header:
    """Who sent a message and what kind it is: MSH, the H record, or what is known of a file.

    wire: `hl7v2`, `lis2`, `file` or `text`. serial: of the instrument.
    """

    application: str = ""
    facility: str = ""
    receiver: str = ""
    receiver_facility: str = ""
    type: str = ""
    event: str = ""
    control_id: str = ""
    processing: str = ""
    version: str = ""
    charset: str = ""
    wire: str = "hl7v2"
    serial: str = ""

    @property
    def sender(self) -> str:
        """Who sent it: MSH-3 and MSH-4."""
        return f"{self.application}|{self.facility}"


@dataclass(frozen=True, slots=True)
class Code:
    """CE or CWE: a code with its alternate."""

    code: str = ""
    text: str = ""
    system: str = ""
    alternate: str = ""
    alternate_text: str = ""
    alternate_system: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One OBX. `number` is set for quantities (with `comparator` <, >, <=, >=, for ranges `high`), `coded` for codes.

    `text` always says the value in words, also when it is embedded data of which only the kind is told.
    content: the embedded data, where it could be decoded.
    """

    place: int
    code: Code
    sub_id: str = ""
    kind: str = ""
    text: str = ""
    number: Decimal | None = None
    high: Decimal | None = None
    comparator: str = ""
    coded: Code | None = None
    unit: str = ""
    reference: str = ""
    flags: tuple[str, ...] = ()
    status: str = ""
    at: datetime | None = None
    operator: str = ""
    device: str = ""
    notes: tuple[str, ...] = ()
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Curve:
    """What a machine counted, as it draws it: counts by size, joined, or cells as dots.

    lines: the sizes between which it counts its populations. ticks, limits: of the axes, where it says them (limits:
    left, right, low, high). unit: of the sizes, "" for channels.
    """

    title: str
    points: tuple[tuple[float, float], ...]
    lines: tuple[float, ...] = ()
    ticks: tuple[float, ...] = ()
    limits: tuple[float, float, float, float] | None = None
    unit: str = ""
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A machine asks what to do. keys: identifiers of tubes; none means everything that waits. tag: of the question.

    name: of the kind of question, where it has one (QPD-1).
    """

    keys: tuple[str, ...] = ()
    tag: str = ""
    name: Code = field(default_factory=Code)


@dataclass(slots=True)
class Order:
    """One OBR with what belongs to it. `keys` are the identifiers that may name the order or its tube, best first."""

    code: Code = field(default_factory=Code)
    placer: str = ""
    filler: str = ""
    specimens: list[str] = field(default_factory=list)
    status: str = ""
    at: datetime | None = None
    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    specimen_results: list[Result] = field(default_factory=list)
    control: str = ""  # the material, where this is quality control
    curves: list[Curve] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """Identifiers to match by, each once: tube, placer's number, filler's number."""
        return [k for k in dict.fromkeys([*self.specimens, self.placer, self.filler]) if k]


@dataclass(slots=True)
class Message:
    """What a machine sent: results, or questions for what to do."""

    header: Header
    patient_ids: list[str] = field(default_factory=list)
    patient_name: str = ""
    birth: str = ""
    visit: str = ""
    orders: list[Order] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)

    @property
    def results(self) -> list[Result]:
        """All results of all orders."""
        return [r for o in self.orders for r in o.results]


# What stands where there is no value. `++` is one, of a strip.
NOTHING = re.compile(r"\s*(?:[-*.?\s]{2,}|NULL|N/?A)?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"(<=|>=|<|>|≤|≥|=)?\s*([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?)")
_THOUSANDS = re.compile(
    r"(?<!\d)\d{1,3}(?:,\d{3})+(?=\.\d)|(?<!\d)\d{1,3}(?:\.\d{3})+(?=,\d)"
)  # where both signs stand


def number(text: str) -> tuple[str, Decimal] | None:
    """Read `5.4`, `5,4`, `.5`, `< 0.5`, `>=100`, `1.250,8` as comparator and exact number; None for anything else."""
    match = _NUMBER.fullmatch(_THOUSANDS.sub(lambda found: re.sub("[.,]", "", found.group()), text.strip()))
    if not match:
        return None
    comparator = {"≤": "<=", "≥": ">=", "=": ""}.get(match.group(1) or "", match.group(1) or "")
    try:
        value = Decimal(match.group(2).replace(",", "."))
    except InvalidOperation:
        return None
    return (comparator, value) if abs(value.adjusted()) < 30 else None


_TIME = re.compile(r"(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)?(\d\d)?(?:\.(\d{1,6})\d*)?)?\s*(?:([+-])(\d\d):?(\d\d))?")


def timestamp(text: str, zone: timezone = timezone(timedelta(hours=7))) -> datetime | None:
    """Read a DTM (`YYYYMMDDHHMMSS.ffff+ZZZZ`); without a zone it is Vietnam's. None when it is none."""
    match = _TIME.fullmatch(text.strip())
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, sign, zh, zm = match.groups()
    try:
        if sign:
            zone = timezone((1 if sign == "+" else -1) * timedelta(hours=int(zh), minutes=int(zm)))
        micro = int((fraction or "0").ljust(6, "0"))
        at = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), micro, zone
        )
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
