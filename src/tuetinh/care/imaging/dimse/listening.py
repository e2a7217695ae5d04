"""Where machines call. What answers them takes much memory, and is loaded when the first one says something."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Final

from tuetinh.care.imaging.archive.workers import Workers
from tuetinh.care.imaging.models import Commitment

if TYPE_CHECKING:
    from tuetinh.care.imaging.dimse.service import Entity

ASSOCIATIONS: Final = 64
SILENCE: Final = 30.0  # seconds in which a caller says something
LOOK: Final = 30.0  # seconds between looks for answers that are due
SHARED: Final = "TUETINH_DICOM_SOCKETS"
HESITATION: Final = 0.002  # seconds for each caller that is answered already
MOST_HESITATED: Final = 16
Answer = Callable[[socket.socket, tuple[str, int]], None]


class Listener(ThreadingTCPServer):
    """Answers who calls at a socket, which it may share with other processes of the node, until it is closed.

    All of them are woken by a caller. Who has others to answer hesitates, so that callers are spread evenly.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket, context: ssl.SSLContext | None, answer: Answer) -> None:
        """answer: takes who has called and said something, on a thread of its own."""
        self.address_family = listening.family
        self._context, self._answer = context, answer
        self._calls: list[socket.socket] = []
        super().__init__(listening.getsockname(), BaseRequestHandler, bind_and_activate=False)
        self.socket.close()
        listening.settimeout(0)  # for another process may be quicker
        self.socket, self.server_address = listening, listening.getsockname()
        threading.Thread(target=self.serve_forever, name=f"dicom:{self.server_address[1]}", daemon=True).start()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Take a caller. Raises BlockingIOError where another process has."""
        self._calls = [one for one in self._calls if one.fileno() >= 0]
        time.sleep(min(len(self._calls), MOST_HESITATED) * HESITATION)
        connection, address = self.socket.accept()
        self._calls.append(connection)
        return connection, address

    def process_request_thread(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """Wait for the first word: to see whether somebody listens, others call and say nothing."""
        try:
            request.settimeout(SILENCE)
            if not request.recv(1, socket.MSG_PEEK):
                raise ConnectionError
            if self._context:
                request = self._context.wrap_socket(request, server_side=True)
                self._calls.append(request)
            request.settimeout(None)
            self._answer(request, client_address)
        except OSError:
            self.shutdown_request(request)

    def close(self) -> None:
        """Listen no more."""
        self.shutdown()
        self.server_close()


def sockets(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on a port, and where there is a certificate on that of TLS; see `serve_dicom`.

    Who starts further processes makes them and leaves them in `TUETINH_DICOM_SOCKETS`, by number; else each process
    has its own, between which the system chooses by chance.
    """
    if shared := os.environ.get(SHARED):
        return [socket.socket(fileno=os.dup(int(number))) for number in shared.split(",")]
    ports = [port, int(os.environ.get("TUETINH_DICOM_TLS_PORT", "2762"))] if _certificate() else [port]
    return [_listening(host, one) for one in ports]


def _listening(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    made.listen(ASSOCIATIONS)
    return made


def listen(host: str, port: int, answer: Answer) -> list[Listener]:
    """Answer at `sockets`."""
    contexts = (None, tls_context(server_side=True))
    return [Listener(one, context, answer) for one, context in zip(sockets(host, port), contexts, strict=False)]


class _Late:
    """The entity that answers, made when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.made: Entity | None = None

    def answer(self, connection: socket.socket, address: tuple[str, int]) -> None:
        """Let it answer a caller."""
        self.entity().answer(connection, address)

    def entity(self) -> Entity:
        """The entity."""
        from tuetinh.care.imaging.dimse.service import Entity

        with self._lock:
            self.made = self.made or Entity()
            return self.made


async def serve_dicom(host: str, port: int, stop: asyncio.Event) -> None:
    """Answer as a DICOM application entity until `stop` is set.

    `TUETINH_DICOM_CERTIFICATE` and `TUETINH_DICOM_KEY` (files) add TLS on `TUETINH_DICOM_TLS_PORT` (2762), and
    `TUETINH_DICOM_CA` asks callers there for a certificate of that authority (PS3.15 B.9).
    """
    late, looking = _Late(), Workers(1, "dicom-due")
    listeners = await asyncio.to_thread(listen, host, port, late.answer)
    try:
        while not stop.is_set():
            with contextlib.suppress(Exception):  # without a database: at the next look
                if await looking.arun(lambda: Commitment.due().exists()):
                    await asyncio.to_thread(lambda: late.entity().deliver_due())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)
    finally:
        for listener in listeners:
            await asyncio.to_thread(listener.close)
        if late.made:
            await asyncio.to_thread(late.made.close)
        await asyncio.to_thread(looking.close)


def tls_context(*, server_side: bool) -> ssl.SSLContext | None:
    """How calls are encrypted; None without a certificate. See `serve_dicom`."""
    if not (files := _certificate()):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*files)
    authority = os.environ.get("TUETINH_DICOM_CA")
    if authority:
        context.load_verify_locations(authority)
    if server_side:
        context.verify_mode = ssl.CERT_REQUIRED if authority else ssl.CERT_NONE
    else:
        context.check_hostname = False  # machines are known by their authority, not by names
        context.verify_mode = ssl.CERT_REQUIRED if authority else ssl.CERT_NONE
    return context


def _certificate() -> tuple[str, str] | None:
    """The files of the certificate and its key."""
    certificate, key = os.environ.get("TUETINH_DICOM_CERTIFICATE"), os.environ.get("TUETINH_DICOM_KEY")
    return (certificate, key) if certificate and key else None
