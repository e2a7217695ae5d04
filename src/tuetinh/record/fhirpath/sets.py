"""Collections as sets (FHIRPath N1, 5.3 and 6.5): in the order of the first appearance, duplicates by equality."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from tuetinh.record.fhirpath.compare import equal_items, key
from tuetinh.record.fhirpath.context import Context


class Seen:
    """Items met so far. What has no key, such as a date, is compared with the others of its sort one by one."""

    def __init__(self, context: Context, items: Iterable[Any] = ()) -> None:
        self.context = context
        self.keys: set[Hashable] = set()
        self.others: list[Any] = []
        for item in items:
            self.add(item)

    def __contains__(self, item: Any) -> bool:
        self.context.spend(1)
        name = key(item)
        if name is not None:
            return name in self.keys
        self.context.spend(len(self.others))
        return any(equal_items(item, other) for other in self.others)

    def add(self, item: Any) -> bool:
        """Whether it is new."""
        self.context.spend(1)
        name = key(item)
        if name is not None:
            new = name not in self.keys
            self.keys.add(name)
            return new
        if item in self:
            return False
        self.others.append(item)
        return True


def distinct(items: list[Any], context: Context) -> list[Any]:
    """Each item once."""
    if len(items) < 2:
        return items
    seen = Seen(context)
    return [item for item in items if seen.add(item)]


def union(left: list[Any], right: list[Any], context: Context) -> list[Any]:
    """What is in either."""
    return distinct(left + right, context)


def intersection(left: list[Any], right: list[Any], context: Context) -> list[Any]:
    """What is in both, each once."""
    within = Seen(context, right)
    return distinct([item for item in left if item in within], context)


def difference(left: list[Any], right: list[Any], context: Context) -> list[Any]:
    """What is in the left one only; it keeps its duplicates."""
    within = Seen(context, right)
    return [item for item in left if item not in within]


def within(left: list[Any], right: list[Any], context: Context) -> bool:
    """Whether all of the left one are in the right one."""
    seen = Seen(context, right)
    return all(item in seen for item in left)
