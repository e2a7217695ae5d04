"""LIS1-A (ASTM E1381), the low level of an instrument's line: establishment, frames, termination.

`Link` is one end of a line and does no input or output: it is fed with bytes and the time, and gives texts and bytes to
send. TCP and serial lines use it alike, and so does the simulated instrument. Clauses are those of LIS1-A.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from tuetinh.care.lab.machines.wire_lis1_frames import (
    ACK,
    CR,
    ENQ,
    EOT,
    ETX,
    LARGEST,
    LF,
    NAK,
    RETRIES,
    RS,
    STX,
    Text,
    Timers,
    frames,
)

_ENDS = re.compile(rb"[\x02\x03\x04\x05\x17]")
_BIO_ENDS = re.compile(rb"[\x02\x04\x05\x1d]")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_TERMINATED = re.compile(rb"(?:^|[\r\n])L[^\w\s][^\r\n]*[\r\n]*\Z")
_BARE_END = re.compile(rb"[\r\n]L[^\w\s][^\r\n]*[\r\n]+")
_BEGINS = re.compile(rb"[\x02\x05]|(?<=[\r\n])H[^\w\s]")  # an establishment, a frame, or records without any
_BARE = re.compile(rb"[\s\0]*H[^\w\s]")
_RECORDS = re.compile(rb"(?:^|[\r\n])[PORQ][^\w\s]")
_FIRST = re.compile(rb"1H[^\w\s]")
_RECORD = re.compile(rb"[0-7][HPORCQMSL](?:[^\w\s]|\Z)")


@dataclass(frozen=True, slots=True)
class _Held:
    """A text that waits for `answer`: what is true after it was taken."""

    text: Text
    frame: bytes
    replies: bool


@dataclass(slots=True)
class _Sending:
    token: object
    frames: list[bytes]
    place: int = 0
    tries: int = 0


@dataclass(slots=True)
class Outcome:
    """What became of a message that was to be sent."""

    token: object
    sent: bool


@dataclass(slots=True)
class Link:
    """One end of a line. `host`: which of both yields when both bid (6.2.7.1).

    Feed it with `receive`, `tick` and `close`. When `held` is a text, keep it and call `answer`: only then is its last
    frame acknowledged and the line read on. Write what `take` gives. `outcomes` tells what became of sent messages.
    """

    host: bool = True
    numbered: bool = True  # whether frames out of order are refused: some instruments number them as they like
    timers: Timers = field(default_factory=Timers)
    outcomes: list[Outcome] = field(default_factory=list)
    _in: bytearray = field(default_factory=bytearray)
    _out: bytearray = field(default_factory=bytearray)
    _state: str = "neutral"  # neutral, receiving, asking, sending
    _expected: int | None = 1
    _accepted: bytes = b""  # the frame that was accepted last
    _text: bytes = b""
    _held: _Held | None = None
    _queue: deque[_Sending] = field(default_factory=deque)
    _until: float | None = None  # the timer of the state
    _tail_until: float | None = None
    _quiet_until: float = 0.0  # no bid before

    @property
    def held(self) -> Text | None:
        """The text that waits for `answer`."""
        return self._held.text if self._held else None

    @property
    def deadline(self) -> float | None:
        """When `tick` is due."""
        if self._held:
            return None
        due = [moment for moment in (self._until, self._tail_until) if moment is not None]
        if self._queue and self._state == "neutral":
            due.append(self._quiet_until)
        return min(due, default=None)

    @property
    def busy(self) -> bool:
        """Whether a session is open or something waits to be sent."""
        return self._state != "neutral" or bool(self._queue or self._held)

    def take(self) -> bytes:
        """What is to be written now."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def receive(self, data: bytes, now: float) -> None:
        """Bytes came."""
        self._in += data
        self._tail_until = None
        self._run(now)

    def tick(self, now: float) -> None:
        """Time went by: end what has waited too long, begin what may begin."""
        if self._held:
            return
        if self._tail_until is not None and now >= self._tail_until:
            self._tail_until = None
            self._run(now, whole=True)
        if self._until is not None and now >= self._until and not self._held:
            self._expire(now)
        self._bid(now)

    def close(self, now: float) -> None:
        """The line ended: what was begun and not ended is held as cut off; what was to be sent was not."""
        if self._held:
            return
        self._run(now, whole=True)
        if not self._held:
            self._cut_off(now)
        if self._state in ("asking", "sending"):
            self._fail(now)

    def send(self, message: bytes, token: object, now: float) -> None:
        """Send a message as soon as the line is free."""
        self._queue.append(_Sending(token, frames(message)))
        self._bid(now)

    def answer(self, *, kept: bool, now: float) -> None:
        """The held text was kept, or could not be: acknowledge its last frame or ask for it again."""
        held, self._held = self._held, None
        if not held:
            return
        if held.replies:
            self._out += ACK if kept else NAK
        if kept or not held.replies:
            self._text = b""
            if held.frame:
                self._remember(held.frame)
        if self._state == "receiving":
            self._until = now + self.timers.between
        self._run(now)
        self._bid(now)

    def _run(self, now: float, *, whole: bool = False) -> None:
        """Use up what came. whole: nothing more of a frame's tail is awaited."""
        while self._in and not self._held:
            before = len(self._in), self._state
            if self._state in ("asking", "sending"):
                self._reply(now)
            elif self._state == "receiving":
                self._receiving(now, whole=whole)
            else:
                self._neutral(now)
            if (len(self._in), self._state) == before:
                return

    def _drop(self, count: int = 1) -> bytes:
        gone = bytes(self._in[:count])
        del self._in[:count]
        return gone

    def _hold(self, text: Text, frame: bytes = b"", *, replies: bool = False) -> None:
        self._held = _Held(text, frame, replies)

    def _remember(self, frame: bytes) -> None:
        self._accepted, self._expected = frame, (int(frame[:1]) + 1) % 8

    # Receiving

    def _neutral(self, now: float) -> None:
        first = self._in[:1]
        if first == ENQ:
            self._drop()
            self._open(now)
        elif first == STX:  # seen in the field: frames without an establishment
            self._open(now, asked=False)
        elif first in (EOT, ACK, NAK, CR, LF, b"\0"):
            self._drop()
        elif _BARE.match(self._in):
            self._bare(now)
        else:
            self._noise(now)

    def _noise(self, now: float) -> None:
        """Not a record, yet perhaps the beginning of one that is still to come."""
        if begins := _BEGINS.search(self._in):
            noise = self._drop(begins.start())
            if _RECORDS.search(noise):
                self._hold(Text(noise, "no-start"))
        elif len(self._in) > 4096:
            self._hold(Text(self._drop(len(self._in)), "no-end"))
        else:
            self._until = self._until or now + self.timers.between

    def _bare(self, now: float) -> None:
        """Records without frames, as some send them over TCP, up to the end of the L record."""
        if found := _BARE_END.search(self._in):
            self._until = None
            self._hold(Text(self._drop(found.end())), replies=True)
        elif ENQ in self._in or STX in self._in:
            place = min(p for sign in (ENQ, STX) if (p := self._in.find(sign)) >= 0)
            self._hold(Text(self._drop(place), "no-end"))
        elif len(self._in) > LARGEST:
            self._hold(Text(self._drop(len(self._in))[:65536], "too-large"))
        else:
            self._until = now + self.timers.between

    def _open(self, now: float, *, asked: bool = True) -> None:
        if asked:
            self._out += ACK
        self._state, self._text = "receiving", b""
        self._expected, self._accepted = (1 if asked else None), b""
        self._until = now + self.timers.between

    def _receiving(self, now: float, *, whole: bool) -> None:
        first = self._in[:1]
        if first == STX:
            self._frame(now, whole=whole)
        elif first in (ENQ, EOT):
            text, self._text = self._text, b""
            if text.strip():  # 6.4: the sender ended without the message's own end
                self._hold(Text(text, "no-terminator"))
                return
            self._drop()
            self._state, self._until = "neutral", None
            if first == ENQ:
                self._open(now)
        else:
            self._drop()

    def _frame(self, now: float, *, whole: bool) -> None:
        biomerieux = self._in[1:2] == RS
        found = (_BIO_ENDS if biomerieux else _ENDS).search(self._in, 1)
        if not found:
            if len(self._in) + len(self._text) > LARGEST:
                self._text = b""
                self._hold(Text(self._drop(len(self._in))[:65536], "too-large"))
            return
        end, sign = found.start(), found.group()
        if sign in (STX, EOT, ENQ):  # the frame was cut: what follows decides
            self._drop(end)
            return
        told = bytes(self._in[end + 1 : end + 3])
        short = len(told) < 2 and not whole and all(byte in _HEX for byte in told)
        if short or (not whole and not self._tail_came(end + 3)):
            awaited = short and not told and not self._has_none(bytes(self._in[1:end]))
            self._tail_until = now + (self.timers.between if awaited else self.timers.tail)
            return
        self._until = now + self.timers.between
        if len(told) == 2 and all(byte in _HEX for byte in told):
            body = bytes(self._in[1 : end + 1])
            self._drop(end + 3)
            self._checked(body, told, biomerieux=biomerieux)
        else:
            self._unchecked(bytes(self._in[1:end]))
            self._drop(end + 1)

    def _has_none(self, body: bytes) -> bool:
        """Whether a frame is of a talker that knows no checksum: it enquired for nothing, and it is no record."""
        return self._expected is None and not _RECORD.match(body)

    def _tail_came(self, place: int) -> bool:
        """Whether CR LF came after the checksum, or something else that shows that it will not."""
        tail = bytes(self._in[place : place + 2])
        return len(tail) == 2 or (len(tail) == 1 and tail != CR)

    def _checked(self, body: bytes, told: bytes, *, biomerieux: bool) -> None:
        if int(told, 16) != sum(body) & 0xFF:
            self._out += NAK
        elif biomerieux:
            self._hold(Text(body[:-1], proprietary=True), replies=True)
        elif not body[:1].isdigit() or int(body[:1]) > 7:
            self._out += NAK
        elif body == self._accepted:  # 6.3.2.2: our acknowledgement was lost
            self._out += ACK
        elif self.numbered and self._expected not in (None, int(body[:1])) and not self._begins_anew(body):
            self._out += NAK
        else:
            self._accept(body)

    def _begins_anew(self, body: bytes) -> bool:
        """Whether a frame is the first of a further message: some count each message of a session from 1."""
        return not self._text and _FIRST.match(body) is not None

    def _accept(self, frame: bytes) -> None:
        whole, last = self._text + frame[1:-1], frame[-1:] == ETX
        if last and whole and whole[-1:] not in (CR, LF):
            whole += CR
        if last and _TERMINATED.search(whole):
            self._hold(Text(whole), frame, replies=True)
            return
        if len(whole) > LARGEST:
            self._text = b""
            self._hold(Text(whole[:65536], "too-large"))
            return
        self._text = whole
        self._remember(frame)
        self._out += ACK

    def _unchecked(self, body: bytes) -> None:
        """A frame without a checksum: of a talker that knows none, else refused."""
        if _RECORD.match(body):
            self._out += NAK
        elif body.strip():
            self._hold(Text(body, proprietary=True), replies=True)

    def _cut_off(self, now: float) -> None:
        """Hold what was begun and not ended. A whole frame before it was acknowledged, so that it is kept as well."""
        rest = self._drop(len(self._in)).lstrip(b"\x02") if self._state in ("neutral", "receiving") else b""
        text, self._text = self._text, b""
        if self._state == "receiving":
            self._state = "neutral"
            rest = rest[1:] if _RECORD.match(rest) else rest
        self._until = None
        if (text + rest).strip(b"\0\r\n\x02\x03\x04\x05\x06\x15\x17 "):
            self._hold(Text(text + rest, "no-end"))

    # Sending

    def _bid(self, now: float) -> None:
        if self._state == "neutral" and self._queue and not self._held and not self._in and now >= self._quiet_until:
            self._state, self._until = "asking", now + self.timers.reply
            self._out += ENQ

    def _reply(self, now: float) -> None:
        first, job = self._drop(), self._queue[0]
        if self._state == "asking":
            if first == ACK:
                self._state = "sending"
                self._write(job, now)
            elif first == NAK:
                job.tries += 1
                self._yield(now, self.timers.busy)
                if job.tries > RETRIES:
                    self._fail(now)
            elif first in (ENQ, STX):
                self._yield(now, self.timers.host_yields if self.host else self.timers.instrument_yields)
                if first == STX:
                    self._in[:0] = first
        elif first in (ACK, EOT):  # 6.3.4: EOT asks us to stop, and counts as an acknowledgement
            job.place, job.tries = job.place + 1, 0
            if job.place < len(job.frames):
                self._write(job, now)
            else:
                self._finish(now, sent=True)
        elif first == NAK:
            job.tries += 1
            if job.tries >= RETRIES:
                self._fail(now)
            else:
                self._write(job, now)
        elif first == ENQ:  # the other end began anew
            self._fail(now)
            self._in[:0] = first

    def _write(self, job: _Sending, now: float) -> None:
        self._out += job.frames[job.place]
        self._until = now + self.timers.reply

    def _yield(self, now: float, seconds: float) -> None:
        self._state, self._until, self._quiet_until = "neutral", None, now + seconds

    def _finish(self, now: float, *, sent: bool) -> None:
        self._out += EOT
        self.outcomes.append(Outcome(self._queue.popleft().token, sent))
        self._yield(now, 0.0 if sent else self.timers.busy)

    def _fail(self, now: float) -> None:
        self._finish(now, sent=False)

    def _expire(self, now: float) -> None:
        if self._state in ("asking", "sending"):
            self._fail(now)
        else:
            self._cut_off(now)
