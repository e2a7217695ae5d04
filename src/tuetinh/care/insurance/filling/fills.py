"""How a field is filled: where its value is from, in words, and the function that reads it there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuetinh.care.insurance.filling.kept import Kept
from tuetinh.care.insurance.tables import Row, Tables

if TYPE_CHECKING:
    from tuetinh.care.insurance.benefits import Split
    from tuetinh.care.insurance.filling.visit import Visit

_TYPE = re.compile(r"[A-Z][A-Za-z]+(?=[.\s,(]|$)")


@dataclass(frozen=True, slots=True)
class Fill:
    """source: a FHIR path, `TABLE.FIELD` of the same claim, or a rule in words; read: the value, of a row's facts."""

    source: str
    read: Callable[[Any], str]


class OfVisit(Fill):
    """The same in all rows of a table: read is given the visit."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A visit with its cost divided; tables: those that are filled already; kept: what was kept of their rows."""

    visit: Visit
    divided: Split
    tables: Tables = field(default_factory=dict)
    kept: dict[str, list[Kept]] = field(default_factory=dict)

    @property
    def summary(self) -> Row:
        """The row of table 1, once it is filled."""
        return self.tables["XML1"][0]


@dataclass(frozen=True, slots=True)
class Filling:
    """A table: rows gives the facts of each of its rows, and the ids of what they are read from; fields fill one.

    own: those of the fields that are of a row and not of its visit; reads: how each of them is read.
    """

    rows: Callable[[Claimed], Iterable[tuple[Any, Mapping[str, str]]]]
    fields: Mapping[str, Fill]
    own: list[str] = field(init=False)
    reads: list[Callable[[Any], str]] = field(init=False)

    def __post_init__(self) -> None:
        own = {name: how.read for name, how in self.fields.items() if not isinstance(how, OfVisit)}
        object.__setattr__(self, "own", list(own))
        object.__setattr__(self, "reads", list(own.values()))

    def same(self, visit: Visit) -> Row:
        """What all rows say of a visit, in the order of the fields, and room for what they say of their own."""
        return {name: how.read(visit) if isinstance(how, OfVisit) else "" for name, how in self.fields.items()}


@dataclass
class Sources:
    """Which fact each value came from, by `table.row.field`."""

    found: dict[str, str] = field(default_factory=dict)

    def note(self, table: str, number: int, row: Row, fields: Mapping[str, Fill], ids: Mapping[str, str]) -> None:
        """Keep where the values of a row came from."""
        for name, value in row.items():
            if value:
                self.found[f"{table}.{number}.{name}"] = _TYPE.sub(
                    lambda kind: f"{kind[0]}/{ids[kind[0]]}" if kind[0] in ids else kind[0], fields[name].source
                )


def fill(name: str, filling: Filling, claimed: Claimed, sources: Sources | None) -> list[Row]:
    """The rows of a table, numbered where the table asks for it."""
    rows: list[Row] = []
    same: Row = {}
    for number, (facts, ids) in enumerate(_rows(name, filling, claimed), 1):
        same = same or filling.same(claimed.visit)  # most tables have no row
        row = same.copy()
        row.update(zip(filling.own, [read(facts) for read in filling.reads], strict=True))
        if "STT" in row:
            row["STT"] = str(number)
        rows.append(row)
        if sources is not None:
            sources.note(name, number, row, filling.fields, ids)
    return rows


def _rows(name: str, filling: Filling, claimed: Claimed) -> Iterable[tuple[Any, Mapping[str, str]]]:
    """The facts of each row; of an imported claim those of the rows of its file, in their order."""
    found = filling.rows(claimed)
    if not claimed.visit.told:
        return found
    known = claimed.visit.told.get(name, {})
    rows = [
        (kept, facts, ids)
        for facts, ids in found
        if (kept := next((known[key] for key in map("/".join, ids.items()) if key in known), None))
    ]
    rows.sort(key=lambda row: row[0].place)
    claimed.kept[name] = [kept for kept, _, _ in rows]
    return [(facts, ids) for _, facts, ids in rows]


NUMBERED = Fill("số thứ tự dòng", lambda _: "")
"""STT: what `fill` counts."""
