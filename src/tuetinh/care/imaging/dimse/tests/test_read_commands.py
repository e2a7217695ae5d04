"""Command sets that are read and written without the library, beside the library's own."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pynetdicom.dimse_messages import C_GET_RSP, C_MOVE_RSP, C_STORE_RQ, C_STORE_RSP  # type: ignore[attr-defined]
from pynetdicom.dimse_primitives import C_ECHO, C_GET, C_MOVE, C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from tuetinh.care.imaging.dimse import commands


def test_plain_answers_are_the_librarys_own() -> None:
    stored, moved, given = C_STORE(), C_MOVE(), C_GET()
    stored.AffectedSOPInstanceUID = "1.2.3.45"
    for answer in (stored, moved, given):
        answer.MessageIDBeingRespondedTo, answer.Status, answer.AffectedSOPClassUID = 7, 0xFF00, CTImageStorage
    moved.NumberOfRemainingSuboperations, moved.NumberOfFailedSuboperations = 3, 0
    given.NumberOfCompletedSuboperations = given.NumberOfWarningSuboperations = 65535
    for answer, message in ((stored, C_STORE_RSP()), (moved, C_MOVE_RSP()), (given, C_GET_RSP())):
        message.primitive_to_message(answer)
        assert commands.answering(answer) == encode(message.command_set, True, True)
    assert commands.stored(commands.Asked(7, CTImageStorage, "1.2.3.45"), 0xFF00) == commands.answering(stored)
    moved.Identifier, stored.ErrorComment = BytesIO(b"x"), "x"
    assert [commands.answering(one) for one in (stored, moved, C_ECHO())] == [None] * 3


def test_what_is_asked_of_others_is_the_librarys_own() -> None:
    request = C_STORE()
    request.MessageID, request.Priority = 7, 0
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, "1.2.3.45"
    for title, number in ((None, None), ("CT1", 0)):
        request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID = title, number
        message = C_STORE_RQ()
        message.primitive_to_message(request)
        message.command_set.CommandDataSetType = 1
        assert commands.asking(request) == encode(message.command_set, True, True)


def encoded(**changes: Any) -> bytes:
    """The command set of a C-STORE-RQ as the library writes it."""
    request = C_STORE()
    request.MessageID, request.Priority = 7, 1
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, "1.2.3.45"
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    message.command_set.CommandDataSetType = 1
    for keyword, value in changes.items():
        setattr(message.command_set, keyword, value)
    return encode(message.command_set, True, True) or b""


def test_what_is_asked_of_storing_is_what_the_library_reads() -> None:
    asked = commands.asked(encoded())
    assert asked
    assert asked == (7, CTImageStorage, "1.2.3.45")
    moved = {"MoveOriginatorApplicationEntityTitle": "CT1", "MoveOriginatorMessageID": 3}
    assert commands.asked(encoded(**moved)) == asked
    nothing, other, bad = {"CommandDataSetType": 0x0101}, {"CommandField": 0x8001}, {"AffectedSOPInstanceUID": "1..2"}
    assert [commands.asked(encoded(**changes)) for changes in (nothing, other, bad)] == [None] * 3
    assert {commands.asked(encoded()[:end]) for end in range(len(encoded()))} == {None}


def test_what_is_answered_to_storing_is_what_the_library_reads() -> None:
    told = commands.stored(commands.Asked(7, CTImageStorage, "1.2.3.45"), 0xA700)
    answer = commands.answered(told)
    assert answer
    assert (answer.MessageIDBeingRespondedTo, answer.Status, answer.is_valid_response) == (7, 0xA700, True)
    explained = C_STORE()
    explained.MessageIDBeingRespondedTo, explained.Status, explained.ErrorComment = 7, 0xA700, "full"
    message = C_STORE_RSP()
    message.primitive_to_message(explained)
    others = [encoded(), encode(message.command_set, True, True) or b"", told[:-1], told[:30], b""]
    assert {commands.answered(one) for one in others} == {None}
