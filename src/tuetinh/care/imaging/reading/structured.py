"""Readings in fields: templates that are data, what is filled into them, and the words and facts that it makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from tuetinh.care.imaging.errors import BadValue
from tuetinh.care.imaging.reading.tables import DATA
from tuetinh.record import r4

LONGEST = 500  # characters of a field


@dataclass(frozen=True, slots=True)
class Field:
    """One field: of choices, a number in a unit, or words."""

    key: str
    label: str
    choices: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A template in fields. conclusion: its words, with `{key}` for what is in a field."""

    key: str
    modality: str
    title: str
    fields: tuple[Field, ...]
    conclusion: str


@cache
def _forms() -> dict[str, Form]:
    told = json.loads((DATA / "structured.json").read_text(encoding="utf-8"))
    return {one["key"]: _form(one) for one in told}


def _form(told: dict[str, Any]) -> Form:
    fields = (Field(f["key"], f["label"], tuple(f.get("choices", ())), f.get("unit", "")) for f in told["fields"])
    return Form(told["key"], told["modality"], told["title"], tuple(fields), told["conclusion"])


def forms(modality: str) -> list[Form]:
    """The templates for a modality, in the order of their file."""
    return [one for one in _forms().values() if one.modality == modality]


def form(key: str) -> Form | None:
    """The template of this key."""
    return _forms().get(key)


def read(wanted: Form, typed: Mapping[str, str]) -> dict[str, str]:
    """What was filled in, by key; numbers with a point. Raises BadValue, which names the field."""
    found = {}
    for one in wanted.fields:
        value = (typed.get(f"f-{one.key}") or "").strip()[:LONGEST]
        if not value:
            continue
        if one.choices and value not in one.choices:
            raise BadValue(one.label)
        found[one.key] = _number(one, value) if one.unit else value
    return found


def _number(one: Field, value: str) -> str:
    try:
        number = Decimal(value.replace(",", "."))
    except InvalidOperation:
        raise BadValue(one.label) from None
    if not number.is_finite() or number < 0 or number > 100_000:
        raise BadValue(one.label)
    return str(number)


def findings(wanted: Form, answers: Mapping[str, str]) -> str:
    """The description in words: a line for each field that is filled in."""
    lines = (f"{one.label}: {_said(one, answers[one.key])}." for one in wanted.fields if answers.get(one.key))
    return "\n".join(lines)


def conclusion(wanted: Form, answers: Mapping[str, str]) -> str:
    """The conclusion in words, once every field that it names is filled in; else none."""
    said = {one.key: _said(one, answers[one.key]) for one in wanted.fields if answers.get(one.key)}
    try:
        return wanted.conclusion.format(**said)
    except KeyError:
        return ""


def _said(one: Field, value: str) -> str:
    return f"{value.replace('.', ',')} {one.unit}" if one.unit else value


def components(key: str, answers: Mapping[str, str]) -> list[r4.ObservationComponent] | None:
    """What is in the fields as components of the findings, None for nothing."""
    wanted = form(key)
    found = [_component(one, answers[one.key]) for one in (wanted.fields if wanted else ()) if answers.get(one.key)]
    return found or None


def _component(one: Field, value: str) -> r4.ObservationComponent:
    code = r4.CodeableConcept(text=one.label)
    if one.unit:
        return r4.ObservationComponent(code=code, valueQuantity=r4.Quantity(value=Decimal(value), unit=one.unit))
    return r4.ObservationComponent(code=code, valueString=value)
