"""All operations that there are. A new one is a file with `OPERATIONS` and a line here."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module

from tuetinh.record.operations.declare import Level, Operation

MODULES = (
    "tuetinh.record.operations.bulk",
    "tuetinh.record.operations.closure",
    "tuetinh.record.operations.diff",
    "tuetinh.record.operations.document",
    "tuetinh.record.operations.everything",
    "tuetinh.record.operations.graphql",
    "tuetinh.record.operations.lastn",
    "tuetinh.record.operations.merge",
    "tuetinh.record.operations.meta",
    "tuetinh.record.operations.subscriptions",
    "tuetinh.record.operations.reindex",
    "tuetinh.record.operations.validate",
    "tuetinh.record.operations.terminology",
    "tuetinh.record.operations.views",
    "tuetinh.record.operations.view_export",
    "tuetinh.record.operations.query_export",
)


_offered: list[Operation] = []


def offer(operations: Iterable[Operation]) -> None:
    """Let a module above answer operations of its own. Offering twice is once."""
    _offered.extend(one for one in operations if one not in _offered)
    known.cache_clear()
    names.cache_clear()


@cache
def known() -> tuple[Operation, ...]:
    """Every operation, in the order of MODULES, then those of the modules above."""
    return (*(one for module in MODULES for one in import_module(module).OPERATIONS), *_offered)


@cache
def names() -> frozenset[str]:
    """The names of all operations, without `$`."""
    return frozenset(one.name for one in known())


def find(name: str, level: Level, type_: str) -> Operation | None:
    """The operation of this name (without `$`) at this place, or None."""
    return next((one for one in known() if one.name == name and one.at(level, type_)), None)
