"""Existence, filtering and projection, subsetting, combining, the tree (FHIRPath N1, 5.1 to 5.4 and 5.8)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cmp_to_key
from typing import Any

from tuetinh.record.fhirpath.compare import order
from tuetinh.record.fhirpath.context import Context, one
from tuetinh.record.fhirpath.errors import EvaluationError
from tuetinh.record.fhirpath.nodes import Node, system, type_of
from tuetinh.record.fhirpath.registry import Eval, Items, collection, lazy, scalar, value_of
from tuetinh.record.fhirpath.sets import Seen, difference, distinct, intersection, union, within


def each(items: Items, context: Context, argument: Eval) -> Iterator[tuple[Any, Items]]:
    """Every item with what the argument gives for it as `$this`."""
    this, index, variables = context.this, context.index, context.variables
    for place, item in enumerate(items):
        context.spend(1)
        context.this, context.index = [item], place
        found = argument(context.this, context)
        context.this, context.index, context.variables = this, index, variables
        yield item, found


def holds(found: Items, name: str) -> bool:
    """A criterion's answer: true, or a single item that is no Boolean."""
    item = system(one(found, f"the criterion of {name}()"))
    return item if type(item) is bool else item is not None


@collection("empty")
def _empty(context: Context, items: Items) -> Items:
    return [not items]


@lazy("exists", 0, 1)
def _exists(context: Context, items: Items, criterion: Eval | None = None) -> Items:
    if criterion is None:
        return [bool(items)]
    return [any(holds(found, "exists") for _, found in each(items, context, criterion))]


@lazy("all", 1)
def _all(context: Context, items: Items, criterion: Eval) -> Items:
    return [all(holds(found, "all") for _, found in each(items, context, criterion))]


def _booleans(items: Items, name: str) -> Iterator[bool]:
    for item in items:
        yield value_of([item], bool, f"{name}()")


@collection("allTrue")
def _all_true(context: Context, items: Items) -> Items:
    return [all(list(_booleans(items, "allTrue")))]


@collection("anyTrue")
def _any_true(context: Context, items: Items) -> Items:
    return [any(list(_booleans(items, "anyTrue")))]


@collection("allFalse")
def _all_false(context: Context, items: Items) -> Items:
    return [not any(list(_booleans(items, "allFalse")))]


@collection("anyFalse")
def _any_false(context: Context, items: Items) -> Items:
    return [not all(list(_booleans(items, "anyFalse")))]


@collection("subsetOf", 1)
def _subset_of(context: Context, items: Items, other: Items) -> Items:
    return [within(items, other, context)]


@collection("supersetOf", 1)
def _superset_of(context: Context, items: Items, other: Items) -> Items:
    return [within(other, items, context)]


@collection("count")
def _count(context: Context, items: Items) -> Items:
    return [len(items)]


@collection("distinct")
def _distinct(context: Context, items: Items) -> Items:
    return distinct(items, context)


@collection("isDistinct")
def _is_distinct(context: Context, items: Items) -> Items:
    return [len(distinct(items, context)) == len(items)]


@lazy("where", 1)
def _where(context: Context, items: Items, criterion: Eval) -> Items:
    return [item for item, found in each(items, context, criterion) if holds(found, "where")]


@lazy("select", 1)
def _select(context: Context, items: Items, projection: Eval) -> Items:
    selected: Items = []
    for _, found in each(items, context, projection):
        context.spend(len(found))
        selected += found
    return selected


def _repeated(context: Context, items: Items, projection: Eval, *, once: bool) -> Items:
    gathered: Items = []
    seen = Seen(context)
    waiting = items
    while waiting:
        new = [item for _, found in each(waiting, context, projection) for item in found if not once or seen.add(item)]
        context.spend(len(new))
        gathered += new
        waiting = new
    return gathered


@lazy("repeat", 1)
def _repeat(context: Context, items: Items, projection: Eval) -> Items:
    return _repeated(context, items, projection, once=True)


@lazy("repeatAll", 1)
def _repeat_all(context: Context, items: Items, projection: Eval) -> Items:
    return _repeated(context, items, projection, once=False)


@lazy("aggregate", 1, 2)
def _aggregate(context: Context, items: Items, aggregator: Eval, start: Eval | None = None) -> Items:
    outer = context.total
    total = start(context.this, context) if start else []
    this, index = context.this, context.index
    for place, item in enumerate(items):
        context.spend(1 + len(total))
        context.this, context.index, context.total = [item], place, total
        total = aggregator(context.this, context)
    context.this, context.index, context.total = this, index, outer
    return total


@collection("single")
def _single(context: Context, items: Items) -> Items:
    one(items, "single()")
    return items


@collection("first")
def _first(context: Context, items: Items) -> Items:
    return items[:1]


@collection("last")
def _last(context: Context, items: Items) -> Items:
    return items[-1:]


@collection("tail")
def _tail(context: Context, items: Items) -> Items:
    return items[1:]


def _number(argument: Items, name: str) -> int:
    number = value_of(argument, int, name)
    if number is None:
        raise EvaluationError(f"{name} takes a number")
    return int(number)


@collection("skip", 1)
def _skip(context: Context, items: Items, number: Items) -> Items:
    return items[max(_number(number, "skip()"), 0) :]


@collection("take", 1)
def _take(context: Context, items: Items, number: Items) -> Items:
    return items[: max(_number(number, "take()"), 0)]


@collection("intersect", 1)
def _intersect(context: Context, items: Items, other: Items) -> Items:
    return intersection(items, other, context)


@collection("exclude", 1)
def _exclude(context: Context, items: Items, other: Items) -> Items:
    return difference(items, other, context)


@collection("union", 1)
def _union(context: Context, items: Items, other: Items) -> Items:
    return union(items, other, context)


@collection("combine", 1)
def _combine(context: Context, items: Items, other: Items) -> Items:
    context.spend(len(items) + len(other))
    return items + other


@lazy("coalesce", 1, 20)
def _coalesce(context: Context, items: Items, *arguments: Eval) -> Items:
    return next((found for argument in arguments if (found := argument(context.this, context))), [])


@collection("children")
def _children(context: Context, items: Items) -> Items:
    context.spend(len(items))
    found = [child for item in items if type(item) is Node for child in item.children()]
    context.spend(len(found))
    return found


@collection("descendants")
def _descendants(context: Context, items: Items) -> Items:
    found: Items = []
    for item in items:
        if type(item) is Node:
            for below in item.descendants():
                context.spend(1)
                found.append(below)
    return found


@lazy("sort", 0, 20)
def _sort(context: Context, items: Items, *keys: Eval) -> Items:
    """Each key is a pair of whether to go down and the value; what has no value comes first either way."""
    if not keys:
        keyed = [(item, [(False, system(item))]) for item in items]
    else:
        columns = [[found for _, found in each(items, context, argument)] for argument in keys]
        keyed = [
            (item, [(column[place][0], system(one(column[place][1:], "a key of sort()"))) for column in columns])
            for place, item in enumerate(items)
        ]
    context.spend(len(items) * (len(items).bit_length() + 1))
    return [item for item, _ in sorted(keyed, key=cmp_to_key(_by_keys))]


def _by_keys(left: tuple[Any, list[tuple[bool, Any]]], right: tuple[Any, list[tuple[bool, Any]]]) -> int:
    for (down, one_key), (_, other_key) in zip(left[1], right[1], strict=True):
        if one_key is None or other_key is None:
            if one_key is not other_key:
                return -1 if one_key is None else 1
        elif sign := order(one_key, other_key) or 0:
            return -sign if down else sign
    return 0


@scalar("not", object)
def _not(value: Any) -> bool:
    return not value if type(value) is bool else False


@lazy("iif", 2, 3)
def _iif(context: Context, items: Items, criterion: Eval, then: Eval, otherwise: Eval | None = None) -> Items:
    """The arguments see the input, of which there is one item at most, as `$this`."""
    one(items, "iif()")
    this = context.this
    context.this = items
    answer = system(one(criterion(context.this, context), "the criterion of iif()"))
    if answer is not None and type(answer) is not bool:
        raise EvaluationError(f"the criterion of iif() is a Boolean, not a {type_of(answer)}")
    chosen = then if answer else otherwise
    found = chosen(context.this, context) if chosen else []
    context.this = this
    return found
