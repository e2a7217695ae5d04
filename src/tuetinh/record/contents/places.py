"""Where archives and contents lie elsewhere: a folder (another disk, a share) or a bucket that speaks S3.

A name is written whole or not at all, and is on the disk when `put` returns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

CHUNK = 1 << 20
ARRIVING = ".arriving"


class Unreachable(Exception):
    """The place does not answer, or does not take what it is given; the text says why."""


class Missing(Unreachable):
    """There is nothing of that name."""


class NoPlace(ValueError):
    """An address names no place; the text says why."""


Write = Callable[[BinaryIO], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that lies in a place. size: in bytes."""

    name: str
    size: int
    modified: datetime


class Place(Protocol):
    """A flat room of named things. Every call raises Unreachable."""

    def put(self, name: str, write: Write) -> None:
        """Keep what a function writes under a name, replacing what is there; what breaks off leaves nothing."""

    def get(self, name: str) -> Iterator[bytes]:
        """What is kept under a name. Raises Missing."""

    def size(self, name: str) -> int:
        """How many bytes are kept under a name. Raises Missing."""

    def entries(self, below: str = "") -> Iterator[Entry]:
        """What lies below a prefix that ends in `/` (or everything), in no order."""

    def delete(self, names: Iterable[str]) -> None:
        """Forget these; one that is not there is no error."""


class Folder:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    def put(self, name: str, write: Write) -> None:
        target = self._root / name
        arriving = self._root / ARRIVING / uuid4().hex
        try:
            if not self._root.is_dir():  # a disk that is not mounted must not be written beside
                raise Unreachable(f"there is no folder {self._root}")
            arriving.parent.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            self._make(target.parent)
            arriving.replace(target)
            _sync(target.parent)
        except OSError as error:
            raise Unreachable(f"{target}: {error.strerror or error}") from error
        finally:
            arriving.unlink(missing_ok=True)

    def get(self, name: str) -> Iterator[bytes]:
        try:
            with (self._root / name).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except FileNotFoundError as error:
            raise self._missing(name) from error
        except OSError as error:
            raise Unreachable(f"{self._root / name}: {error.strerror or error}") from error

    def size(self, name: str) -> int:
        try:
            return (self._root / name).stat().st_size
        except FileNotFoundError as error:
            raise self._missing(name) from error
        except OSError as error:
            raise Unreachable(f"{self._root / name}: {error.strerror or error}") from error

    def _missing(self, name: str) -> Unreachable:
        """Nothing of that name, or a disk that is not there."""
        if not self._root.is_dir():
            return Unreachable(f"there is no folder {self._root}")
        return Missing(f"{self._root / name} is missing")

    def entries(self, below: str = "") -> Iterator[Entry]:
        if not self._root.is_dir():
            raise Unreachable(f"there is no folder {self._root}")
        for folder, folders, files in os.walk(self._root / below):
            folders[:] = sorted(part for part in folders if part != ARRIVING)
            for name in sorted(files):
                path = Path(folder) / name
                try:
                    state = path.stat()
                except FileNotFoundError:  # it goes meanwhile
                    continue
                at = datetime.fromtimestamp(state.st_mtime, UTC)
                yield Entry(path.relative_to(self._root).as_posix(), state.st_size, at)

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            path = self._root / name
            try:
                path.unlink(missing_ok=True)
                if path.parent != self._root and not any(path.parent.iterdir()):
                    path.parent.rmdir()
            except OSError as error:
                raise Unreachable(f"{path}: {error.strerror or error}") from error

    def _make(self, folder: Path) -> None:
        if not folder.exists():
            self._make(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync(folder.parent)


def open_place(address: str) -> Place:
    """The place of an address: a folder's path, `file:///…` or `s3://bucket/prefix`. Raises NoPlace."""
    parts = urlsplit(address)
    if parts.scheme in ("s3", "s3a"):
        from tuetinh.record.contents.buckets import open_bucket  # whose library takes memory, for those who have one

        return open_bucket(address)
    if "://" in address and parts.scheme != "file":
        raise NoPlace(f"{address} is neither a folder nor s3://BUCKET/PREFIX")
    return Folder(Path(parts.path if parts.scheme == "file" else address).resolve())


def _sync(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
