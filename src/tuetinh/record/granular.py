"""SMART scopes with a query: which resources of a type are within them (SMART App Launch 2, scopes, "finer-grained").

A query is what a search may ask of tokens and references: `category=http://…|laboratory`, `encounter=Encounter/1`,
`code:in=https://…/ValueSet/x`, several values by commas, several parameters joined by `&`. Scopes on the same type add
up. Their union is kept as clauses, each a set of hashes of `record.hashes`: a resource is within when each clause
shares a hash with its tokens, which a search asks of the index in just the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from itertools import product
from urllib.parse import parse_qsl, unquote

from tuetinh.record import r4
from tuetinh.record.search.conditions import Coded, Refused, Tokens
from tuetinh.record.search.params import Added, official
from tuetinh.record.steps import Step

MOST_CLAUSES = 16
MOST_VALUES = 20
MOST_PARAMETERS = 4
MOST_CODES = 10_000

Clauses = tuple[frozenset[int], ...]
NOTHING: Clauses = (frozenset(),)
"""What no resource can fulfil."""


class NotGranular(ValueError):
    """A scope's query that asks for more than tokens and references, or cannot be answered."""


@lru_cache(maxsize=2048)
def read_query(type_: str, query: str) -> tuple[Tokens | Coded, ...]:
    """What one query on one type asks, a condition for each parameter. Raises NotGranular."""
    from tuetinh.record.search.reading import read_condition, split

    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        message = "the query of a scope is malformed"
        raise NotGranular(message) from error
    if not pairs:
        message = "the query of a scope is empty"
        raise NotGranular(message)
    found: list[Tokens | Coded] = []
    for name, value in pairs:
        code, colon, modifier = name.partition(":")
        param = official(type_).get(code)
        if param is None or param.type not in ("token", "reference") or (colon and modifier != "in") or name[0] == "_":
            message = f"{name[:40]!r} is no token or reference of {type_}, nor a token that is :in a value set"
            raise NotGranular(message)
        values = split(value, ",")
        if len(values) > MOST_VALUES:
            message = f"{name!r} has more than {MOST_VALUES} values"
            raise NotGranular(message)
        try:
            condition = read_condition(param, modifier, values)
        except Refused as error:
            message = f"{name[:40]!r} {error}"
            raise NotGranular(message) from error
        if not isinstance(condition, Tokens | Coded):
            message = f"{name[:40]!r} of {type_} is no reference to a resource"
            raise NotGranular(message)
        found.append(condition)
    return tuple(found)


def query_clauses(type_: str, query: str) -> Clauses:
    """The clauses of one query on one type. Raises NotGranular, also for a value set whose codes are not known."""
    return tuple(frozenset(_hashes(condition)) for condition in read_query(type_, query))


def _hashes(condition: Tokens | Coded) -> Iterable[int]:
    if isinstance(condition, Tokens):
        return condition.hashes
    from tuetinh.record.search.reading import coded_hashes
    from tuetinh.record.terminology import api as terminology

    codes: set[tuple[str, str]] = set()
    for _, url in condition.values:
        codes |= terminology.expansion(url) or set()
    if not 0 < len(codes) <= MOST_CODES:
        message = f"a value set of {condition.param.code} is not known here, or too large"
        raise NotGranular(message)
    return coded_hashes(condition.param, codes)


@lru_cache(maxsize=2048)
def asks_value_sets(scopes: frozenset[str]) -> bool:
    """Whether some scope has a query by a value set, whose codes may change."""
    return any(":in=" in unquote(scope.partition("?")[2]) for scope in scopes)


def ready(scopes: frozenset[str]) -> Step[None]:
    """Look at value sets that scopes ask of as they are now: before the clauses of these are asked for."""
    from tuetinh.record.terminology import api as terminology

    if asks_value_sets(scopes):
        yield from terminology.refresh()


def clauses(scopes: frozenset[str], interaction: str, type_: str) -> Clauses:
    """What a resource of the type must fulfil for the interaction; () where the whole type is within the scopes."""
    if not asks_value_sets(scopes):
        return _clauses(scopes, interaction, type_, (0, 0))
    from tuetinh.record.terminology.shelf import current

    return _clauses(scopes, interaction, type_, current().mark)


@lru_cache(maxsize=4096)
def _clauses(scopes: frozenset[str], interaction: str, type_: str, mark: tuple[int, int]) -> Clauses:
    """mark: of the value sets as they are known."""
    del mark
    parts = []
    for scope in sorted(scopes):
        name, _, rest = scope.partition("/")[2].partition(".")
        letters, _, query = rest.partition("?")
        if name in ("*", type_) and interaction in letters:
            if not query:
                return ()
            with suppress(NotGranular):  # then it shows nothing
                parts.append(query_clauses(type_, query))
    # (a and b) or c is (a or c) and (b or c)
    joined = tuple(dict.fromkeys(frozenset[int]().union(*one) for one in product(*parts)))
    return joined if parts and len(joined) <= MOST_CLAUSES else NOTHING


def within(wanted: Clauses, tokens: list[int]) -> bool:
    """Whether a resource with these tokens fulfils the clauses."""
    return all(not clause.isdisjoint(tokens) for clause in wanted)


def within_body(wanted: Clauses, body: bytes | None) -> bool:
    """Whether a stored version fulfils the clauses; a tombstone shows nothing, so it fulfils none."""
    if not wanted:
        return True
    from tuetinh.record.search import index

    # Queries ask official parameters alone: what users added may take long.
    return body is not None and within(wanted, index.extract(r4.decode(bytes(body)), Added()).tokens)
