"""What a resource is found by: its tokens, dates, numbers and strings, taken out when it is written.

For each resource type one Python function is generated from the official expressions, at its first use. It walks each
element once, however many parameters look at it.

Token forms (`record.hashes`): `(param, code)`, `(param, system, code)`, `(param, system, "")`, and `(param, "", code)`
for a coding or identifier without system; a primitive has `(param, code)` alone; `(param, ":of-type", system, code,
value)`. A reference is `(param, "Type/id")`, once more with its version where it has one, and its identifier as
`(param + ":identifier", …)`. `(param, "", "", "")` says that there is a value at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from tuetinh.record.hashes import token_hash
from tuetinh.record.search.expressions import Hop, Leaf
from tuetinh.record.search.params import CAN_INDEX, INDEXED, Param, params, patient_params
from tuetinh.record.search.values import BEFORE, INFINITY, UNBOUNDED, date_range
from tuetinh.record.text import fold

# A btree entry holds 2,704 bytes at most; longer strings are found by their beginning.
STRING_LIMIT = 512
MAX_DIGITS = 1000
COLUMNS = frozenset({"_id", "_lastUpdated"})

_PHONE = re.compile(r"[\s().\-]+")


@dataclass(slots=True)
class Index:
    """The entries of one resource; see the package's docstring for the columns."""

    tokens: list[int] = field(default_factory=list)
    dates: list[tuple[str, str, str]] = field(default_factory=list)
    numbers: list[tuple[str, str, str, Decimal, Decimal]] = field(default_factory=list)
    strings: list[tuple[str, str, str]] = field(default_factory=list)


def extract(resource: Any) -> Index:
    """Return everything that the resource is found by."""
    found = Index()
    _extractor(type(resource).__name__)(resource, found)
    found.tokens = sorted(set(found.tokens))
    if len(found.strings) > 1:
        found.strings = list(dict.fromkeys(found.strings))
    return found


def phone(value: str) -> str:
    """Return a phone number without what people put between its digits; anything else as it is."""
    return value if "@" in value or "/" in value else _PHONE.sub("", value)


# -- tokens -----------------------------------------------------------------------------------------------------------


def _code(out: Index, param: str, value: Any) -> None:
    out.tokens.append(token_hash(param, value))


def _boolean(out: Index, param: str, value: bool) -> None:  # noqa: FBT001
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

_VERSION = re.compile(r"/_history/[^/]+$")


def _link(out: Index, param: str, value: str) -> None:
    plain = _VERSION.sub("", value)
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


def _resource(out: Index, param: str, value: Any) -> None:
    if value.id is not None:
        _link(out, param, f"{type(value).__name__}/{value.id}")


def reference_type(link: str | None) -> str | None:
    """Return the resource type that a literal reference names."""
    parts = _VERSION.sub("", link or "").rsplit("/", 2)
    return parts[-2] if len(parts) > 1 else None


def _is(value: Any, type_: str) -> bool:
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
        out.numbers.append((param, "", "", number, number))


def _fits(number: Decimal) -> bool:
    """Tell whether PostgreSQL's `numeric` holds it; 1e999999 is no measurement."""
    return abs(number.adjusted()) < MAX_DIGITS


def _units(out: Index, param: str, unit: Any, low: Decimal, high: Decimal) -> None:
    """Add an entry by code and, where it is written otherwise, one by the printed unit (`5.4||mg` finds either)."""
    code, printed = unit.code, unit.unit
    out.numbers.append((param, unit.system or "", code or printed or "", low, high))
    if code and printed and code != printed:
        out.numbers.append((param, "", printed, low, high))


def _quantity(out: Index, param: str, value: Any) -> None:
    number, comparator = value.value, value.comparator
    if number is None or not _fits(number):
        return
    low = -UNBOUNDED if comparator in ("<", "<=") else number
    high = UNBOUNDED if comparator in (">", ">=") else number
    _units(out, param, value, low, high)


def _money(out: Index, param: str, value: Any) -> None:
    if value.value is not None and _fits(value.value):
        out.numbers.append((param, "urn:iso:std:iso:4217", value.currency or "", value.value, value.value))


def _range(out: Index, param: str, value: Any) -> None:
    low = value.low.value if value.low is not None else None
    high = value.high.value if value.high is not None else None
    if all(bound is None or _fits(bound) for bound in (low, high)) and (low, high) != (None, None):
        unit = value.low if low is not None else value.high
        _units(out, param, unit, -UNBOUNDED if low is None else low, UNBOUNDED if high is None else high)


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
    ("token", "boolean"): _boolean,
    ("token", "CodeableConcept"): _concept,
    ("token", "Coding"): _coding,
    ("token", "Identifier"): _identifier,
    ("token", "ContactPoint"): _contact,
    ("reference", "Reference"): _reference,
    ("reference", "canonical"): _canonical,
    ("reference", "uri"): _canonical,
    ("reference", "Resource"): _resource,
    **{("uri", type_): _canonical for type_ in CAN_INDEX["uri"]},
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


def marks(param: Param) -> bool:
    """Tell whether the presence of a value is a token of its own: not for index tables, which show it themselves."""
    return param.type in ("token", "reference", "uri") and (not param.sources or param.resolves is not None)


# -- generation -------------------------------------------------------------------------------------------------------


@cache
def _extractor(type_: str) -> Callable[[Any, Index], None]:
    """Generate the function that fills an Index from a resource of this type."""
    writer = _Writer()
    for param in params(type_).values():
        if param.type in INDEXED and param.code not in COLUMNS:
            for leaf in param.leaves:
                writer.add(param, leaf)
    source = "def extractor(r, out):\n" + ("\n".join(writer.lines(writer.root, "r", 1)) or "    pass")
    exec(compile(source, f"<search index of {type_}>", "exec"), writer.names)  # noqa: S102
    extractor: Callable[[Any, Index], None] = writer.names["extractor"]
    return extractor


class _Writer:
    """Paths of one resource type as a tree, written out as nested loops."""

    def __init__(self) -> None:
        self.root: dict[Hop | None, Any] = {}
        self.names: dict[str, Any] = {"is_": _is}

    def add(self, param: Param, leaf: Leaf) -> None:
        node = self.root
        for hop in leaf.hops:
            node = node.setdefault(hop, {})
        node.setdefault(None, []).append((param, leaf))

    def lines(self, node: dict[Hop | None, Any], subject: str, depth: int) -> list[str]:
        found = []
        pad = "    " * depth
        for param, leaf in node.get(None, ()):
            found += self.emit(param, leaf, subject, pad)
        value = f"v{depth}"
        for hop, child in node.items():
            if hop is None:
                continue
            if hop.many and hop.index is None:
                found.append(f"{pad}for {value} in {subject}.{hop.attribute} or ():")
            elif hop.many and hop.index is not None:
                found.append(f"{pad}for {value} in ({subject}.{hop.attribute} or ())[{hop.index}:{hop.index + 1}]:")
            else:
                found.append(f"{pad}{value} = {subject}.{hop.attribute}")
            test = f"{value} is not None"
            inner = depth + 1 if hop.many else depth
            if hop.where:
                test += f" and {value}.{hop.where[0]} == {hop.where[1]!r}"
            found.append(f"{'    ' * inner}if {test}:")
            found += self.lines(child, value, inner + 1)
        return found

    def emit(self, param: Param, leaf: Leaf, subject: str, pad: str) -> list[str]:
        found = []
        if leaf.resolves and leaf.type == "Reference":
            found.append(f"{pad}if is_({subject}, {leaf.resolves!r}):")
            pad += "    "
        if marks(param):
            found.append(f"{pad}out.tokens.append({token_hash(param.code, '', '', '')})")
        if leaf.exists:
            name, subject = "boolean", f"{subject} is not False"
            self.names[name] = _boolean
            return [*found, f"{pad}{name}(out, {param.code!r}, {subject})"]
        if not param.sources:
            emit = EMITS[param.type, leaf.type]
            self.names[emit.__name__] = emit
            found.append(f"{pad}{emit.__name__}(out, {param.code!r}, {subject})")
        return found if found and not found[-1].endswith(":") else [*found, f"{pad}pass"]


# -- whose it is ------------------------------------------------------------------------------------------------------


def _local(link: str | None, type_: str) -> str | None:
    """Return the id of a relative reference to this type."""
    parts = _VERSION.sub("", link or "").split("/")
    return parts[1] if len(parts) == 2 and parts[0] == type_ and parts[1] else None


@cache
def _patient_paths(type_: str) -> tuple[tuple[Hop, ...], ...]:
    found = [leaf.hops for p in patient_params(type_) for leaf in p.leaves if leaf.type == "Reference"]
    return tuple(dict.fromkeys(found))


def walk(values: list[Any], hops: tuple[Hop, ...]) -> list[Any]:
    """Return the values at the end of a path through resources."""
    for hop in hops:
        children = [getattr(value, hop.attribute) for value in values]
        if hop.index is not None:
            children = [(child or [])[hop.index : hop.index + 1] for child in children]
        values = [x for child in children for x in (child if isinstance(child, list) else (child,)) if x is not None]
        if hop.where:
            name, wanted = hop.where
            values = [x for x in values if getattr(x, name) == wanted]
    return values


def shard_of(resource: Any) -> tuple[str, str | None]:
    """Return the distribution key of a resource and the patient in whose compartment it is, if in one.

    The patient is the first one that the parameters of HL7's patient compartment refer to, the direct ones first.
    """
    type_ = type(resource).__name__
    if type_ == "Patient":
        return resource.id, resource.id
    for hops in _patient_paths(type_):
        for reference in walk([resource], hops):
            if patient := _local(reference.reference, "Patient"):
                return patient, patient
    return resource.id, None


# Elements that name who answers for a resource, the most direct first.
CUSTODIANS = (
    "managingOrganization",
    "custodian",
    "serviceProvider",
    "organization",
    "performer",
    "author",
    "insurer",
    "owner",
)


def custodian_of(resource: Any) -> str | None:
    """Return the id of the Organization that answers for the resource, where the resource itself says so."""
    if type(resource).__name__ == "Organization":
        return resource.id  # type: ignore[no-any-return]
    for name in CUSTODIANS:
        for reference in walk([resource], (Hop(name, many=True),)) if hasattr(resource, name) else ():
            actor = getattr(reference, "actor", reference)
            if found := _local(getattr(actor, "reference", None), "Organization"):
                return found
    return None
