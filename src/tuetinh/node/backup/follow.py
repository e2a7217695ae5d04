"""Brings the write-ahead log into the archive while it is written, and the contents that it speaks of before it.

While the archive keeps up, commits wait for it (`synchronous_standby_names`): what was acknowledged is there, whatever
becomes of the machine. When it does not answer for TUETINH_BACKUP_WAIT seconds, the node goes on without and says so;
PostgreSQL keeps the log meanwhile, and the archive catches up. Only the embedded server is switched so; for an outside
one, waiting is a setting of its administrators.
"""

from __future__ import annotations

import io
import json
import logging
import os
import select
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from tuetinh.node import database
from tuetinh.node.backup import archive, state
from tuetinh.node.backup.archive import Archive, Line
from tuetinh.node.backup.portable import SMALL
from tuetinh.node.backup.sealing import Broken, Recipients
from tuetinh.node.backup.wire_replication import ReplicationError, Server, Stream, open_stream, written
from tuetinh.node.errors import Refused
from tuetinh.record.audit.archive import files as months_of
from tuetinh.record.contents import sealing
from tuetinh.record.contents.files import UNARCHIVED
from tuetinh.record.contents.places import Missing, Unreachable

WAIT_SECONDS = 5.0
AGAIN_SECONDS = 1.0
TELL_SECONDS = 1.0
LEAVE_SECONDS = 1.5  # in which what is here is brought over at the end
SEGMENTS = 3  # of the log in memory, at most
PARTS = 200  # of a segment, before they are made one
READ = 4 << 20
GONE = ("has already been removed", "can no longer")  # what PostgreSQL says of a log, a slot, that it has no more

log = logging.getLogger(__name__)


def waiting_seconds() -> float:
    """How long a commit may wait for an archive that does not answer; 0: never. Raises Refused."""
    text = os.environ.get("TUETINH_BACKUP_WAIT", str(WAIT_SECONDS))
    try:
        return max(0.0, float(text))
    except ValueError as error:
        raise Refused(f"TUETINH_BACKUP_WAIT: {text!r} is no number of seconds") from error


class Follower:
    """Follows one server into one archive until told to stop."""

    def __init__(self, data: Path, into: Archive, recipients: Recipients, stopped: Callable[[], bool]) -> None:
        self._data, self._into, self._recipients, self._stopped = data, into, recipients, stopped
        self._files = data / "files"
        self._keys = ""  # what was last kept of the keys
        self._months: set[str] | None = None  # which are kept; None before anybody has looked
        self._told: dict[str, Any] = {}
        self._wait = waiting_seconds()

    def run(self) -> None:
        """Follow; what goes wrong is told and tried again. Of several followers of a node, one does it."""
        (self._files / UNARCHIVED).mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = state.lock(self._data, "log")
        while not self._stopped() and not lock.acquire(blocking=False):
            _pause(AGAIN_SECONDS, self._stopped)
        try:
            self._keep_following()
        finally:
            if lock.acquired:
                lock.release()

    def _keep_following(self) -> None:
        while not self._stopped():
            try:
                self._follow()
            except (ReplicationError, psycopg.Error, Unreachable, Broken, OSError) as error:
                self._fail(str(error))
            _pause(AGAIN_SECONDS, self._stopped)

    def _fail(self, reason: str) -> None:
        if self._told.get("error") != reason:
            log.warning("the archive does not follow: %s", reason)
        self._tell(error=reason, connected=False)

    def _follow(self) -> None:
        stream = open_stream()
        try:
            server = stream.identify()
            line, position = self._line(stream, server)
            stream.make_slot()
            try:
                first = position - position % line.segment
                stream.begin(first, line.timeline)
            except ReplicationError as error:
                self._begin_anew(stream, error)
                raise
            _Passage(self, stream, line, first, position).run()
        finally:
            stream.close()

    def _begin_anew(self, stream: Stream, error: ReplicationError) -> None:
        """The server no longer has what the archive lacks: another line begins, with a base backup of its own."""
        if any(sign in str(error) for sign in GONE):
            log.error("the log has a gap that cannot be closed (%s); a new base backup is needed", error)
            with suppress(ReplicationError):
                stream.drop_slot()
            state.set_line(self._data, "")

    def _line(self, stream: Stream, server: Server) -> tuple[Line, int]:
        """The line to go on with, and the position up to which it is there."""
        if line := self._known_line():
            pieces = self._into.log(line)
            end = max((piece.end for piece in pieces), default=0)
            if (line.system, line.timeline) == (server.system, server.timeline) and 0 < end <= server.flushed:
                self._clear([piece.name for piece in pieces])
                return line, end
        line = Line(
            f"{archive.stamp(datetime.now(UTC))}-{uuid4().hex[:6]}",
            *(server.system, server.timeline),
            *(_bytes(stream.show("wal_segment_size")), int(stream.show("server_version").split(".")[0])),
        )
        self._into.keep_line(line)
        state.set_line(self._data, line.name)
        self._keys, self._months = "", None
        return line, server.flushed - server.flushed % line.segment

    def _known_line(self) -> Line | None:
        """The line of this node, unless the archive has it no more, or is another one."""
        with suppress(Missing):
            return self._into.line(name) if (name := state.line(self._data)) else None
        return None

    def _clear(self, names: list[str]) -> None:
        """Forget parts of segments that are whole."""
        wholes = {name for name in names if "." not in name}
        self._into.place.delete(name for name in names if name not in wholes and name.rpartition(".")[0] in wholes)

    def ship(self, line: Line, name: str, data: bytes) -> None:
        """Keep a stretch of the log; first what it may speak of. Raises Unreachable."""
        self._ship_contents()
        self._ship_keys(line)
        self._ship_months(line)
        self._into.place.put(name, self._recipients.seal(name, [data]))

    def forget(self, names: list[str]) -> None:
        """Forget parts that are in something greater now."""
        self._into.place.delete(names)

    def _ship_contents(self) -> None:
        for noted in (self._files / UNARCHIVED).iterdir():
            with suppress(FileNotFoundError):  # swept away: no resource uses it
                put_content(self._into, self._recipients, self._files / noted.name[:2] / noted.name)
            noted.unlink(missing_ok=True)

    def _ship_keys(self, line: Line) -> None:
        paths = sorted(path for name in SMALL for path in _below(self._data / name))
        seen = json.dumps([(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths])
        if seen == self._keys:
            return
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path in paths:
                tar.add(path, path.relative_to(self._data).as_posix())
        name = f"keys/{line.name}/{archive.stamp(datetime.now(UTC))}"
        self._into.place.put(name, self._recipients.seal(name, [packed.getvalue()]))
        self._keys = seen

    def _ship_months(self, line: Line) -> None:
        """A month's file is whole before the log says that its entries are no longer in the database."""
        if self._months is None:
            there = self._into.place.entries(f"months/{line.name}/")
            self._months = {entry.name.rpartition("/")[2] for entry in there}
        for path in months_of(self._data / archive.MONTHS):
            if path.name not in self._months:
                name = f"months/{line.name}/{path.name}"
                with path.open("rb") as file:
                    self._into.place.put(name, self._recipients.seal(name, archive.chunks(file)))
                self._months.add(path.name)

    def wait(self, *, on: bool) -> bool:
        """Let commits wait for the archive, or no longer; whether they do. Only the embedded server is switched."""
        return (bool(self._wait) or not on) and database.wait_for_archive(self._data, on=on)

    def tell(self, **told: Any) -> None:
        """Note how far it is."""
        self._tell(connected=True, **told)

    def _tell(self, **told: Any) -> None:
        self._told |= told | {"at": datetime.now(UTC).isoformat()}
        state.tell(self._data, "log", self._told)

    @property
    def patience(self) -> float:
        """Seconds that a commit may wait for an archive that does not answer."""
        return self._wait

    def stopped(self) -> bool:
        """Whether to stop."""
        return self._stopped()


class _Passage:
    """One connection's worth of following. Positions: `archived` <= `received`; `first` is where the buffer begins."""

    def __init__(self, follower: Follower, stream: Stream, line: Line, first: int, archived: int) -> None:
        self._follower, self._stream, self._line = follower, stream, line
        self._first = self._received = first
        self._archived = archived
        self._buffer = bytearray()
        self._parts: list[str] = []  # of the segment that is being filled
        self._shipping: Future[tuple[int, list[str]]] | None = None
        self._behind: float | None = None  # since when something waits for the archive
        self._again = self._next_tell = self._next_wait = 0.0
        self._error = self._told_error = ""
        self._waiting = False
        self._woken, self._wake = os.pipe()

    def run(self) -> None:
        """Follow until told to stop, or the connection ends."""
        try:
            with ThreadPoolExecutor(1) as thread:
                try:
                    self._run(thread, lambda: not self._follower.stopped())
                finally:
                    self._let_go()
                end = time.monotonic() + LEAVE_SECONDS
                self._run(thread, lambda: self._archived < self._received and time.monotonic() < end)
        finally:
            os.close(self._woken)
            os.close(self._wake)

    def _run(self, thread: ThreadPoolExecutor, goes_on: Callable[[], bool]) -> None:
        more = False
        while goes_on():
            more = self._take(more=more)
            self._collect()
            self._send(thread)
            self._stream.acknowledge(self._archived)
            if not self._follower.stopped():
                self._balance()
            self._tell()

    def _let_go(self) -> None:
        if self._waiting:
            with suppress(psycopg.Error):  # whoever starts the server again lets go
                self._waiting = self._follower.wait(on=False)

    def _take(self, *, more: bool) -> bool:
        """Wait for something to happen, and read what the server sent; whether it has sent more."""
        room = len(self._buffer) < SEGMENTS * self._line.segment
        sockets = [self._woken, self._stream.socket] if room else [self._woken]
        ready, _, _ = select.select(sockets, [], [], 0 if more and room else 0.2)
        if self._woken in ready:
            os.read(self._woken, 1024)
        if not room:
            return True
        size = 0
        for start, data in self._stream.read(READ):
            if start != self._received:
                raise ReplicationError(f"the log goes on at {written(start)} instead of {written(self._received)}")
            self._buffer += data
            self._received += len(data)
            size += len(data)
        return size >= READ

    def _send(self, thread: ThreadPoolExecutor) -> None:
        """Ship the next stretch: up to the end of the segment, or as far as the log is here."""
        now = time.monotonic()
        if self._shipping or self._received <= self._archived or now < self._again:
            return
        self._behind = self._behind or now
        segment = self._line.segment
        floor = self._archived - self._archived % segment
        end = min(self._received, floor + segment)
        whole = end == floor + segment
        start = floor if whole or len(self._parts) >= PARTS else self._archived
        name = self._line.whole(start) if whole else self._line.part(start, end)
        data = bytes(memoryview(self._buffer)[start - self._first : end - self._first])
        self._shipping = thread.submit(self._ship, name, data, end, self._parts if start == floor else [])
        self._shipping.add_done_callback(lambda _: os.write(self._wake, b"."))

    def _ship(self, name: str, data: bytes, end: int, parts: list[str]) -> tuple[int, list[str]]:
        self._follower.ship(self._line, name, data)
        self._follower.forget([part for part in parts if part != name])
        return end, ([] if "." not in name else [name] if parts else [*self._parts, name])

    def _collect(self) -> None:
        """Take note of what was shipped, or was not."""
        if not self._shipping or not self._shipping.done():
            return
        shipping, self._shipping = self._shipping, None
        try:
            self._archived, self._parts = shipping.result()
        except (Unreachable, OSError) as error:
            if not self._error:
                log.warning("the archive does not take the log: %s", error)
            self._error, self._again = str(error), time.monotonic() + AGAIN_SECONDS
            return
        if self._error:
            log.warning("the archive takes the log again")
        self._error, self._behind = "", None
        floor = self._archived - self._archived % self._line.segment
        if floor > self._first:
            del self._buffer[: floor - self._first]
            self._first = floor

    def _balance(self) -> None:
        """Let commits wait while the archive keeps up, and not when it does not answer."""
        now = time.monotonic()
        if self._waiting and self._behind is not None and now - self._behind > self._follower.patience:
            self._waiting = self._follower.wait(on=False)
            log.error("commits no longer wait for the archive, which is behind: %s", self._error or "it is slow")
        near = self._received - self._archived < self._line.segment
        if not self._waiting and near and not self._error and self._archived and now >= self._next_wait:
            self._waiting = self._follower.wait(on=True)
            self._next_wait = now + AGAIN_SECONDS

    def _tell(self) -> None:
        now = time.monotonic()
        if now >= self._next_tell or self._error != self._told_error:
            self._next_tell, self._told_error = now + TELL_SECONDS, self._error
            since = now - self._behind if self._behind is not None else 0.0
            self._follower.tell(
                error=self._error,
                line=self._line.name,
                archived=self._archived,
                behind=max(0, self._received - self._archived),
                seconds=round(since, 1),
                waiting=self._waiting,
            )


def put_content(into: Archive, recipients: Recipients, path: Path) -> None:
    """Keep a content of the record. Raises FileNotFoundError, Unreachable."""
    with sealing.opened(path) as file:
        name = archive.content_name(path.name)
        into.place.put(name, recipients.seal(name, archive.chunks(file)))


def _below(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path] if path.exists() else []


def _bytes(text: str) -> int:
    """A size as PostgreSQL shows it: `16MB`."""
    units = {"kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
    return int(text[:-2]) * units[text[-2:]] if text[-2:] in units else int(text)


def _pause(seconds: float, stopped: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stopped():
        time.sleep(0.1)
