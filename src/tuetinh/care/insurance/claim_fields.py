"""Where each field of a claim is from: of a decision, and as one visit has it. Told by what fills the fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.claim_tables import source_of
from tuetinh.care.insurance.claims import Claim
from tuetinh.care.insurance.tables import Field, decision

State = Literal["filled", "empty", "missing"]


@dataclass(frozen=True, slots=True)
class Described:
    """A field. source: what fills it, "" for nothing; needed: `always`, `sometimes` or ""; of a visit also its value.

    row: 0 in a description of a decision. state: missing is empty where something must be.
    """

    table: str
    row: int
    field: Field
    source: str
    needed: str
    value: str = ""
    state: State = "empty"


def described_fields(by: str) -> list[Described]:
    """Every field of a decision. Raises KeyError for one that is not carried."""
    return [
        Described(table, 0, field, source_of(by, table, field.name), _needed(field))
        for table, description in decision(by).tables.items()
        for field in description.fields
    ]


def fields_of(claim: Claim) -> list[Described]:
    """Every field of the rows of a claim, with the fact behind its value."""
    missing = {(p.table, p.row, p.field) for p in [*claim.problems, *claim.warnings] if _says_missing(p)}
    found = []
    for table, description in decision(claim.decision).tables.items():
        for number, row in enumerate(claim.tables.get(table) or [], 1):
            for field in description.fields:
                value = row.get(field.name, "")
                place = table, number, field.name
                state: State = "filled" if value else "missing" if place in missing else "empty"
                general = source_of(claim.decision, table, field.name)
                source = claim.sources.get(f"{table}.{number}.{field.name}", general)
                found.append(Described(table, number, field, source, _needed(field), value, state))
    return found


def _says_missing(problem: Problem) -> bool:
    return problem.code == "required"


def _needed(field: Field) -> str:
    if field.required:
        return "always"
    return "sometimes" if field.required_if or field.required_until else ""
