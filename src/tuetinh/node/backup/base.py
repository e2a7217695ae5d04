"""Makes a base backup: what the log is replayed upon."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

import psycopg

from tuetinh.node.backup import archive, portable, state
from tuetinh.node.backup.archive import Archive, Base
from tuetinh.node.backup.follow import Follower, put_content
from tuetinh.node.backup.sealing import Recipients
from tuetinh.node.backup.wire_replication import lsn
from tuetinh.node.database import ARCHIVE
from tuetinh.node.errors import Refused
from tuetinh.record.contents import files
from tuetinh.record.contents.places import Unreachable

START_SECONDS = 30.0  # in which the log begins to be followed
STILL_SECONDS = 120.0  # without progress, after which the log is given up
NOW = "SELECT pg_current_wal_flush_lsn()::text, clock_timestamp()"  # by the clock of the commits
WHOSE = "SELECT current_database(), (SELECT rolname FROM pg_roles WHERE oid = 10)"


def make(data: Path, into: Archive, recipients: Recipients) -> Base:
    """Make a base backup of a node, which may be running; it counts once the log up to its end is there too.

    Raises Refused with what is missing.
    """
    began = datetime.now(UTC)
    lock = state.lock(data, "base")
    if not lock.acquire(blocking=False):
        raise Refused("another base backup is being made")
    try:
        with followed(data, into, recipients):
            made = _make(data, into, recipients, began)
    except (Refused, Unreachable) as error:
        state.tell(data, "base", state.told(data, "base") | {"failed": began.isoformat(), "error": str(error)})
        raise Refused(str(error)) from error
    finally:
        lock.release()
    state.tell_bases(data, into)
    state.tell(
        data, "base", {"line": made.line, "name": made.name, "ended": made.ended, "size": made.size, "error": ""}
    )
    return made


def _make(data: Path, into: Archive, recipients: Recipients, began: datetime) -> Base:
    name, line = archive.stamp(began), into.line(state.line(data))
    contents = _contents(data, into, recipients, f"base/{line.name}/{name}/contents")
    start, _ = _now()  # a base backup begins with a checkpoint that is asked for after this
    size = _database(into, recipients, f"base/{line.name}/{name}/data")
    stop, ended = _now()
    await_log(data, stop)
    if state.line(data) != line.name:
        raise Refused("the server's history broke off meanwhile; make the backup again")
    made = Base(line.name, name, ended.isoformat(), start, stop, line.version, size, contents, *_whose())
    into.keep_base(made)
    return made


def _contents(data: Path, into: Archive, recipients: Recipients, name: str) -> int:
    """Bring over the contents that the archive lacks, and list those that are there; how many."""
    kept = {entry.name.rpartition("/")[2] for entry in into.contents()}
    with tempfile.TemporaryFile() as listed:
        count = 0
        for path in files.all_files(data / "files"):
            with contextlib.suppress(FileNotFoundError):  # what nobody uses may go meanwhile
                if path.name not in kept:
                    put_content(into, recipients, path)
                listed.write(path.name.encode() + b"\n")
                count += 1
        for digest in _stored():  # whose files here are gone; the archive's own stay
            listed.write(digest.encode() + b"\n")
        listed.seek(0)
        into.place.put(name, lambda sink: _pour(cast(IO[bytes], listed), sink))
    return count


def _stored() -> list[str]:
    """The contents that the store of pictures has, by their SHA-256 in hexadecimal."""
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"], autocommit=True) as conn:
        return [name for (name,) in conn.execute("SELECT encode(digest, 'hex') FROM imaging_stored").fetchall()]


def _now() -> tuple[int, datetime]:
    """How far the server's log is, and its time."""
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"], autocommit=True) as conn:
        position, at = cast(tuple[str, datetime], conn.execute(NOW).fetchone())
    return lsn(position), at


def _whose() -> tuple[str, str]:
    """The name of the database, and that of the superuser whom initdb made."""
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"], autocommit=True) as conn:
        return cast(tuple[str, str], conn.execute(WHOSE).fetchone())


def _database(into: Archive, recipients: Recipients, name: str) -> int:
    """Bring the server's files over; how many bytes there were."""
    command = [
        *portable.connected("pg_basebackup"),
        *("--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast"),
        "--manifest-checksums=SHA256",
    ]
    size = 0
    with tempfile.TemporaryFile() as told:
        reading = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, env=portable.secret())  # noqa: S603 - our own

        def parts() -> Iterator[bytes]:
            nonlocal size
            for part in archive.chunks(cast(IO[bytes], reading.stdout)):  # type: ignore[arg-type]
                size += len(part)
                yield part
            if reading.wait():
                raise Unreachable("pg_basebackup ended early")  # so that nothing is kept

        try:
            into.place.put(name, recipients.seal(name, parts()))
        except Unreachable:
            if reading.poll():
                told.seek(0)
                raise Refused(_reason(told.read().decode(errors="replace"))) from None
            raise
        finally:
            reading.kill()
            reading.wait()
            cast(IO[bytes], reading.stdout).close()
    return size


def _reason(text: str) -> str:
    told = text.strip()[-500:]
    if ("replication" in text and "permission denied" in text) or "replication role" in text or "REPLICATION" in text:
        return f"{told}\nThe login needs the right to replicate: ALTER ROLE … REPLICATION, and a line in pg_hba.conf"
    return f"pg_basebackup: {told}"


@contextmanager
def followed(data: Path, into: Archive, recipients: Recipients) -> Iterator[None]:
    """While the log is brought over: by the running node, else by this process."""
    stop = threading.Event()
    thread = None
    if not _active():
        thread = threading.Thread(target=Follower(data, into, recipients, stop.is_set).run, daemon=True)
        thread.start()
    try:
        end = time.monotonic() + START_SECONDS
        while not (_active() and state.line(data)):
            if time.monotonic() > end:
                raise Refused(f"the log cannot be followed: {state.told(data, 'log').get('error') or 'no answer'}")
            time.sleep(0.1)
        yield
    finally:
        stop.set()
        if thread:
            thread.join(10)


def await_log(data: Path, position: int) -> None:
    """Wait until the archive has the log up to a position. Raises Refused when it does not get on."""
    best, end = -1, time.monotonic() + STILL_SECONDS
    while True:
        told = state.told(data, "log")
        archived = int(told.get("archived", 0))
        if archived >= position:
            return
        if archived > best:
            best, end = archived, time.monotonic() + STILL_SECONDS
        if time.monotonic() > end:
            raise Refused(f"the archive does not take the log: {told.get('error') or 'it does not get on'}")
        time.sleep(0.2)


def _active() -> bool:
    """Whether somebody brings the log over."""
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"], autocommit=True) as conn:
        return bool(
            conn.execute("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND active", (ARCHIVE,)).fetchone()
        )


def _pour(source: IO[bytes], sink: IO[bytes]) -> None:
    for part in archive.chunks(source):  # type: ignore[arg-type]
        sink.write(part)
