"""How messages of machines come in: what is to be stored goes to the disk as it comes, so that memory stays flat.

The library looks for work once a millisecond in each of its two threads, and copies each piece six times. Here they
wait until there is something, and pieces are passed on as they lie in what was read.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
from io import BytesIO
from struct import pack, unpack_from
from typing import Any, Final
from weakref import finalize

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket, RequestHandler

from tuetinh.care.imaging.archive.reading import PREAMBLE
from tuetinh.care.imaging.dimse.giving import Giver
from tuetinh.record.contents import Arriving

READ = 256 * 1024  # bytes that are asked of the socket at once
WAIT: Final = 0.5  # seconds until an association that is silent is looked at
TURN: Final = 0.005  # seconds in which a message is waited for before the end of its association is looked for
STORED, NO_DATA = 0x8001, 0x0101  # Command Field, Command Data Set Type (PS3.7, E.1)
P_DATA_TF, ARRIVED, ESTABLISHED = 0x04, "Evt10", "Sta6"  # PS3.8, 9.3.5 and 9.2


def file_meta(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """The File Meta Information (PS3.10, 7.1). The library's own takes as long as all the rest of receiving."""
    elements = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01" + b"".join(
        pack("<HH2sH", 2, number, vr, len(value)) + value
        for number, vr, value in (
            (0x0002, b"UI", _even(sop_class)),
            (0x0003, b"UI", _even(sop_instance)),
            (0x0010, b"UI", _even(syntax)),
            (0x0012, b"UI", _even(PYNETDICOM_IMPLEMENTATION_UID)),
            (0x0013, b"SH", _even(PYNETDICOM_IMPLEMENTATION_VERSION, b" ")),
        )
    )
    return pack("<HH2sHL", 2, 0, b"UL", 4, len(elements)) + elements


def stored(answer: C_STORE) -> bytes:
    """The command set of a C-STORE-RSP (PS3.7, 9.3.1.2); the library's own takes as long as to index an object."""
    elements = b"".join(
        pack("<HHL", 0, number, len(value)) + value
        for number, value in (
            (0x0002, _even(str(answer.AffectedSOPClassUID or ""))),
            (0x0100, pack("<H", STORED)),
            (0x0120, pack("<H", answer.MessageIDBeingRespondedTo)),
            (0x0800, pack("<H", NO_DATA)),
            (0x0900, pack("<H", answer.Status)),
            (0x1000, _even(str(answer.AffectedSOPInstanceUID or ""))),
        )
    )
    return pack("<HHLL", 0, 0, 4, len(elements)) + elements


def _even(value: str, pad: bytes = b"\0") -> bytes:
    text = value.encode("ascii", "replace")
    return text + pad * (len(text) % 2)


class Incoming(BytesIO):
    """The data set of a message: of one that stores a Part 10 file on the disk, of others in memory."""

    def __init__(self, message: DIMSEMessage, association: Association) -> None:
        super().__init__()
        self._message, self._association = message, association
        self._arriving: Arriving | None = None
        self._error: Exception | None = None

    def write(self, data: Any) -> int:
        """Add a fragment. What goes wrong on the disk is told by `whole`, for here it would end the association."""
        if not isinstance(self._message, C_STORE_RQ):
            return super().write(data)
        try:
            if not self._error:
                self._opened().write(data)
        except Exception as error:
            self._error = error
        return len(data)

    def _opened(self) -> Arriving:
        if self._arriving is None:
            self._arriving = Arriving()
            self._arriving.write(bytes(PREAMBLE) + b"DICM" + self._meta())
        return self._arriving

    def _meta(self) -> bytes:
        command, context = self._message.command_set, self._association._accepted_cx[self._message.context_id]
        told = (command.AffectedSOPClassUID, command.AffectedSOPInstanceUID, context.transfer_syntax[0])
        return file_meta(*(str(one or "") for one in told))

    def whole(self) -> Arriving:
        """All of it. Raises what went wrong, as NoSpace."""
        if self._error:
            raise self._error
        return self._opened()

    def drop(self) -> None:
        """Leave it: it will not be whole, or is not wanted."""
        if self._arriving:
            self._arriving.__exit__()


class _Provider(DIMSEServiceProvider):
    """Gives each message a place for its data set."""

    def receive_primitive(self, primitive: Any) -> None:
        """Take a part of a message."""
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = Incoming(self.message, self.assoc)
        super().receive_primitive(primitive)

    def get_msg(self, block: bool = False) -> Any:  # noqa: FBT001, FBT002
        """The next message. One that is asked for again and again is waited for a little."""
        if block:
            return super().get_msg(block)
        try:
            return self.msg_queue.get(timeout=TURN)
        except queue.Empty:
            return None, None

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Send a message."""
        is_plain = isinstance(primitive, C_STORE) and primitive.MessageIDBeingRespondedTo is not None
        if not is_plain or primitive.ErrorComment or primitive.OffendingElement:
            super().send_msg(primitive, context_id)
            return
        part = P_DATA()
        part.presentation_data_value_list.append((context_id, b"\x03" + stored(primitive)))  # all of a command
        self.dul.send_pdu(part)

    def drop(self) -> None:
        """Leave the message that did not come to its end."""
        if self.message and isinstance(self.message.data_set, Incoming):
            self.message.data_set.drop()


class _Socket(AssociationSocket):
    """Reads much at once."""

    def recv(self, nr_bytes: int) -> bytearray:
        """So many bytes, fewer where the peer has left."""
        assert self.socket  # noqa: S101  (nothing is read of one that is closed)
        found = bytearray(min(READ, nr_bytes))
        size = 0
        while size < nr_bytes:
            if size == len(found):
                found += bytes(min(READ, nr_bytes - size))  # no peer makes us take memory that it does not fill
            with memoryview(found) as view:
                came = self.socket.recv_into(view[size:])
            if not came:
                break
            size += came
        del found[size:]
        return found


class _Pieces:
    """A P-DATA-TF PDU (PS3.8, 9.3.5) whose values stay where they are."""

    def __init__(self, data: bytearray) -> None:
        """Raises ValueError where its items are not as long as they say."""
        self._primitive = P_DATA()
        whole, at = memoryview(data).toreadonly(), 6
        while at < len(data):
            if len(data) - at < 6:
                raise ValueError("a presentation data value without its head")
            length, context = unpack_from(">LB", data, at)
            if length < 2 or at + 4 + length > len(data):
                raise ValueError("a presentation data value of another length")
            self._primitive.presentation_data_value_list.append((context, whole[at + 5 : at + 4 + length]))
            at += 4 + length

    def to_primitive(self) -> P_DATA:
        """What it brings."""
        return self._primitive


class Waiting(DULServiceProvider):
    """Waits for the peer and for what is to be sent to it."""

    end: finalize  # leaves what wakes it

    def begin(self) -> None:
        """Make what wakes it."""
        pair = self._woken, self._waking = socket.socketpair()
        for one in pair:
            one.settimeout(0)
        self.end = finalize(self, lambda: [one.close() for one in pair])

    def send_pdu(self, primitive: Any) -> None:
        """Let something be sent."""
        super().send_pdu(primitive)
        with contextlib.suppress(OSError):  # it wakes anyhow, or has ended
            self._waking.send(b"\0")

    def _is_transport_event(self) -> bool:
        if self.state_machine.current_state == ESTABLISHED and self.socket and not self.socket.ready:
            self._wait()
            if self._process_recv_primitive():
                return True
        return super()._is_transport_event()

    def _wait(self) -> None:
        connection = self.socket and self.socket.socket
        with contextlib.suppress(OSError, ValueError):  # where one of them has gone, the library looks itself
            select.select([self._woken, *([connection] if connection else [])], [], [], WAIT)
            while self._woken.recv(READ):
                pass

    def _decode_pdu(self, bytestream: bytearray) -> Any:
        return (_Pieces(bytestream), ARRIVED) if bytestream[0] == P_DATA_TF else super()._decode_pdu(bytestream)


class Handler(RequestHandler):
    """Makes associations whose messages come in so."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.__class__ = Giver
        association.dimse = _Provider(association)
        association.dul.__class__ = Waiting
        association.dul.begin()
        association.dul.socket.__class__ = _Socket  # it is listened to already
        return association


def closed(association: Association) -> None:
    """Leave what had not come to its end when an association did."""
    if isinstance(association.dimse, _Provider):
        association.dimse.drop()
    if isinstance(association.dul, Waiting):
        association.dul.end()
