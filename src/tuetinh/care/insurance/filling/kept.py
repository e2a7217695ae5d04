"""What the file of an imported claim told that the facts of its visit do not say: kept with the fact of each row.

Facts are what others read; the rest (spellings, a value that no element of FHIR has, an empty field of which the record
knows more) is an extension of the same fact, by the names of the decision of the file, so that the claim is told again
as it came, its rows in their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from tuetinh.care.insurance.situations import BASE
from tuetinh.care.insurance.tables import Field, Row, Tables, decision
from tuetinh.record import r4

KEPT: Final = f"{BASE}/claim-row"
OLD: Final = "4210"  # whose names mean other things than today's
_EMPTY: Final = "empty"
RECOMPUTED: Final[Mapping[str, frozenset[str]]] = {
    "XML1": frozenset({
        *("MA_DOITUONG_KCB", "MA_LYDO_VVIEN", "T_THUOC", "T_VTYT", "T_TONGCHI_BV", "T_TONGCHI_BH", "T_TONGCHI"),
        *("T_BNTT", "T_BNCCT", "T_BHTT", "T_NGUONKHAC", "T_BHTT_GDV"),
    }),
    **dict.fromkeys(
        ("XML2", "XML3"),
        frozenset({
            *("THANH_TIEN_BV", "THANH_TIEN_BH", "THANH_TIEN", "T_NGUONKHAC", "MUC_HUONG", "T_BNTT", "T_BNCCT"),
            "T_BHTT",
        }),
    ),
}  # fmt: skip
"""Fields that the benefit rules work out again: who pays what, and why. All others come back as they were told."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a row. place: from 1, in its table; by: decision of its file; values: "" where it is empty."""

    table: str
    place: int
    by: str
    values: Row


def keep(fact: r4.DomainResource, kept: Kept) -> None:
    """Write it with the fact of the row."""
    parts = [
        r4.Extension(url="table", valueCode=kept.table),
        r4.Extension(url="place", valuePositiveInt=kept.place),
        r4.Extension(url="decision", valueCode=kept.by),
        *(r4.Extension(url=name, valueString=value) for name, value in kept.values.items() if value),
    ]
    if empty := [name for name, value in kept.values.items() if not value]:
        parts.append(r4.Extension(url=_EMPTY, valueString=" ".join(empty)))
    fact.extension = [*(fact.extension or []), r4.Extension(url=KEPT, extension=parts)]


def read(facts: Iterable[r4.DomainResource]) -> dict[str, dict[str, Kept]]:
    """What is kept with these facts, by table and `Type/id`."""
    found: dict[str, dict[str, Kept]] = defaultdict(dict)
    for fact in facts:
        for one in fact.extension or ():
            if one.url == KEPT:
                kept = _read(one)
                found[kept.table][f"{fact.resourceType}/{fact.id}"] = kept
    return dict(found)


def _read(one: r4.Extension) -> Kept:
    told = {part.url: part for part in one.extension or []}
    values = {name: part.valueString for name, part in told.items() if part.valueString is not None and name != _EMPTY}
    if _EMPTY in told:
        values |= dict.fromkeys((told[_EMPTY].valueString or "").split(), "")
    by = told["decision"].valueCode if "decision" in told else None
    place = told["place"].valuePositiveInt if "place" in told else None
    return Kept((told["table"].valueCode if "table" in told else None) or "", place or 0, by or "", values)


def tell_again(tables: Tables, kept: Mapping[str, list[Kept]], by: str) -> Tables:
    """The tables of a decision with what was kept of their rows. kept: by table, one of each row."""
    if not kept:
        return tables
    return {
        name: [_told(row, one, by) for row, one in zip(rows, kept[name], strict=True)] if name in kept else rows
        for name, rows in tables.items()
    }


def _told(row: Row, kept: Kept, by: str) -> Row:
    if (kept.by == OLD) != (by == OLD):
        return row
    known = names(by, kept.table)
    return row | {name: value for name, value in kept.values.items() if name in known}


@cache
def names(by: str, table: str) -> Mapping[str, Field]:
    """The fields of a table that come back as they were told."""
    return {one.name: one for one in decision(by).tables[table].fields if one.name not in RECOMPUTED.get(table, ())}
