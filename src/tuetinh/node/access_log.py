"""Keeps the access log of a node: blocks are closed every second, heads told to witnesses, months prepared.

`TUETINH_AUDIT_WITNESSES` names witnesses beside the file `audit/heads.jsonl` of the data folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.db import DatabaseError, connection

from tuetinh.node.errors import Refused
from tuetinh.record.audit import archive, chain, months
from tuetinh.record.audit.witnesses import Authority, File, Mail, Telling, parse

FOLDER = "audit"
ARCHIVE = "archive"
SECONDS = 1.0
RETRY_SECONDS = 60.0  # after which a witness that could not be told is asked again
DAY_SECONDS = 86_400.0

log = logging.getLogger(__name__)


class Keeper:
    """One look at the access log after another."""

    def __init__(self, data: Path) -> None:
        self._sealer = chain.Sealer()
        self._telling = Telling(witnesses(data), data / FOLDER)
        self._quiet = self._months = 0.0
        self._head: chain.Head | None = None

    def look(self) -> None:
        """Close what can be closed and tell the head; a database that is away is waited for."""
        now = time.monotonic()
        try:
            if now >= self._months:
                months.prepare()
                self._months = now + DAY_SECONDS
            self._head = self._sealer.seal() or self._head
        except DatabaseError as error:
            log.warning("the access log waits for the database: %s", type(error).__name__)
            connection.close()
            return
        if self._head and now >= self._quiet:
            wrong = self._telling.tell(self._head)
            for one in wrong:
                log.warning("the head of the access log was not told to %s", one)
            self._quiet = now + RETRY_SECONDS if wrong else 0.0
            self._head = self._head if wrong else None

    def end(self) -> None:
        """Close what is there, as far as it can be, and give the connection back."""
        self.look()
        self.look()
        connection.close()


async def keep(data: Path, stop: asyncio.Event) -> None:
    """Look after the access log until told to stop."""
    keeper, loop = Keeper(data), asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:  # one, whose connection Django keeps
        while not stop.is_set():
            await loop.run_in_executor(thread, keeper.look)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SECONDS)
        await loop.run_in_executor(thread, keeper.end)


def witnesses(data: Path) -> list[File | Mail | Authority]:
    """Who is told the heads. Raises Refused for a setting that is not understood."""
    try:
        return parse(data / FOLDER, os.environ.get("TUETINH_AUDIT_WITNESSES", ""))
    except ValueError as error:
        raise Refused(f"TUETINH_AUDIT_WITNESSES: {error}") from error


def verify(data: Path, files: list[Path], archives: list[Path]) -> Iterator[tuple[bool, str]]:
    """Check the whole log against itself, the node's witnesses and further files; what was found, line by line.

    archives: files of archived months that are not in the data folder.

    Each line comes with whether it is good; the last one sums up.
    """
    told = [known for known in [*witnesses(data), *map(File, files)] if not isinstance(known, Mail)]
    verdict, whole = chain.Verdict(), True
    months_away = [*archive.files(data / FOLDER / ARCHIVE), *archives]
    for fault in chain.verify((head for known in told for head in known.heads()), verdict, months_away):
        whole = False
        place = f"block {fault.number}: " if fault.number else ""
        yield False, f"{place}{fault.kind}: {fault.told}"
    yield (
        whole,
        f"{verdict.entries} entries in {verdict.blocks} blocks {'are whole' if whole else 'were looked at'};"
        f" {verdict.heads} heads of witnesses compared; {verdict.open} entries not yet sealed",
    )


def take_out(data: Path, month: str, folder: Path | None) -> str:
    """Take a month out of the database into a file; what was done. Raises Refused."""
    if not month:
        raise Refused("audit archive --month YYYY-MM")
    try:
        path, count = archive.archive(month, folder or data / FOLDER / ARCHIVE)
    except archive.NotArchived as error:
        raise Refused(str(error)) from error
    return f"{path}: {count} entries"


def anchor(data: Path) -> tuple[str, list[str]]:
    """Tell the head to every witness now; the head, and what went wrong. Raises Refused when there is no block."""
    head = chain.head()
    if head is None:
        raise Refused("the access log has no block yet; a running node closes one each second")
    wrong = Telling(witnesses(data), data / FOLDER).tell(head, all_=True)
    return f"{head.number} {head.hash}", wrong
