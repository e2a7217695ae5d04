"""Lines of NDJSON that may be longer than memory: large contents go to files while they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import IO

from tuetinh.record.contents.shortening import HELD, Shortening


def lines(source: IO[bytes]) -> Iterator[bytes]:
    """The lines, with stand-ins for the contents that make one longer than `HELD`. Needs `ready`. Raises NoSpace."""
    while part := source.readline(HELD):
        if part.endswith(b"\n") or len(part) < HELD:
            yield part
            continue
        with closing(Shortening()) as line:
            line.feed(part)
            while part := source.readline(HELD):
                line.feed(part)
                if part.endswith(b"\n"):
                    break
            yield line.end()
