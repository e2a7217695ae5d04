"""The laboratory's listeners: MLLP and LIS1-A, from the wire to the inbox."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from tuetinh.care.lab.machines.intake import Intake
from tuetinh.care.lab.machines.lines import Line, TcpLine, converse
from tuetinh.care.lab.machines.messages import Refused
from tuetinh.care.lab.machines.wire_hl7v2 import acknowledge, read_header, split
from tuetinh.care.lab.machines.wire_lis1 import Link
from tuetinh.care.lab.machines.wire_lis1_frames import Timers
from tuetinh.care.lab.machines.wire_mllp import Frame, Limits, serve

log = logging.getLogger(__name__)
Ready = Callable[[int], None]


async def serve_mllp(
    host: str, port: int, stop: asyncio.Event, *, limits: Limits | None = None, ready: Ready | None = None
) -> None:
    """Listen for HL7 v2 machines until `stop` is set."""
    from tuetinh.care.lab.machines.downloads import LOOK, due_by_mllp, send, settle

    intake = Intake()

    async def tell() -> None:
        """Send orders to the machines that are told without asking."""
        while not stop.is_set():
            with contextlib.suppress(Exception):  # without a database: at the next look
                for due in await intake.run(due_by_mllp):
                    sent = await send(due)
                    await intake.run(lambda d=due, s=sent: settle(d, sent=s))  # type: ignore[misc]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)

    telling = asyncio.create_task(tell())

    async def handle(frame: Frame, peer: str) -> bytes | None:
        from tuetinh.care.lab.machines import inbox

        try:
            items = await intake.keep(inbox.arrivals(frame, peer))
            return inbox.joined(frame, [item.answer for item in items])
        except Exception:
            log.exception("lab: a message could not be kept")
            return None if frame.fault else _not_kept(frame)

    try:
        await serve(host, port, handle, stop, limits=limits, ready=ready)
    finally:
        telling.cancel()
        await intake.close()


def _not_kept(frame: Frame) -> bytes:
    """What a sender is told when its message could not be kept, as without a database: nothing is claimed."""
    header = None
    try:
        header = read_header(next(iter(split(frame.payload)), b""))
    except Refused as refused:
        header = refused.header
    return acknowledge(header, "AE", condition="207")


async def serve_lis1(
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    timers: Timers | None = None,
    most: int = 256,
    ready: Ready | None = None,
) -> None:
    """Listen for ASTM machines on TCP, and open the serial lines of those that have one, until `stop` is set."""
    from tuetinh.care.lab.machines.serial_lines import keep_serial_lines

    intake = Intake()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task  # noqa: S101  (asyncio runs this as a task)
        if len(tasks) >= most:
            log.warning("lis1: refused a connection, %d are open", len(tasks))
            writer.close()
            return
        tasks.add(task)
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        line: Line = TcpLine(reader, writer)
        try:
            await converse(line, Link(timers=timers or Timers()), intake, stop)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, host, port)
    serial = asyncio.create_task(keep_serial_lines(intake, stop))
    if ready:
        ready(server.sockets[0].getsockname()[1])
    try:
        await stop.wait()
    finally:
        server.close()
        if tasks:
            await asyncio.wait(tasks, timeout=4)
        await asyncio.wait({serial}, timeout=4)
        await intake.close()
