"""JSON that comes in pieces, with a stand-in for each large content: it goes to its file while it is read.

So what is held in memory is the JSON without these contents, however large they are.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode

from tuetinh.record.contents.files import Arriving
from tuetinh.record.contents.stand_ins import LARGE, stand_in

HELD = 1024 * 1024
"""Bytes that are held before the first content is taken out: what is no longer than that stays as it is."""
SLICE = 64 * 1024
LEAST = LARGE * 4 // 3
_OPEN = re.compile(rb'"(?:data|[a-z]+Base64Binary)"\s*:\s*"$')
_RUN = re.compile(rb"[A-Za-z0-9+/]*(?:\\/[A-Za-z0-9+/]*)*")
_END = re.compile(rb'={0,2}"')
_BEFORE_END = (b"", b"\\", b"=", b"==")


class Shortening:
    """JSON on its way in. Needs `ready`; `close` takes away what has come of a content that is not whole.

    limit: how many bytes may be left of it; is_over: more were, and nothing is kept any more.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.is_over = False
        self._limit = limit
        self._kept = bytearray()
        self._arriving: Arriving | None = None
        self._text = b""
        """What was read of the value that arrives and is not decoded yet."""

    def feed(self, data: bytes) -> None:
        """Read on. Raises NoSpace."""
        for at in range(0, len(data), SLICE):
            self._feed(data[at : at + SLICE])

    def end(self) -> bytes:
        """All of it; nothing where `is_over`."""
        if self._arriving is not None:
            self._give_back(self._arriving, self._text)
        return bytes(self._kept)

    def close(self) -> None:
        """Let go of a content that is not whole."""
        if self._arriving is not None:
            self._arriving.__exit__()
        self._arriving, self._text = None, b""

    def _feed(self, data: bytes) -> None:
        if self._arriving is not None:
            self._go_on(self._arriving, self._text + data)
        elif not self.is_over:
            self._kept += data
            if len(self._kept) >= HELD and (start := self._open_value()):
                text = bytes(self._kept[start:])
                del self._kept[start:]
                self._arriving = Arriving()
                self._go_on(self._arriving, text)
        self._look()

    def _look(self) -> None:
        if self._limit is not None and len(self._kept) > self._limit:
            self.is_over = True
            self._kept.clear()

    def _open_value(self) -> int:
        """Where a large base64 value begins that goes on beyond the end of what was read; 0 for none."""
        start = self._kept.rfind(b'"', max(len(self._kept) - 2 * HELD, 0)) + 1
        if not start or len(self._kept) - start < LEAST:
            return 0
        is_value = _OPEN.search(self._kept[max(start - 80, 0) : start]) is not None
        return start if is_value and _RUN.fullmatch(self._kept, start) else 0

    def _go_on(self, arriving: Arriving, text: bytes) -> None:
        """Decode what is plain base64; at the end of the value put a stand-in for it, or all of it where it is not."""
        run = _RUN.match(text)
        end = run.end() if run else 0
        plain, rest = text[:end].replace(b"\\/", b"/"), text[end:]
        even = len(plain) // 4 * 4
        if rest in _BEFORE_END:
            arriving.write(b64decode(plain[:even]))
            self._text = plain[even:] + rest
            return
        close = _END.match(rest)
        last = plain[even:] + (rest[: close.end() - 1] if close else b"")
        arriving.write(b64decode(plain[:even]))
        if close is None or len(last) not in (0, 4) or b64encode(b64decode(last)) != last:
            self._give_back(arriving, plain[even:] + rest)
            return
        arriving.write(b64decode(last))
        self._kept += stand_in(arriving.place()) + rest[close.end() - 1 :]
        self.close()

    def _give_back(self, arriving: Arriving, text: bytes) -> None:
        """Keep the value as it is, which is no base64 of ours."""
        if self._limit is not None and len(self._kept) + arriving.size * 4 // 3 > self._limit:
            self.is_over = True
            self._kept.clear()
        else:
            self._kept += b64encode(arriving.read_back()) + text
        self.close()
