"""Utility functions and reflection (FHIRPath N1, 5.9 and 10)."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from tuetinh.record.fhirpath.context import Context
from tuetinh.record.fhirpath.errors import EvaluationError
from tuetinh.record.fhirpath.functions.collections import each
from tuetinh.record.fhirpath.nodes import type_of
from tuetinh.record.fhirpath.registry import Eval, Items, collection, lazy, scalar, value_of
from tuetinh.record.fhirpath.values import CALENDAR, Date, DateTime, Quantity, Time, calendar_unit
from tuetinh.record.terminology import ucum


@lazy("trace", 1, 2)
def _trace(context: Context, items: Items, name: Eval, projection: Eval | None = None) -> Items:
    label = value_of(name(context.this, context), str, "trace()") or ""
    if context.services.trace:
        shown = items if projection is None else [x for _, found in each(items, context, projection) for x in found]
        context.services.trace(label, shown)
    return items


@lazy("defineVariable", 1, 2)
def _define_variable(context: Context, items: Items, name: Eval, value: Eval | None = None) -> Items:
    label = value_of(name(context.this, context), str, "defineVariable()")
    if not label:
        raise EvaluationError("defineVariable() takes a name")
    this = context.this
    context.this = items
    found = items if value is None else value(items, context)
    context.this = this
    context.define(label, found)
    return items


def _clock(moment: datetime.datetime) -> tuple[int | Decimal, ...]:
    return (moment.hour, moment.minute, Decimal(f"{moment.second}.{moment.microsecond // 1000:03d}"))


@collection("now")
def _now(context: Context, items: Items) -> Items:
    moment = context.moment()
    zone = moment.strftime("%z")
    return [DateTime((moment.year, moment.month, moment.day, *_clock(moment)), f"{zone[:3]}:{zone[3:5]}")]


@collection("today")
def _today(context: Context, items: Items) -> Items:
    moment = context.moment()
    return [Date((moment.year, moment.month, moment.day))]


@collection("timeOfDay")
def _time_of_day(context: Context, items: Items) -> Items:
    return [Time(_clock(context.moment()))]


@collection("type")
def _type(context: Context, items: Items) -> Items:
    return [type_of(item) for item in items]


@scalar("comparable", Quantity, Quantity)
def _comparable(one: Quantity, other: Quantity) -> bool:
    codes: list[Any] = [CALENDAR.get(calendar_unit(each.unit) or "") or each.unit for each in (one, other)]
    return codes[0] == codes[1] or ucum.comparable(*codes)
