"""Models of machines as data: one description a model in `data/drivers`, read once.

A description says what a message of the model looks like (where the tube's number, the code, the value stand), how its
controls are told from patients, what its codes mean, and how its line is set. What a facility teaches stands above it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

FOLDER = Path(__file__).parent.parent / "data" / "drivers"
Wire = Literal["hl7v2", "lis2", "file", "text"]
_NAME = 300  # characters: what is longer is no name but a text, which comes once


class Serial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A serial line as the model comes from its maker."""

    baud: int = 9600
    data: int = 8
    parity: Literal["N", "E", "O"] = "N"
    stop: int = 1


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What marks quality control: a field (or `specimen`) whose value matches."""

    at: str
    matches: str


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a file is a table. header: a column's name that is only in the header line. wide: a column for each code.

    wide: a pattern for the names of those columns with the groups `code` and, where it has one, `unit`. pairs: it is
    lines `name,value`, and a new result begins with the name `section`.
    """

    header: str = ""
    delimiter: str = ""
    wide: str = ""
    pairs: bool = False
    section: str = ""
    row: str = ""  # of XML: the path of the elements that are results
    days_first: bool = True
    years_first: bool = False  # also where a year has two digits


class Speech(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a simulated machine writes a text of its maker's own: `str.format` with what it tells.

    message: with `specimen`, `results` and the time `at`; result: for each, with `code`, `value`, `unit` and `at`.
    """

    message: str
    result: str


class Queries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model is told what to do. answer: by which message; download: what is sent unasked, "" for nothing."""

    answer: Literal["lis2", "dsr", "rsp", "oml"] = "lis2"
    download: Literal["", "lis2", "orm", "oml"] = ""


class Histogram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model sends one of its curves. at: the code of the result, or the name in the M record, that holds it.

    form: `counts` are whole numbers, one a channel, of `width` bytes each, the highest first; `axes` and `matrix` are
    numbers that begin with the axes (`curves.py` says how). width_at: the result that says the width, where one does.
    lines: the results that are its discriminators. unit: of the sizes, "" for channels.
    """

    title: str
    at: str
    form: Literal["counts", "axes", "matrix"] = "counts"
    width: Literal[1, 2, 4] = 1
    width_at: str = ""
    lines: tuple[str, ...] = ()
    unit: str = ""


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `data/drivers`. known_by: what its sender name, file name or text looks like.

    at: where things stand, the first that holds something. `O.3.2` is the second component of field 3 of a record;
    of a table, a column's name. codes: our analyte, then its unit and a factor where needed; null: never reported.
    called: how one calls itself, where that is not the name of its model. words: of results, in ours. never: what type
    and code (`IS 12045`) of results look like that are never reported, besides those of `codes`. numbered: whether its
    frames are in order. source: from where this is known.
    """

    model: str
    maker: str
    wire: Wire
    transports: tuple[Literal["tcp", "mllp", "serial", "file"], ...]
    known_by: str
    source: str
    called: str = ""
    at: dict[str, tuple[str, ...]] = {}
    patterns: dict[str, str] = {}
    controls: tuple[Control, ...] = ()
    codes: dict[str, str | None] = {}
    words: dict[str, str] = {}
    never: str = ""
    histograms: tuple[Histogram, ...] = ()
    serial: Serial = Serial()
    table: Table | None = None
    queries: Queries | None = None
    numbered: bool = True
    text: str = ""
    fields: dict[str, str] = {}
    speech: Speech | None = None
    silent_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What a code means: our analyte's key ("" for what is never reported), the machine's unit, and a factor."""

    analyte: str
    unit: str = ""
    factor: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Driver:
    """A model, ready to be used. key: the name of its file."""

    key: str
    description: Description
    codes: dict[str, Known] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its maker and model."""
        return f"{self.description.maker} {self.description.model}"

    @property
    def sender(self) -> str:
        """How one calls itself."""
        return self.description.called or self.description.model.partition(" (")[0]

    def places(self, what: str, usual: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Where something stands."""
        return self.description.at.get(what, usual)

    def tidy(self, what: str, value: str) -> str:
        """A value without what the model writes around it: the group of its pattern."""
        pattern = self.description.patterns.get(what)
        if not pattern:
            return value
        if found := re.search(pattern, value):
            return found.group(1).strip()
        return "" if what == "unit" else value

    def word(self, text: str) -> str:
        """A result's word in ours, where it has one."""
        return self.description.words.get(text.strip().casefold(), text)

    def spoken(self, text: str) -> str:
        """A word of ours in the model's, where it has one."""
        return next((said for said, ours in self.description.words.items() if ours == text), text)

    def silent(self, what: str) -> bool:
        """Whether a result of this type and code (`IS 12045`) is never reported."""
        return bool(self.description.never) and re.search(self.description.never, what) is not None

    def machine_code(self, analyte: str) -> str:
        """By which code the model knows an analyte; "" when it measures no such thing."""
        return next((code for code, known in self.codes.items() if known.analyte == analyte), "")


def _meaning(said: str | None) -> Known:
    parts = (said or "").split()
    return Known(*parts[:2], *(Decimal(part) for part in parts[2:3])) if parts else Known("")


def read(path: Path) -> Driver:
    """Read a description. Raises msgspec.ValidationError where it is none."""
    found = msgspec.json.decode(path.read_bytes(), type=Description)
    return Driver(path.stem, found, {code: _meaning(said) for code, said in found.codes.items()})


@cache
def drivers() -> dict[str, Driver]:
    """Every model by its key, in the order of their names."""
    return {path.stem: read(path) for path in sorted(FOLDER.glob("*.json"))}


def driver(key: str) -> Driver | None:
    """The model of a key."""
    return drivers().get(key)


@cache
def _patterns() -> list[tuple[re.Pattern[str], Driver]]:
    """How to know each model; a text of a maker's own, which names no sender, is kept under the model's name."""

    def pattern(one: Driver) -> str:
        known = one.description.known_by
        return rf"{known}|^{re.escape(one.name)}(?:\||$)" if one.description.wire == "text" else known

    return [(re.compile(pattern(one), re.IGNORECASE), one) for one in drivers().values()]


def recognise(text: str, *wires: Wire) -> Driver | None:
    """The model whose sender name, file name or text this is: the one that says the most of it."""
    return (_remembered if len(text) <= _NAME else _recognised)(text, wires)


def _recognised(text: str, wires: tuple[Wire, ...]) -> Driver | None:
    best: tuple[int, Driver | None] = (0, None)
    for pattern, one in _patterns():
        if one.description.wire in wires and (found := pattern.search(text)):
            best = max(best, (len(found.group()), one), key=lambda pair: pair[0])
    return best[1]


_remembered = lru_cache(maxsize=200)(_recognised)  # machines say their name in every message


def schema() -> dict[str, Any]:
    """JSON Schema of a description, for whoever writes one."""
    return msgspec.json.schema(Description)
