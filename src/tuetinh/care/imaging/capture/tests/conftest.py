"""An examination that has begun, and ECG files as machines write them."""

from __future__ import annotations

from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tuetinh.care.imaging import actions
from tuetinh.care.imaging.capture.ecg.wire_scp import _default
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.tests.conftest import _remember_nothing, person
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import r4

__all__ = ["_remember_nothing", "person"]
DATA = Path(__file__).parent / "data"
Samples = NDArray[np.int64]
CODES = {"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8}


@pytest.fixture
def exam(person: r4.Patient, cast: dict[str, Account]) -> Exam:
    """An examination that has begun."""
    found = Exam.objects.get(order=order(person, "Điện tim thường").id)
    return actions.begin(asker_of(cast["imaging"]), found.pk)


def curves(seconds: float = 10, rate: int = 500) -> dict[str, Samples]:
    """Eight leads of a heart that beats once a second, in steps of 5 µV."""
    at = np.arange(int(seconds * rate)) / rate
    found = {}
    for number, name in enumerate(CODES, 1):
        beat = 200 * np.exp(-(((at % 1) - 0.4) ** 2) / 0.0002) + 40 * np.exp(-(((at % 1) - 0.7) ** 2) / 0.004)
        found[name] = np.rint(beat * (1 if number % 3 else -1) + number).astype(np.int64)
    return found


def scp(
    leads: dict[str, Samples], *, difference: int = 2, huffman: str = "default", rate: int = 500, **told: Any
) -> bytes:
    """An SCP-ECG record (EN 1064) of these leads; huffman: `default`, `own`, or "" for plain numbers."""
    rows, places = list(leads.items()), len(next(iter(leads.values())))
    data = [_coded(_differences(samples, difference), huffman) for _name, samples in rows]
    name = told.get("name", "Nguyễn Văn Ánh").encode() + b"\0"
    birth = told.get("birth", (1980, 2, 29))
    tags = (
        _tag(0, name)
        + _tag(5, pack("<HBB", *birth))
        + _tag(25, pack("<HBB", 2026, 11, 2))
        + _tag(26, bytes((8, 15, 0)))
    )
    body = bytes((len(rows), told.get("flags", 4)))
    sections = {
        1: tags + _tag(255, b""),
        3: body + b"".join(pack("<LLB", 1, places, CODES[lead]) for lead, _ in rows),
        6: pack("<HHBB", 5000, 1_000_000 // rate, difference, told.get("bimodal", 0))
        + pack(f"<{len(rows)}H", *map(len, data)) + b"".join(data),
    }  # fmt: skip
    if huffman:
        sections[2] = pack("<H", 19999) if huffman == "default" else _own_table()
    return _record(dict(sorted(sections.items())))


def _tag(number: int, value: bytes) -> bytes:
    return pack("<BH", number, len(value)) + value


def _differences(samples: Samples, difference: int) -> list[int]:
    found = samples.tolist()
    if difference == 1:
        found = found[:1] + np.diff(samples).tolist()
    if difference == 2:
        found = found[:2] + np.diff(samples, 2).tolist()
    return [int(one) for one in found]


def _coded(numbers: list[int], huffman: str) -> bytes:
    if not huffman:
        return np.array(numbers, "<i2").tobytes()
    codes, bits = _default() if huffman == "default" else [], ""
    plain = {one.value: f"{one.prefix:0{one.length}b}" for one in codes if not one.more}
    for number in numbers:
        if huffman == "own":  # noughts are one bit, all others two and sixteen
            bits += "0" if not number else "10" + f"{number & 0xFFFF:016b}"
        elif number in plain:
            bits += plain[number]
        elif -128 <= number < 128:
            bits += "1111111110" + f"{number & 0xFF:08b}"
        else:
            bits += "1111111111" + f"{number & 0xFFFF:016b}"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big") + bytes(len(bits) // 8 % 2)


def _own_table() -> bytes:
    rows = pack("<BBBhL", 1, 1, 1, 0, 0) + pack("<BBBhL", 2, 18, 1, 0, 0b01)  # the first bit of a code comes last
    return pack("<HH", 1, 2) + rows


def _record(sections: dict[int, bytes]) -> bytes:
    at, pointers, bodies = 6 + 16 + 10 * 12, b"", b""
    for number, told in sections.items():
        data = told + bytes(len(told) % 2)
        body = pack("<HHLBB6s", 0, number, 16 + len(data), 20, 20, bytes(6)) + data
        pointers += pack("<HLL", number, len(body), at + len(bodies) + 1)
        bodies += body
    pointers += b"".join(pack("<HLL", number, 0, 0) for number in range(20, 32 - len(sections)))
    head = pack("<HHLBB6s", 0, 0, 16 + 120, 20, 20, b"SCPECG")
    return pack("<HL", 0, 6 + 16 + 120 + len(bodies)) + head + pointers + bodies


def aecg(leads: dict[str, Samples], rate: int = 500, name: str = "Nguyễn Văn Ánh", birth: str = "19800229") -> bytes:
    """An HL7 annotated ECG of these leads."""
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}" codeSystem="2.16.840.1.113883.6.24"/>'
        f'<value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/><scale value="5" unit="uV"/>'
        f"<digits>{' '.join(map(str, samples))}</digits></value></sequence></component>"
        for lead, samples in leads.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<effectiveTime><low value="20261102081500"/></effectiveTime>'
        f"<componentOf><subject><trialSubject><subjectDemographicPerson><name>{name}</name>"
        f'<birthTime value="{birth}"/></subjectDemographicPerson></trialSubject></subject></componentOf>'
        '<component><series><code code="RHYTHM"/><component><sequenceSet><component><sequence>'
        '<code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="20261102081500"/>'
        f'<increment value="{1 / rate}" unit="s"/></value></sequence></component>{sequences}'
        "</sequenceSet></component></series></component></AnnotatedECG>"
    ).encode()
