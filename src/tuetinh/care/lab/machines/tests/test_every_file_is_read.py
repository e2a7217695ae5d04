"""Every public capture, message and export of a machine is read as it was meant, or refused for the right reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuetinh.care.lab.machines import wire_files, wire_hl7v2, wire_lis2
from tuetinh.care.lab.machines.drivers import recognise
from tuetinh.care.lab.machines.messages import Message, Refused
from tuetinh.care.lab.machines.wire_lis1 import Link
from tuetinh.care.lab.machines.wire_lis1_frames import Text

EXPECTED: dict[str, list[object]] = json.loads(
    (Path(__file__).parent / "machine_files.json").read_text(encoding="utf-8")
)
FOLDERS = ("senaite_astm", "openelis/astm", "openelis/astm_samples", "openelis/stago", "openelis/files", "openelis/hl7",
           "instrument_file_exports", "python_astm")  # fmt: skip
TABLES = (".csv", ".xlsx", ".slk", ".results")


def texts(data: bytes) -> list[Text]:
    """What a host holds of a capture that ends without a word."""
    driver = recognise(data[:400].decode("latin-1").partition("|||")[2].partition("|")[0], "lis2")
    link, found = Link(numbered=driver.description.numbered if driver else True), []
    link.receive(data, 0.0)
    while True:
        while link.held:
            found.append(link.held)
            link.answer(kept=True, now=0.0)
        link.close(1.0)
        if not link.held:
            return found


def messages(path: Path) -> list[Message | Refused]:
    """What the messages of a file say."""
    data, made = path.read_bytes(), []
    reads = []
    if path.suffix == ".hl7":
        clean = b"\r".join(line for line in data.splitlines() if not line.startswith(b"#"))
        reads = [lambda m=m: wire_hl7v2.read(m) for m in wire_hl7v2.split(clean)]
    elif path.suffix in TABLES:
        reads = [lambda: wire_files.read(wire_files.File(path.name, data))]
    else:
        for text in texts(data):
            if text.fault:
                made.append(Refused("AE", text.fault))
            elif text.proprietary:
                reads.append(lambda p=text.payload: wire_files.read_text(p))
            else:
                reads += [lambda m=m: wire_lis2.read(m) for m in wire_lis2.split(text.payload)]
    for do in reads:
        try:
            made.append(do())
        except Refused as refused:
            made.append(refused)
    return made


def told(message: Message | Refused) -> object:
    """A message in short: sender, and of each order its tube, control, number of results and the first."""
    if isinstance(message, Refused):
        return f"{message.condition} {message.place}".strip()
    orders = []
    for order in message.orders:
        first = order.results[0] if order.results else None
        said = [first.code.code or first.code.alternate, first.text, first.unit] if first else []
        orders.append([order.keys[0] if order.keys else "", order.control, len(order.results), *said])
    return [message.header.application, message.header.serial, orders[:3], len(orders)]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_is_read_as_it_was_meant(name: str, shared: Path) -> None:
    assert [told(message) for message in messages(shared / "data/astm" / name)] == EXPECTED[name]


def test_every_file_has_its_expected_answer(shared: Path) -> None:
    root = shared / "data/astm"
    there = {str(p.relative_to(root)) for folder in FOLDERS for p in (root / folder).rglob("*") if p.is_file()}
    assert there == set(EXPECTED)
