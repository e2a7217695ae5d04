"""The generated rules of `record/r4/data/rules.json`, read once."""

from __future__ import annotations

from importlib import resources

import msgspec


class Invariant(msgspec.Struct, frozen=True):
    key: str
    severity: str
    human: str
    expression: str | None = None


class ElementRule(msgspec.Struct, frozen=True):
    type: str
    many: bool = msgspec.field(default=False, name="list")
    min: int = 0
    summary: bool = False
    modifier: bool = False
    bare: bool = False
    choice: str | None = None
    codes: str | None = None
    profile: str | None = None
    targets: tuple[str, ...] = ()
    invariants: tuple[Invariant, ...] = ()


class Choice(msgspec.Struct, frozen=True):
    names: tuple[str, ...]
    min: int


class TypeRule(msgspec.Struct, frozen=True):
    kind: str
    base: str
    path: str
    elements: dict[str, ElementRule]
    choices: dict[str, Choice] = {}
    invariants: tuple[Invariant, ...] = ()


class Rules(msgspec.Struct, frozen=True):
    source: str
    primitives: dict[str, str]
    codes: dict[str, dict[str, list[str]]]
    types: dict[str, TypeRule]


RULES = msgspec.json.decode((resources.files("tuetinh.record.r4") / "data" / "rules.json").read_bytes(), type=Rules)
