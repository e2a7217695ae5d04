"""What arrived, whatever wire it came by, read into one shape."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from tuetinh.care.lab.machines import wire_files, wire_lis2
from tuetinh.care.lab.machines import wire_hl7v2 as wire
from tuetinh.care.lab.machines.drivers import Driver
from tuetinh.care.lab.machines.messages import Header, Message, Refused


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it came. wire: `hl7v2`, `lis2`, `file`, `text`; fault: why it is no whole one; name: of a file."""

    raw: bytes
    peer: str = ""
    wire: str = "hl7v2"
    fault: str = ""
    name: str = ""

    @property
    def digest(self) -> bytes:
        """Of the message without the time of sending, which a sender may renew when it repeats."""
        return hashlib.sha256(_without_time(self.raw, self.wire)).digest()


def _without_time(raw: bytes, wire_: str) -> bytes:
    """Without MSH-7, or H.14."""
    start, count = {"hl7v2": (b"MSH", 5), "lis2": (b"H", 12)}.get(wire_, (b"", 0))
    separator = re.escape(raw[len(start) : len(start) + 1]) if start and raw.startswith(start) else b""
    if not separator:
        return raw
    pattern = rb"\A(%s(?:%s[^%s\r\n]*){%d})%s[^%s\r\n]*" % (start, separator, separator, count, separator, separator)
    return re.sub(pattern, rb"\1", raw, count=1)


def read(arrival: Arrival, driver: Driver | None = None) -> Message:
    """Read a message. driver: of the machine, where it is known; that of another wire says nothing of it.

    Raises Refused, with the header as far as known.
    """
    if driver and driver.description.wire != arrival.wire:
        driver = None
    if arrival.fault:
        raise Refused("AR" if arrival.fault == "too-large" else "AE", arrival.fault, "", _header(arrival))
    match arrival.wire:
        case "hl7v2":
            return wire.read(arrival.raw, driver)
        case "lis2":
            return wire_lis2.read(arrival.raw, driver)
        case "file":
            digest = hashlib.sha256(arrival.raw).hexdigest()
            return wire_files.read(wire_files.File(arrival.name, arrival.raw, digest), driver)
        case _:
            return wire_files.read_text(arrival.raw, driver)


def _header(arrival: Arrival) -> Header:
    """Of a broken message, what can be told of its sender."""
    if arrival.wire != "hl7v2" or arrival.fault != "too-large":
        return Header(wire=arrival.wire)
    try:
        return wire.read_header(arrival.raw)
    except Refused as refused:
        return refused.header or Header()
