"""MLLP, the envelope of HL7 v2 on TCP (HL7 Implementation Support Guide, appendix C): `<SB> message <EB> <CR>`.

Knows nothing of what is inside a message. `Framer` cuts a stream of bytes into frames, `serve` listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

log = logging.getLogger(__name__)

SB, EB, CR = b"\x0b", b"\x1c", b"\r"
TRAILER = EB + CR
TLS_HANDSHAKE = b"\x16\x03"

# A vertical tab may stray into free text, so that only one before a header starts a frame inside an unfinished one.
_RESTART = re.compile(rb"\x0b(?=(?:\xef\xbb\xbf)?(?:MSH|FHS|BHS)|\x0b)")
# Enough of a message for a person to see whose it was; the rest of an oversize one is not kept.
_EXCERPT = 64 * 1024
SIZE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """What a sender sent. `fault` is "" for a whole frame, else why it is none.

    Faults: `no-start` (no SB), `no-end` (a new SB or the end of the connection before EB CR), `too-large`.
    """

    payload: bytes
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener grants: bytes a message, seconds of silence between and inside frames, connections."""

    size: int = SIZE
    idle: float = 3600.0
    inside: float = 60.0
    connections: int = 256


class Foreign(Exception):
    """The peer speaks another protocol."""


class Framer:
    """Cuts bytes into frames. Where the bytes were split between writes makes no difference."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._stray = bytearray()
        self._inside: bytearray | None = None

    @property
    def inside(self) -> bool:
        """Whether a frame was begun and not ended."""
        return self._inside is not None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take the next bytes and give the frames that they complete.

        Raises Foreign when the stream cannot be MLLP. After a frame with the fault `too-large` the stream is lost.
        """
        while data:
            if self._inside is None:
                data = self._outside(data)
                if self._inside is not None and self._stray:
                    yield from self._strays()
                continue
            start = max(len(self._inside) - 1, 0)  # EB may have ended the write before
            self._inside += data
            end = self._inside.find(TRAILER, start)
            if (len(self._inside) if end < 0 else end) > self._size:
                yield Frame(bytes(self._inside[:_EXCERPT]), "too-large")
                self._inside = None
                return
            if end < 0:
                return
            whole, data = bytes(self._inside[:end]), bytes(self._inside[end + 2 :])
            self._inside = None
            *lost, last = _RESTART.split(whole)
            yield from (Frame(part, "no-end") for part in lost if part.strip(b"\0\r\n"))
            yield Frame(last)

    def end(self) -> Iterator[Frame]:
        """The connection ended: give what was left over and looks like part of a message."""
        yield from self._strays()
        if self._inside is not None:
            yield from (Frame(part, "no-end") for part in _RESTART.split(bytes(self._inside)) if part.strip(b"\0\r\n"))
            self._inside = None

    def _outside(self, data: bytes) -> bytes:
        start = data.find(SB)
        self._stray += data if start < 0 else data[:start]
        if self._stray.startswith(TLS_HANDSHAKE):
            raise Foreign("TLS")
        if len(self._stray) > self._size:
            raise Foreign("noise")
        if start < 0:
            if not self._stray.strip(b"\0\r\n"):
                self._stray.clear()  # keep-alives
            return b""
        self._inside = bytearray()
        return data[start + 1 :]

    def _strays(self) -> Iterator[Frame]:
        stray = bytes(self._stray)
        self._stray.clear()
        if b"MSH" in stray:
            yield Frame(stray, "no-start")


# Takes a frame and the peer's address; gives the answer's payload, or None for no answer.
Handle = Callable[[Frame, str], Awaitable[bytes | None]]


class _Listener:
    def __init__(self, handle: Handle, stop: asyncio.Event, limits: Limits) -> None:
        self.handle = handle
        self.stop = stop
        self.limits = limits
        self.tasks: set[asyncio.Task[None]] = set()
        self.busy: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side has enough of it."""
        task = asyncio.current_task()
        assert task  # noqa: S101  (asyncio runs this as a task)
        name = writer.get_extra_info("peername")
        peer = str(name[0]) if name else ""
        if len(self.tasks) >= self.limits.connections:
            log.warning("mllp: refused %s, %d connections are open", peer, len(self.tasks))
            writer.close()
            return
        self.tasks.add(task)
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        try:
            await self._converse(task, reader, writer, peer)
        except (Foreign, ConnectionError, TimeoutError) as error:
            log.info("mllp: closed %s: %s", peer, error or type(error).__name__)
        except asyncio.CancelledError:
            pass  # only `finish` cancels, and only who waits for more
        finally:
            self.tasks.discard(task)
            self.busy.discard(task)
            writer.close()

    async def _converse(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str
    ) -> None:
        framer = Framer(self.limits.size)
        while not self.stop.is_set():
            try:
                async with asyncio.timeout(self.limits.inside if framer.inside else self.limits.idle):
                    data = await reader.read(65536)
            except (TimeoutError, ConnectionError):
                await self._answer(task, framer.end(), writer, peer)
                raise
            frames = framer.feed(data) if data else framer.end()
            if await self._answer(task, frames, writer, peer) or not data:
                return

    async def _answer(
        self, task: asyncio.Task[None], frames: Iterator[Frame], writer: asyncio.StreamWriter, peer: str
    ) -> bool:
        """Handle frames in their order; tell whether the stream cannot go on."""
        self.busy.add(task)
        try:
            for frame in frames:
                answer = await self.handle(frame, peer)
                if answer is not None:
                    writer.write(SB + answer + TRAILER)
                    async with asyncio.timeout(self.limits.inside):
                        await writer.drain()
                if frame.fault == "too-large":
                    return True
            return False
        finally:
            self.busy.discard(task)

    async def finish(self) -> None:
        """Let what is being handled be answered, and leave the rest."""
        for task in self.tasks - self.busy:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=4.0)


async def serve(
    host: str,
    port: int,
    handle: Handle,
    stop: asyncio.Event,
    *,
    limits: Limits | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Listen until `stop` is set; then answer what is in hand and return.

    Each connection is handled in its own order, and read no further before its last message is answered.
    `ready` is told the port once the listener is up (useful with port 0).
    """
    listener = _Listener(handle, stop, limits or Limits())
    server = await asyncio.start_server(listener.connected, host, port)
    if ready:
        ready(server.sockets[0].getsockname()[1])
    try:
        await stop.wait()
    finally:
        server.close()
        await listener.finish()
