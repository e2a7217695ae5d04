"""How contents lie sealed on the disk: AES-256-GCM in pieces, so that they are written as they come, read anywhere.

    mark, salt, proof (16 bytes each) | piece and tag | piece and tag | … the last piece, which may be shorter or empty

Each file has a key of its own, which the node's key and the salt make (HKDF, RFC 5869). A piece's nonce is its number
and whether it is the last: what was changed, cut off or put together anew is found out. The proof tells a sealed file
from any other content, whatever that begins with.
"""

from __future__ import annotations

import hmac
import io
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MARK: Final = b"tuetinh sealed 1"
HEAD: Final = 48
PIECE: Final = 64 * 1024
TAG: Final = 16


class Spoilt(OSError):
    """A sealed file was changed or cut off, or is sealed with another key."""


def wanted() -> bool:
    """Whether what comes is to be sealed."""
    return os.environ.get("TUETINH_SEAL_FILES", "") not in ("", "0")


def _key_file() -> Path:
    return Path(settings.DATA) / "keys" / "files.key"


@lru_cache(maxsize=4)
def _key(path: Path) -> bytes:
    """The node's key for files. Raises Spoilt where there is none."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != 32:
        raise Spoilt("keys/files.key is missing or no key")
    return key


def _make_key(path: Path) -> None:
    """Make the key where there is none; another process may be first."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".files.key.{uuid4().hex}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(os.urandom(32).hex())
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Sealing:
    """The cipher of one file."""

    def __init__(self, salt: bytes) -> None:
        made = HKDF(algorithm=SHA256(), length=64, salt=salt, info=MARK).derive(_key(_key_file()))
        self.head = MARK + salt + hmac.digest(made[32:], salt, "sha256")[:16]
        self._cipher = AESGCM(made[:32])

    def sealed(self, number: int, piece: bytes, *, last: bool) -> bytes:
        """A piece as it lies."""
        return self._cipher.encrypt(_nonce(number, last=last), piece, None)

    def opened(self, number: int, piece: bytes, *, last: bool) -> bytes:
        """A piece as it was. Raises Spoilt."""
        try:
            return self._cipher.decrypt(_nonce(number, last=last), piece, None)
        except InvalidTag:
            raise Spoilt("a sealed file was changed or cut off") from None


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class Sealer:
    """Seals what comes in parts."""

    def __init__(self) -> None:
        _make_key(_key_file())
        self._sealing = _Sealing(os.urandom(16))
        self._kept = bytearray()
        self._number = 0
        self._begun = False

    def add(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """What is to be written for more bytes."""
        if not self._begun:
            self._begun = True
            yield self._sealing.head
        self._kept += data
        while len(self._kept) > PIECE:  # the last piece is known as such
            yield self._sealing.sealed(self._number, bytes(self._kept[:PIECE]), last=False)
            del self._kept[:PIECE]
            self._number += 1

    def end(self) -> Iterator[bytes]:
        """What is to be written at the end."""
        yield from self.add(b"")
        yield self._sealing.sealed(self._number, bytes(self._kept), last=True)


class _Plain(io.RawIOBase):
    """A sealed file, to be read as it was."""

    def __init__(self, file: BinaryIO, sealing: _Sealing) -> None:
        super().__init__()
        self._file, self._sealing = file, sealing
        total = os.fstat(file.fileno()).st_size - HEAD
        self._pieces = -(-total // (PIECE + TAG))
        self._size = total - self._pieces * TAG
        if self._size < 0 or not self._pieces:
            raise Spoilt("a sealed file was cut off")
        self._at = 0
        self._known = (-1, b"")

    @property
    def name(self) -> str:
        """Where it lies."""
        return str(self._file.name)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer with what one piece has of it. Raises Spoilt."""
        view = memoryview(buffer)
        number, offset = divmod(self._at, PIECE)
        if self._at >= self._size:
            return 0
        found = self._piece(number)[offset : offset + len(view)]
        view[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _piece(self, number: int) -> bytes:
        if self._known[0] != number:
            self._file.seek(HEAD + number * (PIECE + TAG))
            last = number == self._pieces - 1
            self._known = number, self._sealing.opened(number, self._file.read(PIECE + TAG), last=last)
        return self._known[1]

    def close(self) -> None:
        self._file.close()
        super().close()


def is_sealed(path: Path) -> bool:
    """Whether a file is sealed. Raises FileNotFoundError, Spoilt."""
    with path.open("rb") as file:
        return _opening(file) is not None


def _opening(file: BinaryIO) -> _Sealing | None:
    head = file.read(HEAD)
    file.seek(0)
    if not head.startswith(MARK):
        return None
    sealing = _Sealing(head[16:32])
    return sealing if hmac.compare_digest(sealing.head, head) else None


def opened(path: Path) -> io.BufferedReader:
    """The content of a file, sealed or not, to be read from any place. Raises FileNotFoundError, Spoilt."""
    file = path.open("rb")
    try:
        sealing = _opening(file)
        return io.BufferedReader(_Plain(file, sealing), PIECE) if sealing else file
    except BaseException:
        file.close()
        raise
