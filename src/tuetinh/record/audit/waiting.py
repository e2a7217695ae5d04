"""Entries of the access log between their request and the database: in files, so that a killed process loses none.

A process lays entries in one of two files before the request is answered; while what lies in it is being stored, it
goes on in the other. The files lie in its memory too, for a call of the system would let another thread go first. They
are locked as long as it lives. What a dead process left is stored by the next that starts (`log.store_left`). The
files outlive the process, not a power cut: they are not synced.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from mmap import mmap
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec
from django.conf import settings

ROOM: Final = "audit-waiting"  # of the data folder
SIZE: Final = 256 * 1024  # bytes of a file: entries of some hundred requests
Entry = tuple[Any, ...]  # when first, then texts, None, or lists of them
log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()


class _Page:
    """A file in memory, in which lines lie one after the other up to `used`; the rest is NUL."""

    def __init__(self, room: Path) -> None:
        room.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = room / f"{uuid4().hex}.ndjson"
        self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        _lock(self._file)
        self.used = 0
        try:
            self._map = self._laid_out(SIZE)
        except OSError:
            os.close(self._file)
            self.path.unlink()
            raise

    def _laid_out(self, size: int) -> mmap:
        """Take room on the disk, so that it is missed here and not when memory is written. Raises OSError."""
        while (missing := size - os.fstat(self._file).st_size) > 0:
            os.lseek(self._file, 0, os.SEEK_END)
            os.write(self._file, bytes(missing))
        return mmap(self._file, size)

    def add(self, lines: bytes) -> None:
        """Lay down lines. Raises OSError where the disk has no room for them."""
        end = self.used + len(lines)
        if end > len(self._map):
            larger = self._laid_out(-(-end // SIZE) * SIZE)
            self._map.close()
            self._map = larger
        self._map[self.used : end] = lines
        self.used = end

    def empty(self) -> None:
        """Take the lines away."""
        self._map[: self.used] = bytes(self.used)
        self.used = 0
        if len(self._map) > SIZE:
            self._map.close()
            os.ftruncate(self._file, SIZE)
            self._map = mmap(self._file, SIZE)

    def close(self) -> None:
        """Leave the file, which goes where nothing lies in it."""
        self._map.close()
        if not self.used:
            with suppress(OSError):
                self.path.unlink()
        os.close(self._file)


class Waiting:
    """The two files of a process. Not for several threads at once."""

    def __init__(self) -> None:
        self._pages: list[_Page] = []
        self._at = 0
        self._told = False

    def keep(self, entries: list[Entry]) -> None:
        """Write entries down. A disk that takes nothing hinders nobody from reading; it is told once."""
        try:
            while len(self._pages) < 2:
                self._pages.append(_Page(Path(settings.DATA) / ROOM))
            self._pages[self._at].add(_encoder.encode_lines(entries))
        except OSError as error:
            if not self._told:
                log.error("entries of the access log wait in memory alone: %s", error.strerror)
            self._told = True

    def turn(self) -> None:
        """Go on in the other file, if nothing lies in it: what was kept so far is about to be stored."""
        if len(self._pages) == 2 and not self._pages[1 - self._at].used:
            self._at = 1 - self._at

    def stored(self) -> None:
        """Empty the file that is not written: what lay in it is stored."""
        if len(self._pages) == 2:
            self._pages[1 - self._at].empty()

    def end(self) -> None:
        """Take the files away; one in which something is left stays for the next process."""
        for page in self._pages:
            page.close()
        self._pages.clear()


def left() -> Iterator[tuple[Path, list[Entry]]]:
    """The files of dead processes, with the entries in them; each is taken away when the next is asked for."""
    for path in sorted((Path(settings.DATA) / ROOM).glob("*.ndjson")):
        try:
            file = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            if _lock(file):
                yield path, list(_entries(path))
                path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _entries(path: Path) -> Iterator[Entry]:
    for line in path.read_bytes().replace(b"\0", b"").splitlines():
        try:
            at, *others = msgspec.json.decode(line, type=list[str | list[str | None] | None])
            yield datetime.fromisoformat(str(at)), *others
        except (msgspec.DecodeError, ValueError):
            log.error("a line in %s is no entry of the access log", path.name)


def _lock(file: int) -> bool:
    """Lock an open file until it is closed or the process ends; whether nobody else has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
