"""How bytes of an association come and go.

The library looks for work once a millisecond in each of its two threads, and copies each piece six times. Here they
wait until there is something, and pieces are passed on as they lie in what was read.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from struct import pack, unpack_from
from typing import Any, Final
from weakref import finalize

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

READ = 256 * 1024  # bytes that are asked of the socket at once
WAIT: Final = 0.5  # seconds until an association that is silent is looked at
WAKENINGS: Final = 64  # that are taken at once
DATA, ARRIVED, CLOSED, ESTABLISHED = 0x04, "Evt10", "Evt17", "Sta6"  # PS3.8, 9.3.5 and 9.2


class _Socket(AssociationSocket):
    """Reads and writes much at once."""

    def send(self, bytestream: bytes) -> None:
        """Send it all."""
        assert self.socket  # noqa: S101  (as below)
        try:
            self.socket.sendall(bytestream)
        except OSError:
            self.event_queue.put(CLOSED)

    def recv(self, nr_bytes: int) -> bytearray:
        """So many bytes, fewer where the peer has left."""
        assert self.socket  # noqa: S101  (nothing is read of one that is closed)
        found = bytearray(min(READ, nr_bytes))
        at_once = 0 if isinstance(self.socket, ssl.SSLSocket) else socket.MSG_WAITALL  # each return takes Python's lock
        size = 0
        while size < nr_bytes:
            if size == len(found):
                found += bytes(min(READ, nr_bytes - size))  # no peer makes us take memory that it does not fill
            with memoryview(found) as view:
                came = self.socket.recv_into(view[size:], flags=at_once)
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


class _Waiting(DULServiceProvider):
    """Waits for the peer and for what is to be sent to it."""

    _woken: socket.socket
    _waking: socket.socket
    end: finalize  # leaves what wakes it

    def send_pdu(self, primitive: Any) -> None:
        """Let something be sent."""
        super().send_pdu(primitive)
        with contextlib.suppress(OSError):  # it wakes anyhow, or has ended
            self._waking.send(b"\0")

    def _is_transport_event(self) -> bool:
        if self.state_machine.current_state != ESTABLISHED or not self.socket:
            return super()._is_transport_event()
        if not self.socket.ready:
            self._wait()
            if self._process_recv_primitive():
                return True
            if not self.socket.ready:
                return False
        self._read_pdu_data()
        return True

    def _wait(self) -> None:
        connection = self.socket and self.socket.socket
        with contextlib.suppress(OSError, ValueError):  # where one of them has gone, the library looks itself
            ready, _, _ = select.select([self._woken, *([connection] if connection else [])], [], [], WAIT)
            if self._woken in ready:
                self._woken.recv(WAKENINGS)

    def _send(self, pdu: Any) -> None:
        """Send a PDU; of several presentation data values each in one of its own."""
        if not isinstance(pdu, P_DATA_TF) or not self.socket:
            super()._send(pdu)
            return
        parts: list[bytes] = []
        for item in pdu.presentation_data_value_items:
            context, value = item.presentation_context_id, item.presentation_data_value
            parts += (pack(">BBLLB", DATA, 0, len(value) + 5, len(value) + 1, context), value)
        self.socket.send(b"".join(parts))

    def _decode_pdu(self, bytestream: bytearray) -> Any:
        return (_Pieces(bytestream), ARRIVED) if bytestream[0] == DATA else super()._decode_pdu(bytestream)


def wait_on(association: Association) -> None:
    """Let an association that has a connection wait for what comes."""
    line = association.dul
    pair = line._woken, line._waking = socket.socketpair()
    for one in pair:
        one.settimeout(0)
    line.end = finalize(line, lambda: [one.close() for one in pair])
    line.socket.__class__ = _Socket
    line.__class__ = _Waiting  # at last: it may run already


def leave(association: Association) -> None:
    """Leave what such an association waits with."""
    if isinstance(association.dul, _Waiting):
        association.dul.end()
