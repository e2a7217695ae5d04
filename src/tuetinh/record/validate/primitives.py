"""Formats of FHIR's primitive types: each checker takes a JSON value and says what is wrong, or None.

The regular expressions are the official ones (R4 datatypes, `regex` of each primitive), read ASCII-wise as HL7's own
tools do, except base64Binary, whose official expression may take exponential time.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tuetinh.record.validate import narrative
from tuetinh.record.validate.rules import RULES

Checker = Callable[[Any], str | None]

MAX_STRING = 1024 * 1024
# Far beyond any measurement; keeps arithmetic and PostgreSQL's numeric within bounds.
MAX_DIGITS = 200
MAX_EXPONENT = 300

_UUID = re.compile(RULES.primitives["uuid"], re.ASCII | re.IGNORECASE)
_OID = re.compile(RULES.primitives["oid"], re.ASCII)
_BASE64 = re.compile(r"[0-9A-Za-z+/\s]*+={0,2}\s*", re.ASCII)
_SPACE = re.compile(r"\s", re.ASCII)


def kind(value: Any) -> str:
    """The JSON type of a value, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float, Decimal)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def _text(value: Any) -> str | None:
    """What every primitive held as a JSON string must obey."""
    if type(value) is not str:
        return f"must be a string, not {kind(value)}"
    if not value:
        return "must not be an empty string"
    if len(value) > MAX_STRING:
        return "must not be longer than 1 MB (1,048,576 characters)"
    if "\0" in value:
        return "must not contain the character U+0000"
    return None


def string(value: Any) -> str | None:
    if type(value) is str and 0 < len(value) <= MAX_STRING and "\0" not in value:
        return "must contain something other than white space" if value.isspace() else None
    return _text(value)


def _matching(name: str) -> Checker:
    match = re.compile(RULES.primitives[name], re.ASCII).fullmatch

    def check(value: Any) -> str | None:
        if type(value) is str and value and match(value) is not None and len(value) <= MAX_STRING:
            return None
        return _text(value) or f"is not a valid {name}: {shorten(value)}"

    return check


def _calendar(name: str) -> Checker:
    matching = _matching(name)

    def check(value: Any) -> str | None:
        if problem := matching(value):
            return problem
        if len(value) >= 10:
            try:
                datetime.date(int(value[:4]), int(value[5:7]), int(value[8:10]))
            except ValueError:
                return f"is not a day of the calendar: {shorten(value)}"
        return None

    return check


# Good values that were seen, by type: systems and profiles repeat without end. Full sets take no more.
SEEN: dict[str, set[str]] = {"canonical": set(), "uri": set(), "url": set()}
MAX_SEEN = 4096


def _uri(name: str) -> Checker:
    matching = _matching(name)
    seen = SEEN[name]

    def check(value: Any) -> str | None:
        if problem := matching(value):
            return problem
        if value.startswith("urn:"):
            bare = value.split("|")[0].split("#")[0]
            if value.startswith("urn:uuid:"):
                return None if _UUID.fullmatch(bare) else f"is not a valid UUID: {shorten(value)}"
            if value.startswith("urn:oid:") and _OID.fullmatch(bare) is None:
                return f"is not a valid OID: {shorten(value)}"
        if value[0] != "#" and len(value) < 128 and len(seen) < MAX_SEEN:
            seen.add(value)
        return None

    return check


def base64_binary(value: Any) -> str | None:
    if type(value) is not str or not value:
        return _text(value)
    if _BASE64.fullmatch(value) is None or len(_SPACE.sub("", value)) % 4:
        return "is not valid base64"
    return None


def xhtml(value: Any) -> str | None:
    return _text(value) or narrative.check(value)


def boolean(value: Any) -> str | None:
    return None if type(value) is bool else f"must be a boolean, not {kind(value)}"


def _integer(name: str, low: int) -> Checker:
    def check(value: Any) -> str | None:
        if type(value) is not int:
            return f"must be an integer, not {kind(value)}{' with a fraction' if _is_number(value) else ''}"
        if not low <= value < 2**31:
            return f"is outside the range of {name}: {shorten(value)}"
        return None

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, (float, Decimal))


def decimal(value: Any) -> str | None:
    if type(value) is Decimal:
        _, digits, exponent = value.as_tuple()
        if isinstance(exponent, int) and len(digits) <= MAX_DIGITS and abs(exponent) <= MAX_EXPONENT:
            return None
        return "has too many digits"
    if type(value) is int:
        return None if abs(value) < 10**MAX_DIGITS else "has too many digits"
    if type(value) is float:
        return "has too many digits" if math.isfinite(value) else "is no number that JSON can carry"
    return f"must be a number, not {kind(value)}"


_NUMBERS = frozenset(["decimal", "integer", "positiveInt", "unsignedInt"])


def mistyped(name: str, value: Any) -> bool:
    """Whether a value has not even the JSON type of the primitive."""
    if name == "boolean" or isinstance(value, bool):
        return name != "boolean" or not isinstance(value, bool)
    return not isinstance(value, (int, float, Decimal) if name in _NUMBERS else str)


def shorten(value: Any) -> str:
    """A value as it may stand in a message."""
    text = str(value) if not isinstance(value, int) or abs(value) < 10**40 else "a huge number"
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"


CHECKERS: dict[str, Checker] = {
    "base64Binary": base64_binary,
    "boolean": boolean,
    "canonical": _uri("canonical"),
    "code": _matching("code"),
    "date": _calendar("date"),
    "dateTime": _calendar("dateTime"),
    "decimal": decimal,
    "id": _matching("id"),
    "instant": _calendar("instant"),
    "integer": _integer("integer", -(2**31)),
    "markdown": string,
    "oid": _matching("oid"),
    "positiveInt": _integer("positiveInt", 1),
    "string": string,
    "time": _matching("time"),
    "unsignedInt": _integer("unsignedInt", 0),
    "uri": _uri("uri"),
    "url": _uri("url"),
    "uuid": _matching("uuid"),
    "xhtml": xhtml,
}
