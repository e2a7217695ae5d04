"""Index entries made for what is stored already: for added parameters, and anew for whole types.

The work is a row of `record.search_parameter` or `record.reindexing`, which says how far it is; each batch moves it in
the transaction that makes the entries. Whoever ends in the middle is continued by the next one at the same place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

import psycopg

from tuetinh.record import r4, statements
from tuetinh.record.asker import SYSTEM
from tuetinh.record.search.additions import CHANNEL, changed, refresh
from tuetinh.record.search.composites import BAR
from tuetinh.record.search.entries import Index
from tuetinh.record.search.index import extract, extract_only
from tuetinh.record.search.params import Added, Param
from tuetinh.record.steps import Query, Step, aenter, arun, computed, connected

BATCH = 500
SWEPT = 10_000
IDLE_SECONDS = 5.0
log = logging.getLogger(__name__)

_LEAVING = "SELECT number, base, code FROM record.search_parameter WHERE state = 'leaving' ORDER BY number LIMIT 1"
_NEXT = "SELECT base, after FROM record.search_parameter WHERE state = 'indexing' ORDER BY number LIMIT 1"
_GROUP = "SELECT number FROM record.search_parameter WHERE state = 'indexing' AND base = %s AND after = %s"
_WRITERS = (
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = %s::regclass"
    " AND mode = 'RowExclusiveLock' AND granted AND pid <> pg_backend_pid()"
)


def advance() -> Step[bool]:
    """Do the next piece of work, in a transaction; False when there is none."""
    if rows := (yield Query(_LEAVING)):
        yield from _sweep(*rows[0])
    elif rows := (yield Query(_NEXT)):
        yield from _index_more(*rows[0])
    elif rows := (
        yield Query("SELECT number, type, after FROM record.reindexing WHERE ended IS NULL ORDER BY number LIMIT 1")
    ):
        yield from _remake_more(*rows[0])
    else:
        return False
    return True


def _sweep(number: int, base: str, code: str) -> Step[None]:
    """Delete what a parameter that is no more has left. Its tokens, which nothing asks for, go with the next write."""
    name, swept = f"{code}@{number}", 0
    for table in statements.INDEXES:
        rows = f'record."{base}_{table}"'
        mine = f"SELECT ctid FROM {rows} WHERE param = %s OR param >= %s AND param < %s LIMIT {SWEPT}"
        sql = f"WITH gone AS (DELETE FROM {rows} WHERE ctid IN ({mine}) RETURNING 1) SELECT count(*) FROM gone"
        ((count,),) = yield Query(sql, [name, name + BAR, name + BAR + "\U0010ffff"])
        swept += count
    if not swept:
        yield Query("DELETE FROM record.search_parameter WHERE number = %s", [number])


def _index_more(base: str, after: int) -> Step[None]:
    """Make the entries of the next resources for all parameters that have come equally far."""
    numbers = [row[0] for row in (yield Query(_GROUP, [base, after]))]
    if after == 0:
        yield from _writers_gone(base)
    own = tuple(param for param in (yield from refresh()).of(base) if param.number in numbers)
    last, count = yield from _add(base, after, own)
    if count:
        sql = "UPDATE record.search_parameter SET after = %s, done = done + %s WHERE number = ANY(%s::bigint[])"
        yield Query(sql, [last, count, numbers])
    else:
        sql = "UPDATE record.search_parameter SET state = 'ready', ended = now() WHERE number = ANY(%s::bigint[])"
        yield Query(sql, [numbers])
        yield from changed()


def _writers_gone(base: str) -> Step[None]:
    """Wait for the writes that began before the parameter was known: what they store must be visible to the batches."""
    table = f'record."{base}"'
    old = set((yield Query(_WRITERS, [table])))
    while old:
        yield Query("SELECT pg_sleep(0.05)")
        old &= set((yield Query(_WRITERS, [table])))


def _add(type_: str, after: int, own: tuple[Param, ...]) -> Step[tuple[int, int]]:
    """Add the entries of some parameters to the next resources, few of which will have any.

    Only those are locked. One that was changed since it was read has its entries from that write.
    """
    rows = yield Query(
        f'SELECT key, shard, version, body FROM record."{type_}" WHERE key > %s AND NOT deleted'
        f" ORDER BY key LIMIT {BATCH}",
        [after],
    )
    if not rows:
        return after, 0
    found = yield from computed(lambda: [extract_only(r4.decode(bytes(row[3])), own) for row in rows])
    hits = {row[0]: (row, index) for row, index in zip(rows, found, strict=True) if _has_any(index)}
    wanted = [statements.array(str(row[n]) for row, _ in hits.values()) for n in (0, 2)]
    locked = yield Query(
        f'SELECT r.key FROM record."{type_}" r JOIN unnest(%s::bigint[], %s::int[]) AS n(key, version)'
        " ON r.key = n.key AND r.version = n.version ORDER BY r.key FOR UPDATE OF r",
        wanted,
    )
    kept = [hits[key] for (key,) in locked]
    if kept:
        names = [param.stored for param in own]
        yield from _replace(type_, [(row[0], row[1]) for row, _ in kept], [index for _, index in kept], names)
    return rows[-1][0], len(rows)


def _has_any(index: Index) -> bool:
    return bool(index.tokens or index.dates or index.numbers or index.strings)


def _remake_more(number: int, type_: str, after: int) -> Step[None]:
    last, count = yield from batch(type_, after)
    sql = "UPDATE record.reindexing SET after = %s, done = done + %s"
    yield Query(f"{sql}{'' if count else ', ended = now()'} WHERE number = %s", [last, count, number])


def batch(type_: str, after: int, known: Added | None = None, *, containers: bool = False) -> Step[tuple[int, int]]:
    """Make all entries of the next resources of a type anew; needs a transaction.

    after: the key of the last resource of the batch before, 0 at first. known: the added parameters, of this moment if
    not given. containers: those alone that may contain resources. Returns the last key and how many they were; none are
    left when they are 0. A resource that is being changed is waited for, so none is given old entries.
    """
    which = "key > %s" + (" AND position('\"contained\"'::bytea in body) > 0" if containers else "")
    return (yield from _remake(type_, which, [after], known))


def one(type_: str, id_: str) -> Step[int]:
    """Make all entries of one resource anew; needs a transaction. Returns 0 where there is none."""
    return (yield from _remake(type_, f"type = '{type_}' AND id = %s", [id_]))[1]


def _remake(type_: str, which: str, params: Sequence[object], given: Added | None = None) -> Step[tuple[int, int]]:
    rows = yield Query(
        f'SELECT key, shard, body FROM record."{type_}" WHERE {which} AND NOT deleted ORDER BY key LIMIT {BATCH}'
        " FOR UPDATE",
        params,
    )
    if not rows:
        return 0, 0
    known = given or (yield from refresh())  # after the rows are locked: what is added later waits for them
    found = yield from computed(lambda: [extract(r4.decode(bytes(row[2])), known) for row in rows])
    yield from _replace(type_, [(row[0], row[1]) for row in rows], found)
    return rows[-1][0], len(rows)


def _replace(
    type_: str, rows: Sequence[tuple[int, str]], found: Sequence[Index], names: Sequence[str] | None = None
) -> Step[None]:
    """Put entries in the place of those that the resources (key, shard) have: all, or of these parameters."""
    keys = statements.array(str(key) for key, _ in rows)
    for name, (columns, _) in statements.INDEXES.items():
        sql = f'DELETE FROM record."{type_}_{name}" WHERE key = ANY(%s::bigint[])'
        if names is None:
            yield Query(sql, [keys])
        elif columns:
            yield Query(f"{sql} AND split_part(param, %s, 1) = ANY(%s::text[])", [keys, BAR, list(names)])
    tokens = statements.array(statements.token_array(index.tokens) for index in found)
    new = "n.tokens::bigint[]"
    if names is not None:
        new = f"ARRAY(SELECT DISTINCT t FROM unnest(r.tokens || {new}) t ORDER BY t)"
    yield Query(
        f'UPDATE record."{type_}" AS r SET tokens = {new}'
        " FROM unnest(%s::bigint[], %s::text[]) AS n(key, tokens) WHERE r.key = n.key",
        [keys, tokens],
    )
    letters, params = statements.many_index_rows([str(key) for key, _ in rows], found)
    if letters:
        yield Query(statements.reindex(type_, letters), [keys, statements.array(s for _, s in rows), *params])


async def keep(url: str, stop: asyncio.Event) -> None:
    """Do what is to be done until told to stop: one process of all that share the record, the others stand by."""
    while not stop.is_set():
        try:
            async with connected(url) as conn:
                await aenter(SYSTEM, conn)
                await conn.execute(f"LISTEN {CHANNEL}")
                while not stop.is_set():
                    if not await _work(conn, stop):
                        await _idle(conn, stop)
        except (psycopg.Error, OSError) as error:
            log.warning("reindexing is interrupted: %s", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1)


async def _work(conn: psycopg.AsyncConnection, stop: asyncio.Event) -> bool:
    """Do one piece; False when there is none, or another process is at it."""
    if stop.is_set():
        return False
    began = time.monotonic()
    async with conn.transaction():
        mine = await conn.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('record.reindexing', 0))")
        if await mine.fetchone() != (True,):
            return False
        worked = await arun(advance(), conn)
    # As long again is left to those who wait for an answer.
    await asyncio.sleep(min(time.monotonic() - began, 1) if worked else 0)
    return worked


async def _idle(conn: psycopg.AsyncConnection, stop: asyncio.Event) -> None:
    """Wait until something changed, a few seconds at most."""
    until = time.monotonic() + IDLE_SECONDS
    while not stop.is_set() and time.monotonic() < until:
        async for _ in conn.notifies(timeout=0.5, stop_after=1):
            return
