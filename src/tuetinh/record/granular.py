"""SMART scopes with a query: which resources of a type are within them (SMART App Launch 2, scopes, "finer-grained").

A query is what a search may ask of token parameters: `category=http://…|laboratory`, several values by commas, several
parameters joined by `&`. Scopes on the same type add up. Their union is kept as clauses, each a set of hashes of
`record.hashes`: a resource is within when each clause shares a hash with its tokens, which a search asks of the index
in just the same way.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from urllib.parse import parse_qsl

from tuetinh.record import r4
from tuetinh.record.hashes import token_hash
from tuetinh.record.search.params import official

MOST_CLAUSES = 16
MOST_VALUES = 20
MOST_PARAMETERS = 4

Clauses = tuple[frozenset[int], ...]
NOTHING: Clauses = (frozenset(),)
"""What no resource can fulfil."""


class NotGranular(ValueError):
    """A scope's query that asks for more than token parameters."""


@lru_cache(maxsize=2048)
def query_clauses(type_: str, query: str) -> Clauses:
    """The clauses of one query on one type. Raises NotGranular."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        message = "the query of a scope is malformed"
        raise NotGranular(message) from error
    if not pairs:
        message = "the query of a scope is empty"
        raise NotGranular(message)
    found = []
    for name, value in pairs:
        param = official(type_).get(name)
        if param is None or param.type != "token" or name.startswith("_"):
            message = f"{name[:40]!r} is not a token parameter of {type_}"
            raise NotGranular(message)
        values = value.split(",")
        if len(values) > MOST_VALUES or not all(len(v.strip("|")) > 0 and v.count("|") < 2 for v in values):
            message = f"the values of {name!r} are not of the form system|code"
            raise NotGranular(message)
        found.append(frozenset(token_hash(name, *value.split("|")) for value in values))
    return tuple(found)


@lru_cache(maxsize=4096)
def clauses(scopes: frozenset[str], interaction: str, type_: str) -> Clauses:
    """What a resource of the type must fulfil for the interaction; () where the whole type is within the scopes."""
    queries = []
    for scope in scopes:
        name, _, rest = scope.partition("/")[2].partition(".")
        letters, _, query = rest.partition("?")
        if name in ("*", type_) and interaction in letters:
            if not query:
                return ()
            queries.append(query)
    if not queries:
        return NOTHING
    try:
        parts = [query_clauses(type_, query) for query in sorted(queries)]
    except NotGranular:
        return NOTHING
    # (a and b) or c is (a or c) and (b or c)
    joined = tuple(dict.fromkeys(frozenset[int]().union(*one) for one in product(*parts)))
    return joined if len(joined) <= MOST_CLAUSES else NOTHING


def within(wanted: Clauses, tokens: list[int]) -> bool:
    """Whether a resource with these tokens fulfils the clauses."""
    return all(not clause.isdisjoint(tokens) for clause in wanted)


def within_body(wanted: Clauses, body: bytes | None) -> bool:
    """Whether a stored version fulfils the clauses; a tombstone shows nothing, so it fulfils none."""
    if not wanted:
        return True
    from tuetinh.record.search import index

    return body is not None and within(wanted, index.extract(r4.decode(bytes(body))).tokens)
