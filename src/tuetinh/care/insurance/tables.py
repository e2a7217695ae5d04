"""The description of the insurance XML tables: what a decision says of each field, as `make_xml_tables.py` made it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

VERSIONS = (("", "4210"), ("2024-07-01", "4750"), ("2025-01-01", "3176"))  # by end of the visit
DECISIONS = ("4210", "130", "4750", "3176")  # 130: facilities could write by it from 18/01/2023, none had to
STAYS = frozenset({"03", "04", "06", "09"})
"""MA_LOAI_KCB of people who lie in: in hospital, by day, at a station, less than four hours."""

Row = dict[str, str]
Tables = dict[str, list[Row]]
"""Rows by table (`XML1`…); values as they stand in the file, absent or empty where nothing is said."""

Condition = list[Any]
Steps = list[tuple[str, Any]]


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of a table. Steps are values by the day from which they hold, "" from the beginning.

    required_if: conditions that must all hold. beside: field whose count of values must be the same. same: field of
    table 1 that says the same. not_before, after: fields with a time that must not be later, or whose day must be over.
    formula: `sum` over rows of other tables (`or` expressions that may hold instead), `is` or `any` of expressions over
    the row, `days` between dates with so many `ends` counted, or `share` of a line.
    """

    name: str
    type: str
    label: str
    length: Steps = []
    required: bool = False
    required_until: str = ""
    required_if: list[Condition] = []
    format: str = ""
    codes: Steps = []
    separator: str = ""
    decimals: int | None = None
    most: int | None = None
    beside: str = ""
    pattern: str = ""
    same: str = ""
    not_before: list[str] = []
    after: str = ""
    formula: dict[str, Any] | None = None


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Element names from the root to the row, and the fields in their order. apart: not in the envelope of a claim."""

    root: list[str]
    fields: list[Field]
    apart: bool = False


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All tables of one decision."""

    decision: str
    tables: dict[str, Table]


def decision_on(end: str) -> str:
    """The decision that a visit which ended on this day (ISO) is written by."""
    return [name for since, name in VERSIONS if since <= end][-1]


@cache
def decision(name: str) -> Decision:
    """The description of a decision. Raises KeyError for one that is not carried."""
    if name not in DECISIONS:
        raise KeyError(name)
    return msgspec.json.decode((Path(__file__).parent / "data" / f"xml_{name}.json").read_bytes(), type=Decision)


def in_force(steps: Steps, day: str) -> Any:
    """The value of the last step that has begun on the day (ISO), else None."""
    found = None
    for since, value in steps:
        if since <= day:
            found = value
    return found
