"""Conditions as SQL about one row of a type's table.

Identifiers come from the list of resource types alone; everything that a client sent is a parameter. The GIN index on
`tokens` answers tokens, references and uris together; dates, numbers and strings are EXISTS on the index tables by key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuetinh.record.search import json_paths
from tuetinh.record.search.conditions import (
    AllOf,
    AnyOf,
    Canonicals,
    Condition,
    Dates,
    DateValue,
    FollowedBy,
    Follows,
    Ids,
    InCompartment,
    Name,
    NoneOf,
    Numbers,
    NumberValue,
    OfType,
    Present,
    Strings,
    Tokens,
    Updated,
    Within,
)
from tuetinh.record.search.index import patient_hops
from tuetinh.record.search.params import Param
from tuetinh.record.types import RESOURCE_TYPES

TYPES = frozenset(RESOURCE_TYPES)
LAST_CHARACTER = "\U0010ffff"


@dataclass
class Sql:
    """SQL with its parameters, in the order of their places."""

    parts: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)

    def add(self, sql: str, *params: Any) -> None:
        """Add one condition."""
        self.parts.append(sql)
        self.params += params

    def join(self, word: str) -> tuple[str, list[Any]]:
        """Return the conditions joined by AND or OR, in parentheses where they are several."""
        text = f" {word} ".join(self.parts)
        return (f"({text})" if len(self.parts) > 1 else text), self.params

    def all_of(self) -> str:
        """Return the conditions joined by AND."""
        return " AND ".join(self.parts)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that conditions are about: their types and the name of the table in the statement.

    patient: whose compartment is all that there is for the asker, here and wherever a condition leads.
    former: they are former versions, of which type, id and body are known.
    """

    types: tuple[str, ...]
    alias: str = "r"
    patient: str | None = None
    former: bool = False

    def table(self, suffix: str = "") -> str:
        """Return the table of the rows, or one beside it."""
        if len(self.types) == 1 and self.types[0] in TYPES:
            return f'record."{self.types[0]}{suffix}"'
        return {"": "record.resource", "_history": "record.history"}.get(suffix, f"record.{suffix[1:]}_index")

    def beyond(self, type_: str) -> Rows:
        """Return the rows of a type to which these lead."""
        return Rows((type_,), self.alias + "x", self.patient)


def bigints(values: Sequence[int]) -> str:
    """Return an array literal; lists of Python integers would change their type with their size."""
    return "{" + ",".join(map(str, values)) + "}"


def where(rows: Rows, conditions: Sequence[Condition]) -> Sql:
    """Return what must hold of a row that exists, for the asker, and matches."""
    found = Sql()
    if len(rows.types) != 1:
        found.add(f"{rows.alias}.type = ANY(%s::text[])", list(rows.types))
    found.add(f"NOT {rows.alias}.deleted")
    if rows.patient is not None:
        found.add(f"{rows.alias}.patient = %s", rows.patient)
    _all(found, rows, conditions)
    return found


def _all(found: Sql, rows: Rows, conditions: Sequence[Condition]) -> None:
    for group in _merged(conditions):
        add(found, rows, group)


def _merged(conditions: Sequence[Condition]) -> list[Condition | tuple[Condition, ...]]:
    """Put together what one look at an index answers.

    Tokens that must all be there are one containment; bounds on a date that a resource has once are one range.
    """
    found: dict[Any, list[Condition]] = {}
    for n, condition in enumerate(flat(conditions)):
        match condition:
            case Tokens((_,), negate=False):
                found.setdefault("tokens", []).append(condition)
            case Dates(params, single=True):
                found.setdefault(params, []).append(condition)
            case _:
                found.setdefault(n, []).append(condition)
    return [tuple(group) if len(group) > 1 else group[0] for group in found.values()]


def flat(conditions: Sequence[Condition]) -> list[Condition]:
    """Return conditions that must all hold, none of which joins others by AND."""
    found: list[Condition] = []
    for condition in conditions:
        found += flat(condition.conditions) if isinstance(condition, AllOf) else [condition]
    return found


def add(found: Sql, rows: Rows, condition: Condition | tuple[Condition, ...]) -> None:
    """Add a condition, or what `_merged` put together."""
    if isinstance(condition, tuple):
        _group(found, rows, condition)
        return
    ADD[type(condition)](found, rows, condition)


def _tokens(found: Sql, rows: Rows, condition: Tokens) -> None:
    column = f"{rows.alias}.tokens"
    if len(condition.hashes) == 1 and not condition.negate:
        found.add(f"{column} @> %s::bigint[]", bigints(condition.hashes))
    elif condition.hashes:
        found.add(f"{'NOT ' if condition.negate else ''}{column} && %s::bigint[]", bigints(condition.hashes))
    elif not condition.negate:
        found.add("false")


def _ids(found: Sql, rows: Rows, condition: Ids) -> None:
    sql, params = f"{rows.alias}.id = ANY(%s::text[])", [list(condition.values)]
    if condition.negate:
        found.add(f"NOT {sql}", *params)
        return
    type_ = rows.types[0] if len(rows.types) == 1 else condition.type
    if type_ is None:
        found.add(sql, *params)
    else:  # leads the primary key
        found.add(f"({rows.alias}.type = %s AND {sql})", type_, *params)


def _updated(found: Sql, rows: Rows, condition: Updated) -> None:
    column = f"{rows.alias}.updated"
    found.add(*any_of(_date, condition.values, column, f"{column} + interval '1 microsecond'"))


def _present(found: Sql, rows: Rows, condition: Present) -> None:
    sql = exists(rows, condition.table, "true")
    found.add(sql if condition.present else f"NOT {sql}", list(condition.params))


def _dates(found: Sql, rows: Rows, condition: Dates) -> None:
    _group(found, rows, (condition,))


def _numbers(found: Sql, rows: Rows, condition: Numbers) -> None:
    if not condition.names:
        sql, *params = any_of(_number, condition.values, "i.", "i.")
        found.add(exists(rows, "number", sql), list(condition.params), *params)
        return
    # The bounds of a sequence in one row are two numbers of their own.
    low, high = ("i.", "i.") if not condition.ends else ("i.low", "i.high")
    test = Sql()
    test.add(*any_of(_name, condition.names))
    test.add(*any_of(_number if not condition.ends else _bound, condition.values, low, low))
    if condition.ends:
        test.add(*any_of(_bound, condition.ends, high, high))
    table = rows.table("_number")
    found.add(f"EXISTS (SELECT FROM {table} i WHERE i.key = {rows.alias}.key AND {test.all_of()})", *test.params)


def _strings(found: Sql, rows: Rows, condition: Strings) -> None:
    sql, *params = any_of(STRING_TESTS[condition.mode], condition.values)
    found.add(exists(rows, "string", sql), list(condition.params), *params)


def _all_of(found: Sql, rows: Rows, condition: AllOf) -> None:
    _all(found, rows, condition.conditions)


def _any_of(found: Sql, rows: Rows, condition: AnyOf) -> None:
    one_of = Sql()
    for each in condition.conditions:
        part = Sql()
        _all(part, rows, (each,))
        text, params = part.join("AND")
        one_of.add(text or "true", *params)
    text, params = one_of.join("OR")
    found.add(text or "false", *params)


def _none_of(found: Sql, rows: Rows, condition: NoneOf) -> None:
    inner = Sql()
    _all(inner, rows, (condition.condition,))
    text, params = inner.join("AND")
    found.add(f"({text or 'true'}) IS NOT TRUE", *params)


def _in_compartment(found: Sql, rows: Rows, condition: InCompartment) -> None:
    one_of = Sql()
    for types, hashes in condition.tokens:
        asked = [type_ for type_ in types if type_ in rows.types]
        if asked and len(rows.types) == 1:
            one_of.add(f"{rows.alias}.tokens && %s::bigint[]", bigints(hashes))
        elif asked:
            sql = f"({rows.alias}.type = ANY(%s::text[]) AND {rows.alias}.tokens && %s::bigint[])"
            one_of.add(sql, asked, bigints(hashes))
    if condition.own and condition.own[0] in rows.types:
        one_of.add(f"({rows.alias}.type = %s AND {rows.alias}.id = %s)", *condition.own)
    text, params = one_of.join("OR")
    found.add(text or "false", *params)


def _of_type(found: Sql, rows: Rows, condition: OfType) -> None:
    inner = Sql()
    _all(inner, Rows((condition.type,), rows.alias, rows.patient), (condition.condition,))
    found.add(f"({rows.alias}.type = '{condition.type}' AND {inner.all_of()})", *inner.params)


# The great-circle distance in kilometres by the haversine formula, on a sphere of the Earth's mean radius.
_DISTANCE = (
    "2 * 6371.0088 * asin(least(1, sqrt(sin(radians(i.low::float8 - %s) / 2) ^ 2 + cos(radians(%s))"
    " * cos(radians(i.low::float8)) * sin(radians(i.high::float8 - %s) / 2) ^ 2)))"
)


def _within(found: Sql, rows: Rows, condition: Within) -> None:
    """Rows between two parallels are read from the index; their distance is worked out."""
    place = condition.latitude, condition.latitude, condition.longitude
    reach = condition.kilometres / 110.5 + 0.001  # a degree of latitude is no shorter
    parallels = condition.latitude - reach, condition.latitude + reach
    sql = f"i.low >= %s::numeric AND i.low <= %s::numeric AND {_DISTANCE} <= %s"
    found.add(exists(rows, "number", sql), ["near"], *map(str, parallels), *place, condition.kilometres)


def _canonicals(found: Sql, rows: Rows, condition: Canonicals) -> None:
    """The index knows the url; the version is looked at in each row that has it."""
    texts = f"record.texts({rows.alias}.body, %s::jsonpath[]) t JOIN unnest(%s::text[]) w"
    test = "split_part(t, '#', 1) = w" + (" OR starts_with(t, w || '.')" if condition.deeper else "")
    sql = f"EXISTS (SELECT FROM {texts} ON {test})"
    params: list[Any] = [json_paths.array(condition.param), list(condition.texts)]
    if rows.former:
        found.add(sql, *params)
    else:
        found.add(f"({rows.alias}.tokens && %s::bigint[] AND {sql})", bigints(condition.hashes), *params)


def _follows(found: Sql, rows: Rows, condition: Follows) -> None:
    """The ids in the row's references, or the patient that the row has in a column, are looked up."""
    target = rows.beyond(condition.target)
    row, there = rows.alias, target.alias
    inner = where(target, (condition.condition,))
    indexed = len(condition.param.indexed_as) == 1 and not condition.within and not rows.former
    if indexed and condition.target == "Patient" and names_patient(condition.param, rows.types):
        mark = f"{condition.param.indexed_as[0]}\x1fPatient/"
        own = f"{row}.tokens @> ARRAY[record.token_hash(%s || {row}.patient)] AND "
        link, params = f"{there}.id = {row}.patient", [mark]
    else:
        own, link = "", f"{there}.id = ANY(record.links({row}.body, %s::jsonpath[], %s))"
        params = [json_paths.array(condition.param, contained=condition.within), condition.target]
    test = f"{there}.type = '{condition.target}' AND {link} AND {inner.all_of()}"
    sql = f"{own}EXISTS (SELECT FROM {target.table()} {there} WHERE {test})"
    found.add(f"({sql})", *params, *inner.params)


def names_patient(param: Param, types: Sequence[str]) -> bool:
    """Tell whether the `patient` of a row is the only one that the parameter refers to, if that refers to one.

    Only the first of the references that make it is sure to: a Claim is that of its patient, not of its payee.
    """
    first = patient_hops(types[0])[:1] if len(types) == 1 else ()
    return param.single and any(leaf.hops in first for leaf in param.leaves)


def _followed_by(found: Sql, rows: Rows, condition: FollowedBy) -> None:
    """Rows that refer to this one are looked up by the hash of its own name, or by the patient whose they are."""
    source, param = rows.beyond(condition.source), condition.param
    inner = where(source, (condition.condition,))
    own = rows.types == ("Patient",) and names_patient(param, source.types)
    named = f"{source.alias}.patient" if own else f"{rows.alias}.id"
    one_of = Sql()
    for name in param.indexed_as:
        mark = f"{name}\x1f{rows.types[0]}/"
        one_of.add(f"{source.alias}.tokens @> ARRAY[record.token_hash(%s || {named})]", mark)
    links, params = one_of.join("OR")
    if own:  # in a form of which the planner does not believe that it leaves next to nothing
        links = f"{source.alias}.patient = {rows.alias}.id AND coalesce({links}, false)"
    sql = f"EXISTS (SELECT FROM {source.table()} {source.alias} WHERE {links} AND {inner.all_of()})"
    found.add(sql, *params, *inner.params)


ADD: dict[type, Callable[[Sql, Rows, Any], None]] = {
    Tokens: _tokens,
    Ids: _ids,
    Updated: _updated,
    Present: _present,
    Dates: _dates,
    Numbers: _numbers,
    Strings: _strings,
    AllOf: _all_of,
    AnyOf: _any_of,
    NoneOf: _none_of,
    OfType: _of_type,
    Within: _within,
    InCompartment: _in_compartment,
    Canonicals: _canonicals,
    Follows: _follows,
    FollowedBy: _followed_by,
}


def _group(found: Sql, rows: Rows, group: Sequence[Condition]) -> None:
    """Add what `_merged` put together."""
    hashes = [c.hashes[0] for c in group if isinstance(c, Tokens)]
    if hashes:
        found.add(f"{rows.alias}.tokens @> %s::bigint[]", bigints(hashes))
    dates = [c for c in group if isinstance(c, Dates)]
    if dates:
        test, params = _dated(dates)
        params = [list(dates[0].params), *params]
        start = _start(dates)
        if start is None or not any(v.prefix in ("lt", "le", "ap") for v in _bounds(dates)):
            found.add(exists(rows, "date", test), *params)
        else:
            found.add(exists(rows, "date", f"{test} AND {_SHORT}", f"{test} AND i.long"), *params, start, *params)


def _dated(dates: Sequence[Dates]) -> tuple[str, list[Any]]:
    tests = [any_of(_date, c.values, "i.low", "i.high") for c in dates]
    return " AND ".join(text for text, *_ in tests), [x for _, *params in tests for x in params]


# Two columns bound what overlaps a period, and neither alone by much: what is not long (`date_index.long`) begins
# within a day before, so that one range of one index has it.
_SHORT = "NOT i.long AND i.low > %s::timestamptz - interval '24 hours'"


def _start(dates: Sequence[Dates]) -> str | None:
    """Where that begins which all dates must reach into or lie in, if there is such a moment."""
    starts = [v.high if v.prefix == "gt" else v.low for v in _bounds(dates) if v.prefix in ("gt", "ge", "ap")]
    return starts[0] if starts else None


def _bounds(dates: Sequence[Dates]) -> list[DateValue]:
    """Return the values that all must hold: no alternatives, of which the widest may bound next to nothing."""
    return [c.values[0] for c in dates if len(c.values) == 1]


def entries_in_order(rows: Rows, dates: Sequence[Dates], *, descending: bool) -> list[Any]:
    """Return the SQL of the entries, key and low, of a date parameter that meet all the conditions, and its parameters.

    They come as they begin, from one index or two that are merged, so that who needs few reads few.
    """
    (name,) = dates[0].params
    test, params = _dated(dates)
    turn = "DESC" if descending else "ASC"
    entries = f"SELECT i.key, i.low FROM {rows.table('_date')} i WHERE i.param = %s AND {test}"
    start = _start(dates)
    if start is None:
        return [entries, name, *params]
    order = f"ORDER BY i.low {turn}, i.key {turn}"
    return [
        f"({entries} AND {_SHORT} {order}) UNION ALL ({entries} AND i.long {order})",
        *(name, *params, start),
        *(name, *params),
    ]


def exists(rows: Rows, table: str, test: str, *others: str) -> str:
    """Return the SQL of an entry of some parameters (the first value of each test) in an index table."""
    entries = f"{rows.table(f'_{table}')} i WHERE i.param = ANY(%s::text[]) AND "
    if not others:
        return f"EXISTS (SELECT FROM {entries}i.key = {rows.alias}.key AND {test})"
    parts = " UNION ALL ".join(f"SELECT i.key FROM {entries}{one}" for one in (test, *others))
    return f"EXISTS (SELECT FROM ({parts}) i WHERE i.key = {rows.alias}.key)"


def any_of(test: Callable[..., list[Any]], values: Sequence[Any], *columns: str) -> list[Any]:
    """OR the tests of the values: the SQL, then its parameters."""
    found = [test(value, *columns) for value in values]
    return ["(" + " OR ".join(f"({sql})" for sql, *_ in found) + ")", *(x for _, *params in found for x in params)]


def _date(value: DateValue, low: str, high: str) -> list[Any]:
    """Compare ranges (FHIR R4, Search, 3.1.1.4.6); a bound that each match keeps comes first, for the index."""
    s, e = "%s::timestamptz", "%s::timestamptz"
    match value.prefix:
        case "eq":
            return [f"{low} >= {s} AND {low} < {e} AND {high} <= {e}", value.low, value.high, value.high]
        case "ne":
            return [f"NOT ({low} >= {s} AND {high} <= {e})", value.low, value.high]
        case "gt":
            return [f"{high} > {e}", value.high]
        case "lt":
            return [f"{low} < {s}", value.low]
        case "ge":
            return [f"{high} > {s} AND ({high} > {e} OR {low} >= {s})", value.low, value.high, value.low]
        case "le":
            return [f"{low} < {e} AND ({low} < {s} OR {high} <= {e})", value.high, value.low, value.high]
        case "sa":
            return [f"{low} >= {e}", value.high]
        case "eb":
            return [f"{low} <= {s} AND {high} <= {s}", value.low, value.low]
    return [f"{low} < {e} AND {high} > {s}", value.high, value.low]


def _number(value: NumberValue, low: str, high: str) -> list[Any]:
    """Compare the row's number as it is, or in canonical units where the asked unit has them."""
    kind = "base_" if value.base else ""
    found = _bound(value, f"{low}{kind}low", f"{high}{kind}high")
    if value.base:
        found = [f"i.base = %s AND {found[0]}", value.base, *found[1:]]
    if value.system is not None:
        found = [f"{found[0]} AND i.system = %s", *found[1:], value.system]
    if value.code is not None:
        either = "i.code = %s" if value.system is not None else "(i.code = %s OR i.unit = %s)"
        found = [f"{found[0]} AND {either}", *found[1:], *[value.code] * either.count("%s")]
    return found


def _bound(value: NumberValue, low: str, high: str) -> list[Any]:
    """Compare a range of two columns with the searched number (FHIR R4, Search, 3.1.1.4.5)."""
    n = "%s::numeric"
    exact, first, last = str(value.value), str(value.low), str(value.high)
    match value.prefix:
        case "eq":
            return [f"{low} >= {n} AND {low} < {n} AND {high} < {n}", first, last, last]
        case "ne":
            return [f"NOT ({low} >= {n} AND {high} < {n})", first, last]
        case "gt":
            return [f"{high} > {n}", exact]
        case "lt":
            return [f"{low} < {n}", exact]
        case "ge":
            return [f"{high} >= {n}", exact]
        case "le":
            return [f"{low} <= {n}", exact]
        case "sa":
            return [f"{low} > {n}", exact]
        case "eb":
            return [f"{high} < {n}", exact]
    return [f"{low} <= {n} AND {high} >= {n}", last, first]


def _name(name: Name) -> list[Any]:
    if name.whole:
        return ["i.param = %s", name.text]
    found: list[Any] = ["i.param >= %s AND i.param < %s", name.text, name.text + LAST_CHARACTER]
    if name.ending:
        found = [f"{found[0]} AND right(i.param, %s) = %s", *found[1:], len(name.ending), name.ending]
    return found


STRING_TESTS: dict[str, Callable[[str], list[Any]]] = {
    # A range instead of LIKE: it uses the index under every plan.
    "starts": lambda text: ["i.norm >= %s AND i.norm < %s", text, text + LAST_CHARACTER],
    "contains": lambda text: ["position(%s in i.norm) > 0", text],
    "exact": lambda text: ["i.exact = %s", text],
}
