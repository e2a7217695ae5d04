"""The frames of LIS1-A (ASTM E1381): their signs, checksums and times, and what a message's frames held."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

STX, ETX, EOT, ENQ, ACK, LF, CR, NAK, ETB, GS, RS = (
    b"\x02", b"\x03", b"\x04", b"\x05", b"\x06", b"\n", b"\r", b"\x15", b"\x17", b"\x1d", b"\x1e",
)  # fmt: skip
FRAME_TEXT: Final = 240  # 6.3.1.2 of E1381-95; LIS1-A allows more, which old instruments do not take
LARGEST: Final = 16 * 1024 * 1024
RETRIES: Final = 6  # 6.5.1.2: after six refusals of a frame the sender ends
# 6.5.2: seconds of each timer.
REPLY, BETWEEN, BUSY, HOST_YIELDS, INSTRUMENT_YIELDS = 15.0, 30.0, 10.0, 20.0, 1.0


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds of 6.5.2, and how long a frame waits for the CR LF that some leave out."""

    reply: float = REPLY
    between: float = BETWEEN
    busy: float = BUSY
    host_yields: float = HOST_YIELDS
    instrument_yields: float = INSTRUMENT_YIELDS
    tail: float = 0.3


@dataclass(frozen=True, slots=True)
class Text:
    """What a message's frames held. `fault` is "" for a whole message, else why it is none.

    Faults: `no-start` (records without H), `no-terminator` (no L record before EOT), `no-end` (cut off), `too-large`.
    proprietary: it is no LIS2 text.
    """

    payload: bytes
    fault: str = ""
    proprietary: bool = False


def checksum(frame: bytes) -> bytes:
    """6.3.1.9: the two characters for what stands between STX and the checksum."""
    return b"%02X" % (sum(frame) & 0xFF)


def frames(message: bytes, size: int = FRAME_TEXT) -> list[bytes]:
    """Cut a message into frames (6.3.1): each record begins one, and goes on after ETB when it is longer."""
    parts: list[tuple[bytes, bytes]] = []
    for record in re.findall(rb"[^\r]*\r|[^\r]+\Z", message):
        pieces = [record[start : start + size] for start in range(0, len(record), size)]
        parts += [(piece, ETB) for piece in pieces[:-1]] + [(pieces[-1], ETX)]
    made = []
    for number, (text, end) in enumerate(parts, 1):
        body = b"%d" % (number % 8) + text + end
        made.append(STX + body + checksum(body) + CR + LF)
    return made


def proprietary(text: bytes, *, checked: bool) -> bytes:
    """The frame of a text of a maker's own: between STX and ETX, with a checksum after GS where it is checked."""
    return STX + (text + GS + checksum(text + GS).lower() if checked else text) + ETX
