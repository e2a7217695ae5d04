"""Database logic written once, driven synchronously or asynchronously.

A step is a generator that yields `Query` objects and receives their rows (a list of tuples, empty where the statement
returns none). `run` drives it on Django's connection, within the caller's transaction; `arun` drives it on an
asynchronous psycopg connection. Steps compose with `yield from`. Whose steps they are is told to the database first,
by `enter` or `aenter`: its row policies let exist what is for that asker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from psycopg.types.datetime import TimestamptzLoader

from tuetinh.record import sight
from tuetinh.record.asker import SYSTEM, Asker

T = TypeVar("T")
Row = tuple[Any, ...]
BROKEN_BY_OTHERS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
"""Why a transaction may be begun anew: others were in its way, and it was taken back as a whole."""


class Query(NamedTuple):
    """One statement with its positional parameters (psycopg `%s`).

    prepare: False for statements whose best plan depends on their values, such as searches; None lets psycopg decide.
    """

    sql: str
    params: Sequence[Any] = ()
    prepare: bool | None = None


class Many(NamedTuple):
    """One statement for many parameter rows, sent in one pipeline; returns no rows."""

    sql: str
    rows: Sequence[Sequence[Any]]


class Pause(NamedTuple):
    """Lets other requests run in the middle of long computing; returns no rows."""


class Compute(NamedTuple):
    """Long computing that needs no database: beside the event loop, so that others are served; see `computed`."""

    work: Callable[[], Any]


Step = Generator[Query | Many | Pause | Compute, list[Row], T]


def computed(work: Callable[[], T]) -> Step[T]:
    """What `work` returns, computed in a thread when the step runs on an event loop."""
    rows = yield Compute(work)
    result: T = rows[0][0]
    return result


_entered: WeakKeyDictionary[object, Asker] = WeakKeyDictionary()  # who asks on a connection, as it was last told


def enter(asker: Asker) -> psycopg.Connection[Row]:
    """Tell Django's connection of this thread who asks, unless it knows; returns its psycopg connection."""
    connection.ensure_connection()
    raw: psycopg.Connection[Row] = connection.connection
    if _entered.get(raw) != asker:
        _entered.pop(raw, None)
        raw.execute(sight.ENTER, sight.settings(asker))
        _entered[raw] = asker
    return raw


def forget(raw: object) -> None:
    """Believe no longer that a connection knows who asks: a rollback took back what it was told."""
    _entered.pop(raw, None)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
    """A connection of one's own, which is closed however often its task is cancelled while it ends.

    psycopg's own way out rolls back first, and leaves the connection open when it is cancelled meanwhile.
    """
    conn = await psycopg.AsyncConnection.connect(url, autocommit=True)
    try:
        yield conn
    finally:
        closing, cancelled = asyncio.ensure_future(_close(conn)), None
        while not closing.done():
            try:
                await asyncio.wait({closing})
            except asyncio.CancelledError as error:
                cancelled = error
        failed = None if closing.cancelled() else closing.exception()
        if not conn.closed:  # as when every task of a loop that ends is cancelled
            await conn.close()
        if failed is not None:
            raise failed
        if cancelled is not None:
            raise cancelled


async def _close(conn: psycopg.AsyncConnection[Row]) -> None:
    async with conn.lock:  # a statement that another task has under way would go on with what is freed
        await conn.close()


async def aenter(asker: Asker, conn: psycopg.AsyncConnection[Row]) -> None:
    """Tell an asynchronous connection who asks, unless it knows. Must not be called within a transaction."""
    if _entered.get(conn) != asker:
        _entered.pop(conn, None)
        await conn.execute(sight.ENTER, sight.settings(asker))
        _entered[conn] = asker


def through(asker: Asker, step: Step[T]) -> Step[T]:
    """Drive a step that sees what exists for this asker, within a transaction of the house, which sees everything."""
    yield Query(sight.MEANWHILE, sight.settings(asker))
    try:
        found = yield from step
    except psycopg.Error:
        raise  # which ends the transaction, and the settings with it
    except Exception:
        yield Query(sight.MEANWHILE, sight.settings(SYSTEM))
        raise
    yield Query(sight.MEANWHILE, sight.settings(SYSTEM))
    return found


def run(asker: Asker, step: Step[T]) -> T:
    """Drive a step on Django's connection of this thread. What fails for it is raised inside the step first."""
    try:
        request = next(step)
    except StopIteration as stop:  # as when the content of a resource is at hand: nothing is asked
        return stop.value  # type: ignore[no-any-return]
    raw = enter(asker)
    with psycopg.Cursor(raw) as cursor:  # Django's own writes parameters into the statement, which is then parsed
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)  # Django's own, in Python, outweighs the row
        try:
            while True:
                if connection.queries_logged and isinstance(request, (Query, Many)):  # tests that count count these too
                    connection.queries_log.append({"sql": request.sql, "time": "0"})
                try:
                    if isinstance(request, Pause):
                        rows: list[Row] = []
                    elif isinstance(request, Compute):
                        rows = [(request.work(),)]
                    elif isinstance(request, Many):
                        cursor.executemany(request.sql, request.rows)
                        rows = []
                    else:
                        cursor.execute(request.sql, request.params, prepare=request.prepare)
                        rows = cursor.fetchall() if cursor.rownumber is not None else []
                except Exception as error:
                    request = step.throw(error)
                else:
                    request = step.send(rows)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


async def arun(step: Step[T], conn: psycopg.AsyncConnection[Row]) -> T:
    """Drive a step on an asynchronous connection that knows who asks; transactions are the caller's."""
    async with conn.cursor() as cursor:
        try:
            request = next(step)
            while True:
                try:
                    if isinstance(request, Pause):
                        await asyncio.sleep(0)
                        rows: list[Row] = []
                    elif isinstance(request, Compute):
                        rows = [(await asyncio.to_thread(request.work),)]
                    elif isinstance(request, Many):
                        await cursor.executemany(request.sql, request.rows)
                        rows = []
                    else:
                        await cursor.execute(request.sql, request.params, prepare=request.prepare)
                        rows = await cursor.fetchall() if cursor.rownumber is not None else []
                except Exception as error:
                    request = step.throw(error)
                else:
                    request = step.send(rows)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
