"""Steps that modules above attach to the writing of a resource type.

A projection keeps a module's own table in line with the record, in the transaction that writes the resource. It
receives lists, because imports and transaction Bundles write many at once. The record knows nothing of what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tuetinh.record.r4 import Resource
from tuetinh.record.steps import Step


class Written(NamedTuple):
    """A version that has just been written. `resource` is None where it was deleted."""

    type: str
    id: str
    key: int
    version: int
    patient: str | None
    resource: Resource | None


Projection = Callable[[Sequence[Written]], Step[None]]
_projections: dict[str, list[Projection]] = {}


def register(type_: str, projection: Projection) -> None:
    """Run the step for each written version of the type, in the same transaction. Registering twice is once."""
    known = _projections.setdefault(type_, [])
    if projection not in known:
        known.append(projection)


def exists(type_: str) -> bool:
    """Tell whether writing the type needs more than the record's own statement."""
    return type_ in _projections


def project(type_: str, written: Sequence[Written]) -> Step[None]:
    """Run what is attached to the type."""
    for projection in _projections.get(type_, ()):
        yield from projection(written)
