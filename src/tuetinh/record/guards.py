"""Looks at writes of some resource types before they happen: may refuse them, or keep back what is not to be stored.

A guard, a module or what a module above registers, has two steps: `admit(asker, resource)` returns the resource to
store, which is the given one or a copy; `release(asker, id)` comes before a deletion. Both run in the transaction of
the write and raise what they refuse.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, TypeVar, cast

from tuetinh.record.asker import Asker
from tuetinh.record.r4 import Resource
from tuetinh.record.steps import Step

R = TypeVar("R", bound=Resource)
MODULES = {
    "Subscription": "tuetinh.record.subscriptions.admission",
    "Basic": "tuetinh.record.subscriptions.topics",
    "SearchParameter": "tuetinh.record.search.admission",
}


class Guard(Protocol):
    """What such a module has."""

    def admit(self, asker: Asker, resource: Resource) -> Step[Resource]:
        """The resource to store."""

    def release(self, asker: Asker, id_: str) -> Step[None]:
        """Let a resource be deleted."""


_registered: dict[str, Guard] = {}


def register(type_: str, guard: Guard) -> None:
    """Let a module above guard a type that the record itself does not."""
    _registered[type_] = guard


def exists(type_: str) -> bool:
    """Whether writing the type needs more than the record's own statement."""
    return type_ in MODULES or type_ in _registered


def admit(asker: Asker, resource: R) -> Step[R]:
    """The resource to store in the place of the given one."""
    if not exists(resource.resourceType):
        return resource
    return cast("R", (yield from _guard(resource.resourceType).admit(asker, resource)))


def release(asker: Asker, type_: str, id_: str) -> Step[None]:
    """Let a resource be deleted."""
    if exists(type_):
        yield from _guard(type_).release(asker, id_)


def _guard(type_: str) -> Guard:
    return _registered.get(type_) or cast("Guard", import_module(MODULES[type_]))
