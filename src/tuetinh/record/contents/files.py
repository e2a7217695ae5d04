"""The folder of contents: `files/ab/abcd…` by SHA-256, and `files/arriving` for what is not whole yet.
Where `files/unarchived` is there, an archive follows the node, and finds in it the name of each content that came.

A file comes into its place whole and is never changed; `place` returns when it is on the disk, and only then may a
resource use it. What no resource uses an hour after it came (its upload was refused, or the process killed) is swept
away.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from django.conf import settings

from tuetinh.record.contents.stand_ins import Content
from tuetinh.record.errors import RecordError

ARRIVING, LEAVING, OWNER, UNARCHIVED = "arriving", "leaving", "record", "unarchived"
UNUSED_SECONDS = 3600.0  # after which a file that nobody uses goes; no write takes as long
STOPPED_SECONDS = 600.0  # after which a file that does not grow is nobody's
BATCH = 500
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class NoSpace(RecordError):
    """The disk of the node is full."""

    status = 507
    code = "no-store"


class NotOurs(Exception):
    """The folder holds the contents of another database than this one."""


def folder() -> Path:
    """Where the contents of this node lie."""
    return Path(settings.DATA) / "files"


def path_of(digest: bytes) -> Path:
    """Where a content lies."""
    name = digest.hex()
    return folder() / name[:2] / name


@contextmanager
def _told_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NoSpace("the node has no room for this content") from error


class Arriving:
    """A content on its way in. Leaving the block without `place` takes away what has come."""

    def __init__(self) -> None:
        with _told_when_full():
            (folder() / ARRIVING).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = folder() / ARRIVING / uuid4().hex
            self._file: BinaryIO = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", 0)
        self._hash = sha256()
        self.size = 0

    def write(self, data: bytes | bytearray) -> None:
        """Add bytes. Raises NoSpace."""
        with _told_when_full():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self._hash.update(data)
        self.size += len(data)

    def read_back(self) -> bytes:
        """What has come so far."""
        return self._path.read_bytes()

    def opened(self) -> BinaryIO:
        """What has come so far, to be read as a file."""
        return self._path.open("rb")

    def place(self) -> Content:
        """Make it a file that counts, on the disk; one of the same content is replaced. Raises NoSpace.

        Where it can, it has its name before it is synced, so that the file system writes its journal once for both.
        """
        content = Content(self._hash.digest(), self.size)
        target = path_of(content.digest)
        with _told_when_full():
            if not target.parent.exists():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                _sync(target.parent.parent)
            named = _linked(self._path, target)
            os.fsync(self._file.fileno())
            self._file.close()
            if not named:  # one that may be used gives way to one that is on the disk
                self._path.replace(target)
            _sync(target.parent)
            _tell_archive(target.name)
        return content

    def __enter__(self) -> Arriving:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _linked(path: Path, target: Path) -> bool:
    """Give a file a further name; False where that is taken, or the file system knows no such names."""
    try:
        os.link(path, target)
    except OSError as error:
        if error.errno in _FULL:
            raise
        return False
    return True


def _sync(place: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    if os.name == "nt":
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _tell_archive(name: str) -> None:
    """Note for the archive, if there is one, that this content came; before any resource can use it."""
    noted = folder() / UNARCHIVED
    with suppress(FileNotFoundError):
        (noted / name).touch(mode=0o600)
        _sync(noted)


def store(data: bytes) -> Content:
    """Keep these bytes as a file."""
    with Arriving() as arriving:
        arriving.write(data)
        return arriving.place()


def room(size: int) -> None:
    """Raise NoSpace when so many bytes do not fit on the disk."""
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "statvfs") and (state := os.statvfs(place)).f_bavail * state.f_frsize < size:
        raise NoSpace(f"the node has no room for {size} bytes")


def all_files(place: Path) -> Iterator[Path]:
    """The whole contents in a folder of files, in the order of their names."""
    for part in sorted(place.glob("[0-9a-f][0-9a-f]")):
        yield from sorted(p for p in part.iterdir() if len(p.name) == 64 and p.name.startswith(part.name))


def fault(content: Content, *, hashed: bool = True) -> str:
    """What is wrong with the file of a content: `missing`, `size`, `content`; "" when it is right.

    hashed: every byte is read; else its size alone is looked at.
    """
    try:
        with path_of(content.digest).open("rb") as file:
            if os.fstat(file.fileno()).st_size != content.size:
                return "size"
            return "content" if hashed and file_digest(file, "sha256").digest() != content.digest else ""
    except FileNotFoundError:
        return "missing"


def sweep(owner: str, used: Callable[[list[bytes]], Iterable[bytes]]) -> int:
    """Take away what was broken off and what nobody uses; returns how many files.

    owner: names the record; the folder of another one is left alone (NotOurs). used: which of these digests some
    resource uses. A content that comes again while it is taken away stays: each file is first moved aside, where its
    age is looked at once more.
    """
    _check_owner(owner)
    now = time.time()
    gone = 0
    for path in (folder() / ARRIVING).glob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < now - STOPPED_SECONDS:
                path.unlink()
                gone += 1
    for path in (folder() / LEAVING).glob("*"):  # of a sweep that was killed
        _back(path)
    old: list[Path] = []
    for path in all_files(folder()):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < now - UNUSED_SECONDS:
                old.append(path)
        if len(old) == BATCH:
            gone += _leave(old, used)
            old = []
    return gone + _leave(old, used)


def _check_owner(owner: str) -> None:
    mark = folder() / OWNER
    if not mark.exists():
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.write_text(owner)
    if mark.read_text() not in (owner, ""):  # empty: another process is about to write it
        raise NotOurs


def _leave(old: list[Path], used: Callable[[list[bytes]], Iterable[bytes]]) -> int:
    kept = {bytes(digest) for digest in used([bytes.fromhex(path.name) for path in old])} if old else set()
    gone = 0
    for path in old:
        if bytes.fromhex(path.name) in kept:
            continue
        aside = folder() / LEAVING / path.name
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            path.rename(aside)
            if aside.stat().st_mtime < time.time() - UNUSED_SECONDS:
                aside.unlink()
                gone += 1
            else:
                _back(aside)
    return gone


def _back(aside: Path) -> None:
    """Give a file its place again, unless its content has come once more."""
    with suppress(FileExistsError):
        os.link(aside, path_of(bytes.fromhex(aside.name)))
    aside.unlink()
