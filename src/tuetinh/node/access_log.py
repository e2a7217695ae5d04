"""Keeps the access log of a node: blocks are closed every second, heads told to witnesses, months prepared.

`TUETINH_AUDIT_WITNESSES` names witnesses beside the file `audit/heads.jsonl` of the data folder,
`TUETINH_AUDIT_TSA_ROOTS` the certificates of timestamp authorities.
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
from tuetinh.record.audit.witnesses import Authority, Doubt, File, Mail, Telling, parse

FOLDER = "audit"
SECONDS = 1.0
RETRY_SECONDS = 60.0  # after which a witness that could not be told is asked again
DAY_SECONDS = 86_400.0
STALL_SECONDS = 60.0  # after which entries that cannot be sealed are told to the witnesses, again and again

log = logging.getLogger(__name__)


class Keeper:
    """One look at the access log after another."""

    def __init__(self, data: Path) -> None:
        self._sealer = chain.Sealer()
        self._telling = Telling(witnesses(data), data / FOLDER)
        self._quiet = self._months = 0.0
        self._head: chain.Head | None = None
        self._begun = False
        self._stalled: float | None = None  # when what waits now was told, or began to wait
        self._noted = 0

    def look(self) -> None:
        """Close what can be closed and tell the head; a database that is away is waited for."""
        now = time.monotonic()
        try:
            if now >= self._months:
                months.prepare()
                self._months = now + DAY_SECONDS
            if not self._begun:
                self._begin()
            closed = self._sealer.seal()
            self._head = closed or self._head
            self._stall(now, closed=closed is not None)
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

    def _begin(self) -> None:
        """Tell what the log ends with, also a witness that has come anew."""
        self._begun, self._head = True, chain.head()
        for one in self._telling.witnesses:
            if self._head and self._head.number > 1 and isinstance(one, File) and not one.path.exists():
                log.error("%s is not there, though the access log has %d blocks", one.path, self._head.number)

    def _stall(self, now: float, *, closed: bool) -> None:
        """Say what is there when an old transaction keeps it from being sealed, so that it is missed when it goes."""
        if closed or not self._sealer.waiting:
            self._stalled, self._noted = None, 0
        elif self._stalled is None:
            self._stalled = now
        elif now - self._stalled >= STALL_SECONDS:
            self._stalled = now
            log.error("the access log cannot be sealed: %s", chain.holder())
            seen = chain.look_at(max(self._noted, chain.sealed()))
            if seen and not (wrong := self._telling.tell_seen(seen)):
                self._noted = seen.end
            elif seen:
                log.warning("what is not sealed was not told to %s", ", ".join(wrong))

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
        roots = os.environ.get("TUETINH_AUDIT_TSA_ROOTS", "")
        return parse(data / FOLDER, os.environ.get("TUETINH_AUDIT_WITNESSES", ""), roots)
    except ValueError as error:
        raise Refused(f"TUETINH_AUDIT_WITNESSES: {error}") from error


def verify(
    data: Path, files: list[Path], archives: list[Path], *, unwitnessed: bool = False
) -> Iterator[tuple[bool, str]]:
    """Check the whole log against itself, the node's witnesses and further files; what was found, line by line.

    archives: files of archived months that are not in the data folder. unwitnessed: the node's own files of heads are
    not asked, as of one that was just restored. What can be sealed is sealed first.

    Each line comes with whether it is good; the last one sums up.
    """
    sealer = chain.Sealer()
    sealer.seal()
    sealer.seal()
    testimony = _Testimony()
    if not unwitnessed:
        begun = chain.head() is not None
        for known in witnesses(data):
            # A node that has sealed nothing yet has told nothing. A log that was emptied may look the same.
            if begun or not isinstance(known, File) or known.path.exists():
                testimony.take(known, data)
    for path in files:
        testimony.take(File(path), None)
    verdict, whole = chain.Verdict(), not testimony.wrong
    yield from ((False, f"witness: {one}") for one in testimony.wrong)
    months_away = [*archive.files(archive.folder(data)), *archives]
    for fault in chain.verify(testimony.told, verdict, months_away):
        whole = False
        place = f"block {fault.number}: " if fault.number else ""
        yield False, f"{place}{fault.kind}: {fault.told}"
    yield (
        whole,
        f"{verdict.entries} entries in {verdict.blocks} blocks {'are whole' if whole else 'were looked at'};"
        f" {verdict.heads} heads of witnesses compared; {verdict.open} entries not yet sealed",
    )


class _Testimony:
    """What witnesses keep, and what is wrong with it."""

    def __init__(self) -> None:
        self.told: list[chain.Head | chain.Seen] = []
        self.wrong: list[str] = []

    def take(self, known: File | Mail | Authority, data: Path | None) -> None:
        """Hear a witness; data: the folder of the node that tells it everything, None for a copy from elsewhere."""
        if isinstance(known, Mail):
            return
        last = 0
        for one in known.kept():
            if isinstance(one, Doubt):
                self.wrong.append(one.told)
                continue
            self.told.append(one)
            last = max(last, one.number) if isinstance(one, chain.Head) else last
        if data and isinstance(known, Authority):
            if last < (stamped := Telling([], data / FOLDER).stamped(known)):
                self.wrong.append(f"{known.name} has stamped block {stamped}, and the stamp is not there")
        elif data and last and chain.untold(last):
            self.wrong.append(f"{known.name} ends with block {last}, and the log goes on")


def take_out(data: Path, month: str, folder: Path | None) -> str:
    """Take a month out of the database into a file; what was done. Raises Refused."""
    if not month:
        raise Refused("audit archive --month YYYY-MM")
    try:
        path, count = archive.archive(month, folder or archive.folder(data))
    except archive.NotArchived as error:
        raise Refused(str(error)) from error
    return f"{path}: {count} entries"


def anchor(data: Path) -> tuple[str, list[str]]:
    """Tell the head to every witness now; the head, and what went wrong. Raises Refused when there is no block."""
    telling = Telling(witnesses(data), data / FOLDER)
    head = chain.head()
    if head is None:
        raise Refused("the access log has no block yet; a running node closes one each second")
    wrong = telling.tell(head, all_=True)
    return f"{head.number} {head.hash}", wrong
