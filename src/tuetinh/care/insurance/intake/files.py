"""Claim files on disk: as they are, packed (gzip, ZIP), or many in a folder; unpacked while they are read."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, cast
from zipfile import BadZipFile, ZipFile

from tuetinh.care.insurance.errors import WireError

RATIO: Final = 200  # to which claims, most of them base64, never pack
FREE: Final = 64 << 20  # bytes that may be unpacked at any ratio
KINDS: Final = (".xml", ".gz", ".zip")
BROKEN: Final = (BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or a part of one. sha256: of the whole file."""

    path: Path
    name: str
    member: str
    sha256: str
    size: int


def sources(path: Path) -> Iterator[Source]:
    """The claim files at a path, in the order of their names. Raises OSError for what cannot be read."""
    if path.is_dir():
        found = (one for one in path.rglob("*") if one.is_file() and one.suffix.lower() in KINDS)
        for one in sorted(found):
            if not any(part.startswith(".") for part in one.relative_to(path).parts):
                yield from _of_file(one, str(one.relative_to(path)))
        return
    yield from _of_file(path, path.name)


def _of_file(path: Path, name: str) -> Iterator[Source]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        head = file.seek(0) or file.read(4)
    size = path.stat().st_size
    members = [""]
    if head == b"PK\x03\x04":
        try:
            with ZipFile(path) as packed:
                members = sorted(one.filename for one in packed.infolist() if not one.is_dir()) or [""]
        except BROKEN:
            members = [""]
    for member in members:
        yield Source(path, f"{name}/{member}"[:300] if member else name[:300], member, digest, size)


class Opened:
    """A file that is read. `position` in what is on disk. Raises WireError for what cannot be unpacked."""

    def __init__(self, name: str, disk: BinaryIO, content: IO[bytes]) -> None:
        self.name, self.disk, self.content = name, disk, content
        self.count = 0

    @property
    def position(self) -> int:
        """How far the file on disk is read."""
        return self.disk.tell()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        try:
            found = self.content.read(size)
        except BROKEN as error:
            raise WireError("packed", self.name) from error
        self.count += len(found)
        if self.count > FREE and self.count > RATIO * self.position:
            raise WireError("bomb", self.name)
        return found


@contextmanager
def opened(source: Source) -> Iterator[Opened]:
    """Open a file for reading."""
    with source.path.open("rb") as disk:
        content: IO[bytes] = disk
        head = disk.read(4)
        disk.seek(0)
        if head[:2] == b"\x1f\x8b":
            content = cast("IO[bytes]", gzip.GzipFile(fileobj=disk))
        elif source.member:
            try:
                content = ZipFile(disk).open(source.member)  # noqa: SIM115 - closed with the file on disk
            except (*BROKEN, KeyError) as error:
                raise WireError("packed", source.name) from error
        yield Opened(source.name, disk, content)
