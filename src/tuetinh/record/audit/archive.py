"""Months of the access log that are taken out of the database, each into a file that stays part of the chain.

A file is gzip of one JSON array a line: an entry in the order of `chain.COLUMNS` and `chain.ADDED`, by position. The
blocks stay in the database, so `chain.verify` finds a change in a file as it does in a table.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db import connection, transaction

from tuetinh.record.asker import SYSTEM
from tuetinh.record.audit import chain
from tuetinh.record.steps import enter

Row = tuple[Any, ...]
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_WITHIN = "FROM record.audit WHERE at >= %s AND at < %s"
_ROWS = f"SELECT {chain.COLUMNS}, {chain.ADDED} {_WITHIN} ORDER BY position, at, id"
_SPAN = f"SELECT min(position), max(position), count(*) {_WITHIN}"
_KEPT = "SELECT month, first, last FROM record.audit_archive ORDER BY first"
# Months that were archived, and those whose blocks are there though their partition is not.
_OFFLINE = """WITH began AS (
  SELECT least(
    (SELECT at AT TIME ZONE 'UTC' FROM record.audit_block ORDER BY number LIMIT 1),
    (SELECT min(to_date(month, 'YYYY-MM')) FROM record.audit_archive)) AS at
)
SELECT to_char(m, 'YYYY-MM'), k.entries
FROM began, generate_series(date_trunc('month', greatest(began.at, %s::timestamptz AT TIME ZONE 'UTC')),
  least(now(), %s::timestamptz - interval '1 microsecond') AT TIME ZONE 'UTC', interval '1 month') AS m
LEFT JOIN record.audit_archive k ON k.month = to_char(m, 'YYYY-MM')
WHERE k.month IS NOT NULL OR (
  NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = 'record.audit'::regclass
    AND i.inhrelid = to_regclass('record.audit_' || to_char(m, 'YYYY_MM')))
  AND EXISTS (SELECT FROM record.audit_block b
    WHERE b.at >= m AT TIME ZONE 'UTC' AND b.at < (m + interval '1 month') AT TIME ZONE 'UTC'))
ORDER BY 1"""
_NAMES = tuple(f"{chain.COLUMNS}, {chain.ADDED}".split(", "))


class NotArchived(Exception):
    """A month that cannot be taken out, and why."""


@dataclass(frozen=True, slots=True)
class Archived:
    """A month that is no longer in the database. first, last: positions of its entries."""

    month: str
    first: int
    last: int


def name(month: str) -> str:
    """How the file of a month is called."""
    return f"access-log-{month}.jsonl.gz"


def month(path: Path) -> str:
    """Which month a file is of."""
    return path.name.removeprefix("access-log-").removesuffix(".jsonl.gz")


def archive(month: str, folder: Path, today: datetime | None = None) -> tuple[Path, int]:
    """Take a month (`2026-01`, of UTC) out of the database into a file of the folder; the file and its entries.

    Only a month that is over, sealed and whole goes, and only when its file is safe on the disk. Raises NotArchived.
    """
    first, following = _bounds(month, today or datetime.now(UTC))
    table = f"audit_{first:%Y_%m}"
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"record.{table}"])
        if not cursor.fetchone()[0]:
            raise NotArchived(f"{month} is not in the database")
    if faults := [fault for fault in chain.verify(archives=files(folder)) if fault.kind != "open"]:
        raise NotArchived(f"the access log is not whole (block {faults[0].number}); nothing is archived")
    target = folder / name(month)
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    with transaction.atomic(), connection.cursor() as cursor:
        enter(SYSTEM)
        cursor.execute(f"LOCK TABLE record.{table} IN ACCESS EXCLUSIVE MODE")
        cursor.execute(_SPAN, [first, following])
        lowest, highest, count = cursor.fetchone()
        cursor.execute(chain.SEALED)
        if highest is not None and highest > cursor.fetchone()[0]:
            raise NotArchived(f"{month} has entries that are not sealed yet; a running node seals them in seconds")
        if _write(partial, first, following) != count:
            partial.unlink()
            raise NotArchived(f"{month} could not be read as a whole")
        partial.replace(target)
        _sync(folder)
        cursor.execute(f"ALTER TABLE record.audit DETACH PARTITION record.{table}")
        cursor.execute(f"DROP TABLE record.{table}")
        if count:
            cursor.execute(
                "INSERT INTO record.audit_archive (month, first, last, entries, at) VALUES (%s, %s, %s, %s, now())",
                [month, lowest, highest, count],
            )
    return target, count


def _bounds(month: str, today: datetime) -> tuple[datetime, datetime]:
    """The first instant of a month and the first after it. Raises NotArchived."""
    match = _MONTH.fullmatch(month)
    if match is None:
        raise NotArchived(f"{month!r} is no month such as 2026-01")
    first = datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)
    following = (first + timedelta(days=32)).replace(day=1)
    if following > today:
        raise NotArchived(f"{month} is not over")
    return first, following


def _write(path: Path, first: datetime, following: datetime) -> int:
    """Write the entries of a time, and wait until they are on the disk; how many."""
    count = 0
    with path.open("wb") as raw:
        with (
            gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file,
            connection.connection.cursor("audit_month") as rows,
        ):
            rows.execute(_ROWS, [first, following])
            for position, at, *rest in rows:
                file.write(msgspec.json.encode([position, chain.iso(at), *rest]) + b"\n")
                count += 1
        raw.flush()
        os.fsync(raw.fileno())
    return count


def _sync(folder: Path) -> None:
    """Make the names of a folder safe, where the system can."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def files(folder: Path) -> list[Path]:
    """The archives in a folder."""
    return sorted(folder.glob(name("*")))


def folder(data: Path) -> Path:
    """Where a node keeps its archives, unless it is told another place."""
    return data / "audit" / "archive"


def kept_here() -> list[Path]:
    """The archives that this node keeps."""
    return files(folder(Path(settings.DATA)))


def offline(since: datetime, until: datetime) -> dict[str, int | None]:
    """The months from `since` until before `until` that are not in the database, with how many entries their file has.

    None for those that nobody has archived: their table was detached or dropped.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OFFLINE, [since, until])
        return dict(cursor.fetchall())


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a file, each by the names of its columns; those of a file that breaks off, as far as it goes."""
    return (dict(zip(_NAMES, row, strict=False)) for row in _rows(path))


class Archives:
    """The months that are not in the database, read beside it in the order of positions.

    missing: those whose file was not given.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        given = {month(path): path for path in paths}
        with connection.cursor() as cursor:
            cursor.execute(_KEPT)
            kept = [Archived(*row) for row in cursor.fetchall()]
        self._kept = kept
        self.missing = [one for one in kept if one.month not in given]
        self._readers = [_Reader(given[one.month]) for one in kept if one.month in given]

    def reaches(self, after: int, end: int) -> bool:
        """Whether some of a stretch of positions may lie in a file."""
        return any(one.first <= end and one.last > after for one in self._kept)

    def lacks(self, after: int, end: int) -> bool:
        """Whether some of a stretch of positions may lie in a file that was not given."""
        return any(one.first <= end and one.last > after for one in self.missing)

    def up_to(self, end: int) -> list[Row]:
        """The entries up to a position that were not given before."""
        return [row for reader in self._readers for row in reader.up_to(end)]


class _Reader:
    """The entries of a file, with flat memory. A file that breaks off, or is none, has no more of them."""

    def __init__(self, path: Path) -> None:
        self._rows = _rows(path)
        self._next = next(self._rows, None)

    def up_to(self, end: int) -> Iterator[Row]:
        while self._next is not None and self._next[0] <= end:
            yield self._next
            self._next = next(self._rows, None)


def _rows(path: Path) -> Iterator[Row]:
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                position, at, *rest = msgspec.json.decode(line)
                yield (int(position), datetime.fromisoformat(at), *rest)
    except (OSError, EOFError, ValueError, TypeError, msgspec.DecodeError):
        return
