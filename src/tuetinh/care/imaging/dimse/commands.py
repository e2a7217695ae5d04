"""Command sets (PS3.7, 6.3.1) that come and go with each object; the library's own take as long as to index it."""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack, unpack_from
from typing import Any, Final, NamedTuple

import tuetinh.care.imaging.library.network  # noqa: F401

from pynetdicom.dimse_primitives import C_GET, C_MOVE, C_STORE

from tuetinh.care.imaging.archive.reading import is_uid

WHOLE_COMMAND: Final = 0x03  # Message Control Header (PS3.8, E.2)
STORE, DATA, NO_DATA = 0x0001, 0x0001, 0x0101  # Command Field, Command Data Set Type (PS3.7, E.1)
ASKED: Final = (0x0000, 0x0002, 0x0100, 0x0110, 0x0700, 0x0800, 0x1000)  # what a C-STORE-RQ tells (PS3.7, 9.3.1.1)
_ASKED_FOR_ANOTHER: Final = (*ASKED[1:], 0x1030, 0x1031)
_COUNTED: Final = (0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x1020, 0x1021, 0x1022, 0x1023)
_ANSWERS: Final = {  # their Command Field and what they tell
    C_STORE: (0x8001, (0x0002, 0x0100, 0x0120, 0x0800, 0x0900, 0x1000)),
    C_GET: (0x8010, _COUNTED),
    C_MOVE: (0x8021, _COUNTED),
}
_PLAIN_ANSWER: Final = {0x0000, 0x0002, 0x0100, 0x0110, 0x0120, 0x0800, 0x0900, 0x1000}
_NAMES: Final = {
    0x0002: "AffectedSOPClassUID",
    0x0110: "MessageID",
    0x0120: "MessageIDBeingRespondedTo",
    0x0700: "Priority",
    0x0900: "Status",
    0x1000: "AffectedSOPInstanceUID",
    0x1020: "NumberOfRemainingSuboperations",
    0x1021: "NumberOfCompletedSuboperations",
    0x1022: "NumberOfFailedSuboperations",
    0x1023: "NumberOfWarningSuboperations",
    0x1030: "MoveOriginatorApplicationEntityTitle",
    0x1031: "MoveOriginatorMessageID",
}


def answering(answer: Any) -> bytes | None:
    """The command set of a response; None of one that is not plain, which the library has to write."""
    field, numbers = _ANSWERS.get(type(answer), (0, ()))
    if not field or answer.MessageIDBeingRespondedTo is None or answer.ErrorComment or answer.OffendingElement:
        return None
    if getattr(answer, "Identifier", None):
        return None
    return _written(answer, numbers, field, NO_DATA)


def asking(request: C_STORE) -> bytes:
    """The command set of a C-STORE-RQ (PS3.7, 9.3.1.1)."""
    return _written(request, _ASKED_FOR_ANOTHER, STORE, DATA)


def _written(message: Any, numbers: Iterable[int], field: int, data: int) -> bytes:
    told = {0x0100: field, 0x0800: data}
    return _encoded((number, told.get(number) or getattr(message, _NAMES[number])) for number in numbers)


def _encoded(values: Iterable[tuple[int, Any]]) -> bytes:
    """A command set (PS3.7, 6.3.1) of these elements; those of None are not there."""
    elements = b""
    for number, value in values:
        if value is not None:
            text = pack("<H", value) if isinstance(value, int) else even(value, b" " if number == 0x1030 else b"\0")
            elements += pack("<HHL", 0, number, len(text)) + text
    return pack("<HHLL", 0, 0, 4, len(elements)) + elements


class Asked(NamedTuple):
    """What the command set of a C-STORE-RQ asks."""

    message: int
    sop_class: str
    sop_instance: str


def asked(command: bytes) -> Asked | None:
    """What a C-STORE-RQ asks; None of any that is not plain, which the library has to look at."""
    found = _elements(command)
    if tuple(found) not in (ASKED, (*ASKED, 0x1030, 0x1031)) or any(len(found[number]) != 2 for number in ASKED[2:6]):
        return None
    field, message, _, follows = (int.from_bytes(found[number], "little") for number in ASKED[2:6])
    sop_class, sop_instance = (found[number].rstrip(b"\0").decode("latin-1") for number in (0x0002, 0x1000))
    if field != STORE or follows == NO_DATA or not is_uid(sop_class) or not is_uid(sop_instance):
        return None
    return Asked(message, sop_class, sop_instance)


def stored(request: Asked, status: int) -> bytes:
    """The command set of a C-STORE-RSP (PS3.7, 9.3.1.2)."""
    field, numbers = _ANSWERS[C_STORE]
    values = (request.sop_class, field, request.message, NO_DATA, status, request.sop_instance)
    return _encoded(zip(numbers, values, strict=True))


def answered(command: bytes) -> C_STORE | None:
    """What a plain C-STORE-RSP tells; None of any other message."""
    found = _elements(command)
    if any(len(found.get(number, b"")) != 2 for number in (0x0100, 0x0120, 0x0800, 0x0900)):
        return None
    field, message, follows, status = (
        int.from_bytes(found[number], "little") for number in (0x0100, 0x0120, 0x0800, 0x0900)
    )
    if field != _ANSWERS[C_STORE][0] or follows != NO_DATA or not set(found) <= _PLAIN_ANSWER:
        return None
    answer = C_STORE()
    answer.MessageIDBeingRespondedTo, answer.Status = message, status
    return answer


def _elements(command: bytes) -> dict[int, bytes]:
    """The elements of a command set by their numbers; none where they do not fill it."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 8 <= len(command):
        group, number, length = unpack_from("<HHL", command, at)
        found[group << 16 | number] = command[at + 8 : at + 8 + length]
        at += 8 + length
    return found if at == len(command) else {}


def even(value: str, pad: bytes = b"\0") -> bytes:
    """A text in an even number of bytes."""
    text = value.encode("ascii", "replace")
    return text + pad * (len(text) % 2)
