"""Serial lines of machines: opened as their model says, kept open, opened again when a cable was pulled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor

import serial

from tuetinh.care.lab.machines.drivers import Serial, driver
from tuetinh.care.lab.machines.intake import Intake
from tuetinh.care.lab.machines.lines import converse
from tuetinh.care.lab.machines.wire_lis1 import Link

log = logging.getLogger(__name__)
LOOK = 5.0  # seconds between looks at which lines there should be
_SLICE = 0.1  # seconds of one blocking read


class SerialLine:
    """An open port. Reading blocks, so it has a thread of its own."""

    def __init__(self, name: str, settings: Serial) -> None:
        """Open the port. Raises serial.SerialException."""
        self.peer = name
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="serial")
        self._port = serial.serial_for_url(
            name, baudrate=settings.baud, bytesize=settings.data, parity=settings.parity, stopbits=settings.stop,
            timeout=_SLICE,
        )  # fmt: skip

    async def read(self, seconds: float) -> bytes | None:
        """What came, b"" when nothing did in that time, None when the port is gone."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, min(seconds, _SLICE))
        except (serial.SerialException, OSError):
            return None

    def _read(self, seconds: float) -> bytes:
        self._port.timeout = seconds
        first = bytes(self._port.read(1))
        return first + bytes(self._port.read(self._port.in_waiting)) if first else b""

    async def write(self, data: bytes) -> None:
        """Send; a port that is gone is noticed by the next read."""
        with contextlib.suppress(serial.SerialException, OSError):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._port.write, data)

    def close(self) -> None:
        """Close the port."""
        with contextlib.suppress(serial.SerialException, OSError):
            self._port.close()
        self._thread.shutdown(wait=False)


async def serve_serial(name: str, model: str, intake: Intake, stop: asyncio.Event) -> None:
    """Serve one port until `stop` is set, opening it again when it went away."""
    known = driver(model)
    while not stop.is_set():
        try:
            line = SerialLine(name, known.description.serial if known else Serial())
        except (serial.SerialException, OSError, ValueError) as error:
            log.warning("lab: the serial line %s does not open: %s", name, error)
        else:
            try:
                await converse(line, Link(numbered=known.description.numbered if known else True), intake, stop)
            finally:
                line.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK)


async def keep_serial_lines(intake: Intake, stop: asyncio.Event) -> None:
    """Keep a line open for each machine that has one; what is changed on its page holds within seconds."""
    open_: dict[tuple[str, str], tuple[asyncio.Task[None], asyncio.Event]] = {}
    while not stop.is_set():
        with contextlib.suppress(Exception):  # without a database the lines stay as they are
            wanted = await intake.run(_wanted)
            for key in set(open_) - wanted:
                open_.pop(key)[1].set()
            for key in wanted - set(open_):
                ended = asyncio.Event()
                open_[key] = (asyncio.create_task(serve_serial(*key, intake, ended)), ended)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK)
    for _, ended in open_.values():
        ended.set()
    if open_:
        await asyncio.wait([task for task, _ in open_.values()], timeout=3)


def _wanted() -> set[tuple[str, str]]:
    from tuetinh.care.lab.models import Analyser

    rows = Analyser.objects.filter(enabled=True).exclude(serial="")
    return set(rows.values_list("serial", "driver"))
