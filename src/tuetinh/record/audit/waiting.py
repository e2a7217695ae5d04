"""Entries of the access log between their request and the database: in files, so that a killed process loses none.

A process writes entries to one of two files before the request is answered; while what lies in it is being stored, it
goes on in the other. Its files are locked as long as it lives. What a dead process left is stored by the next that
starts (`log.store_left`). The files outlive the process, not a power cut: they are not synced.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec
from django.conf import settings

ROOM: Final = "audit-waiting"  # of the data folder
Entry = tuple[Any, ...]  # when first, then texts, None, or lists of them
log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()


class Waiting:
    """The two files of a process. Not for several threads at once."""

    def __init__(self) -> None:
        self._files: list[tuple[Path, int]] = []
        self._at = 0
        self._told = False

    def keep(self, entries: list[Entry]) -> None:
        """Write entries down. A disk that takes nothing hinders nobody from reading; it is told once."""
        try:
            if not self._files:
                self._files = [_made(), _made()]
            os.write(self._files[self._at][1], _encoder.encode_lines(entries))
        except OSError as error:
            if not self._told:
                log.error("entries of the access log wait in memory alone: %s", error.strerror)
            self._told = True

    def turn(self) -> None:
        """Go on in the other file, if nothing lies in it: what was kept so far is about to be stored."""
        if self._files and not os.fstat(self._files[1 - self._at][1]).st_size:
            self._at = 1 - self._at

    def stored(self) -> None:
        """Empty the file that is not written: what lay in it is stored."""
        if self._files:
            os.ftruncate(self._files[1 - self._at][1], 0)

    def end(self) -> None:
        """Take the files away; one in which something is left stays for the next process."""
        for path, file in self._files:
            if not os.fstat(file).st_size:
                with suppress(OSError):
                    path.unlink()
            os.close(file)
        self._files.clear()


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
    for line in path.read_bytes().splitlines():
        try:
            at, *others = msgspec.json.decode(line, type=list[str | list[str | None] | None])
            yield datetime.fromisoformat(str(at)), *others
        except (msgspec.DecodeError, ValueError):
            log.error("a line in %s is no entry of the access log", path.name)


def _made() -> tuple[Path, int]:
    room = Path(settings.DATA) / ROOM
    room.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = room / f"{uuid4().hex}.ndjson"
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
    _lock(file)
    return path, file


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
