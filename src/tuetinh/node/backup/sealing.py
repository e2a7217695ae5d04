"""Encryption of an archive: age (age-encryption.org/v1) to public keys, so that a node cannot read its own backups.

What is sealed is compressed (zstd), and begins with the name under which it lies: a thing that was exchanged for
another is found out, as is one that was changed or cut off.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pyrage

from tuetinh.node.errors import Refused
from tuetinh.record.contents.places import Place, Unreachable, Write

COMPRESSION = "zstd"


class Broken(Exception):
    """Something of an archive cannot be read: another key, changed, cut off, exchanged. The text names it."""


class Recipients:
    """Those for whom things are sealed."""

    def __init__(self, setting: str) -> None:
        """setting: public keys `age1…`, or files that hold them one a line; blanks between. Raises Refused."""
        self._keys = [_public(key) for part in setting.split() for key in _lines(part, "age1")]
        if not self._keys:
            raise Refused("TUETINH_BACKUP_RECIPIENTS names no age recipient; `tuetinh backup key FILE` makes one")

    def seal(self, name: str, chunks: Iterable[bytes]) -> Write:
        """What writes a thing of any size, sealed, while its parts come."""

        def write(sink: BinaryIO) -> None:
            pyrage.encrypt_io(_Packing(name, iter(chunks)), sink, self._keys)

        return write


class Identities:
    """Those who may read."""

    def __init__(self, path: Path) -> None:
        """path: a file of private keys, as `tuetinh backup key` and `age-keygen` write it. Raises Refused."""
        try:
            self._keys = [pyrage.x25519.Identity.from_str(key) for key in _lines(str(path), "AGE-SECRET-KEY-")]
        except pyrage.IdentityError as error:
            raise Refused(f"{path} holds no age identity") from error
        if not self._keys:
            raise Refused(f"{path} holds no age identity (AGE-SECRET-KEY-…)")

    @contextmanager
    def opened(self, place: Place, name: str) -> Iterator[BinaryIO]:
        """What was sealed under a name, as a stream. Whoever reads it to the end and leaves the block has it whole.

        Raises Broken, Missing and Unreachable; what was read before must then be thrown away.
        """
        with self.unsealed(place.get(name), name, f"{place}/{name}") as stream:
            yield stream

    @contextmanager
    def unsealed(self, chunks: Iterator[bytes], name: str, called: str) -> Iterator[BinaryIO]:
        """The same of something whose parts come from elsewhere. called: how faults name it."""
        unpacked = _Unpacked(self._keys, chunks)
        stream = io.BufferedReader(unpacked, 1 << 20)
        line = name.encode() + b"\n"
        try:
            if stream.readline(len(line)) == line:
                yield stream
                while stream.read(1 << 20):  # what the reader left, so that all of it is looked at
                    pass
            elif unpacked.error is None:
                raise Broken(f"{called} is another thing under this name")
        except Exception:
            if unpacked.error is None:
                raise
        finally:
            unpacked.end()
        if isinstance(unpacked.error, Unreachable):
            raise unpacked.error
        if unpacked.error is not None:
            raise Broken(f"{called} cannot be read: {_reason(unpacked.error)}") from unpacked.error

    def read(self, place: Place, name: str) -> bytes:
        """A small thing, whole. Raises as `opened` does."""
        with self.opened(place, name) as stream:
            return stream.read()


def poured(fill: Callable[[BinaryIO], None]) -> Iterator[bytes]:
    """What a function writes into a file, part by part while it writes; its fault is raised at the end."""
    reading, writing = os.pipe()
    faults: list[Exception] = []

    def run() -> None:
        try:
            with os.fdopen(writing, "wb") as sink:
                fill(sink)
        except Exception as error:
            faults.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with os.fdopen(reading, "rb") as source:
        while chunk := source.read(1 << 20):
            yield chunk
    thread.join()
    if faults:
        raise faults[0]


def make_key(path: Path) -> str:
    """Write a new private key to a file that only its owner may read; the public one. Raises Refused."""
    key = pyrage.x25519.Identity.generate()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Refused(f"{path} is there already") from error
    with os.fdopen(handle, "w") as file:
        file.write(f"# public key: {key.to_public()}\n{key}\n")
        file.flush()
        os.fsync(file.fileno())
    return str(key.to_public())


class _Packing:
    """A file to be read: a name and what follows it, compressed part by part."""

    def __init__(self, name: str, chunks: Iterable[bytes]) -> None:
        self._chunks = chain([name.encode() + b"\n"], chunks)
        self._kept = memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        while not self._kept:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            if chunk:
                import pyarrow  # which takes time and memory, for those who seal

                self._kept = memoryview(pyarrow.compress(chunk, codec=COMPRESSION, asbytes=True))
        given, self._kept = self._kept[:size], self._kept[size:]
        return bytes(given)


class _Unpacked(io.RawIOBase):
    """What was sealed, while it is decrypted in a thread."""

    def __init__(self, keys: list[Any], chunks: Iterator[bytes]) -> None:
        import pyarrow

        reading, writing = os.pipe()
        self._pipe = os.fdopen(reading, "rb")
        self._packed = pyarrow.CompressedInputStream(pyarrow.PythonFile(self._pipe, "r"), COMPRESSION)
        self.error: Exception | None = None
        self._left = False  # whoever reads has had enough
        self._thread = threading.Thread(target=self._decrypt, args=(keys, chunks, writing), daemon=True)
        self._thread.start()

    def _decrypt(self, keys: list[Any], chunks: Iterator[bytes], handle: int) -> None:
        source = _Reading(chunks)
        with contextlib.suppress(OSError), os.fdopen(handle, "wb") as sink:
            try:
                pyrage.decrypt_io(source, sink, keys)
            except Exception as error:
                if not self._left:
                    self.error = source.error or error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._packed.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def end(self) -> None:
        """Wait until everything was decrypted, or failed to be."""
        self._left = True
        self._pipe.close()
        self._thread.join()


class _Reading:
    """A file to be read, of parts."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._kept = memoryview(b"")
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        if not self._kept:
            try:
                self._kept = memoryview(next(self._chunks, b""))
            except Exception as error:
                self.error = error
                raise
        given, self._kept = self._kept[:size], self._kept[size:]
        return bytes(given)


def _lines(part: str, start: str) -> list[str]:
    """The keys in a part of a setting: itself, or the lines of the file that it names."""
    if part.startswith(start):
        return [part]
    try:
        lines = Path(part).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{part} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    return [line.strip() for line in lines if line.strip().startswith(start)]


def _public(key: str) -> Any:
    try:
        return pyrage.x25519.Recipient.from_str(key)
    except pyrage.RecipientError as error:
        raise Refused(f"{key} is no age recipient") from error


def _reason(error: Exception) -> str:
    known = {"No matching keys found": "it is for another key", "decryption error": "it was changed or cut off"}
    return known.get(str(error), f"it is cut off, or no part of an archive ({error})")
