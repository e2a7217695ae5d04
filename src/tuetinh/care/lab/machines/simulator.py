"""Machines to demonstrate and test with: any model of `data/drivers`, over TCP, MLLP, a serial line or a folder.

They speak at load, and with the faults that real ones have.
"""

from __future__ import annotations

import asyncio
import csv
import io
import random
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

import msgspec

from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.machines.drivers import Driver, Serial, Table, driver
from tuetinh.care.lab.machines.serial_lines import SerialLine
from tuetinh.care.lab.machines.wire_files import USUAL
from tuetinh.care.lab.machines.wire_lis1 import Link
from tuetinh.care.lab.machines.wire_lis1_frames import ACK, ENQ, EOT, RS, frames, proprietary
from tuetinh.care.lab.machines.wire_mllp import SB, TRAILER

Fault = Literal["", "checksum", "cut", "double", "garbage", "unknown"]
HANOI = timezone(timedelta(hours=7))
MOST = 100_000
_REPLY = 20.0


class Play(msgspec.Struct, forbid_unknown_fields=True):
    """What a machine is to do. to: `HOST:PORT`, a serial port, or a folder. specimens: the tubes that it measures, each
    `count` times. values: by our analytes' keys. fault: in every `every`th message, `unknown` for codes that nobody
    knows yet. rate: messages a second, 0 for as many as go.
    """

    model: str
    to: str
    specimens: list[str]
    values: dict[str, str]
    count: int = 1
    rate: float = 0.0
    fault: Fault = ""
    every: int = 1
    control: bool = False


class Played(msgspec.Struct):
    """What came of it: how many messages were sent, acknowledged, and refused."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0


def results(
    model: Driver, specimen: str, values: dict[str, str], number: int, *, control: bool = False, mark: str = ""
) -> bytes:
    """One message of a model, with its own codes and units. Raises LookupError for what it does not measure.

    mark: what stands behind each code.
    """
    told = []
    for key, value in values.items():
        code = model.machine_code(key)
        if not code:
            message = f"{model.key} does not measure {key}"
            raise LookupError(message)
        told.append((f"{code}{mark}", value, model.codes[code].unit or analytes()[key].unit))
    at = datetime.now(UTC).astimezone(HANOI)
    now = at.strftime("%Y%m%d%H%M%S")
    match model.description.wire:
        case "hl7v2":
            return _hl7v2(model.sender, specimen, told, now, (number, control))
        case "lis2":
            return _lis2(model, specimen, told, now, (number, control))
        case "file":
            return _file(model, specimen, told, now)
        case _:
            return _text(model, specimen, told, at)


Told = list[tuple[str, str, str]]


def _hl7v2(name: str, specimen: str, told: Told, now: str, about: tuple[int, bool]) -> bytes:
    number, control = about
    processing = "Q" if control else "P"
    lines = [
        rf"MSH|^~\&|{name}|SIM|TUETINH|LAB|{now}||ORU^R01|{number}|{processing}|2.3.1||||||UNICODE UTF-8",
        "PID|1",
        f"OBR|1||{specimen}|{name}^{name}",
    ]
    for place, (code, value, unit) in enumerate(told, 1):
        escaped = unit.replace("^", "\\S\\")
        lines.append(f"OBX|{place}|NM|{code}^{code}||{value}|{escaped}|||||F|||{now}")
    return "".join(f"{line}\r" for line in lines).encode()


def _lis2(model: Driver, specimen: str, told: Told, now: str, about: tuple[int, bool]) -> bytes:
    number, control = about
    place = next(iter(model.places("specimen", ("O.3.1",))))
    kind, field, component = place.split(".")
    order = ["O", "1", *[""] * 28]
    person = ["P", "1", "", "", ""]
    target = order if kind == "O" else person
    target[int(field) - 1] = "^" * (int(component) - 1) + specimen
    order[11] = "Q" if control else "N"
    sender = next(iter(model.places("sender", ("H.5.1",)))).split(".")
    lines = [rf"H|\^&|{number}||{'^' * (int(sender[2]) - 1)}{model.sender}|||||||P|LIS2-A2|{now}", "|".join(person)]
    lines.append("|".join(order).rstrip("|"))
    where = next(iter(model.places("code", ("R.3.4",)))).split(".")
    for count, (code, value, unit) in enumerate(told, 1):
        lines.append(f"R|{count}|{'^' * (int(where[2]) - 1)}{code}|{value}|{unit}||N||F||||{now}")
    return "".join(f"{line}\r" for line in [*lines, "L|1|N"]).encode()


def _file(model: Driver, specimen: str, told: Told, now: str) -> bytes:
    """An export of a model: a row for each result, a row with a column for each, or lines of names and values."""
    table = model.description.table or Table()
    if table.row:
        message = f"{model.key} writes XML, which is not played"
        raise LookupError(message)
    at = {what: model.places(what, usual)[:1] for what, usual in USUAL.items()}

    def cells(**said: str) -> dict[str, str]:
        """What columns hold; of `A + B` the first holds all."""
        named = [(at[what][0].split(" + "), text) for what, text in said.items() if at[what]]
        return {column: text if column == columns[0] else "" for columns, text in named for column in columns}

    if table.pairs:
        rows = [cells(specimen=specimen, code=code, value=f"{value} {unit}".strip()) for code, value, unit in told]
        return "\n".join(f"{name},{text}" for row in rows for name, text in [*row.items(), ("", "")]).encode()
    if table.wide:
        named = {f"{code}({unit})": value for code, value, unit in told}
        rows = [cells(specimen=specimen, time=now) | named]
    else:
        rows = [cells(specimen=specimen, code=code, value=value, unit=unit, time=now) for code, value, unit in told]
    if table.header and table.header not in rows[0]:  # by which the line of the columns' names is found
        rows = [{table.header: str(place)} | row for place, row in enumerate(rows, 1)]
    written = io.StringIO()
    writer = csv.DictWriter(written, list(rows[0]), delimiter=table.delimiter or ",")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


def _text(model: Driver, specimen: str, told: Told, at: datetime) -> bytes:
    """A text of the maker's own."""
    speech = model.description.speech
    if speech is None:
        message = f"nobody has said how {model.key} writes"
        raise LookupError(message)
    said = (speech.result.format(code=code, value=model.spoken(value), unit=unit, at=at) for code, value, unit in told)
    return speech.message.format(specimen=specimen, results="".join(said), at=at).encode()


async def play(order: Play) -> Played:
    """Be a machine. Raises LookupError for a model or analyte that nobody knows, OSError when nobody listens."""
    model = driver(order.model)
    if model is None:
        message = f"there is no model {order.model}"
        raise LookupError(message)
    numbered = list(enumerate((s for _ in range(min(order.count, MOST)) for s in order.specimens), 1))

    def said(number: int, specimen: str) -> bytes:
        mark = "X" if _faulty(order, number) == "unknown" else ""
        return results(model, specimen, order.values, number, control=order.control, mark=mark)

    messages = [(number, said(number, specimen)) for number, specimen in numbered]
    wire, played = model.description.wire, Played()
    if Path(order.to).is_dir():
        for number, message in messages:
            await asyncio.to_thread(_leave, Path(order.to), model.name, number, message, _faulty(order, number))
            played.sent += 1
        return played
    talk = {"hl7v2": _by_mllp, "text": _by_text}.get(wire, _by_lis1)
    line = await _open(order.to, model.description.serial)
    try:
        for number, message in messages:
            fault = _faulty(order, number)
            for _ in range(2 if fault == "double" else 1):
                accepted = await talk(line, message, fault)
                played.sent += 1
                played.accepted += accepted is True
                played.refused += accepted is False
            if order.rate:
                await asyncio.sleep(1 / order.rate)
    finally:
        await line.close()
    return played


def _faulty(order: Play, number: int) -> Fault:
    return order.fault if order.fault and number % max(order.every, 1) == 0 else ""


def _leave(folder: Path, name: str, number: int, message: bytes, fault: Fault) -> None:
    text = message[: len(message) // 2] if fault == "cut" else random.randbytes(200) if fault == "garbage" else message  # noqa: S311
    part = folder / f".sim-{number}.csv"
    part.write_bytes(text)
    part.rename(folder / f"{name} {datetime.now(UTC):%H%M%S%f}-{number}.csv")


class _Wire:
    """The machine's end of a line."""

    def __init__(self, read: Callable[[float], Any], write: Callable[[bytes], Any], close: Callable[[], Any]) -> None:
        self._read, self._write, self._close = read, write, close

    async def read(self, seconds: float = _REPLY) -> bytes:
        """What came within that time."""
        found = await self._read(seconds)
        return bytes(found or b"")

    async def write(self, data: bytes) -> None:
        """Send."""
        await self._write(data)

    async def close(self) -> None:
        """Hang up."""
        self._close()


async def _open(to: str, settings: Serial) -> _Wire:
    host, _, port = to.rpartition(":")
    if not port.isdigit():
        line = SerialLine(to, settings)

        async def patiently(seconds: float) -> bytes | None:
            now = asyncio.get_running_loop().time
            until = now() + seconds
            found: bytes | None = b""
            while found == b"" and now() < until:
                found = await line.read(until - now())  # a slice of it
            return found

        return _Wire(patiently, line.write, line.close)
    reader, writer = await asyncio.open_connection(host, int(port))

    async def read(seconds: float) -> bytes:
        try:
            return await asyncio.wait_for(reader.read(65536), seconds)
        except (TimeoutError, ConnectionError):
            return b""

    async def write(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    return _Wire(read, write, writer.close)


async def _by_mllp(line: _Wire, message: bytes, fault: Fault) -> bool | None:
    """Send a message; True when it is acknowledged, False when it is refused, None when no answer was due."""
    if fault == "garbage":
        await line.write(random.randbytes(64).replace(SB, b"."))  # noqa: S311
    if fault == "cut":
        await line.write(SB + message[: len(message) // 2])
        return None
    await line.write(SB + message + TRAILER)
    answer = b""
    while TRAILER not in answer:
        data = await line.read()
        if not data:
            return None
        answer += data
    return b"\rMSA|AA|" in answer


async def _by_lis1(line: _Wire, message: bytes, fault: Fault) -> bool | None:
    """The same over LIS1-A."""
    if fault == "garbage":
        await line.write(bytes(random.choices(range(0x80, 0x100), k=64)))  # noqa: S311
    if fault in ("checksum", "cut"):
        await line.write(ENQ)
        await line.read()
        first = frames(message)[0]
        wrong = b"00" if first[-4:-2] != b"00" else b"01"
        await line.write(first[: len(first) // 2] if fault == "cut" else first[:-4] + wrong + b"\r\n")
        answer = await line.read(1.0)
        await line.write(EOT)
        return None if fault == "cut" else answer == ACK
    loop = asyncio.get_running_loop()
    link = Link(host=False)
    link.send(message, 1, loop.time())
    while not link.outcomes:
        if out := link.take():
            await line.write(out)
        data = await line.read(max(0.01, (link.deadline or loop.time() + 1) - loop.time()))
        if data:
            link.receive(data, loop.time())
        else:
            link.tick(loop.time())
    if out := link.take():
        await line.write(out)
    return link.outcomes[0].sent


async def _by_text(line: _Wire, message: bytes, fault: Fault) -> bool | None:
    """The same in the frame of a maker's own text; one that begins with RS is enquired for and checked."""
    checked = message.startswith(RS)
    frame = proprietary(message, checked=checked)
    if fault == "garbage":
        await line.write(bytes(random.choices(range(0x80, 0x100), k=64)))  # noqa: S311
    if checked:
        await line.write(ENQ)
        if ACK not in await line.read():
            return None
    if fault == "cut":
        await line.write(frame[: len(frame) // 2])
        return None
    if fault == "checksum" and checked:
        frame = frame[:-3] + (b"00" if frame[-3:-1] != b"00" else b"01") + frame[-1:]
    await line.write(frame)
    answer = await line.read()
    if checked:
        await line.write(EOT)
    return answer == ACK if answer else None


async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """The machines as an ASGI application: `POST /play` with a `Play` answers with what was `Played`."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    status, answer = await _answer(scope, body)
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})


async def _answer(scope: MutableMapping[str, Any], body: bytes) -> tuple[int, object]:
    if (scope["method"], scope["path"]) != ("POST", "/play"):
        return 404, {"error": "POST /play"}
    try:
        return 200, await play(msgspec.json.decode(body, type=Play))
    except (LookupError, ValueError) as error:
        return 400, {"error": str(error)}
    except OSError as error:
        return 502, {"error": str(error)}
