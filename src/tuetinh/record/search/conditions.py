"""What one parameter of a query asks for: values with prefixes and modifiers, read into typed conditions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

from tuetinh.record.hashes import token_hash
from tuetinh.record.search.index import STRING_LIMIT, marks, phone
from tuetinh.record.search.params import Param, params
from tuetinh.record.search.values import BEFORE, INFINITY, date_range, decimal, instant, number_range
from tuetinh.record.text import fold
from tuetinh.record.types import RESOURCE_TYPES

PREFIXES = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
NOT_YET = frozenset({"above", "below", "in", "not-in", "code-text", "text-advanced", "iterate"})
TYPES = frozenset(RESOURCE_TYPES)
PRIMITIVES = frozenset({"code", "boolean", "string", "id", "uri", "oid", "uuid", "canonical"})
TABLES = {"date": "date", "number": "number", "quantity": "number", "string": "string"}

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_LINK = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII)
_PREFIX = re.compile(r"(?:[a-z]{2})?(?=[0-9+\-.])", re.ASCII)


class Refused(ValueError):
    """A parameter that is not understood: the FHIR issue type and what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Tokens:
    """Any of the hashes is among the resource's tokens; none of them with `negate`.

    selective: few resources have them, as with identifiers and references.
    """

    hashes: tuple[int, ...]
    negate: bool = False
    selective: bool = False


@dataclass(frozen=True, slots=True)
class Present:
    """There is (or is not) an entry of the parameters in an index table."""

    table: str
    params: tuple[str, ...]
    present: bool


@dataclass(frozen=True, slots=True)
class DateValue:
    """A prefix and the range that the searched date means, as in `values.date_range`."""

    prefix: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Dates:
    """Any of the values holds for a date of the parameter; `single`: a resource has one at most."""

    params: tuple[str, ...]
    values: tuple[DateValue, ...]
    single: bool = False


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A prefix, the number, its implied range, and the unit if one is asked for."""

    prefix: str
    value: Decimal
    low: Decimal
    high: Decimal
    system: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Any of the values holds for a number of the parameters."""

    params: tuple[str, ...]
    values: tuple[NumberValue, ...]


@dataclass(frozen=True, slots=True)
class Strings:
    """Any of the texts begins (`starts`), equals (`exact`) or is in (`contains`) a text of the parameters."""

    params: tuple[str, ...]
    mode: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ids:
    """The resource has one of the ids."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """Any of the values holds for the moment of the resource's last change."""

    values: tuple[DateValue, ...]


Condition = Tokens | Present | Dates | Numbers | Strings | Ids | Updated


def split(text: str, separator: str) -> list[str]:
    r"""Split at a separator that is not escaped; `\,` `\|` `\$` `\\` stay for `unescape`."""
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    """Take the backslashes of escapes away (FHIR R4, Search, 3.1.1.4.5.3)."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def read_condition(param: Param, modifier: str, values: list[str]) -> Condition:
    """Read the values of one parameter. Raises Refused."""
    if any(not value for value in values):
        raise Refused("invalid", "has an empty value")
    if modifier == "missing":
        return _missing(param, values)
    if modifier in NOT_YET:
        raise Refused("not-supported", f"modifier {modifier!r} is not supported yet")
    return READERS[param.type](param, modifier, values)


def _missing(param: Param, values: list[str]) -> Condition:
    if values not in (["true"], ["false"]):
        raise Refused("invalid", ":missing is true or false")
    missing = values == ["true"]
    if table := TABLES.get(param.type):
        return Present(table, param.indexed_as, not missing)
    names = (param.code,) if marks(param) else param.indexed_as
    return Tokens(tuple(token_hash(name, "", "", "") for name in names), negate=missing)


def _refuse(param: Param, modifier: str) -> Refused:
    return Refused("not-supported", f"a {param.type} takes no modifier {modifier!r}")


# -- tokens -----------------------------------------------------------------------------------------------------------


def _token(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier == "text":
        return Strings(param.indexed_as, "starts", tuple(fold(unescape(value))[:STRING_LIMIT] for value in values))
    if modifier not in ("", "not", "of-type"):
        raise _refuse(param, modifier)
    hashes: dict[int, None] = {}
    for value in values:
        parts = [unescape(part) for part in split(value, "|")]
        for name in param.indexed_as:
            source = params(param.base)[name]
            found = _of_type(name, parts) if modifier == "of-type" else _token_hashes(source, parts)
            hashes.update(dict.fromkeys(found))
    few = modifier != "not" and "Identifier" in _kinds(param)
    return Tokens(tuple(hashes), negate=modifier == "not", selective=few)


def _of_type(name: str, parts: list[str]) -> list[int]:
    if len(parts) != 3 or not all(parts[1:]):
        raise Refused("invalid", ":of-type is system|code|value")
    return [token_hash(name, ":of-type", *parts)]


@cache
def _kinds(param: Param) -> frozenset[str]:
    return frozenset("boolean" if leaf.exists else leaf.type for leaf in param.leaves)


def _token_hashes(param: Param, parts: list[str]) -> list[int]:
    """Hash `code`, `system|code`, `|code` or `system|` as the parameter's values are hashed."""
    name, kinds = param.code, _kinds(param)
    if len(parts) > 2:
        raise Refused("invalid", f"{'|'.join(parts)!r} has more than one bar")
    code = parts[-1].lower() if kinds == {"boolean"} else parts[-1]
    if kinds == {"boolean"} and code not in ("true", "false"):
        raise Refused("invalid", f"{code!r} is neither true nor false")
    if len(parts) == 1:
        return [token_hash(name, code), *([token_hash(name, phone(code))] if "ContactPoint" in kinds else [])]
    system = parts[0]
    if not system and not code:
        raise Refused("invalid", "has neither system nor code")
    if kinds <= PRIMITIVES:
        # The system of a `code` is that of the value set to which it is bound; other primitives have none.
        implied = param.code_systems or frozenset()
        if system not in implied and (system or implied):
            return []
        return [token_hash(name, code)] if code else [token_hash(name, "", "", "")]
    if "ContactPoint" in kinds:
        code = phone(code)
    return [token_hash(name, system, code)]


# -- references and uris ----------------------------------------------------------------------------------------------


def _reference(param: Param, modifier: str, values: list[str]) -> Condition:
    hashes: dict[int, None] = {}
    if modifier and modifier != "identifier" and modifier not in TYPES:
        raise _refuse(param, modifier)
    for value in values:
        for name in param.indexed_as:
            if modifier == "identifier":
                parts = [unescape(part) for part in split(value, "|")]
                if len(parts) > 2 or not any(parts):
                    raise Refused("invalid", ":identifier is system|value")
                hashes[token_hash(name + ":identifier", *parts)] = None
            else:
                links = _links(param, modifier, unescape(value))
                hashes.update(dict.fromkeys(token_hash(name, link) for link in links))
    return Tokens(tuple(hashes), selective=True)


def _links(param: Param, type_: str, value: str) -> list[str]:
    """Return the forms in which a resource may write a reference to what is meant."""
    wanted = type_ or param.resolves
    if match := _LINK.fullmatch(value):
        if match[1] not in TYPES:
            raise Refused("invalid", f"there is no resource type {match[1]!r}")
        return [value] if wanted in (None, match[1]) else []
    if ":" in value or "/" in value:
        tail = _LINK.fullmatch("/".join(value.split("/_history/", maxsplit=1)[0].rsplit("/", 2)[-2:]))
        if wanted and tail and tail[1] != wanted:
            return []
        return [value]
    if not _ID.fullmatch(value):
        raise Refused("invalid", f"{value!r} is no id, Type/id or url")
    return [f"{target}/{value}" for target in ((wanted,) if wanted else param.targets)]


def _uri(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier:
        raise _refuse(param, modifier)
    return Tokens(tuple(token_hash(name, unescape(value)) for value in values for name in param.indexed_as))


# -- dates, numbers, strings ------------------------------------------------------------------------------------------


def _prefix(value: str) -> tuple[str, str]:
    match = _PREFIX.match(value)
    if not match or (match[0] and match[0] not in PREFIXES):
        raise Refused("invalid", f"{value!r} has no known prefix or value")
    return match[0] or "eq", value[match.end() :]


def date_values(values: list[str]) -> tuple[DateValue, ...]:
    """Read dates with their prefixes. Raises Refused."""
    found = []
    for value in values:
        prefix, text = _prefix(value.strip())
        # A query string's unescaped plus comes as a space: 10:00+07:00 arrives as 10:00 07:00.
        span = date_range(re.sub(r" (?=\d\d:\d\d$)", "+", text))
        if not span:
            raise Refused("invalid", f"{text!r} is no date")
        found.append(_approximate(*span) if prefix == "ap" else DateValue(prefix, *span))
    return tuple(found)


def _approximate(low: str, high: str) -> DateValue:
    """Widen a date by a tenth of its distance from now (FHIR R4, Search, `ap`)."""
    now, first, last = datetime.now(UTC), instant(low), instant(high)
    slack = abs(now - first) / 10
    try:
        return DateValue("ap", (first - slack).isoformat(), (last + slack).isoformat())
    except OverflowError:
        return DateValue("ap", BEFORE, INFINITY if last + timedelta(0) > now else high)


def _date(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier:
        raise _refuse(param, modifier)
    return Dates(param.indexed_as, date_values(values), param.single)


def _number_value(value: str) -> NumberValue:
    prefix, text = _prefix(value.strip())
    number = decimal(text)
    if number is None:
        raise Refused("invalid", f"{text!r} is no number")
    low, high = number_range(number)
    if prefix == "ap":
        slack = abs(number) / 10
        low, high = min(low, number - slack), max(high, number + slack)
    return NumberValue(prefix, number, low, high)


def _number(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier:
        raise _refuse(param, modifier)
    return Numbers(param.indexed_as, tuple(_number_value(value) for value in values))


def _quantity(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier:
        raise _refuse(param, modifier)
    found = []
    for value in values:
        number, *unit = split(value, "|")
        if len(unit) not in (0, 2):
            raise Refused("invalid", f"{value!r} is neither a number nor number|system|code")
        plain = _number_value(number)
        system, code = (unescape(part) or None for part in unit) if unit else (None, None)
        found.append(NumberValue(plain.prefix, plain.value, plain.low, plain.high, system, code))
    return Numbers(param.indexed_as, tuple(found))


def _string(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier not in ("", "exact", "contains"):
        raise _refuse(param, modifier)
    texts = [unescape(value) for value in values]
    if modifier != "exact":
        texts = [fold(text)[:STRING_LIMIT] for text in texts]
    return Strings(param.indexed_as, modifier or "starts", tuple(texts))


READERS = {
    "token": _token,
    "reference": _reference,
    "uri": _uri,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "string": _string,
}
