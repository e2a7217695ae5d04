"""Index entries made anew from the stored resources, a batch at a time."""

from __future__ import annotations

from tuetinh.record import r4, statements
from tuetinh.record.search.index import extract
from tuetinh.record.steps import Query, Step

BATCH = 500


def batch(type_: str, after: int) -> Step[tuple[int, int]]:
    """Make the entries of the next resources of a type; needs a transaction.

    after: the key of the last resource of the batch before, 0 at first. Returns the last key and how many they were;
    none are left when they are 0. A resource that is being changed is waited for, so none is given old entries.
    """
    rows = yield Query(
        f'SELECT key, id, shard, body FROM record."{type_}" WHERE key > %s AND NOT deleted ORDER BY key LIMIT {BATCH}'
        " FOR UPDATE",
        [after],
    )
    if not rows:
        return after, 0
    keys = [row[0] for row in rows]
    for name in statements.INDEXES:
        yield Query(f'DELETE FROM record."{type_}_{name}" WHERE key = ANY(%s::bigint[])', [keys])
    found = [extract(r4.decode(bytes(row[3]))) for row in rows]
    tokens = statements.array(statements.token_array(index.tokens) for index in found)
    yield Query(
        f'UPDATE record."{type_}" AS r SET tokens = n.tokens::bigint[]'
        " FROM unnest(%s::bigint[], %s::text[]) AS n(key, tokens) WHERE r.key = n.key",
        [keys, tokens],
    )
    letters, params = statements.many_index_rows([str(key) for key in keys], found)
    if letters:
        shards = [statements.array(map(str, keys)), statements.array(row[2] for row in rows)]
        yield Query(statements.reindex(type_, letters), [*shards, *params])
    return keys[-1], len(rows)
