"""Blocks of the access log, chained by SHA-256: each hash covers its entries and the hash of the block before it.

A block is a stretch of positions. It is closed when every transaction that may still add to the stretch has ended: the
position of an entry is drawn after its transaction has its number (the column's default sees to it), so whoever drew
one up to the last is older than a transaction that gets its number thereafter.

Somebody who owns the database could write the whole chain anew. Therefore heads, the number and hash of the latest
block, are told to witnesses outside of it, and `verify` takes what these were told. While a transaction that does not
end keeps entries from being sealed, the witnesses are told what was seen of them (`Seen`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from django.db import connection, transaction

from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

BLOCK = 2000
COLUMNS = "position, at, account, role, facility, purpose, client, action, type, id, patient"
ADDED = "practitioner, address, query, outcome, agent, reason, what, event"
"""Columns that came later, four, two, one and one: an entry without any of those is hashed as before, so older blocks
stay whole."""
START = bytes(32)
AGE = timedelta(minutes=10)
"""How long an entry may wait for its block, or a block for its witness, until that is a finding."""
_KNOWN = COLUMNS.count(",") - 1  # columns of old after the position and the moment
_LENGTHS = (_KNOWN, _KNOWN + 4, _KNOWN + 6, _KNOWN + 7)
_LATER = ADDED.split(", ")

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('record.audit chain'))"
_LAST = 'SELECT number, "end", hash FROM record.audit_block ORDER BY number DESC LIMIT 1'
_DRAWN = "SELECT coalesce(pg_sequence_last_value('record.audit_position'), 0)"
SEALED = 'SELECT coalesce((SELECT "end" FROM record.audit_block ORDER BY number DESC LIMIT 1), 0)'  # by its index
# A number of its own is higher than that of every transaction that has one now. The xmax of a snapshot is not: it comes
# after the last that has ended, and those beyond it may be running.
_NUMBER = "SELECT pg_current_xact_id()::text::bigint"
_OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_ENTRIES = (
    f"SELECT {COLUMNS}, {ADDED} FROM record.audit WHERE position > %s AND position <= %s ORDER BY position, at, id"
)


def _json(names: Sequence[str]) -> str:
    """SQL that adds the columns to a line. Texts go together, which is several times as fast as one by one."""
    texts = [name for name in names if name != "what"]
    together = f" || ',' || btrim(array_to_json(ARRAY[{', '.join(texts)}])::text, '[]')" if texts else ""
    return together + (" || ',' || coalesce(to_json(what)::text, 'null')" if "what" in names else "")


# The line of an entry as `_digest` makes it, here by the database: what the one seals, the other verifies.
_LINE = (
    """'[' || position || ',"' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00"'"""
    + _json(COLUMNS.split(", ")[2:])
    + "".join(
        f" || CASE WHEN num_nonnulls({', '.join(_LATER[start:])}) = 0 THEN '' ELSE ''{_json(_LATER[start:end])} END"
        for start, end in pairwise((*(length - _KNOWN for length in _LENGTHS), len(_LATER)))
    )
    + " || E']\\n'"
)
_MOMENT = """to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00'"""
_CLOSE = f"""INSERT INTO record.audit_block (number, "end", entries, hash, at)
SELECT %s, %s, count(*), sha256(%s::bytea || convert_to(
    %s || ' ' || {_MOMENT} || E'\\n' || coalesce(string_agg({_LINE}, '' ORDER BY position, at, id), ''), 'UTF8')), now()
FROM record.audit WHERE position > %s AND position <= %s RETURNING hash"""
_BLOCKS = 'SELECT number, "end", entries, hash, at FROM record.audit_block ORDER BY number'
# The snapshot is older than what the sequence says then, so whatever is beyond it was not drawn.
_MISPLACED = """SELECT count(*) FILTER (WHERE position < 1), count(*) FILTER (WHERE position > 0) FROM record.audit
WHERE position < 1 OR position > (SELECT coalesce(pg_sequence_last_value('record.audit_position'), 0))"""
_OPEN = """SELECT count(*), count(*) FILTER (WHERE abs(extract(epoch FROM now() - at)) > %s),
    min(position) FILTER (WHERE abs(extract(epoch FROM now() - at)) > %s) FROM record.audit WHERE position > %s"""
_HOLDER = """SELECT pid, xact_start FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY xact_start LIMIT 1"""
_UNTOLD = "SELECT count(*), coalesce(max(at) - min(at), interval '0') FROM record.audit_block WHERE number > %s"


@dataclass(frozen=True, slots=True)
class Head:
    """A block as a witness knows it. hash: 64 hexadecimal digits."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Entries that were there while they could not be sealed: those beyond `after` up to `end` but for the gaps.

    gaps: first and last positions of what was not there, or not yet. hash: 64 hexadecimal digits over their lines.
    """

    after: int
    end: int
    gaps: tuple[tuple[int, int], ...]
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a block.

    kind: `changed` (its entries, its hash, their number or its time), `missing` (the block itself), `witness` (a
    witness knows another hash). Of no block of their own are `archived` (entries are in a file that was not given),
    `misplaced` (entries at positions that were never drawn), `open` (entries that were not sealed in time) and `seen`
    (entries that a witness was told of before they were sealed are not what they were).
    """

    number: int
    kind: str
    told: str


@dataclass(slots=True)
class Verdict:
    """What `verify` has looked at. open: entries after the last block, which nothing protects yet."""

    entries: int = 0
    blocks: int = 0
    open: int = 0
    heads: int = 0


class Sealer:
    """Closes blocks. Many processes may have one; the database lets one of them work at a time. Needs autocommit."""

    def __init__(self) -> None:
        self._target = self._number = 0  # positions up to here are sealed when no transaction below the number runs

    @property
    def waiting(self) -> int:
        """The position up to which entries wait for older transactions; 0 for none."""
        return self._target

    def seal(self) -> Head | None:
        """Close what can be closed by now, and look how far the next call may go; the new head, None without one.

        An entry is sealed by the second call after its transaction has ended, or later while an older transaction runs.
        """
        head = None
        if self._target and _scalar(_OLDEST) >= self._number:
            head = self._close_up_to(self._target)
            self._target = 0
        if not self._target and (drawn := _scalar(_DRAWN)) > _scalar(SEALED):
            self._target = drawn  # read before the number, in a statement of its own
            self._number = _scalar(_NUMBER)
        return head

    @staticmethod
    def _close_up_to(target: int) -> Head | None:
        head = None
        while True:
            enter(SYSTEM)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(_LOCK)
                if not cursor.fetchone()[0]:
                    return head
                cursor.execute(_LAST)
                number, done, previous = cursor.fetchone() or (0, 0, START)
                if done >= target:
                    return head
                end = min(done + BLOCK, target)
                cursor.execute(_CLOSE, [number + 1, end, bytes(previous), end, done, end])
                (digest,) = cursor.fetchone()
            head = Head(number + 1, bytes(digest).hex())


def verify(
    witnessed: Iterable[Head | Seen] = (), verdict: Verdict | None = None, archives: Sequence[Path] = ()
) -> Iterator[Fault]:
    """Go through the whole log with flat memory and tell what was changed, removed, added or reordered.

    witnessed: what was told to somebody outside. verdict: is filled while the faults are read.
    archives: files of months that were taken out of the database.
    """
    from tuetinh.record.audit.archive import Archives

    verdict = verdict if verdict is not None else Verdict()
    told: dict[int, set[str]] = {}
    seen: list[Seen] = []
    for one in witnessed:
        if isinstance(one, Seen):
            seen.append(one)
        else:
            told.setdefault(one.number, set()).add(one.hash)
            verdict.heads += 1
    number, done, previous = 0, 0, START
    enter(SYSTEM)
    beside = Archives(archives)
    for away in beside.missing:
        yield Fault(0, "archived", f"the entries of {away.month} are in an archive that was not given")
    yield from _misplaced()
    with transaction.atomic(), connection.connection.cursor(name="audit_blocks") as blocks:
        blocks.execute(_BLOCKS)
        for found, end, entries, stored, at in blocks:
            if found != number + 1:
                yield Fault(number + 1, "missing", f"{found - number - 1} blocks before number {found} are gone")
            rows = _rows(done, end, beside.up_to(end))
            counted, digest = len(rows), _digest(previous, end, at, rows)
            if digest != bytes(stored):  # closed before blocks had their time hashed
                digest = _digest(previous, end, None, rows)
            if (digest != bytes(stored) or counted != entries) and not beside.lacks(done, end):
                yield Fault(
                    found,
                    "changed",
                    f"positions {done + 1} to {end}, closed {iso(at)}: {counted} entries where {entries} were sealed"
                    if counted != entries
                    else f"positions {done + 1} to {end}, closed {iso(at)}: an entry or the seal is not what it was",
                )
            for known in told.pop(found, set()):
                if known != bytes(stored).hex():
                    yield Fault(found, "witness", f"a witness knows the hash {known}")
            verdict.entries, verdict.blocks = verdict.entries + counted, verdict.blocks + 1
            number, done, previous = found, end, bytes(stored)
    for lost in sorted(told):
        yield Fault(lost, "missing", f"a witness knows block {lost}, and the log ends with {number}")
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [AGE.total_seconds(), AGE.total_seconds(), done])
        verdict.open, late, first = cursor.fetchone()
    if late:
        yield Fault(0, "open", f"{late} entries from position {first} on are not sealed, and not of now; {holder()}")
    for one in seen:
        if not beside.reaches(one.after, one.end) and _seen(one.after, one.end, one.gaps) != one:
            yield Fault(0, "seen", f"positions {one.after + 1} to {one.end} are not what a witness was told of them")


def look_at(after: int) -> Seen | None:
    """What is there now beyond a position; None when that is nothing."""
    enter(SYSTEM)
    return _seen(after, _scalar(_DRAWN), None)


def sealed() -> int:
    """The last position that is sealed; 0 for none."""
    return _scalar(SEALED)


def holder() -> str:
    """Which transaction is the oldest that runs, and so keeps entries from being sealed, in words."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDER)
        row = cursor.fetchone()
    return f"the process {row[0]} of the database has a transaction open since {iso(row[1])}" if row else "nobody waits"


def untold(number: int) -> bool:
    """Whether the log went on for longer than a witness may wait, without telling who knows it up to a block."""
    with connection.cursor() as cursor:
        cursor.execute(_UNTOLD, [number])
        return bool(cursor.fetchone()[1] > AGE)


def _seen(after: int, end: int, gaps: tuple[tuple[int, int], ...] | None) -> Seen | None:
    """The entries of a stretch that are not in gaps; without gaps those are found."""
    digest, found, done = sha256(), [], after
    told = iter(gaps or ())
    gap = next(told, None)
    with transaction.atomic(), connection.connection.cursor(name="audit_seen") as rows:
        rows.execute(_ENTRIES, [after, end])
        for row in rows:
            while gap and gap[1] < row[0]:
                gap = next(told, None)
            if gap and gap[0] <= row[0]:
                continue
            if row[0] > done + 1:
                found.append((done + 1, row[0] - 1))
            done = row[0]
            digest.update(_line(row))
    if gaps is None:
        return Seen(after, done, tuple(found), digest.hexdigest()) if done > after else None
    return Seen(after, end, gaps, digest.hexdigest())


def _misplaced() -> Iterator[Fault]:
    with connection.cursor() as cursor:
        cursor.execute(_MISPLACED)
        below, beyond = cursor.fetchone()
    if below:
        yield Fault(0, "misplaced", f"{below} entries have positions below 1, which are never drawn")
    if beyond:
        yield Fault(0, "misplaced", f"{beyond} entries have positions that were not drawn yet")


def head() -> Head | None:
    """The latest block."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST)
        row = cursor.fetchone()
    return Head(row[0], bytes(row[2]).hex()) if row else None


def _rows(after: int, end: int, archived: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_ENTRIES, [after, end])
        rows = cursor.fetchall()
    return sorted([*rows, *archived], key=lambda row: (row[0], row[1], row[9])) if archived else rows


def _digest(previous: bytes, end: int, at: datetime | None, rows: list[tuple[Any, ...]]) -> bytes:
    """The hash of a block: the hash before it, the position where it ends and when it was closed, a line an entry."""
    digest = sha256(previous)
    digest.update(b"%d %s\n" % (end, iso(at).encode()) if at else b"%d\n" % end)
    for row in rows:
        digest.update(_line(row))
    return digest.digest()


def _line(row: tuple[Any, ...]) -> bytes:
    """An entry as it is hashed: JSON, without the columns that came later where they are empty."""
    position, at, *rest = row
    whole = (length for length in _LENGTHS if all(value is None for value in rest[length:]))
    return msgspec.json.encode([position, iso(at), *rest[: next(whole, len(rest))]]) + b"\n"


def iso(at: datetime) -> str:
    """A moment as it is hashed."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _scalar(sql: str, values: list[Any] | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.fetchone()[0])
