"""What leaves the record: bodies with their large contents written out again, piece by piece."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tuetinh.record.contents import files
from tuetinh.record.contents.stand_ins import Content, find, may_hold, ready
from tuetinh.record.errors import RecordError
from tuetinh.record.steps import Step, computed

CHUNK = 3 * 128 * 1024  # of a file at once; base64 takes threes
MOST = 16 * 1024 * 1024  # of a resource that is held in memory as a whole
PAGE = 64 * 1024 * 1024


class Lost(RecordError):
    """The file of a content is not where it should be."""

    status = 500
    code = "incomplete"


class Piece(NamedTuple):
    """The bytes of a content from `start` to before `stop`, as they are or as base64."""

    digest: bytes
    start: int
    stop: int
    encoded: bool = False

    @property
    def length(self) -> int:
        """How many bytes it gives."""
        size = self.stop - self.start
        return (size + 2) // 3 * 4 if self.encoded else size

    def chunks(self) -> Iterator[bytes]:
        """The bytes, some at a time. Raises Lost when the file ends too early, files.Away where nobody gives it."""
        with files.opened(self.digest) as file:
            file.seek(self.start)
            left = self.stop - self.start
            while left:
                data = file.read(min(CHUNK, left))
                if not data:
                    raise Lost("a content ends too early")
                left -= len(data)
                yield b64encode(data) if self.encoded else data


Part = bytes | Piece


def piece(content: Content, start: int = 0, stop: int | None = None, *, encoded: bool = False) -> Piece:
    """A content or a range of it. Raises Lost when its file is not there or not whole, Away where nobody answers."""
    if wrong := files.fault(content, hashed=False):
        if wrong == "away":
            raise files.Away("a content lies in a store that does not answer")
        raise Lost("a content is missing in the data folder of the node; `tuetinh check` names it")
    return Piece(content.digest, start, content.size if stop is None else stop, encoded)


def parts(body: bytes) -> list[Part]:
    """A body as it leaves: what is stored, and the pieces that come in between. Needs `ready`. Raises Lost."""
    made: list[Part] = []
    at = 0
    for start, end, content in find(body) if may_hold(body) else ():
        made += [body[at:start], piece(content, encoded=True)]
        at = end
    return [*made, body[at:]]


def length(made: Iterable[Part]) -> int:
    """How many bytes parts have together."""
    return sum(part.length if isinstance(part, Piece) else len(part) for part in made)


def stream(body: bytes) -> Iterator[bytes]:
    """A body as it leaves, some bytes at a time. Needs `ready`. Raises Lost."""
    for part in parts(body):
        if isinstance(part, Piece):
            yield from part.chunks()
        else:
            yield part


def given(body: bytes | None) -> Step[bytes]:
    """A body as clients know it, in one; where it would be larger than `MOST` it keeps its stand-ins. Raises Lost."""
    if not body or not may_hold(body):
        return body or b""
    yield from ready()
    if weight(body) > MOST:
        return body
    return (yield from computed(lambda: b"".join(stream(body))))


def fitting(bodies: Sequence[bytes | None]) -> Step[int]:
    """How many of these bodies a page gives: one at least where there is one, then as many as `PAGE` bytes hold."""
    if not any(body and may_hold(body) for body in bodies):
        return len(bodies)
    yield from ready()
    total = 0
    for number, body in enumerate(bodies):
        total += weight(body or b"")
        if total > PAGE and number:
            return number
    return len(bodies)


def weight(body: bytes) -> int:
    """How many bytes a body has when it leaves. Needs `ready`."""
    if not may_hold(body):
        return len(body)
    found = find(body)
    return len(body) + sum((content.size + 2) // 3 * 4 - (end - start) for start, end, content in found)
