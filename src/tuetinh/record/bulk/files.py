"""The room of bulk data in the data folder: `bulk/JOB/Observation-1.ndjson`, ordinary files that only the node reads.

A file that is being written ends in `.part`; it gets its name when it is whole.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import IO

from django.conf import settings

ROOM = "bulk"
PART = ".part"
CHUNK = 256 * 1024
FORGOTTEN_SECONDS = 3600  # after which a folder of no known job is cleared away
GZIP = 31  # zlib's number for a gzip of the largest window


def folder(job: str) -> Path:
    """Where the files of a job lie."""
    return Path(settings.DATA) / ROOM / job


def opened(job: str, name: str, size: int) -> IO[bytes]:
    """A file of the job to write on after its first `size` bytes, which are what is known to be safe of it.

    Raises FileNotFoundError when less than that is there.
    """
    place = folder(job)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.mkdir(mode=0o700, exist_ok=True)
    whole, part = place / name, place / (name + PART)
    if whole.exists():  # it was named, but its end was not told
        whole.rename(part)
    file = os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    if os.fstat(file.fileno()).st_size < size:
        file.close()
        raise FileNotFoundError(f"{name} is shorter than what was written of it")
    file.truncate(size)
    file.seek(size)
    return file


def keep(file: IO[bytes]) -> int:
    """Have what was written on the disk; returns the size."""
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def name_it(job: str, name: str) -> None:
    """Give a file that is whole, and kept, its name."""
    (folder(job) / (name + PART)).rename(folder(job) / name)
    descriptor = os.open(folder(job), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(job: str) -> None:
    """Take all files of a job away."""
    shutil.rmtree(folder(job), ignore_errors=True)


def forgotten(now: float | None = None) -> list[str]:
    """The folders that nobody has written in for long; whether their jobs are known is for the caller to ask."""
    room = Path(settings.DATA) / ROOM
    before = (time.time() if now is None else now) - FORGOTTEN_SECONDS
    return [place.name for place in (room.iterdir() if room.exists() else ()) if place.stat().st_mtime < before]


def whole(job: str, name: str) -> IO[bytes]:
    """A whole file of a job to read. Raises FileNotFoundError."""
    return (folder(job) / name).open("rb")


async def chunks(file: IO[bytes], *, zipped: bool) -> AsyncGenerator[bytes, None]:
    """The bytes of a file, chunk by chunk, as a gzip where wanted; the file is closed at the end."""
    packer = zlib.compressobj(3, zlib.DEFLATED, GZIP) if zipped else None
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            if packer is None:
                yield chunk
            elif packed := await asyncio.to_thread(packer.compress, chunk):
                yield packed
        if packer is not None:
            yield packer.flush()
    finally:
        file.close()
