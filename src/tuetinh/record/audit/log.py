"""The access log of reads. Writes are logged in their own statement; reads are collected and stored a moment later.

Until then they wait in a file (`waiting`): what was answered is logged, though the process is killed.

One entry says who saw whom for what in one request: a page that reads fifty results of one patient is one entry.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection, connections, transaction

from tuetinh.record import origin
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.audit import waiting
from tuetinh.record.origin import Origin
from tuetinh.record.statements import PURPOSE, array
from tuetinh.record.steps import enter

FLUSH_SECONDS = 0.05
IDLE_SECONDS = 0.3
REFUSED = "4"  # audit-event-outcome: what was tried did not come about
COLUMNS = (
    "at, account, role, facility, purpose, client, action, type, id, patient, practitioner, address, query, outcome,"
    " agent, reason"
)
_PURPOSE = PURPOSE.format(by="e", account="e.account", at="e.at", purpose="e.purpose")
_INSERT_MANY = (
    f"INSERT INTO record.audit ({COLUMNS})"
    f" SELECT {COLUMNS.replace('purpose', _PURPOSE)}"
    f" FROM unnest(%s::timestamptz[]{', %s::text[]' * 15}) AS e({COLUMNS})"  # no COPY
)

_OF_THE_TIME = "SELECT at, account, action, type, id, patient FROM record.audit WHERE at BETWEEN %s AND %s"

Entry = tuple[Any, ...]
log = logging.getLogger(__name__)


class Writer:
    """Collects entries from any thread; one thread of its own stores them."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._waiting = waiting.Waiting()
        self._wake = threading.Event()
        self._lock = threading.Lock()  # of the entries together with the files in which they wait
        self._thread: threading.Thread | None = None
        self._closing = False

    def add(self, entries: Iterable[Entry]) -> None:
        """Take entries; never waits for the database."""
        taken = list(entries)
        with self._lock:
            self._waiting.keep(taken)
            self._entries.extend(taken)
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Store what is left and end the thread."""
        with self._lock:
            thread = self._thread
            self._closing = thread is not None
        if thread is not None:
            self._wake.set()
            thread.join(timeout=5)

    def _run(self) -> None:
        conn: psycopg.Connection[Any] | None = None
        try:
            while True:
                woken = self._wake.wait(IDLE_SECONDS)
                if not woken and conn is not None:
                    conn.close()
                    conn = None
                self._wake.clear()
                if self._entries:
                    conn = self._flush(conn)
                if self._closing and self._ended():
                    break
                if woken and not self._closing:
                    threading.Event().wait(FLUSH_SECONDS)
        finally:
            if conn is not None:
                conn.close()

    def _ended(self) -> bool:
        """Whether nothing is left: who adds from now on begins a new thread."""
        with self._lock:
            if self._entries:
                return False
            self._waiting.end()
            self._thread = None
            return True

    def _flush(self, conn: psycopg.Connection[Any] | None) -> psycopg.Connection[Any] | None:
        with self._lock:
            batch = [self._entries.popleft() for _ in range(len(self._entries))]
            self._waiting.turn()
        fresh = conn is None or conn.closed
        try:
            if conn is None or conn.closed:
                conn = psycopg.connect(**connections["default"].get_connection_params(), autocommit=True)
            # Not by Django's kind of cursor, which writes values into the statement for it to be parsed anew each time.
            with psycopg.Cursor(conn) as cursor:
                cursor.execute(_INSERT_MANY, _columns(batch))
        except psycopg.Error as error:
            with self._lock:
                self._entries.extendleft(reversed(batch))
            if conn is not None:
                conn.close()
                if not fresh:
                    return None  # it had gone; a new one is tried at once
            log.warning("access log waits for the database: %s", type(error).__name__)
            if self._closing:
                log.error("%d entries of the access log wait in the data folder", len(self._entries))
                self._entries.clear()
            threading.Event().wait(1)
            return None
        with self._lock:
            self._waiting.stored()
        return conn


def store_left() -> int:
    """Store what processes left that were killed before they could; returns how many entries that were.

    One that was killed between the two is told by its entries, which are in the log.
    """
    count = 0
    for _, entries in waiting.left():
        if not entries:
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            enter(SYSTEM)
            cursor.execute(_OF_THE_TIME, [min(e[0] for e in entries), max(e[0] for e in entries)])
            there = set(cursor.fetchall())
            lost = [one for one in entries if (one[0], one[1], *one[6:10]) not in there]
            if lost:
                cursor.execute(_INSERT_MANY, _columns(lost))
        count += len(lost)
    return count


writer = Writer()
atexit.register(writer.close)


_Who = tuple[str, str, str, str, str, str | None, str | None, str | None, str | None]
_request: ContextVar[dict[_Who, _Seen] | None] = ContextVar("audit_request", default=None)


class _Seen:
    """What one account has seen of one patient in one request."""

    __slots__ = ("action", "at", "id", "types")

    def __init__(self, action: str, type_: str, id_: str) -> None:
        self.at = datetime.now(UTC)
        self.action, self.id, self.types = action, id_, {type_}

    def add(self, action: str, type_: str, id_: str) -> None:
        if action != self.action:
            self.action = "read"
        if id_ != self.id or type_ not in self.types:
            self.id = ""
        self.types.add(type_)


@contextmanager
def one_request(come_from: Origin | None = None) -> Iterator[None]:
    """Gather the reads of a request, or of another piece of work, and log each patient once at its end."""
    if _request.get() is not None:
        yield
        return
    seen: dict[_Who, _Seen] = {}
    token, before = _request.set(seen), origin.current.set(come_from or Origin())
    try:
        yield
    finally:
        _request.reset(token)
        if seen:
            _store(list(_entries(seen)))
        origin.current.reset(before)


def _entries(seen: dict[_Who, _Seen]) -> Iterator[Entry]:
    (address, agent), query = origin.where(), origin.current.get().query
    for (account, role, facility, purpose, client, practitioner, outcome, reason, patient), what in seen.items():
        yield (
            what.at, account, role, facility, purpose, client, what.action, ",".join(sorted(what.types)), what.id,
            patient, practitioner, address, query, outcome, agent, reason,
        )  # fmt: skip


def note(
    asker: Asker,
    action: str,
    type_: str,
    id_: str,
    patient: str | None,
    *,
    outcome: str | None = None,
    reason: str | None = None,
) -> None:
    """Log one read, from any thread or the event loop.

    outcome: code of audit-event-outcome, None for a success. reason: why it came out so, in a word of the log.
    """
    who = (
        asker.account, asker.role, asker.facility, asker.purpose, asker.client, asker.practitioner or None, outcome,
        reason, patient,
    )  # fmt: skip
    request = _request.get()
    if request is None:
        _store(list(_entries({who: _Seen(action, type_, id_)})))
    elif known := request.get(who):
        known.add(action, type_, id_)
    else:
        request[who] = _Seen(action, type_, id_)


def act(asker: Asker, action: str, type_: str, id_: str, patient: str | None, *, reason: str | None = None) -> None:
    """Log something that was done, apart from what else the request does; with the transaction that is open."""
    who = (
        asker.account, asker.role, asker.facility, asker.purpose, asker.client, asker.practitioner or None, None,
        reason, patient,
    )  # fmt: skip
    _store(list(_entries({who: _Seen(action, type_, id_)})))


def given_out(action: str) -> bool:
    """Say that what this request read leaves the house (`print`, `export`); False when nobody but the house read."""
    read = [
        what
        for (account, *_, outcome, _reason, _patient), what in (_request.get() or {}).items()
        if outcome is None and account != SYSTEM.account
    ]
    for what in read:
        what.action = action
    return bool(read)


def _columns(entries: Sequence[Entry]) -> list[str]:
    """The entries as one array of texts for each column."""
    moments, *others = zip(*entries, strict=True)
    return [array(moment.isoformat() for moment in moments), *map(array, others)]


def _on_event_loop() -> bool:
    """Whether this thread runs an event loop, where nobody has a transaction open on Django's connection."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _store(entries: list[Entry]) -> None:
    """Keep entries: with the transaction that is open on Django's connection of this thread, else by the writer."""
    if not _on_event_loop() and connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(_INSERT_MANY, _columns(entries))
    else:
        writer.add(entries)
