"""Fixtures for the tests of the hospital floor."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
from granian.constants import Interfaces
from granian.server.embed import Server


@pytest.fixture
def over_a_socket() -> Iterator[Callable[[Callable[..., Awaitable[None]]], str]]:
    """Serve ASGI applications on real sockets; the fixture returns the base address of each."""
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, threading.Thread]] = []

    def serve(app: Callable[..., Awaitable[None]]) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        loop, stop = asyncio.new_event_loop(), asyncio.Event()

        async def main() -> None:
            server = Server(
                app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False, websockets=False
            )
            serving = asyncio.create_task(server.serve())
            await stop.wait()
            server.stop()
            await serving

        thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
        thread.start()
        running.append((loop, stop, thread))
        _wait_for(port)
        return f"http://127.0.0.1:{port}"

    yield serve
    for loop, stop, thread in running:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        if not loop.is_running():
            loop.close()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.02)
    message = "the server did not start"
    raise TimeoutError(message)
