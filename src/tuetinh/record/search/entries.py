"""The entries that values of each datatype make in the index of a resource.

Token forms (`record.hashes`): `(param, code)`, `(param, system, code)`, `(param, system, "")`, and `(param, "", code)`
for a coding or identifier without system; a primitive has `(param, code)` alone; `(param, ":of-type", system, code,
value)`. A reference is `(param, "Type/id")`, once more with its version where it has one, and its identifier as
`(param + ":identifier", …)`. `(param, "", "", "")` says that there is a value at all. A uri has, beside itself, what it
is below of, `(param, ":below", …)`. Words of the narrative are `("_text", word)`, other words `("_content", word)`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from tuetinh.record.hashes import token_hash
from tuetinh.record.search.params import CAN_INDEX
from tuetinh.record.search.values import BEFORE, INFINITY, UNBOUNDED, base_range, date_range
from tuetinh.record.text import fold

# A btree entry holds 2,704 bytes at most; longer strings are found by their beginning.
STRING_LIMIT = 512
MAX_DIGITS = 1000

_PHONE = re.compile(r"[\s().\-]+")

NumberRow = tuple[
    str, str, str, str | None, Decimal, Decimal, str | None, Decimal | None, Decimal | None
]  # param, system, code, printed unit, low, high, canonical unit, low and high in it


@dataclass(slots=True)
class Index:
    """The entries of one resource; see the package's docstring for the columns."""

    tokens: list[int] = field(default_factory=list)
    dates: list[tuple[str, str, str]] = field(default_factory=list)
    numbers: list[NumberRow] = field(default_factory=list)
    strings: list[tuple[str, str, str]] = field(default_factory=list)


def phone(value: str) -> str:
    """Return a phone number without what people put between its digits, an e-mail address in small letters.

    Anything else stays. A space before a number is the plus of a query that was not escaped.
    """
    if "/" in value:
        return value
    if "@" in value:
        return value.lower()
    return ("+" if value.startswith(" ") else "") + _PHONE.sub("", value)


# -- tokens -----------------------------------------------------------------------------------------------------------


def _code(out: Index, param: str, value: Any) -> None:
    out.tokens.append(token_hash(param, value))


def boolean(out: Index, param: str, value: bool) -> None:  # noqa: FBT001
    _code(out, param, "true" if value else "false")


def _coding(out: Index, param: str, value: Any) -> None:
    system, code = value.system, value.code
    if code is not None:
        out.tokens.append(token_hash(param, code))
        out.tokens.append(token_hash(param, system or "", code))
    if system is not None:
        out.tokens.append(token_hash(param, system, ""))
    if value.display is not None:
        _string(out, param, value.display)


def _concept(out: Index, param: str, value: Any) -> None:
    for coding in value.coding or ():
        _coding(out, param, coding)
    if value.text is not None:
        _string(out, param, value.text)


def _identifier(out: Index, param: str, value: Any) -> None:
    system, text = value.system, value.value
    if text is not None:
        out.tokens.append(token_hash(param, text))
        out.tokens.append(token_hash(param, system or "", text))
    if system is not None:
        out.tokens.append(token_hash(param, system, ""))
    if value.type is not None:
        if value.type.text is not None:
            _string(out, param, value.type.text)
        if text is not None:
            for coding in value.type.coding or ():
                out.tokens.append(token_hash(param, ":of-type", coding.system or "", coding.code or "", text))


def _contact(out: Index, param: str, value: Any) -> None:
    if value.value is not None:
        text = phone(value.value)
        systems = {value.system or "", value.use or ""}
        out.tokens.append(token_hash(param, text))
        out.tokens += [token_hash(param, system, text) for system in systems]


# -- references and uris ----------------------------------------------------------------------------------------------

VERSION = re.compile(r"/_history/[^/]+$")


@cache
def own_base() -> str:
    """Return the address of the door as others know it, with a slash at its end; "" where it is not told."""
    url = os.environ.get("TUETINH_URL", "").rstrip("/")
    return f"{url}/fhir/" if url else ""


def local(link: str) -> str:
    """Return a reference to a resource of this node in its relative form; any other as it is."""
    return link.removeprefix(own_base())


def _link(out: Index, param: str, value: str) -> None:
    value = local(value)
    plain = VERSION.sub("", value)
    out.tokens.append(token_hash(param, plain))
    if plain != value:
        out.tokens.append(token_hash(param, value))


def _reference(out: Index, param: str, value: Any) -> None:
    link = value.reference
    if link is not None and not link.startswith("#"):
        _link(out, param, link)
    if value.identifier is not None:
        _identifier(out, param + ":identifier", value.identifier)


def _canonical(out: Index, param: str, value: str) -> None:
    plain, bar, _ = value.partition("|")
    out.tokens.append(token_hash(param, plain))
    if bar:
        out.tokens.append(token_hash(param, value))


def _uri(out: Index, param: str, value: str) -> None:
    _canonical(out, param, value)
    out.tokens += [token_hash(param, ":below", above) for above in paths_above(value.partition("|")[0])]


def paths_above(url: str) -> list[str]:
    """Return the url and what it is below of, segment by segment: `urn:a:b` is below nothing but itself."""
    found = [url.rstrip("/")]
    while found[-1].count("/") > 2 or ("//" not in found[-1] and "/" in found[-1]):
        found.append(found[-1].rsplit("/", 1)[0])
    return found


def _resource(out: Index, param: str, value: Any) -> None:
    if value.id is not None:
        _link(out, param, f"{type(value).__name__}/{value.id}")


def reference_type(link: str | None) -> str | None:
    """Return the resource type that a literal reference names."""
    parts = VERSION.sub("", link or "").rsplit("/", 2)
    return parts[-2] if len(parts) > 1 else None


def is_(value: Any, type_: str) -> bool:
    return bool((reference_type(value.reference) or value.type) == type_)


# -- dates ------------------------------------------------------------------------------------------------------------


def _date(out: Index, param: str, value: str) -> None:
    span = date_range(value)
    if span:
        out.dates.append((param, *span))


def _period(out: Index, param: str, value: Any) -> None:
    start = date_range(value.start) if value.start else None
    end = date_range(value.end) if value.end else None
    if start or end:
        out.dates.append((param, start[0] if start else BEFORE, end[1] if end else INFINITY))


def _timing(out: Index, param: str, value: Any) -> None:
    spans = [span for event in value.event or () if event and (span := date_range(event))]
    if spans:
        out.dates.append((param, min(span[0] for span in spans), max(span[1] for span in spans)))
    elif value.repeat is not None and value.repeat.boundsPeriod is not None:
        _period(out, param, value.repeat.boundsPeriod)


# -- numbers and quantities -------------------------------------------------------------------------------------------


def _number(out: Index, param: str, value: Any) -> None:
    number = Decimal(value)
    if _fits(number):
        out.numbers.append((param, "", "", None, number, number, None, None, None))


def _fits(number: Decimal) -> bool:
    """Tell whether PostgreSQL's `numeric` holds it; 1e999999 is no measurement."""
    return abs(number.adjusted()) < MAX_DIGITS


def _units(out: Index, param: str, unit: Any, low: Decimal, high: Decimal) -> None:
    """Add an entry with its unit as code and as printed (`5.4||mg` asks for either), and in canonical UCUM units."""
    system, code, printed = unit.system or "", unit.code or unit.unit or "", unit.unit
    base = base_range(system, code, low, high) or (None, None, None)
    out.numbers.append((param, system, code, printed if printed != code else None, low, high, *base))


def _quantity(out: Index, param: str, value: Any) -> None:
    number, comparator = value.value, value.comparator
    if number is None or not _fits(number):
        return
    low = -UNBOUNDED if comparator in ("<", "<=") else number
    high = UNBOUNDED if comparator in (">", ">=") else number
    _units(out, param, value, low, high)


def _money(out: Index, param: str, value: Any) -> None:
    number = value.value
    if number is not None and _fits(number):
        currency = "urn:iso:std:iso:4217", value.currency or ""
        out.numbers.append((param, *currency, None, number, number, None, None, None))


def _range(out: Index, param: str, value: Any) -> None:
    low = value.low.value if value.low is not None else None
    high = value.high.value if value.high is not None else None
    if all(bound is None or _fits(bound) for bound in (low, high)) and (low, high) != (None, None):
        unit = value.low if low is not None else value.high
        _units(out, param, unit, -UNBOUNDED if low is None else low, UNBOUNDED if high is None else high)


def position(out: Index, value: Any) -> None:
    """Add where a Location is: latitude as the lower, longitude as the upper bound of a row (`near`)."""
    latitude, longitude = value.latitude, value.longitude
    if latitude is not None and longitude is not None and abs(latitude) <= 90 and abs(longitude) <= 180:
        out.numbers.append(("near", "", "", None, latitude, longitude, None, None, None))


# -- strings ----------------------------------------------------------------------------------------------------------


def _string(out: Index, param: str, value: str) -> None:
    norm = fold(value)
    if norm:
        out.strings.append((param, norm[:STRING_LIMIT], value))


def _strings(out: Index, param: str, *values: str | list[str | None] | None) -> None:
    for value in values:
        for text in value if isinstance(value, list) else (value,):
            if text is not None:
                _string(out, param, text)


def _name(out: Index, param: str, value: Any) -> None:
    _strings(out, param, value.text, value.family, value.given, value.prefix, value.suffix)


def _address(out: Index, param: str, value: Any) -> None:
    _strings(
        out, param, value.text, value.line, value.city, value.district, value.state, value.postalCode, value.country
    )


Emit = Callable[[Index, str, Any], None]

EMITS: dict[tuple[str, str], Emit] = {
    **{("token", type_): _code for type_ in CAN_INDEX["token"]},
    ("token", "boolean"): boolean,
    ("token", "CodeableConcept"): _concept,
    ("token", "Coding"): _coding,
    ("token", "Identifier"): _identifier,
    ("token", "ContactPoint"): _contact,
    ("reference", "Reference"): _reference,
    ("reference", "canonical"): _canonical,
    ("reference", "uri"): _canonical,
    ("reference", "Resource"): _resource,
    **{("uri", type_): _uri for type_ in CAN_INDEX["uri"]},
    **{("date", type_): _date for type_ in CAN_INDEX["date"]},
    ("date", "Period"): _period,
    ("date", "Timing"): _timing,
    **{("number", type_): _number for type_ in CAN_INDEX["number"]},
    ("number", "Range"): _range,
    **{("quantity", type_): _quantity for type_ in CAN_INDEX["quantity"]},
    ("quantity", "Money"): _money,
    ("quantity", "Range"): _range,
    **{("string", type_): _string for type_ in CAN_INDEX["string"]},
    ("string", "HumanName"): _name,
    ("string", "Address"): _address,
}


# -- words ------------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W_]{2,}")
_MARKUP = re.compile(r"<[^>]*>|&#?\w+;")
LONGEST_TEXT = 20_000


def words(out: Index, resource: Any) -> None:
    """Add the words of the narrative (`_text`), and those of notes and of all texts indexed so far (`_content`)."""
    narrative = getattr(resource, "text", None)
    if narrative is not None and narrative.div:
        out.tokens += [token_hash("_text", word) for word in words_of(_MARKUP.sub(" ", narrative.div))]
    found: set[str] = set()
    for _, norm, _ in out.strings:
        found.update(_WORD.findall(norm))
    for note in getattr(resource, "note", None) or ():
        found.update(words_of(getattr(note, "text", None) or ""))
    out.tokens += [token_hash("_content", word) for word in found]


def words_of(text: str) -> set[str]:
    """Return the words of a text, folded."""
    return set(_WORD.findall(fold(text[:LONGEST_TEXT])))
