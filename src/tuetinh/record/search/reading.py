"""What one parameter of a query asks for: values with prefixes and modifiers, read into typed conditions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from unicodedata import normalize

from tuetinh.record.hashes import token_hash
from tuetinh.record.search.composites import BAR, FIRST, SECOND, Composite, composites, pair
from tuetinh.record.search.conditions import (
    AllOf,
    AnyOf,
    Canonicals,
    Coded,
    Condition,
    Dates,
    DateValue,
    Ids,
    Linked,
    Name,
    Near,
    Numbers,
    NumberValue,
    Present,
    Refused,
    Strings,
    Tokens,
    Within,
)
from tuetinh.record.search.entries import STRING_LIMIT, local, paths_above, phone, words_of
from tuetinh.record.search.index import marks
from tuetinh.record.search.params import Param, personal
from tuetinh.record.search.values import BEFORE, INFINITY, base_range, date_range, decimal, instant, number_range
from tuetinh.record.terminology import ucum
from tuetinh.record.text import fold
from tuetinh.record.types import RESOURCE_TYPES

TRUTH = "http://terminology.hl7.org/CodeSystem/special-values"  # of booleans (FHIR R4, Search, 3.1.1.4.10)
PREFIXES = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
TYPES = frozenset(RESOURCE_TYPES)
PRIMITIVES = frozenset({"code", "boolean", "string", "id", "uri", "oid", "uuid", "canonical"})
TABLES = {"date": "date", "number": "number", "quantity": "number", "string": "string"}

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_LINK = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII)
_PREFIX = re.compile(r"(?:[a-z]{2})?(?=[0-9+\-.])", re.ASCII)

# Types that lie within each other, and the parameter that says in which (FHIR R4, Search, 3.1.1.4.8 and 3.1.1.4.12).
HIERARCHIES = {
    **dict.fromkeys(("Location", "Organization", "ResearchStudy"), "partof"),
    **dict.fromkeys(("CarePlan", "Communication", "Encounter", "MedicationStatement", "Procedure", "Task"), "part-of"),
    **dict.fromkeys(("DeviceDefinition", "Specimen"), "parent"),
}


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
    if param.code in ("_text", "_content"):
        return _words(param, modifier, values)
    if param.type not in READERS or (modifier == "missing" and param.type in ("composite", "special")):
        raise Refused("not-supported", f"parameters of type {param.type} are not answered so")
    if modifier == "missing":
        return _missing(param, values)
    return READERS[param.type](param, modifier, values)


def _missing(param: Param, values: list[str]) -> Condition:
    if values not in (["true"], ["false"]):
        raise Refused("invalid", ":missing is true or false")
    missing = values == ["true"]
    if table := TABLES.get(param.type):
        return Present(table, param.indexed_as, not missing)
    names = (param.stored,) if marks(param) else param.indexed_as
    return Tokens(tuple(token_hash(name, "", "", "") for name in names), negate=missing)


def _refuse(param: Param, modifier: str) -> Refused:
    return Refused("not-supported", f"a {param.type} takes no modifier {modifier!r}")


# -- tokens -----------------------------------------------------------------------------------------------------------


def _token(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier == "text":
        return Strings(param.indexed_as, "starts", tuple(fold(unescape(value))[:STRING_LIMIT] for value in values))
    if modifier in ("in", "not-in", "above", "below"):
        return _coded(param, modifier, values)
    if modifier not in ("", "not", "of-type") or (modifier == "of-type" and "Identifier" not in _kinds(param)):
        raise _refuse(param, modifier)
    hashes: dict[int, None] = {}
    for value in values:
        parts = [unescape(part) for part in split(value, "|")]
        for source in param.indexed_by:
            name = source.stored
            found = _of_type(name, parts) if modifier == "of-type" else token_hashes(source, name, parts)
            hashes.update(dict.fromkeys(found))
    few = modifier != "not" and "Identifier" in _kinds(param)
    return Tokens(tuple(hashes), negate=modifier == "not", selective=few)


def _coded(param: Param, modifier: str, values: list[str]) -> Condition:
    """Read `:in` and `:not-in` (urls of value sets), `:above` and `:below` (`system|code`)."""
    if not _kinds(param) & {"CodeableConcept", "Coding", "code"}:
        raise _refuse(param, modifier)
    found = []
    for value in values:
        if modifier in ("in", "not-in"):
            found.append(("", unescape(value)))
            continue
        parts = [unescape(part) for part in split(value, "|")]
        if len(parts) != 2 or not all(parts):
            raise Refused("invalid", f":{modifier} is system|code")
        found.append((parts[0], parts[1]))
    return Coded(param, modifier, tuple(found))


def coded_hashes(param: Param, codes: set[tuple[str, str]]) -> tuple[int, ...]:
    """Hash codes with their systems as the parameter's values are hashed."""
    found: dict[int, None] = {}
    for source in param.indexed_by:
        for system, code in codes:
            found.update(dict.fromkeys(token_hashes(source, source.stored, [system, code])))
    return tuple(found)


def _of_type(name: str, parts: list[str]) -> list[int]:
    if len(parts) != 3 or not all(parts[1:]):
        raise Refused("invalid", ":of-type is system|code|value")
    return [token_hash(name, ":of-type", *parts)]


@lru_cache(maxsize=8192)
def _kinds(param: Param) -> frozenset[str]:
    return frozenset("boolean" if leaf.exists else leaf.type for leaf in param.leaves)


def token_hashes(param: Param, name: str, parts: list[str]) -> list[int]:
    """Hash `code`, `system|code`, `|code` or `system|` as the parameter's values are hashed under a name."""
    kinds = _kinds(param)
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
    if kinds == {"boolean"} and system == TRUTH:
        return [token_hash(name, code)]
    if kinds <= PRIMITIVES:
        # The system of a `code` is that of the value set to which it is bound; other primitives have none.
        implied = param.code_systems or frozenset()
        if system not in implied and (system or implied):
            return []
        return [token_hash(name, code)] if code else [token_hash(name, "", "", "")]
    if "ContactPoint" in kinds:  # as it is, too: addresses that were indexed before were not made small
        return [token_hash(name, system, code), token_hash(name, system, phone(code))]
    return [token_hash(name, system, code)]


# -- references and uris ----------------------------------------------------------------------------------------------


def _reference(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier == "below" and param.canonical:
        return canonicals(param, [unescape(value) for value in values], deeper=True)
    if modifier in ("above", "below"):
        return _near(param, modifier, values)
    if modifier and modifier != "identifier" and modifier not in TYPES:
        raise _refuse(param, modifier)
    if modifier in TYPES and modifier not in param.targets:
        raise Refused("invalid", f"{param.code} does not refer to a {modifier}")
    if modifier == "identifier":
        found = {h: None for value in values for name in param.indexed_as for h in _identifier_hashes(name, value)}
        return Tokens(tuple(found), selective=True)
    links = list(dict.fromkeys(link for value in values for link in _links(param, modifier, unescape(value))))
    literal = linked(param, links, few=all(":" in link or link.split("/")[0] in personal() for link in links))
    if not param.canonical:
        return literal
    named: dict[str, list[str]] = {}
    for link in links:
        if match := _LINK.fullmatch(link):
            named.setdefault(match[1], []).append(match[2])
    stored = tuple((type_, Ids(tuple(ids), type_)) for type_, ids in named.items() if type_ in param.targets)
    return AnyOf((literal, Linked(param, stored))) if stored else literal


def canonicals(param: Param, texts: Sequence[str], *, deeper: bool = False) -> Condition:
    """Return the condition that the parameter refers by one of the canonicals; deeper: or by any version below it."""
    urls = [text.partition("|")[0] for text in texts]
    if deeper and not any("|" in text for text in texts):
        return linked(param, urls, few=True)
    hashes = linked(param, urls, few=True).hashes
    bare = [text for text in texts if deeper and "|" not in text]
    exact = Canonicals(param, hashes, tuple(dict.fromkeys(texts)), deeper)
    return AnyOf((linked(param, bare, few=True), exact)) if bare else exact


def linked(param: Param, links: list[str], *, few: bool) -> Tokens:
    """Return the condition that the parameter refers to one of the links, such as `Patient/1`."""
    hashes = dict.fromkeys(token_hash(name, link) for link in links for name in param.indexed_as)
    return Tokens(tuple(hashes), selective=few)


def _identifier_hashes(name: str, value: str) -> list[int]:
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise Refused("invalid", ":identifier is system|value")
    return [token_hash(name + ":identifier", *parts)]


def _near(param: Param, modifier: str, values: list[str]) -> Condition:
    """Read `:above` and `:below` of a reference to a type with a hierarchy."""
    types = [type_ for type_ in param.targets if type_ in HIERARCHIES]
    links = [link for value in values for link in _links(param, "", unescape(value))]
    named = {link.split("/")[0] for link in links if link.split("/")[0] in types}
    if not named or any("/" in value and value.split("/")[0] not in types for value in values):
        raise _refuse(param, modifier)
    ids = {type_: tuple(x.split("/")[1] for x in links if x.startswith(f"{type_}/")) for type_ in named}
    found = tuple(Near(param, type_, ids[type_], modifier == "above") for type_ in sorted(named))
    return found[0] if len(found) == 1 else AnyOf(found)


def _links(param: Param, type_: str, value: str) -> list[str]:
    """Return the forms in which a resource may write a reference to what is meant."""
    value = local(value)
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
    texts = [unescape(value) for value in values]
    if modifier == "":
        parts = [(text,) for text in texts]
    elif modifier == "below":
        parts = [(":below", text.rstrip("/")) for text in texts]  # type: ignore[misc]
    elif modifier == "above":
        parts = [(above,) for text in texts for url in paths_above(text) for above in (url, url + "/")]
    else:
        raise _refuse(param, modifier)
    return Tokens(tuple(token_hash(name, *part) for part in dict.fromkeys(parts) for name in param.indexed_as))


def _words(param: Param, modifier: str, values: list[str]) -> Condition:
    """All words of one of the values are in the narrative (`_text`), or there or in another text (`_content`)."""
    if modifier:
        raise _refuse(param, modifier)
    names = ("_text",) if param.code == "_text" else ("_text", "_content")
    found = []
    for value in values:
        words = sorted(words_of(unescape(value)))
        if not words:
            raise Refused("invalid", f"{value!r} has no word of two letters or more")
        found.append(AllOf(tuple(Tokens(tuple(token_hash(name, word) for name in names)) for word in words)))
    return found[0] if len(found) == 1 else AnyOf(tuple(found))


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
    return Numbers(param.indexed_as, tuple(_quantity_value(value) for value in values))


def _quantity_value(value: str) -> NumberValue:
    number, *unit = split(value, "|")
    if len(unit) not in (0, 2):
        raise Refused("invalid", f"{value!r} is neither a number nor number|system|code")
    plain = _number_value(number)
    system, code = (unescape(part) or None for part in unit) if unit else (None, None)
    converted = base_range(system or "", code or "", plain.low, plain.high)
    exact = base_range(system or "", code or "", plain.value, plain.value)
    if converted and exact:
        return NumberValue(plain.prefix, exact[1], converted[1], converted[2], base=converted[0])
    return NumberValue(plain.prefix, plain.value, plain.low, plain.high, system, code)


def _string(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier not in ("", "exact", "contains"):
        raise _refuse(param, modifier)
    texts = [unescape(value) for value in values]
    if modifier == "exact":  # the same letters, whether a mark is part of one or stands behind it
        texts = [form for text in texts for form in (text, normalize("NFC", text), normalize("NFD", text))]
        texts = list(dict.fromkeys(texts))
    else:
        texts = [fold(text)[:STRING_LIMIT] for text in texts]
    return Strings(param.indexed_as, modifier or "starts", tuple(texts))


# -- composites -------------------------------------------------------------------------------------------------------


def _composite(param: Param, modifier: str, values: list[str]) -> Condition:
    if modifier:
        raise _refuse(param, modifier)
    composite = composites(param.base).get(param.code)
    if composite is None:
        raise Refused("not-supported", f"{param.code!r} is no search parameter any more")
    found: list[Condition] = []
    for value in values:
        parts = split(value, "$")
        if len(parts) != len(composite.parts) or not all(parts):
            raise Refused("invalid", f"{value!r} is not {len(composite.parts)} values with $ between them")
        if composite.root:
            pairs = zip(composite.root, parts, strict=True)
            found.append(AllOf(tuple(read_condition(one, "", [part]) for one, part in pairs)))
        if composite.place is not None:
            found.append(_together(composite, parts))
    return found[0] if len(found) == 1 else AnyOf(tuple(found))


def _together(composite: Composite, parts: list[str]) -> Condition:
    """Return what the entries of one element must be; see `composites`."""
    first, *others = (part.param for part in composite.parts)
    code = [unescape(part) for part in split(parts[0], "|")]
    if others[0].type == "quantity":
        return Numbers((), (_quantity_value(parts[1]),), _names(composite.name, code))
    if len(others) == 2:
        start, end = (_number_value(part) for part in parts[1:])
        return Numbers((), (start,), _names(composite.name, code), (end,))
    firsts = token_hashes(first, FIRST, code)
    if others[0].type == "reference":
        seconds = [token_hash(SECOND, link) for link in _links(others[0], "", unescape(parts[1]))]
    else:
        seconds = token_hashes(others[0], SECOND, [unescape(part) for part in split(parts[1], "|")])
    return Tokens(tuple(pair(composite.name, one, other) for one in firsts for other in seconds))


def _names(name: str, parts: list[str]) -> tuple[Name, ...]:
    """Return the names of the number rows of `code`, `system|code`, `|code` or `system|`."""
    if len(parts) > 2 or not any(parts):
        raise Refused("invalid", "is no code, system|code, |code or system|")
    if len(parts) == 1:
        return (Name(BAR.join((name, parts[0], "")), whole=False),)
    if parts[1]:
        return (Name(BAR.join((name, parts[1], parts[0]))),)
    return (Name(name + BAR, whole=False, ending=BAR + parts[0]),)


# -- places -----------------------------------------------------------------------------------------------------------

KILOMETRES = Decimal(50)  # what is near where nothing is said
FARTHEST = Decimal(20_100)


def _special(param: Param, modifier: str, values: list[str]) -> Condition:
    """Read `near`: latitude|longitude|distance|unit, of UCUM, kilometres when it is left out (Location.search)."""
    if modifier:
        raise _refuse(param, modifier)
    found = tuple(_within(value) for value in values)
    return found[0] if len(found) == 1 else AnyOf(found)


def _within(value: str) -> Within:
    latitude, longitude, *rest = [unescape(part).strip() for part in [*split(value, "|"), ""]]
    numbers = [decimal(text) for text in (latitude, longitude)]
    distance = decimal(rest[0]) if rest and rest[0] else KILOMETRES
    unit = rest[1] if len(rest) > 1 and rest[1] else "km"
    if len(rest) > 3 or None in numbers or distance is None or distance < 0:
        raise Refused("invalid", f"{value!r} is not of the form latitude|longitude|distance|unit")
    north, east = (float(number or 0) for number in numbers)
    if abs(north) > 90 or abs(east) > 180:
        raise Refused("invalid", f"{latitude}|{longitude} is no place on Earth")
    metres, known = ucum.canonical(distance, unit), ucum.canonical(Decimal(1), "km")
    if metres is None or known is None or metres[1] != known[1]:
        raise Refused("invalid", f"{unit!r} is no UCUM unit of length")
    return Within(north, east, float(min(metres[0] / known[0], FARTHEST)))


READERS = {
    "token": _token,
    "reference": _reference,
    "uri": _uri,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "string": _string,
    "composite": _composite,
    "special": _special,
}
