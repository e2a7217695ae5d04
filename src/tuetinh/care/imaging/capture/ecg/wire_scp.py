"""SCP-ECG (EN 1064, ISO 11073-91064): the rhythm of a record, uncompressed or by Huffman tables and differences.

Records whose rhythm is kept as what is left beside a reference beat, or bimodally, are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from struct import error as StructError
from struct import iter_unpack, unpack_from
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tuetinh.care.imaging.capture.ecg.curves import Curves, completed
from tuetinh.care.imaging.capture.faults import WrongCurves

HEAD: Final = 16  # bytes before the data of a section (5.2.7)
DEFAULT: Final = 19999  # instead of a number of tables: the one of annex C
MOST_LEADS: Final = 32
HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
# Codes of leads (table 4).
_NAMES: Final = {
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6",
    61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 66: "V8", 67: "V9", 11: "V3R", 12: "V4R",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """A code structure (5.5.4): after its prefix, read from the first bit on, come `more` bits of a number."""

    prefix: int
    length: int
    more: int
    switch: bool  # to another table, whose number is the value
    value: int


def _default() -> list[Code]:
    codes = [Code(0, 1, 0, switch=False, value=0)]
    for value in range(1, 9):  # 100, 101; 1100, 1101; … : as many ones as the value, nought, the sign
        ones = (1 << value) - 1
        codes += [
            Code(ones << 2 | sign, value + 2, 0, switch=False, value=-value if sign else value) for sign in (0, 1)
        ]
    return [*codes, Code(0b1111111110, 10, 8, switch=False, value=0), Code(0b1111111111, 10, 16, switch=False, value=0)]


def is_scp(data: bytes) -> bool:
    """Whether bytes begin as an SCP-ECG record: the pointer section is named so (5.3.2)."""
    return data[16:22] == b"SCPECG"


def read(data: bytes) -> Curves:
    """The ECG of a record. Raises WrongCurves."""
    try:
        return _read(data)
    except (StructError, IndexError, ValueError, KeyError, OverflowError) as error:
        raise WrongCurves from error


def _read(data: bytes) -> Curves:
    sections = _sections(data)
    if not is_scp(data) or 3 not in sections or 6 not in sections:
        raise WrongCurves
    count, flags = sections[3][0], sections[3][1]
    if not 1 <= count <= MOST_LEADS or flags & 1:  # a reference beat was subtracted
        raise WrongCurves
    leads = list(iter_unpack("<LLB", sections[3][2 : 2 + 9 * count]))
    unit, interval, difference, bimodal = unpack_from("<HHBB", sections[6])
    if bimodal or not unit or not interval or difference > 2:
        raise WrongCurves
    sizes = unpack_from(f"<{count}H", sections[6], 6)
    tables, at, found = _tables(sections.get(2)), 6 + 2 * count, {}
    for (first, last, code), size in zip(leads, sizes, strict=True):
        wanted, raw = last - first + 1, sections[6][at : at + size]
        at += size
        if not 0 < wanted <= 10_000_000 or len(raw) < size:
            raise WrongCurves
        found[_NAMES.get(code, f"X{code}")] = _summed(_numbers(raw, wanted, tables), difference)
    least = min(map(len, found.values()))
    same = {name: samples[:least] for name, samples in found.items()}
    return completed(Curves(same, 1_000_000 / interval, unit / 1000, *_person(sections.get(1, b""))))


def _sections(data: bytes) -> dict[int, bytes]:
    """The data of each section by its number, as the pointers tell (5.3.3)."""
    [length] = unpack_from("<L", data, 6 + 4)
    found = {}
    for number, size, at in iter_unpack("<HLL", data[6 + HEAD : 6 + HEAD + (length - HEAD) // 10 * 10]):
        if size > HEAD and at > 0 and at - 1 + size <= len(data):
            found[number] = data[at - 1 + HEAD : at - 1 + size]
        elif size > HEAD:
            raise WrongCurves
    return found


def _tables(section: bytes | None) -> list[list[Code]] | None:
    """The Huffman tables (5.5); None where the samples are numbers of two bytes."""
    if section is None:
        return None
    [count] = unpack_from("<H", section)
    if count == DEFAULT:
        return [_default()]
    tables, at = [], 2
    for _table in range(count):
        [codes] = unpack_from("<H", section, at)
        rows = iter_unpack("<BBBhL", section[at + 2 : at + 2 + 9 * codes])
        tables.append([Code(_turned(bits, p), p, whole - p, not mode, value) for p, whole, mode, value, bits in rows])
        at += 2 + 9 * codes
    return tables


def _turned(bits: int, length: int) -> int:
    """Codes are written with their first bit last."""
    return int(f"{bits & ((1 << length) - 1):0{length}b}"[::-1], 2) if length else 0


def _numbers(raw: bytes, wanted: int, tables: list[list[Code]] | None) -> NDArray[np.int64]:
    if tables is None:
        return np.frombuffer(raw[: wanted * 2], "<i2").astype(np.int64)
    books = [{(one.length, one.prefix): one for one in table} for table in tables]
    bits = np.unpackbits(np.frombuffer(raw, np.uint8))
    found, at, book = np.zeros(wanted, np.int64), 0, books[0]
    for place in range(wanted):
        code = None
        while code is None:
            length, prefix = 0, 0
            while (code := book.get((length, prefix))) is None:
                prefix, length, at = prefix << 1 | int(bits[at]), length + 1, at + 1
            if code.switch:
                book, code = books[code.value - 1], None
        value = code.value
        if code.more:
            value = int("".join(map(str, bits[at : at + code.more])), 2)
            value -= (value >> (code.more - 1)) << code.more  # in two's complement
            at += code.more
        found[place] = value
    return found


def _summed(numbers: NDArray[np.int64], difference: int) -> NDArray[np.int32]:
    """Samples from their first or second differences (5.9.3); the first ones are samples themselves."""
    if difference == 2:
        samples = numbers.copy()
        for place in range(2, len(samples)):
            samples[place] += 2 * samples[place - 1] - samples[place - 2]
    else:
        samples = np.cumsum(numbers) if difference else numbers
    return samples.astype(np.int32)


def _person(section: bytes) -> tuple[str, str, datetime | None]:
    """Who is told, and when it was recorded (5.4.3): name, birth, moment."""
    told, at = {}, 0
    while at + 3 <= len(section) and section[at] != 255:
        [size] = unpack_from("<H", section, at + 1)
        told[section[at]] = section[at + 3 : at + 3 + size]
        at += 3 + size
    names = [_text(told.get(tag, b"")) for tag in (0, 1)]
    birth = told.get(5, b"")
    born = (
        f"{int.from_bytes(birth[:2], 'little'):04}{birth[2]:02}{birth[3]:02}" if len(birth) >= 4 and any(birth) else ""
    )
    day, clock = told.get(25, b""), told.get(26, b"\0\0\0")
    moment = None
    if len(day) >= 4 and any(day):
        year = int.from_bytes(day[:2], "little")
        moment = datetime(year, day[2], day[3], *clock[:3], tzinfo=HANOI)
    return "^".join(filter(None, names)), born, moment


def _text(value: bytes) -> str:
    value = value.partition(b"\0")[0]
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()
