"""How messages of machines come in: what is to be stored goes to the disk as it comes, so that memory stays flat."""

from __future__ import annotations

from io import BytesIO
from struct import pack
from typing import Any

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.transport import AssociationSocket, RequestHandler

from tuetinh.care.imaging.archive.reading import PREAMBLE
from tuetinh.care.imaging.dimse.giving import Giver
from tuetinh.record.contents import Arriving

READ = 256 * 1024  # bytes that are asked of the socket at once


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

    def drop(self) -> None:
        """Leave the message that did not come to its end."""
        if self.message and isinstance(self.message.data_set, Incoming):
            self.message.data_set.drop()


class _Socket(AssociationSocket):
    """Reads much at once."""

    def recv(self, nr_bytes: int) -> bytearray:
        """So many bytes, fewer where the peer has left."""
        assert self.socket  # noqa: S101  (nothing is read of one that is closed)
        found = bytearray()
        while len(found) < nr_bytes and (piece := self.socket.recv(min(READ, nr_bytes - len(found)))):
            found += piece
        return found


class Handler(RequestHandler):
    """Makes associations whose messages come in so."""

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.__class__ = Giver
        association.dimse = _Provider(association)
        association.dul.socket.__class__ = _Socket  # it is listened to already
        return association


def closed(association: Association) -> None:
    """Leave what had not come to its end when an association did."""
    if isinstance(association.dimse, _Provider):
        association.dimse.drop()
