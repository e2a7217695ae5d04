"""How bytes of an association come and go.

The library looks for work once a millisecond in each of its two threads, hands each piece from one to the other and
copies it six times. Here they wait until there is something. While an association stands (Sta6), data is read and
written by who needs it, on its own thread: DT-1 and DT-2 (PS3.8, 9.2.2) change no state. All else is the library's.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import ssl
import threading
from collections.abc import Iterable
from struct import pack, unpack_from
from typing import Any, Final
from weakref import finalize

import tuetinh.care.imaging.library.network  # noqa: F401

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

READ = 256 * 1024  # bytes that are asked of the socket at once
WAIT: Final = 0.5  # seconds until an association that is silent is looked at
WAKENINGS: Final = 64  # that are taken at once
HEAD: Final = 6  # bytes that tell what a PDU is and how long
DATA, ESTABLISHED = 0x04, "Sta6"  # PS3.8, 9.3.5 and 9.2
CLOSED, INVALID = "Evt17", "Evt19"


class _Socket(AssociationSocket):
    """Reads and writes much at once."""

    begun: bytes | bytearray = b""  # the head of a PDU, which was read to see what it is

    def send(self, bytestream: bytes) -> None:
        """Send it all."""
        assert self.socket  # noqa: S101  (as below)
        try:
            self.socket.sendall(bytestream)
        except OSError:
            self.event_queue.put(CLOSED)

    def recv(self, nr_bytes: int) -> bytearray:
        """So many bytes, fewer where the peer has left."""
        if self.begun:
            found, self.begun = bytearray(self.begun), b""
            return found
        found = bytearray(min(READ, nr_bytes))
        size = 0
        while size < nr_bytes:
            if size == len(found):
                found += bytes(min(READ, nr_bytes - size))  # no peer makes us take memory that it does not fill
            with memoryview(found) as view:
                came = self.fill(view[size:])
            if not came:
                break
            size += came
        del found[size:]
        return found

    def fill(self, view: memoryview) -> int:
        """Fill a part of memory; returns how much of it, which is less where the peer has left, or with TLS."""
        assert self.socket  # noqa: S101  (nothing is read of one that is closed)
        at_once = 0 if isinstance(self.socket, ssl.SSLSocket) else socket.MSG_WAITALL  # each return takes Python's lock
        return self.socket.recv_into(view, flags=at_once)


def pieces(data: memoryview) -> P_DATA:
    """What a P-DATA-TF PDU (PS3.8, 9.3.5) brings after its head, where it lies.

    Raises ValueError where its items are not as long as they say.
    """
    found, at = P_DATA(), 0
    while at < len(data):
        if len(data) - at < HEAD:
            raise ValueError("a presentation data value without its head")
        length, context = unpack_from(">LB", data, at)
        if length < 2 or at + 4 + length > len(data):
            raise ValueError("a presentation data value of another length")
        found.presentation_data_value_list.append((context, data[at + 5 : at + 4 + length]))
        at += 4 + length
    return found


class Rung(queue.Queue[Any]):
    """What the library's loop of an association looks at now and then; who waits for messages is woken by it."""

    def __init__(self, messages: queue.Queue[Any]) -> None:
        super().__init__()
        self._messages = messages

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002
        """Put it there."""
        super().put(item, block, timeout)
        self._messages.put((None, None))


class Line(DULServiceProvider):
    """Waits for the peer and for what is to be sent to it."""

    talking: threading.RLock  # type: ignore[valid-type]  # whose thread reads and writes
    _woken: socket.socket
    _waking: socket.socket
    _memory: bytearray
    end: finalize  # leaves what wakes it

    def send_pdu(self, primitive: Any) -> None:
        """Let something be sent."""
        super().send_pdu(primitive)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it wakes anyhow, or has ended
            self._waking.send(b"\0")

    @property
    def stands(self) -> bool:
        """Whether data may come and go (Sta6)."""
        return self.state_machine.current_state == ESTABLISHED and self.socket is not None

    def say(self, context: int | None, values: Iterable[tuple[int, bytes | memoryview]]) -> None:
        """Send fragments of a message, each with its control header (PS3.8, E.2) and in a PDU of its own.

        Raises RuntimeError where the association has ended.
        """
        parts: list[bytes | memoryview] = []
        for header, value in values:
            parts += (pack(">BBLLBB", DATA, 0, len(value) + 6, len(value) + 2, context, header), value)
        with self.talking:
            if not self.stands:
                raise RuntimeError("the association has ended")
            assert isinstance(self.socket, _Socket)  # noqa: S101
            self.socket.send(b"".join(parts))

    def hear(self, seconds: float | None) -> None:
        """Take what the peer says next, on this thread. To be called while `talking` is held."""
        if self.stands and self._is_readable(seconds):
            self._take()
            if not self.event_queue.empty():
                self._wake()

    def _is_transport_event(self) -> bool:
        """Take data until something else is to be done; whether that is in the queue of events."""
        if not self.stands:
            return super()._is_transport_event()
        while self.stands and not self._kill_thread:
            if self._process_recv_primitive():
                return True
            with self.talking:
                taken = self.stands and self._take()
            if not self.event_queue.empty():
                return True
            if not taken and not self._wait():
                return False
        return False

    def _wait(self) -> bool:
        """Wait for the peer or for somebody who wakes; whether there was one of them."""
        connection = self.socket and self.socket.socket
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        try:
            ready, _, _ = select.select([self._woken, *([connection] if connection else [])], [], [], WAIT)
            if self._woken in ready:
                self._woken.recv(WAKENINGS)
        except (OSError, ValueError):  # one of them has gone, the library looks itself
            return False
        return bool(ready)

    def _is_readable(self, seconds: float | None) -> bool:
        connection = self.socket and self.socket.socket
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        try:
            return bool(connection and select.select([connection], [], [], seconds)[0])
        except (OSError, ValueError):
            self.event_queue.put(CLOSED)
            return False

    def _head(self) -> bytes | bytearray | None:
        """What begins a PDU; None where nothing is there, less than a head where the peer has left. Raises OSError."""
        assert isinstance(self.socket, _Socket)  # noqa: S101
        connection = self.socket.socket
        if isinstance(connection, ssl.SSLSocket):
            return self.socket.recv(HEAD) if self._is_readable(0) else None
        try:
            head = connection.recv(HEAD, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        return head if len(head) in (0, HEAD) else head + self.socket.recv(HEAD - len(head))

    def _take(self) -> bool:
        """Read a PDU if there is one. Data goes to the messages at once, all else the way of the library."""
        assert isinstance(self.socket, _Socket)  # noqa: S101
        try:
            if (head := self._head()) is None:
                return False
            if len(head) < HEAD or head[0] != DATA or not self.stands:
                self.socket.begun = head
                self._read_pdu_data()
                return True
            self._idle_timer.restart()
            [length] = unpack_from(">L", head, 2)
            data = self._filled(length)
        except OSError:
            data = None
        if data is None:
            self.event_queue.put(CLOSED)
            return True
        try:
            found = pieces(data)
        except ValueError:
            self.event_queue.put(INVALID)
            return True
        self.assoc.dimse.receive_primitive(found)
        return True

    def _filled(self, length: int) -> memoryview | None:
        """So many bytes of the peer, in memory that the next ones take again; None where it has left."""
        assert isinstance(self.socket, _Socket)  # noqa: S101
        if length > len(self._memory):
            found = self.socket.recv(length)
            return memoryview(found).toreadonly() if len(found) == length else None
        view, size = memoryview(self._memory)[:length], 0
        while size < length:
            came = self.socket.fill(view[size:])
            if not came:
                return None
            size += came
        return view.toreadonly()

    def _send(self, pdu: Any) -> None:
        """Send a PDU; of several presentation data values each in one of its own."""
        if isinstance(pdu, P_DATA_TF) and self.stands:
            for item in pdu.presentation_data_value_items:
                value = item.presentation_data_value
                self.say(item.presentation_context_id, [(value[0], value[1:])])
            return
        with self.talking:
            super()._send(pdu)


def wait_on(association: Association) -> Line:
    """Let an association that has a connection wait for what comes."""
    line = association.dul
    pair = line._woken, line._waking = socket.socketpair()
    for one in pair:
        one.settimeout(0)
    line.talking, line._memory = threading.RLock(), bytearray(READ + HEAD)
    line.end = finalize(line, lambda: [one.close() for one in pair])
    line.socket.__class__ = _Socket
    line.__class__ = Line  # at last: it may run already
    return line  # type: ignore[no-any-return]


def leave(association: Association) -> None:
    """Leave what such an association waits with."""
    if isinstance(association.dul, Line):
        association.dul.end()
