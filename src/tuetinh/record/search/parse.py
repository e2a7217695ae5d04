"""A query string, read into a typed `Search`; whatever is not understood is a Problem (FHIR R4, Search, 3.1.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlencode

from tuetinh.record.search.conditions import (
    AllOf,
    AnyOf,
    Coded,
    Condition,
    Dates,
    Has,
    Ids,
    InCompartment,
    Linked,
    Listed,
    Near,
    NoneOf,
    OfType,
    Present,
    Refused,
    Tokens,
    Updated,
)
from tuetinh.record.search.filters import read_filter
from tuetinh.record.search.params import INDEXED, SPECIAL, UNANSWERED, Param, compartments, params
from tuetinh.record.search.reading import TABLES, date_values, linked, read_condition, split
from tuetinh.record.types import RESOURCE_TYPES
from tuetinh.record.validate.problem import Problem

DEFAULT_COUNT = 50
MAX_COUNT = 1000
MAX_VALUES = 500
MAX_HOPS = 4
MAX_TARGETS = 8  # resource types that a chain without a named one may lead to
MAX_CONDITIONS = 30  # the time that PostgreSQL needs to plan grows with the square of them

TYPES = frozenset(RESOURCE_TYPES)
ELSEWHERE = {"AuditEvent": "is answered at /AuditEvent alone, from the access log"}
BEYOND = (Linked, Has, Near)  # whose meaning depends on the type that they begin at
# Parameters that every type has in the same form, so that they can be asked of all types at once.
EVERYWHERE = frozenset({"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"}) | {
    "_text",
    "_content",
    "_list",
}
SORTABLE = frozenset(INDEXED)
CHOICES = {
    "_total": frozenset({"none", "estimate", "accurate"}),
    "_summary": frozenset({"true", "false", "text", "data", "count"}),
    "_pretty": frozenset({"true", "false"}),
    "_totalMethod": frozenset({"count", "estimate"}),  # fhirpy and other clients of Aidbox
}


# What R4 leaves to a server, and this one does not do.
NOT_ANSWERED = {
    "_contained": "contained resources are not found by themselves; leave it out, or false",
    "_containedType": "contained resources are not found by themselves",
    "_query": "there are no named queries",
    "_score": "results have no score",
}


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of `_sort`."""

    code: str
    descending: bool
    param: Param | None = None  # None for _id and _lastUpdated


@dataclass(frozen=True, slots=True)
class Include:
    """`_include` or `_revinclude`: the parameters of `source` to follow, to one target type or any."""

    source: str
    params: tuple[Param, ...]
    target: str | None
    reverse: bool
    iterate: bool = False


@dataclass(frozen=True)
class Search:
    """What is asked: conditions are ANDed, `types` has one type, several, or none for all."""

    types: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    sort: tuple[Sort, ...] = ()
    count: int = DEFAULT_COUNT
    includes: tuple[Include, ...] = ()
    elements: frozenset[str] = frozenset()
    summary: str | None = None
    total: str = "none"
    format: str | None = None
    pretty: bool = False
    pairs: tuple[tuple[str, str], ...] = field(default=())
    place: tuple[str, str] = ("", "")  # the compartment that is searched

    def query(self) -> str:
        """Return the query string of what was understood."""
        return urlencode(self.pairs)

    @property
    def is_chained(self) -> bool:
        """Whether it asks what other resources are: by a chain, `_has`, or a filter with a chain."""
        names = [name for name, _ in self.pairs]
        if any("." in name or name.startswith("_has") for name in names):
            return True
        return "_filter" in names and any(map(_is_chain, self.conditions))

    def fingerprint(self) -> bytes:
        """Return what tells this search from any other; page tokens carry it."""
        return hashlib.blake2b(repr((self.types, self.place, self.pairs)).encode(), digest_size=12).digest()


def parse(
    type_: str | None, query: str | Iterable[tuple[str, str]], *, lenient: bool = False
) -> tuple[Search, list[Problem]]:
    """Read a query. See the package's docstring; never raises."""
    if isinstance(query, str):
        try:
            pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True, max_num_fields=200)
        except ValueError:
            return Search((type_,) if type_ else ()), [Problem("error", "too-costly", "", "more than 200 parameters")]
    else:
        pairs = list(query)
    return _Reader(type_, pairs, lenient=lenient).read()


class _Reader:
    def __init__(self, type_: str | None, pairs: Sequence[tuple[str, str]], *, lenient: bool) -> None:
        self.type = type_
        self.all = pairs
        self.severity = "warning" if lenient else "error"
        self.search = Search((type_,) if type_ else ())
        self.problems: list[Problem] = []
        self.conditions: list[Condition] = []
        self.includes: list[Include] = []
        self.told: dict[str, str] = {}  # what says how the result is wanted
        self.compared = 0  # comparisons of filters

    def read(self) -> tuple[Search, list[Problem]]:
        if self.type is not None and self.type not in TYPES:
            problem = Problem("error", "not-supported", "", f"there is no resource type {self.type!r}")
            return self.search, [problem]
        if self.type in ELSEWHERE:
            return self.search, [Problem("error", "not-supported", "", f"{self.type} {ELSEWHERE[self.type]}")]
        understood = []
        # What the parameters mean depends on the types.
        for name, value in sorted(self.all, key=lambda pair: pair[0] != "_type"):
            try:
                if "\0" in name or "\0" in value:
                    raise Refused("invalid", "has a NUL character")
                self.pair(name, value)
            except Refused as refused:
                self.problems.append(Problem(self.severity, refused.code, name, f"{name}: {refused}"))
            else:
                understood.append((name, value))
        search = replace(
            self.search, conditions=tuple(self.conditions), includes=tuple(self.includes), pairs=tuple(understood)
        )
        return search if search.sort else replace(search, sort=self.by_date(understood)), self.problems

    def by_date(self, pairs: Sequence[tuple[str, str]]) -> tuple[Sort, ...]:
        """Return the order of what is asked for by a date, the latest first, where nothing else leaves few.

        Read in this order, the index of the date gives a page without reading all that is of the time.
        """
        dates = [c for c in self.conditions if isinstance(c, Dates)]
        if self.type is None or not all(_is_common(condition) for condition in self.conditions):
            return ()
        if len({c.params for c in dates}) != 1:  # one of several may leave far less than the other
            return ()
        bounded = {c.params for c in dates if len(c.values) == 1 and c.values[0].prefix != "ne"}
        known = params(self.type)
        for name, _ in pairs:
            param = known.get(name)
            if param and param.one_entry and param.indexed_as in bounded:
                return (Sort(name, descending=True, param=param),)
        return ()

    def pair(self, name: str, value: str) -> None:
        code, _, modifier = name.partition(":")
        if not value.strip():
            raise Refused("invalid", "has no value")
        if (name in RESULT or name in CHOICES) and self.told.setdefault(name, value) != value:
            raise Refused("invalid", "stands twice, with different values")
        if name in RESULT:
            RESULT[name](self, value)
        elif name in CHOICES:
            self.choice(name, value)
        elif name in NOT_ANSWERED:
            if (name, value) != ("_contained", "false"):
                raise Refused("not-supported", NOT_ANSWERED[name])
        elif code in ("_include", "_revinclude"):
            if modifier not in ("", "iterate"):
                raise Refused("not-supported", f"takes no modifier {modifier!r}")
            self.includes += self.include(value, reverse=code == "_revinclude", iterate=bool(modifier))
        elif len(self.conditions) == MAX_CONDITIONS:
            raise Refused("too-costly", f"is more than the {MAX_CONDITIONS} conditions that a search may have")
        elif name == "_filter":
            self.conditions.append(self.filter(value))
        else:
            values = split(value, ",")
            if len(values) > MAX_VALUES:
                raise Refused("too-costly", f"has more than {MAX_VALUES} values")
            self.conditions.append(self.condition(name, values))

    def condition(self, name: str, values: list[str]) -> Condition:
        """Read a condition; of several types, as each of them has the parameter (FHIR R4, Search, 3.1.1.1.2)."""
        if self.type is not None or name.partition(":")[0] in EVERYWHERE or not self.search.types:
            return read_named(self.type, name, values)
        found = [(type_, read_named(type_, name, values)) for type_ in self.search.types]
        if all(one == found[0][1] for _, one in found) and not isinstance(found[0][1], BEYOND):
            return found[0][1]
        return AnyOf(tuple(OfType(type_, one) for type_, one in found))

    def filter(self, text: str) -> Condition:
        type_ = self.type
        if type_ is None:
            raise Refused("not-supported", "is about one resource type")

        def read(name: str, value: str) -> Condition:
            self.compared += 1
            if self.compared > MAX_CONDITIONS:
                raise Refused("too-costly", f"has more than {MAX_CONDITIONS} comparisons")
            return read_named(type_, name, [value])

        return read_filter(text, read, lambda name: _kinds_of(type_, name))

    # -- how the result is wanted ---------------------------------------------------------------------------------

    def set_types(self, value: str) -> None:
        wanted = tuple(dict.fromkeys(value.split(",")))
        for type_ in wanted:
            if type_ not in TYPES:
                raise Refused("invalid", f"there is no resource type {type_!r}")
            if type_ in ELSEWHERE:
                raise Refused("not-supported", f"{type_} {ELSEWHERE[type_]}")
        if self.type is not None and wanted != (self.type,):
            raise Refused("invalid", "is for searches over all types")
        self.search = replace(self.search, types=wanted)
        if len(wanted) == 1:
            self.type = wanted[0]

    def set_count(self, value: str) -> None:
        if not (value.isascii() and value.isdigit()):
            raise Refused("invalid", f"{value!r} is no count")
        self.search = replace(self.search, count=min(int(value[:9]), MAX_COUNT))

    def set_sort(self, value: str) -> None:
        keys = []
        for part in value.split(","):
            code = part.removeprefix("-")
            if code in ("_id", "_lastUpdated"):
                keys.append(Sort(code, part.startswith("-")))
                continue
            param = param_of(self.type, code)
            if param.type not in SORTABLE or not param.leaves or (param.evaluated and param.type not in TABLES):
                raise Refused("not-supported", f"nothing can be sorted by {code!r}, a {param.type}")
            keys.append(Sort(code, part.startswith("-"), param))
        if len({key.code for key in keys}) < len(keys):
            raise Refused("invalid", "names a key twice")
        self.search = replace(self.search, sort=tuple(keys))

    def set_elements(self, value: str) -> None:
        self.search = replace(self.search, elements=frozenset(filter(None, value.split(","))))

    def set_format(self, value: str) -> None:
        self.search = replace(self.search, format=value)

    def choice(self, name: str, value: str) -> None:
        if value not in CHOICES[name]:
            raise Refused("invalid", f"{value!r} is none of {', '.join(sorted(CHOICES[name]))}")
        if name == "_pretty":
            self.search = replace(self.search, pretty=value == "true")
        elif name == "_total":
            self.search = replace(self.search, total=value)
        elif name == "_totalMethod":
            self.search = replace(self.search, total="accurate" if value == "count" else value)
        elif name == "_summary":
            self.search = replace(self.search, summary=None if value == "false" else value)

    def include(self, value: str, *, reverse: bool, iterate: bool) -> list[Include]:
        source, _, rest = value.partition(":")
        code, _, target = rest.partition(":")
        if source == "*" and code in ("", "*") and target in ("", *TYPES):
            return self.include_all(target or None, reverse=reverse, iterate=iterate)
        if source not in TYPES or not code or (target and target not in TYPES):
            raise Refused("invalid", f"{value!r} is not of the form Type:parameter or Type:parameter:Type")
        if source in ELSEWHERE:
            raise Refused("not-supported", f"{source} {ELSEWHERE[source]}")
        if not reverse and not iterate and self.search.types and source not in self.search.types:
            raise Refused("invalid", f"{source} is not what is searched for")
        known = {c: p for c, p in params(source).items() if p.type == "reference" and p.leaves}
        if code != "*" and code not in known:
            raise Refused("invalid", f"{code!r} is not a reference parameter of {source}")
        followed = tuple(p for p in known.values() if p.ready) if code == "*" else (_ready(known[code]),)
        return [Include(source, followed, target or None, reverse, iterate)]

    def include_all(self, target: str | None, *, reverse: bool, iterate: bool) -> list[Include]:
        """Read `*`: whatever the matches refer to, or refers to them; with `:iterate`, whatever is on the page."""
        here = self.search.types
        sources = here if here and not reverse and not iterate else sorted(TYPES - ELSEWHERE.keys())
        wanted = frozenset(here) if reverse and not iterate else TYPES
        found = []
        for source in sources:
            known = [p for p in params(source).values() if p.type == "reference" and p.leaves and p.ready]
            followed = tuple(p for p in known if not wanted or not wanted.isdisjoint(p.targets))
            if followed:
                found.append(Include(source, followed, target, reverse, iterate))
        return found


# -- conditions, also beyond the resource -----------------------------------------------------------------------------


def read_named(type_: str | None, name: str, values: list[str], hops: int = 0) -> Condition:
    """Read a parameter by its whole name, such as `date`, `subject:Patient.name` or `_has:Observation:patient:code`.

    type_: the resource type that it is about, None for all. Raises Refused.
    """
    if hops > MAX_HOPS:
        raise Refused("too-costly", f"leads over more than {MAX_HOPS} resources")
    if name.startswith("_has:"):
        return _has(type_, name, values, hops)
    if "." in name:
        return _chained(type_, name, values, hops)
    code, _, modifier = name.partition(":")
    if code in ("_id", "_lastUpdated", "_list"):
        if modifier and (code, modifier) != ("_id", "not"):
            raise Refused("not-supported", f"takes no modifier {modifier!r}")
        if code == "_lastUpdated":
            return Updated(date_values(values))
        if any(not value for value in values):
            raise Refused("invalid", "has an empty value")
        return Ids(tuple(values), negate=modifier == "not") if code == "_id" else _listed(values)
    return read_condition(param_of(type_, code), modifier, values)


def _listed(values: list[str]) -> Listed:
    if named := [value for value in values if value.startswith("$")]:
        raise Refused("not-supported", f"the functional list {named[0]!r} is not kept here")
    return Listed(tuple(value.removeprefix("List/") for value in values))


def _is_chain(condition: Condition) -> bool:
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return any(map(_is_chain, parts))
        case NoneOf(inner) | OfType(_, inner):
            return _is_chain(inner)
    return isinstance(condition, Linked | Has)


def _is_common(condition: Condition) -> bool:
    """Whether many resources may meet a condition that looks at nothing but themselves."""
    return isinstance(condition, Dates | Present | Coded) or (isinstance(condition, Tokens) and not condition.selective)


def param_of(type_: str | None, code: str) -> Param:
    """Return a parameter by which resources of the type (or all) can be searched. Raises Refused."""
    if type_ is None and code not in EVERYWHERE:
        raise Refused("not-supported", "is not a parameter of all resource types")
    param = params(type_ or "Basic").get(code)
    if param is None:
        raise Refused("not-supported", f"{code!r} is not a search parameter of {type_}")
    if code in UNANSWERED or (param.type == "special" and code not in EVERYWHERE | SPECIAL):
        raise Refused("not-supported", f"parameters of type {param.type} are not answered")
    return _ready(param)


def _ready(param: Param) -> Param:
    """Return the parameter. Raises Refused while entries of it are missing, as a result would be too small."""
    if not param.ready:
        text = f"{param.code!r} of {param.base} is being indexed; SearchParameter/$reindex-status tells how far it is"
        raise Refused("incomplete", text)
    return param


def _chained(type_: str | None, name: str, values: list[str], hops: int) -> Condition:
    """Read `code:target.rest`; without a target, of every type to which the parameter leads and that knows the rest."""
    head, _, rest = name.partition(".")
    code, _, target = head.partition(":")
    param = param_of(type_, code)
    if param.type != "reference":
        raise Refused("invalid", f"{code!r} is no reference to follow")
    _check_followed(param)
    targets = [t for t in param.targets if target in ("", t)]
    if not targets:
        raise Refused("invalid", f"{code!r} does not refer to a {target}")
    found, refusals = [], []
    for each in targets:
        try:
            found.append((each, read_named(each, rest, values, hops + 1)))
        except Refused as refused:
            refusals.append(refused)
    if not found:
        raise refusals[0]
    if len(found) > MAX_TARGETS:
        raise Refused("too-costly", f"may lead to {len(found)} types; name one, such as {code}:{found[0][0]}.{rest}")
    return Linked(param, tuple(found))


def _kinds_of(type_: str, name: str) -> frozenset[str]:
    """Return of what types the parameters are to which a name of a parameter or a chain leads. Raises Refused."""
    head, dot, rest = name.partition(".")
    code, colon, target = head.partition(":")
    if colon and not dot:
        raise Refused("invalid", f"{name[:80]!r} is no parameter; comparisons stand for modifiers")
    if code in ("_id", "_lastUpdated") and not dot:
        return frozenset({"date" if code == "_lastUpdated" else "token"})
    param = param_of(type_, code)
    if not dot:
        return frozenset({param.type})
    found, refused = frozenset[str](), None
    for each in param.targets if param.type == "reference" else ():
        if target in ("", each):
            try:
                found |= _kinds_of(each, rest)
            except Refused as error:
                refused = error
    if not found:
        raise refused or Refused("invalid", f"{code!r} is no reference to follow")
    return found


def _check_followed(param: Param) -> None:
    """Raise Refused for references that no path leads to: the database could not follow them."""
    if param.evaluated:
        text = f"{param.code!r} of {param.base} is found by itself alone: its expression is more than paths"
        raise Refused("not-supported", text)


def _has(type_: str | None, name: str, values: list[str], hops: int) -> Condition:
    """Read `_has:source:code:rest`."""
    parts = name.split(":", 3)
    if type_ is None or len(parts) != 4 or parts[1] not in TYPES:
        raise Refused("invalid", "is not of the form _has:Type:reference:parameter")
    if parts[1] in ELSEWHERE:
        raise Refused("not-supported", f"{parts[1]} {ELSEWHERE[parts[1]]}")
    param = param_of(parts[1], parts[2])
    if param.type != "reference" or type_ not in param.targets:
        raise Refused("invalid", f"{parts[2]!r} of {parts[1]} does not refer to a {type_}")
    _check_followed(param)
    return Has(parts[1], param, read_named(parts[1], parts[3], values, hops + 1))


def in_compartment(search: Search, compartment: str, id_: str) -> Search:
    """Keep of a search what is in a compartment such as `Patient/1` (FHIR R4, CompartmentDefinition)."""
    bound = compartments()[compartment]
    types = tuple(t for t in (search.types or RESOURCE_TYPES) if t in bound or t == compartment)
    groups: dict[tuple[int, ...], list[str]] = {}
    for type_ in types:
        if hashes := compartment_hashes(type_, compartment, [id_]):
            groups.setdefault(hashes, []).append(type_)
    tokens = tuple((tuple(named), hashes) for hashes, named in groups.items())
    condition = InCompartment(tokens, (compartment, id_) if compartment in types else None)
    mark = ("compartment", f"{compartment}/{id_}")
    asked = any(name == "_sort" for name, _ in search.pairs)
    return replace(
        search,
        types=types,
        conditions=(*search.conditions, condition),
        sort=search.sort if asked else (),  # not by a date, as few are in a compartment
        place=mark,
    )


def compartment_hashes(type_: str, compartment: str, ids: Sequence[str]) -> tuple[int, ...]:
    """Return the hashes of which a resource of the type has one if it is in the compartment of one of the ids."""
    hashes: dict[int, None] = {}
    links = [f"{compartment}/{id_}" for id_ in ids]
    for code in compartments()[compartment].get(type_, ()):
        if (param := params(type_).get(code)) is not None and param.type == "reference":
            hashes.update(dict.fromkeys(linked(param, links, few=True).hashes))
    return tuple(hashes)


RESULT = {
    "_type": _Reader.set_types,
    "_count": _Reader.set_count,
    "_sort": _Reader.set_sort,
    "_elements": _Reader.set_elements,
    "_format": _Reader.set_format,
}
__all__ = ["INDEXED", "Include", "Search", "Sort", "parse"]
