"""The access log of reads. Writes are logged in their own statement; reads are collected and stored a moment later.

Until then they wait in a file (`waiting`): what was answered is logged, though the process is killed.

One entry says who saw whom for what in one request: a page that reads fifty results of one patient is one entry.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from django.db import connection, connections, transaction

from tuetinh.record import origin
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.audit import waiting
from tuetinh.record.origin import Origin
from tuetinh.record.sight import ENTER, settings
from tuetinh.record.statements import OPENED, array
from tuetinh.record.steps import enter

FLUSH_SECONDS = 0.25  # in which entries gather for the next statement, which costs as much as some twenty of them
IDLE_SECONDS = 0.3
REFUSED = "4"  # audit-event-outcome: what was tried did not come about
COLUMNS = (
    "at, account, role, facility, purpose, client, action, type, id, patient, practitioner, address, query, outcome,"
    " agent, reason"
)
_NAMES = COLUMNS.split(", ")
_PATIENT = _NAMES.index("patient")
# Each column is an array, that of the patients one of arrays. They are unnested where they are selected: in FROM, each
# would be written to a store of its own first. COPY does not work on a table that has row policies.
_GIVEN = ", ".join(
    f"unnest(%s::{'timestamptz' if name == 'at' else 'text'}[]) AS {'patients' if name == 'patient' else name}"
    for name in _NAMES
)
# Whether anybody here has opened anything in an emergency is asked once for all entries, of whom only if so.
_ANY_OPENED = """(SELECT EXISTS (SELECT FROM record.relation k
  WHERE k.holder = ANY (%s::text[]) AND k.kind = 'glass' AND k.until > %s::timestamptz))"""
_OPENED = f"""EXISTS (
  SELECT FROM record.relation k WHERE k.patient = each.patient AND {OPENED.format(account="account", at="at")})"""
_PURPOSE = f"CASE WHEN {_ANY_OPENED} AND {_OPENED} THEN 'BTG' ELSE purpose END"
_INSERT_MANY = f"""INSERT INTO record.audit ({COLUMNS})
SELECT {COLUMNS.replace("purpose", _PURPOSE)}
FROM (SELECT *, unnest(patients::text[]) AS patient FROM (SELECT {_GIVEN}) given OFFSET 0) each"""

_PLAIN = re.compile("[0-9a-f-]+(,[0-9a-f-]+)*")  # ids that the record has given
_OF_THE_TIME = "SELECT at, account, action, type, id, patient FROM record.audit WHERE at BETWEEN %s AND %s"

Entry = tuple[Any, ...]
"""What one account did in one request in one way: the columns, with a list of patients in the place of the patient."""
log = logging.getLogger(__name__)


class Writer:
    """Collects entries from any thread; one thread of its own stores them."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._waiting = waiting.Waiting()
        self._wake = threading.Event()
        self._lock = threading.Lock()  # of the entries together with the files in which they wait
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def add(self, entries: list[Entry]) -> None:
        """Take entries; never waits for the database."""
        with self._lock:
            self._waiting.keep(entries)
            self._entries.extend(entries)
            if self._thread is None:
                self._closing.clear()
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Store what is left and end the thread."""
        with self._lock:
            thread = self._thread
            if thread is not None:
                self._closing.set()
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
                if self._closing.is_set() and self._ended():
                    break
                if woken:
                    self._closing.wait(FLUSH_SECONDS)
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
                conn.execute(ENTER, settings(SYSTEM))  # what was opened in an emergency is for who is told
            # Not by Django's kind of cursor, which writes values into the statement for it to be parsed anew each time.
            with psycopg.Cursor(conn) as cursor:
                cursor.execute(_INSERT_MANY, _given(batch))
        except psycopg.Error as error:
            with self._lock:
                self._entries.extendleft(reversed(batch))
            if conn is not None:
                conn.close()
                if not fresh:
                    return None  # it had gone; a new one is tried at once
            log.warning("access log waits for the database: %s", type(error).__name__)
            if self._closing.is_set():
                log.error("%d entries of the access log wait in the data folder", _count(self._entries))
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
            lost = [one for entry in entries for one in _apart(entry) if _known_by(one) not in there]
            if lost:
                cursor.execute(_INSERT_MANY, _given(lost))
        count += len(lost)
    return count


def _count(entries: Iterable[Entry]) -> int:
    return sum(len(entry[_PATIENT]) for entry in entries)


def _apart(entry: Entry) -> Iterator[Entry]:
    """An entry for each of its patients. What was kept before there were several names one, or none."""
    patients = entry[_PATIENT]
    for patient in patients if isinstance(patients, list) else [patients]:
        yield *entry[:_PATIENT], [patient], *entry[_PATIENT + 1 :]


def _known_by(entry: Entry) -> tuple[Any, ...]:
    """What tells an entry of one patient from others."""
    return entry[0], entry[1], *entry[6:_PATIENT], *entry[_PATIENT]


writer = Writer()
atexit.register(writer.close)


_Who = tuple[str, str, str, str, str, str | None, str | None, str | None]
_request: ContextVar[dict[_Who, _Looked] | None] = ContextVar("audit_request", default=None)


class _Seen:
    """What one account has seen of one patient in one request."""

    __slots__ = ("action", "id", "types")

    def __init__(self, action: str, type_: str, id_: str) -> None:
        self.action, self.id, self.types = action, id_, {type_}

    def add(self, action: str, type_: str, id_: str) -> None:
        if action != self.action:
            self.action = "read"
        if id_ != self.id or type_ not in self.types:
            self.id = ""
        self.types.add(type_)


class _Looked:
    """What one account has seen in one request, and since when."""

    __slots__ = ("at", "seen")

    def __init__(self) -> None:
        self.at = datetime.now(UTC)
        self.seen: dict[str | None, _Seen] = {}

    def add(self, action: str, type_: str, id_: str, patient: str | None) -> None:
        if known := self.seen.get(patient):
            known.add(action, type_, id_)
        else:
            self.seen[patient] = _Seen(action, type_, id_)


@contextmanager
def one_request(come_from: Origin | None = None) -> Iterator[None]:
    """Gather the reads of a request, or of another piece of work, and log each patient once at its end."""
    if _request.get() is not None:
        yield
        return
    request: dict[_Who, _Looked] = {}
    token, before = _request.set(request), origin.current.set(come_from or Origin())
    try:
        yield
    finally:
        _request.reset(token)
        if request:
            _store(list(_entries(request)))
        origin.current.reset(before)


def _entries(request: dict[_Who, _Looked]) -> Iterator[Entry]:
    (address, agent), query = origin.where(), origin.current.get().query
    for (account, role, facility, purpose, client, practitioner, outcome, reason), looked in request.items():
        alike: dict[tuple[str, str, str], list[str | None]] = {}
        for patient, what in looked.seen.items():
            alike.setdefault((what.action, ",".join(sorted(what.types)), what.id), []).append(patient)
        for (action, types, id_), patients in alike.items():
            yield (
                looked.at, account, role, facility, purpose, client, action, types, id_, patients, practitioner,
                address, query, outcome, agent, reason,
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
        reason,
    )  # fmt: skip
    request = _request.get()
    at_once = request is None
    if request is None:
        request = {}
    looked = request.get(who)
    if looked is None:
        looked = request[who] = _Looked()
    looked.add(action, type_, id_, patient)
    if at_once:
        _store(list(_entries(request)))


def act(asker: Asker, action: str, type_: str, id_: str, patient: str | None, *, reason: str | None = None) -> None:
    """Log something that was done, apart from what else the request does; with the transaction that is open."""
    token = _request.set(None)
    try:
        note(asker, action, type_, id_, patient, reason=reason)
    finally:
        _request.reset(token)


def given_out(action: str) -> bool:
    """Say that what this request read leaves the house (`print`, `export`); False when nobody but the house read."""
    read = [
        what
        for (account, *_, outcome, _reason), looked in (_request.get() or {}).items()
        if outcome is None and account != SYSTEM.account
        for what in looked.seen.values()
    ]
    for what in read:
        what.action = action
    return bool(read)


def _given(entries: Sequence[Entry]) -> list[str]:
    """What the statement is given: of whom and from when to ask for emergencies, then an array for each column."""
    moments, *columns = zip(*entries, strict=True)
    asking = array(f"Account/{account}" for account in set(columns[0])), min(moments).isoformat()
    columns[_PATIENT - 1] = tuple(map(_list, columns[_PATIENT - 1]))
    return [*asking, "{" + msgspec.json.encode(moments)[1:-1].decode() + "}", *map(array, columns)]


def _list(patients: list[str | None]) -> str:
    """An array literal; without quotes where it can be, which the array of arrays would have to escape."""
    text = "" if None in patients else ",".join(patients)  # type: ignore[arg-type]
    return "{" + text + "}" if _PLAIN.fullmatch(text) else array(patients)


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
            cursor.execute(_INSERT_MANY, _given(entries))
    else:
        writer.add(entries)
