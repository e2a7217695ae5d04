"""The laboratory's MLLP listener: frames from the wire to the inbox, on a few threads of their own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections, connections

from tuetinh.care.lab.machines.wire_hl7v2 import Refused, acknowledge, read_header, split
from tuetinh.care.lab.machines.wire_mllp import Frame, Limits, serve

log = logging.getLogger(__name__)
THREADS = 4


async def serve_mllp(
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    limits: Limits | None = None,
    threads: int = THREADS,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Listen for analysers until `stop` is set. At most `threads` messages are written at a time; the others wait."""
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="mllp")

    async def handle(frame: Frame, peer: str) -> bytes | None:
        return await loop.run_in_executor(pool, _take, frame, peer)

    try:
        await serve(host, port, handle, stop, limits=limits, ready=ready)
    finally:
        await loop.run_in_executor(None, _close, pool, threads)


def _take(frame: Frame, peer: str) -> bytes | None:
    """Keep one frame; when even that fails, as without a database, say so and claim nothing."""
    from tuetinh.care.lab.machines.inbox import take

    close_old_connections()
    try:
        return take(frame, peer)
    except Exception:
        log.exception("lab: a message could not be kept")
        return None if frame.fault else _not_kept(frame)
    finally:
        close_old_connections()


def _not_kept(frame: Frame) -> bytes:
    header = None
    try:
        header = read_header(next(iter(split(frame.payload)), b""))
    except Refused as refused:
        header = refused.header
    return acknowledge(header, "AE", condition="207")


def _close(pool: ThreadPoolExecutor, threads: int) -> None:
    """Close the database connection of each thread, in that thread: the barrier gives every one its turn."""
    together = threading.Barrier(threads)

    def close() -> None:
        with contextlib.suppress(threading.BrokenBarrierError):  # one may still be writing: it closes with the process
            together.wait(2)
        connections.close_all()

    for _ in range(threads):
        pool.submit(close)
    pool.shutdown(wait=True)
