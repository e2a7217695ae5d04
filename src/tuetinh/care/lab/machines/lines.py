"""A machine's line at work: bytes from TCP or a serial port through a `Link` into the inbox, answers back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

from tuetinh.care.lab.machines import wire_lis2
from tuetinh.care.lab.machines.intake import Intake
from tuetinh.care.lab.machines.reading import Arrival
from tuetinh.care.lab.machines.wire_lis1 import Link
from tuetinh.care.lab.machines.wire_lis1_frames import Text

log = logging.getLogger(__name__)
WATCH = 1.0  # seconds between looks at whether to stop, and whether orders wait to be sent


class Line(Protocol):
    """Where bytes come from and go to."""

    peer: str

    async def read(self, seconds: float) -> bytes | None:
        """What came, b"" when nothing did in that time, None when the line ended."""

    async def write(self, data: bytes) -> None:
        """Send."""


class TcpLine:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        name = writer.get_extra_info("peername")
        self.peer = str(name[0]) if name else ""

    async def read(self, seconds: float) -> bytes | None:
        """What came, b"" when nothing did in that time, None when the other end hung up."""
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(65536) or None
        except TimeoutError:
            return b""
        except OSError:
            return None

    async def write(self, data: bytes) -> None:
        """Send; a peer that is gone is noticed by the next read."""
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()


def arrivals(text: Text, peer: str) -> list[Arrival]:
    """The messages of a text: those that begin with H, a maker's own, or what was never a whole one."""
    if text.fault:
        return [Arrival(text.payload, peer, "lis2", text.fault)]
    if text.proprietary:
        return [Arrival(text.payload, peer, "text")]
    return [Arrival(raw, peer, "lis2") for raw in wire_lis2.split(text.payload)]


async def converse(line: Line, link: Link, intake: Intake, stop: asyncio.Event) -> None:
    """Serve one line until it ends or `stop` is set. Nothing is acknowledged before it is kept."""
    loop = asyncio.get_running_loop()
    orders = _Orders(line.peer)
    while not stop.is_set() or link.held:
        await _settle(line, link, intake, orders)
        now = loop.time()
        due = link.deadline
        data = await line.read(WATCH if due is None else max(0.01, min(WATCH, due - now)))
        if data is None:
            link.close(loop.time())
            while link.held:
                await _settle(line, link, intake, orders)
                link.close(loop.time())
            break
        if data:
            link.receive(data, loop.time())
        else:
            link.tick(loop.time())
            if not link.busy:
                await orders.offer(link, intake, loop.time())
    await orders.told(link, intake)


async def _settle(line: Line, link: Link, intake: Intake, orders: _Orders) -> None:
    """Keep what the line holds, answer, and write what is due."""
    loop = asyncio.get_running_loop()
    while True:
        if out := link.take():
            await line.write(out)
        if not (text := link.held):
            break
        kept, reply = await _keep(text, line.peer, intake, orders)
        link.answer(kept=kept, now=loop.time())
        if reply:
            link.send(reply, None, loop.time())
    await orders.told(link, intake)


async def _keep(text: Text, peer: str, intake: Intake, orders: _Orders) -> tuple[bool, bytes | None]:
    """Whether a text is kept now, and the orders that it asked for."""
    from tuetinh.care.lab.machines import replies

    try:
        items = await intake.keep(arrivals(text, peer))
        asked = next((item.message for item in items if item.message and item.message.queries), None)
        reply = await intake.run(lambda: replies.lis2_answer(asked, peer)) if asked else None
    except Exception:
        log.exception("lab: a message could not be kept")
        return False, None
    if items and items[-1].message:
        orders.sender = items[-1].header.sender
    return True, reply


class _Orders:
    """What a machine that is told without asking gets over the line on which it spoke."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.sender: str | None = None  # of what was said last

    async def offer(self, link: Link, intake: Intake, now: float) -> None:
        """Send what waits for the machine of this line, one tube at a time."""
        from tuetinh.care.lab.machines import downloads

        if self.sender is None:
            return
        sender = self.sender
        try:
            due = await intake.run(lambda: downloads.due_on_line(sender, self.peer))
        except Exception:
            log.exception("lab: the orders of a machine could not be looked up")
            return
        if due:
            link.send(due.payload, due, now)

    async def told(self, link: Link, intake: Intake) -> None:
        """Note which orders the machine took."""
        from tuetinh.care.lab.machines import downloads

        outcomes, link.outcomes = link.outcomes, []
        for outcome in outcomes:
            if isinstance(outcome.token, downloads.Due):
                due, sent = outcome.token, outcome.sent
                with contextlib.suppress(Exception):
                    await intake.run(lambda d=due, s=sent: downloads.settle(d, sent=s))  # type: ignore[misc]
