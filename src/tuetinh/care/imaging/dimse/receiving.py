"""How messages of machines come in: what is to be stored goes to the disk as it comes, so that memory stays flat."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from io import BytesIO
from struct import pack
from typing import Any, Final, NamedTuple

import tuetinh.care.imaging.library.network  # noqa: F401

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_GET, C_MOVE
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import RequestHandler

from tuetinh.care.imaging.archive.reading import PREAMBLE
from tuetinh.care.imaging.dimse.commands import WHOLE_COMMAND, Asked, answered, answering, asked, even, stored
from tuetinh.care.imaging.dimse.giving import Giver
from tuetinh.care.imaging.dimse.line import Rung, leave, wait_on
from tuetinh.record.contents import Arriving

TURN: Final = 0.25  # seconds in which a message, or an end, is waited for before the association is looked at
EACH: Final = 0.1  # seconds between two pending answers
PENDING: Final = 0xFF00
COMMAND, LAST = 0x01, 0x02  # bits of a Message Control Header (PS3.8, E.2)


def file_meta(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """The File Meta Information (PS3.10, 7.1). The library's own takes as long as all the rest of receiving."""
    elements = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01" + b"".join(
        pack("<HH2sH", 2, number, vr, len(value)) + value
        for number, vr, value in (
            (0x0002, b"UI", even(sop_class)),
            (0x0003, b"UI", even(sop_instance)),
            (0x0010, b"UI", even(syntax)),
            (0x0012, b"UI", even(PYNETDICOM_IMPLEMENTATION_UID)),
            (0x0013, b"SH", even(PYNETDICOM_IMPLEMENTATION_VERSION, b" ")),
        )
    )
    return pack("<HH2sHL", 2, 0, b"UL", 4, len(elements)) + elements


class Incoming:
    """An object on its way in: a Part 10 file that grows while it comes."""

    def __init__(self, header: Callable[[], bytes]) -> None:
        """header: its File Meta Information."""
        self._header = header
        self._arriving: Arriving | None = None
        self._error: Exception | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Add a fragment. What goes wrong on the disk is told by `whole`, for here it would end the association."""
        try:
            if not self._error:
                self._opened().write(data)
        except Exception as error:
            self._error = error

    def _opened(self) -> Arriving:
        if self._arriving is None:
            self._arriving = Arriving()
            self._arriving.write(bytes(PREAMBLE) + b"DICM" + self._header())
        return self._arriving

    def whole(self) -> Arriving:
        """All of it. Raises what went wrong, as NoSpace."""
        if self._error:
            raise self._error
        return self._opened()

    def drop(self) -> None:
        """Leave it: it will not be whole, or is not wanted."""
        if self._arriving:
            self._arriving.__exit__()


class _DataSet(BytesIO):
    """The data set of a message that the library reads: of one that stores on the disk, of others in memory."""

    def __init__(self, message: DIMSEMessage, association: Association) -> None:
        super().__init__()
        self._message, self._association = message, association
        self.incoming = Incoming(self._meta)

    def write(self, data: Any) -> int:
        """Add a fragment."""
        if not isinstance(self._message, C_STORE_RQ):
            return super().write(data)
        self.incoming.write(data)
        return len(data)

    def _meta(self) -> bytes:
        command, context = self._message.command_set, self._association._accepted_cx[self._message.context_id]
        told = (command.AffectedSOPClassUID, command.AffectedSOPInstanceUID, context.transfer_syntax[0])
        return file_meta(*(str(one or "") for one in told))


class _Begun(NamedTuple):
    """An object of which the command was read here."""

    context: int
    asked: Asked
    incoming: Incoming


Store = Callable[[Association, Incoming], int]


class Provider(DIMSEServiceProvider):
    """Takes objects to the disk as they come and stores each on the thread that reads; all else is the library's."""

    def __init__(self, association: Association, store: Store) -> None:
        """store: keeps an object; returns the status to answer."""
        super().__init__(association)
        self._store = store
        self._begun: _Begun | None = None
        self._told = 0.0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take a part of a message. Raises ValueError where it is no part of the object that is coming."""
        values = primitive.presentation_data_value_list
        if not self._begun and not self.message and values and values[0][1][0] == WHOLE_COMMAND:
            context, value = values[0]
            command = bytes(value[1:])
            if answer := answered(command):
                self.msg_queue.put((context, answer))
                return
            if self._begin(context, command):
                del values[0]
        if self._begun:
            for _, value in values:
                self._add(value)
            return
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = _DataSet(self.message, self.assoc)
        super().receive_primitive(primitive)

    def _begin(self, context: int, command: bytes) -> bool:
        """Begin an object; False where the library has to read what this is."""
        accepted, request = self.assoc._accepted_cx.get(context), asked(command)
        if accepted and request:
            told = (request.sop_class, request.sop_instance, str(accepted.transfer_syntax[0]))
            self._begun = _Begun(context, request, Incoming(lambda: file_meta(*told)))
        return self._begun is not None

    def _add(self, value: memoryview) -> None:
        """Add a fragment to the object that is coming, store it and answer when it is whole."""
        if self._begun is None or value[0] & COMMAND:
            raise ValueError("no part of an object")
        self._begun.incoming.write(value[1:])
        if value[0] & LAST:
            context, request, incoming = self._begun
            self._begun = None
            self.dul.say(context, [(WHOLE_COMMAND, stored(request, self._store(self.assoc, incoming)))])

    def get_msg(self, block: bool = False) -> Any:  # noqa: FBT001, FBT002
        """The next message. One that is asked for again and again is waited for."""
        if block:
            return super().get_msg(block)
        try:
            return self.msg_queue.get(timeout=TURN)
        except queue.Empty:
            return None, None

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Send a message. How far sub-operations have come is told now and then (PS3.4, C.4.2.3.2)."""
        if isinstance(primitive, (C_GET, C_MOVE)) and primitive.Status == PENDING:
            now = time.monotonic()
            if now - self._told < EACH:
                return
            self._told = now
        command = answering(primitive)
        if command is None or not self.dul.stands:
            super().send_msg(primitive, context_id)
        else:
            self.dul.say(context_id, [(WHOLE_COMMAND, command)])

    def drop(self) -> None:
        """Leave the message that did not come to its end."""
        if self._begun:
            self._begun.incoming.drop()
        if self.message and isinstance(self.message.data_set, _DataSet):
            self.message.data_set.incoming.drop()


class Handler(RequestHandler):
    """Makes associations whose messages come in so."""

    server: Any  # whose `store` keeps objects

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.__class__ = Giver
        association.dimse = Provider(association, self.server.store)
        line = wait_on(association)
        line.to_user_queue = Rung(association.dimse.msg_queue)
        return association


def closed(association: Association) -> None:
    """Leave what had not come to its end when an association did."""
    if isinstance(association.dimse, Provider):
        association.dimse.drop()
    leave(association)
