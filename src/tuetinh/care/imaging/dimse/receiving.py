"""How messages of machines come in: what is to be stored goes to the disk as it comes, so that memory stays flat."""

from __future__ import annotations

import queue
from io import BytesIO
from struct import pack
from typing import Any, Final

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import RequestHandler

from tuetinh.care.imaging.archive.reading import PREAMBLE
from tuetinh.care.imaging.dimse.commands import WHOLE_COMMAND, answering, asked, even
from tuetinh.care.imaging.dimse.giving import Giver
from tuetinh.care.imaging.dimse.line import leave, wait_on
from tuetinh.record.contents import Arriving

TURN: Final = 0.005  # seconds in which a message is waited for before the end of its association is looked for


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


class _Store(C_STORE_RQ):
    """A message that stores, whose command set was read by `asked`."""

    def __init__(self, request: C_STORE, context: int) -> None:
        self.command_set, self.context_id = request, context
        self.encoded_command_set = BytesIO()
        self._data_set_file = self._data_set_path = None

    def message_to_primitive(self) -> C_STORE:
        """What is asked, with all that came."""
        self.command_set.DataSet = self.data_set
        return self.command_set


class _Provider(DIMSEServiceProvider):
    """Gives each message a place for its data set."""

    def receive_primitive(self, primitive: Any) -> None:
        """Take a part of a message."""
        if self.message is None:
            self.message = self._begun(primitive.presentation_data_value_list)
            self.message.data_set = Incoming(self.message, self.assoc)
        super().receive_primitive(primitive)

    def _begun(self, values: list[tuple[int, memoryview]]) -> DIMSEMessage:
        """The message that presentation data values begin; what is read of one that stores is taken from them."""
        if values and values[0][1][:1] == WHOLE_COMMAND:
            context, command = values[0]
            if request := asked(bytes(command[1:])):
                del values[0]
                return _Store(request, context)
        return DIMSEMessage()

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
        command = answering(primitive)
        if command is None:
            super().send_msg(primitive, context_id)
            return
        part = P_DATA()
        part.presentation_data_value_list.append((context_id, WHOLE_COMMAND + command))
        self.dul.send_pdu(part)

    def drop(self) -> None:
        """Leave the message that did not come to its end."""
        if self.message and isinstance(self.message.data_set, Incoming):
            self.message.data_set.drop()


class Handler(RequestHandler):
    """Makes associations whose messages come in so."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.__class__ = Giver
        association.dimse = _Provider(association)
        wait_on(association)
        return association


def closed(association: Association) -> None:
    """Leave what had not come to its end when an association did."""
    if isinstance(association.dimse, _Provider):
        association.dimse.drop()
    leave(association)
