"""Sums and extremes of a collection (FHIRPath 3.0 ballot, Aggregates), in the collection's own type."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tuetinh.record.fhirpath.arithmetic import apply
from tuetinh.record.fhirpath.compare import order
from tuetinh.record.fhirpath.context import Context
from tuetinh.record.fhirpath.nodes import system
from tuetinh.record.fhirpath.registry import Items, collection


@collection("sum")
def _sum(context: Context, items: Items) -> Items:
    total = _total(context, items)
    return [] if total is None else [total]


@collection("avg")
def _avg(context: Context, items: Items) -> Items:
    total = _total(context, items)
    mean = None if total is None else apply("/", total, Decimal(len(items)))
    return [] if mean is None else [mean]


@collection("min")
def _min(context: Context, items: Items) -> Items:
    return _extreme(context, items, -1)


@collection("max")
def _max(context: Context, items: Items) -> Items:
    return _extreme(context, items, 1)


def _total(context: Context, items: Items) -> Any:
    """All items added up; None where there are none, or two that have no sum."""
    total = None
    for place, item in enumerate(items):
        context.spend(1)
        total = system(item) if place == 0 else apply("+", total, system(item))
        if total is None:
            return None
    return total


def _extreme(context: Context, items: Items, sign: int) -> Items:
    """The first of the items beyond which there is none; empty where two of them have no known order."""
    found = items[:1]
    for item in items[1:]:
        context.spend(1)
        answer = order(system(item), system(found[0]))
        if answer is None:
            return []
        if answer * sign > 0:
            found = [item]
    return found
