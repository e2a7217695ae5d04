"""Lines of NDJSON that may be longer than memory: large contents go to files while they are read."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import IO

from tuetinh.record.contents.files import Arriving
from tuetinh.record.contents.stand_ins import stand_in

BLOCK = 3 * 1024 * 1024
_OPEN = re.compile(rb'"(?:data|[a-z]+Base64Binary)"\s*:\s*"$')
_RUN = re.compile(rb"[A-Za-z0-9+/]*")
_ENDS = (b'"', b'="', b'=="')


def lines(source: IO[bytes]) -> Iterator[bytes]:
    """The lines, with a stand-in for a content that makes one longer than `BLOCK`. Needs `ready`. Raises NoSpace."""
    line = bytearray()
    while part := source.readline(BLOCK):
        line += part
        if len(line) >= BLOCK and (start := _open_value(line)):
            line[start:] = _taken_out(bytes(line[start:]), source)
        if line.endswith(b"\n"):
            yield bytes(line)
            line.clear()
    if line:
        yield bytes(line)


def _open_value(line: bytearray) -> int:
    """Where a base64 value begins that goes on beyond the end of what was read; 0 for none."""
    start = line.rfind(b'"') + 1
    is_value = start > 0 and _OPEN.search(line[max(start - 80, 0) : start]) is not None
    return start if is_value and _RUN.fullmatch(line, start) else 0


def _taken_out(first: bytes, source: IO[bytes]) -> bytes:
    """What begins so and was read on: with a stand-in for the value, or as it was where that is no plain base64."""
    with Arriving() as arriving:
        text = first
        while True:
            run = _RUN.match(text)
            end = run.end() if run else 0
            if text[end:] not in (b"", b"=", b"==") or not (more := source.readline(BLOCK)):
                break
            even = end // 4 * 4
            arriving.write(b64decode(text[:even]))
            text = text[even:] + more
        tail = text.find(b'"', end) + 1
        whole = text[:tail].removesuffix(b'"')
        if text[end:tail] in _ENDS and len(whole) % 4 == 0 and b64encode(b64decode(whole)) == whole:
            arriving.write(b64decode(whole))
            return stand_in(arriving.place()) + text[tail - 1 :]
        return b64encode(arriving.read_back()) + text
