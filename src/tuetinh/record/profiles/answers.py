"""One question's answers: their type, the options, and what the extensions of the question ask for."""

from __future__ import annotations

import re as pattern
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import re2

from tuetinh.record.terminology.api import convert
from tuetinh.record.validate.model import RESOURCE_TYPES

if TYPE_CHECKING:
    from tuetinh.record.profiles.library import Library

Json = dict[str, Any]
# Questionnaire.item.type → what an answer's value may be (R4 questionnaireresponse.html, 9.9.7.2).
TYPES = {
    "boolean": {"Boolean"},
    "decimal": {"Decimal"},
    "integer": {"Integer"},
    "date": {"Date"},
    "dateTime": {"DateTime"},
    "time": {"Time"},
    "string": {"String"},
    "text": {"String"},
    "url": {"Uri"},
    "choice": {"Coding"},
    "open-choice": {"Coding", "String"},
    "attachment": {"Attachment"},
    "reference": {"Reference"},
    "quantity": {"Quantity"},
}
_REFERENCE = pattern.compile(r"(?:\w+://\S+/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/\S+)?")


def value(answer: Json) -> Any:
    """The value of an answer or option; None when it has none."""
    return next((v for k, v in answer.items() if k.startswith("value")), None)


def kind(answer: Json) -> str:
    """The type of an answer's value as its JSON name says it: `Coding`, `String`."""
    return next((k[5:] for k in answer if k.startswith("value")), "")


def extension(element: Json, name: str) -> Any:
    """The value of the first extension of that name (`minValue`, `questionnaire-minOccurs`)."""
    return next((value(e) for e in _extensions(element, name)), None)


def _extensions(element: Json, name: str) -> list[Json]:
    found = element.get("extension", [])
    return [e for e in found if str(e.get("url", "")).rpartition("/")[2].rpartition("-")[2] == name]


def equal(one: Any, other: Any) -> bool:
    """Whether two answers are the same: codings by system and code, quantities also in other units."""
    if isinstance(one, dict) and isinstance(other, dict):
        if "value" in one and "value" in other:
            return compare(one, "=", other)
        if "reference" in one or "reference" in other:
            return one.get("reference") == other.get("reference")
        return (one.get("system"), one.get("code")) == (other.get("system"), other.get("code"))
    return type(one) is type(other) and bool(one == other)


def compare(one: Any, operator: str, other: Any) -> bool:
    """One of `= > < >= <=`; False for what cannot be compared."""
    if isinstance(one, dict) and isinstance(other, dict) and "value" in one and "value" in other:
        bound = _in_unit_of(one, other)
        return bound is not None and compare(Decimal(str(one["value"])), operator, bound)
    if operator == "=":
        return equal(one, other)
    if isinstance(one, (int, Decimal)) and isinstance(other, (int, Decimal)):
        left, right = Decimal(one), Decimal(other)
    elif isinstance(one, str) and isinstance(other, str):
        size = min(len(one), len(other))  # as precise as both are
        one, other = one[:size], other[:size]
        left, right = one, other
    else:
        return False
    return {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right, "=": left == right}.get(
        operator, False
    )


def _in_unit_of(quantity: Json, bound: Json) -> Decimal | None:
    """The bound in the unit of the quantity; None when there is no way."""
    amount = Decimal(str(bound["value"]))
    units = (bound.get("system"), bound.get("code")), (quantity.get("system"), quantity.get("code"))
    if None in units[0] or None in units[1]:
        return None
    return amount if units[0] == units[1] else convert(amount, str(bound["code"]), str(quantity["code"]))


class Answers:
    """What a question takes."""

    def __init__(self, library: Library, questionnaire: Json, question: Json) -> None:
        self.library, self.questionnaire, self.question = library, questionnaire, question
        self.options = question.get("answerOption", [])

    def together(self, given: list[Json]) -> Iterator[str]:
        """What is wrong with the answers as a group."""
        exclusive = [o for o in self.options if extension(o, "optionExclusive") is True]
        if len(given) > 1 and any(equal(value(a), value(o)) for a in given for o in exclusive):
            yield "an exclusive option is chosen along with others"

    def one(self, answer: Json) -> Iterator[str]:
        """What is wrong with one answer."""
        name, given = kind(answer), value(answer)
        if given is None:
            return
        allowed = self.types()
        if name not in allowed:
            yield f"must be of the type {' or '.join(sorted(allowed))}, not {name}"
            return
        yield from self.listed(name, given)
        yield from self.bounds(name, given)
        if isinstance(given, str):
            yield from self.text(given)
        if name == "Attachment":
            yield from self.attachment(given)
        if name == "Reference":
            yield from self.reference(given)
        if name == "Quantity":
            yield from self.unit(given)

    def types(self) -> set[str]:
        """What the value may be: a choice takes the types of its options."""
        kinds = TYPES.get(str(self.question.get("type")), set())
        if "Coding" in kinds and self.options:
            return {kind(o) for o in self.options} | (kinds - {"Coding"})
        return kinds

    def listed(self, name: str, given: Any) -> Iterator[str]:
        """answerOption and answerValueSet."""
        open_ = self.question.get("type") == "open-choice" and name == "String"
        if self.options and not open_ and not any(equal(given, value(o)) for o in self.options):
            yield "is none of the answers that the questionnaire offers"
        value_set = self.question.get("answerValueSet")
        if value_set and name == "Coding" and self.member(str(value_set), given) is False:
            yield f"is not in the value set {value_set[:200]}"
        if value_set and name == "String" and self.question.get("type") == "string":
            codes = self.library.codes(str(value_set))
            if codes is not None and given not in codes:
                yield f"is not in the value set {value_set[:200]}"

    def member(self, value_set: str, coding: Json) -> bool | None:
        if value_set.startswith("#"):
            inside = [c for c in self.questionnaire.get("contained", []) if c.get("id") == value_set[1:]]
            return self.library.within(inside[0], coding) if inside else None
        return self.library.contains(value_set, str(coding.get("system", "")), str(coding.get("code", "")))

    def bounds(self, name: str, given: Any) -> Iterator[str]:
        """minValue, maxValue, and how exact a decimal may be."""
        for limit, sign in (("minValue", ">="), ("maxValue", "<="), ("minQuantity", ">="), ("maxQuantity", "<=")):
            bound = extension(self.question, limit)
            if bound is not None and not compare(given, sign, bound):
                yield f"must be {sign} the {limit} of the questionnaire"
        places = extension(self.question, "maxDecimalPlaces")
        if places is not None and name == "Decimal":
            exponent = Decimal(given).as_tuple().exponent
            if isinstance(exponent, int) and -exponent > places:
                yield f"may have {places} decimal places only"

    def text(self, given: str) -> Iterator[str]:
        """Length and form of a text."""
        most, least = self.question.get("maxLength"), extension(self.question, "minLength")
        if most is not None and len(given) > most:
            yield f"may have {most} characters only"
        if least is not None and len(given) < least:
            yield f"must have {least} characters or more"
        form = extension(self.question, "regex")
        if isinstance(form, str):
            try:
                if re2.fullmatch(form, given) is None:
                    yield "has not the form that the questionnaire asks for"
            except re2.error:
                return

    def attachment(self, given: Json) -> Iterator[str]:
        """Size and media type."""
        most = extension(self.question, "maxSize")
        size = given.get("size", len(str(given.get("data", ""))) * 3 // 4)
        if most is not None and size > most:
            yield f"may have {most} bytes only"
        kinds = {value(e) for e in _extensions(self.question, "mimeType")}
        if kinds and given.get("contentType") not in kinds:
            yield f"must be one of {', '.join(sorted(map(str, kinds)))}"

    def reference(self, given: Json) -> Iterator[str]:
        """The type of the resource."""
        kinds = {value(e) for e in _extensions(self.question, "referenceResource")}
        match = _REFERENCE.fullmatch(str(given.get("reference", "")))
        target = match[1] if match else given.get("type")
        if match and match[1] not in RESOURCE_TYPES:
            yield f"leads to {match[1][:80]}, which is no resource type"
        elif kinds and target and target not in kinds:
            yield f"must lead to {' or '.join(sorted(map(str, kinds)))}, not to {target}"

    def unit(self, given: Json) -> Iterator[str]:
        """The units that are offered."""
        units = [value(e) for e in _extensions(self.question, "unitOption")]
        mine = {"system": given.get("system"), "code": given.get("code")}
        if units and not any(equal(mine, unit) for unit in units):
            yield "has a unit that the questionnaire does not offer"
        value_set = extension(self.question, "unitValueSet")
        if value_set and given.get("code") and self.member(str(value_set), mine) is False:
            yield f"has a unit that is not in {str(value_set)[:200]}"
