"""Where machines call. What answers them takes much memory, and is loaded when the first one says something."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
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
Answer = Callable[[socket.socket, tuple[str, int]], None]


class Listener(ThreadingTCPServer):
    """Listens on a port, which it shares with other processes of the node, until it is closed."""

    allow_reuse_address = True
    allow_reuse_port = hasattr(socket, "SO_REUSEPORT")
    request_queue_size = ASSOCIATIONS
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, answer: Answer) -> None:
        """answer: takes who has called and said something, on a thread of its own."""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._context, self._answer = context, answer
        super().__init__((host, port), BaseRequestHandler)
        threading.Thread(target=self.serve_forever, name=f"dicom:{port}", daemon=True).start()

    def process_request_thread(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """Wait for the first word: to see whether somebody listens, others call and say nothing."""
        try:
            request.settimeout(SILENCE)
            if not request.recv(1, socket.MSG_PEEK):
                raise ConnectionError
            if self._context:
                request = self._context.wrap_socket(request, server_side=True)
            request.settimeout(None)
            self._answer(request, client_address)
        except OSError:
            self.shutdown_request(request)

    def close(self) -> None:
        """Listen no more."""
        self.shutdown()
        self.server_close()


def listen(host: str, port: int, answer: Answer) -> list[Listener]:
    """Listen on a port, and with a certificate on that of TLS; see `serve_dicom`."""
    listeners = [Listener(host, port, None, answer)]
    if context := tls_context(server_side=True):
        listeners.append(Listener(host, int(os.environ.get("TUETINH_DICOM_TLS_PORT", "2762")), context, answer))
    return listeners


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
    certificate, key = os.environ.get("TUETINH_DICOM_CERTIFICATE"), os.environ.get("TUETINH_DICOM_KEY")
    if not certificate or not key:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    authority = os.environ.get("TUETINH_DICOM_CA")
    if authority:
        context.load_verify_locations(authority)
    if server_side:
        context.verify_mode = ssl.CERT_REQUIRED if authority else ssl.CERT_NONE
    else:
        context.check_hostname = False  # machines are known by their authority, not by names
        context.verify_mode = ssl.CERT_REQUIRED if authority else ssl.CERT_NONE
    return context
