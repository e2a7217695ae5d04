"""The folder of contents: `files/ab/abcd…` by SHA-256, and `files/arriving` for what is not whole yet.
Where `files/unarchived` is there, an archive follows the node, and finds in it the name of each content that came.
A file may be sealed (`sealing`), or lie elsewhere and be brought back when it is read (`register_elsewhere`): `opened`
gives its content in any case.

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
from functools import lru_cache
from hashlib import file_digest, sha256
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Protocol, Self
from uuid import uuid4

from django.conf import settings

from tuetinh.record.contents import sealing
from tuetinh.record.contents.sealing import sync
from tuetinh.record.contents.stand_ins import Content
from tuetinh.record.errors import RecordError

ARRIVING, LEAVING, OWNER, UNARCHIVED = "arriving", "leaving", "record", "unarchived"
UNUSED_SECONDS = 3600.0  # after which a file that nobody uses goes; no write takes as long
STOPPED_SECONDS = 600.0  # after which a file that does not grow is nobody's
BATCH = 500
PIECE = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Whose journal is written in order: what syncs a file brings the names along that it was given before. POSIX promises
# it of none.
_IN_ORDER = frozenset({"ext4", "xfs"})
MOUNTS = Path("/proc/self/mountinfo")


class NoSpace(RecordError):
    """The disk of the node is full."""

    status = 507
    code = "no-store"


class Away(RecordError):
    """A content lies elsewhere, where nobody answers."""

    status = 503
    code = "transient"


class Elsewhere(Protocol):
    """Where contents may lie beside the folder."""

    def chunks(self, digest: bytes) -> Iterator[bytes] | None:
        """The bytes of a file as it lay in the folder, None where it is not there. Raises Away, also on the way."""

    def has(self, digest: bytes) -> bool:
        """Whether it is there. Raises Away."""


_elsewhere: list[Elsewhere] = []


def register_elsewhere(place: Elsewhere) -> None:
    """Let contents that are not in the folder be looked for in a place, when a process starts."""
    _elsewhere.append(place)


class NotOurs(Exception):
    """The folder holds the contents of another database than this one."""


def folder() -> Path:
    """Where the contents of this node lie."""
    return _folder_in(settings.DATA)


@lru_cache(4)
def _folder_in(data: str | Path) -> Path:
    return Path(data) / "files"


def path_of(digest: bytes) -> Path:
    """Where a content lies."""
    name = digest.hex()
    return folder().joinpath(name[:2], name)


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
        self._path = folder().joinpath(ARRIVING, uuid4().hex)
        with _told_when_full():
            self._file = _made(self._path)
        self._hash = sha256()
        self._sealer = sealing.Sealer() if sealing.wanted() else None
        self._outcome: Exception | Content | None = None
        self.size = 0

    def write(self, data: bytes | bytearray) -> None:
        """Add bytes. Raises NoSpace."""
        for part in self._sealer.add(data) if self._sealer else (data,):
            self._write(part)
        self._hash.update(data)
        self.size += len(data)

    def _write(self, data: bytes | bytearray) -> None:
        with _told_when_full():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]

    def _end(self) -> None:
        """Write what a seal ends with. Nothing can be added then."""
        if self._sealer:
            for part in self._sealer.end():
                self._write(part)
            self._sealer = None

    def read_back(self) -> bytes:
        """All that has come."""
        with self.opened() as file:
            return file.read()

    def opened(self) -> BinaryIO:
        """All that has come, to be read as a file."""
        self._end()
        return sealing.opened(self._path)

    def content(self) -> Content:
        """What has come, as it is named."""
        return Content(self._hash.digest(), self.size)

    def place(self) -> Content:
        """Make it a file that counts, on the disk; one of the same content is replaced. Raises NoSpace.

        Where it can, it has its name before it is synced, so that the file system writes its journal once for both.
        Once is enough: what failed is not tried again, for a disk tells only once that it could not write.
        """
        if self._outcome is None:
            try:
                self._outcome = self._on_disk()
            except Exception as error:
                self._outcome = error
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def _on_disk(self) -> Content:
        content = self.content()
        self._end()
        self._placed(path_of(content.digest))
        with _told_when_full():
            _tell_archive(content.digest.hex())
        return content

    def _placed(self, target: Path) -> None:
        with _told_when_full():
            named = _linked(self._path, target)
            os.fsync(self._file.fileno())
            kind = file_system(os.fstat(self._file.fileno()).st_dev)
            self._file.close()
            if not named:  # one that may be used gives way to one that is on the disk
                self._path.replace(target)
            if not named or kind not in _IN_ORDER:
                sync(target.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _made(path: Path) -> BinaryIO:
    """A new file to be written; the first makes its folder."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        handle = os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, flags, 0o600)
    return os.fdopen(handle, "wb", 0)


def _linked(path: Path, target: Path) -> bool:
    """Give a file a further name; False where that is taken, or the file system knows no such names.

    The first one of a folder makes it.
    """
    try:
        os.link(path, target)
    except FileNotFoundError:
        if not path.exists():
            raise
        target.parent.mkdir(mode=0o700, exist_ok=True)
        sync(target.parent.parent)
        return _linked(path, target)
    except OSError as error:
        if error.errno in _FULL:
            raise
        return False
    return True


@lru_cache(8)
def file_system(device: int) -> str:
    """The kind of file system on a device; "" where that is not told."""
    number, kinds = f"{os.major(device)}:{os.minor(device)}", set()
    with suppress(OSError):
        for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
            place, _, source = line.partition(" - ")  # proc(5)
            if place.split()[2] == number:
                kinds.add(source.split()[0])
    return kinds.pop() if len(kinds) == 1 else ""


def _tell_archive(name: str) -> None:
    """Note for the archive, if there is one, that this content came; before any resource can use it."""
    noted = folder() / UNARCHIVED
    with suppress(FileNotFoundError):
        (noted / name).touch(mode=0o600)
        sync(noted)


def store(data: bytes) -> Content:
    """Keep these bytes as a file."""
    with Arriving() as arriving:
        arriving.write(data)
        return arriving.place()


def opened(digest: bytes) -> BufferedReader:
    """A content, to be read from any place; one that lies elsewhere is brought back first.

    Raises FileNotFoundError, Away, NoSpace, sealing.Spoilt.
    """
    path = path_of(digest)
    try:
        return sealing.opened(path)
    except FileNotFoundError:
        if not any(_brought(place, digest) for place in _elsewhere):
            raise
    return sealing.opened(path)


def _brought(place: Elsewhere, digest: bytes) -> bool:
    """Lay a file in the folder as it lies in a place; False where that has it not, or not as it was."""
    chunks = place.chunks(digest)
    if chunks is None:
        return False
    with _Returning() as returning:
        for chunk in chunks:
            returning.add(chunk)
        if not returning.is_content(digest):
            return False
        returning.lay(digest)
    return True


class _Returning(Arriving):
    """A file on its way back, as it lay; the archive knows it."""

    def add(self, data: bytes) -> None:
        """Add bytes of the file."""
        self._write(data)

    def is_content(self, digest: bytes) -> bool:
        """Whether it is the file of a content."""
        try:
            with sealing.opened(self._path) as file:
                return file_digest(file, "sha256").digest() == digest
        except sealing.Spoilt:
            return False

    def lay(self, digest: bytes) -> None:
        """Make it the file of a content."""
        self._placed(path_of(digest))


def seal(digest: bytes) -> bool:
    """Seal a file that is not; False where it is already. Raises FileNotFoundError, NoSpace, sealing.Spoilt."""
    path = path_of(digest)
    if sealing.is_sealed(path):
        return False
    with _Returning() as sealed, path.open("rb") as file:
        sealer = sealing.Sealer()
        while chunk := file.read(PIECE):
            for part in sealer.add(chunk):
                sealed.add(part)
        for part in sealer.end():
            sealed.add(part)
        if not sealed.is_content(digest):
            raise sealing.Spoilt("the file is not the content of its name")
        sealed.lay(digest)
    return True


def forget(digest: bytes) -> None:
    """Take the file of a content away that lies elsewhere as well."""
    path_of(digest).unlink(missing_ok=True)


def is_archived(digest: bytes) -> bool:
    """Whether the archive, where there is one, has a content."""
    return not (folder() / UNARCHIVED / digest.hex()).exists()


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


def is_content(digest: bytes, chunks: Iterable[bytes]) -> bool:
    """Whether these are the bytes of a content's file, as it lies sealed or not."""
    with _Returning() as returning:
        for chunk in chunks:
            returning.add(chunk)
        return returning.is_content(digest)


def fault(content: Content, *, hashed: bool = True, fetched: bool = False) -> str:
    """What is wrong with the file of a content: `missing`, `size`, `content`, `away`; "" when it is right.

    hashed: every byte is read; else its size alone is looked at. Of one that lies elsewhere it is asked whether it is
    there; `away` is where nobody answers. fetched: that is read as well.
    """
    try:
        with sealing.opened(path_of(content.digest)) as file:
            if file.seek(0, os.SEEK_END) != content.size:
                return "size"
            file.seek(0)
            return "content" if hashed and file_digest(file, "sha256").digest() != content.digest else ""
    except sealing.Spoilt:
        return "content"
    except FileNotFoundError:
        return _fault_elsewhere(content.digest, fetched=fetched and hashed)


def _fault_elsewhere(digest: bytes, *, fetched: bool) -> str:
    try:
        for place in _elsewhere:
            if not fetched:
                if place.has(digest):
                    return ""
            elif (chunks := place.chunks(digest)) is not None:
                return "" if is_content(digest, chunks) else "content"
    except Away:
        return "away"
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
