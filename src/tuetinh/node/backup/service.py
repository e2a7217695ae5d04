"""What the worker of a node does for its archive: has the log followed, makes base backups, prunes, drills.

Each is a process of its own, which takes neither time nor memory from the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from tuetinh.node import database
from tuetinh.node.backup import alarm, archive, state
from tuetinh.node.backup.follow import waiting_seconds
from tuetinh.node.backup.retention import rule
from tuetinh.node.errors import Refused

LOOK_SECONDS = 30.0
AGAIN = timedelta(minutes=15)  # after a base backup or a drill that failed
EVERY, DRILL_EVERY = 24.0, 168.0  # hours
SILENT = timedelta(minutes=2)  # after which a follower that tells nothing is gone
LEAVE_SECONDS = 3.0
DROP = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Times:
    """How often. drill: None where the node has no key to read with."""

    every: timedelta
    drill: timedelta | None


def times() -> Times:
    """The settings. Raises Refused for one that is not understood."""
    drill = _hours("TUETINH_BACKUP_DRILL", DRILL_EVERY)
    has_key = bool(os.environ.get("TUETINH_BACKUP_KEY"))
    return Times(_hours("TUETINH_BACKUP_EVERY", EVERY), drill if has_key and drill else None)


def _hours(name: str, default: float) -> timedelta:
    text = os.environ.get(name, str(default))
    try:
        return timedelta(hours=max(0.0, float(text)))
    except ValueError as error:
        raise Refused(f"{name}: {text!r} is no number of hours") from error


def check_settings() -> None:
    """Refuse settings that could not work, when a node starts and not at night."""
    if archive.address():
        archive.opened()
        archive.recipients()
        waiting_seconds()
        rule()
        times()


async def keep(data: Path, stop: asyncio.Event) -> None:
    """Look after the archive until told to stop."""
    if not archive.address():
        await asyncio.to_thread(_let_go)
        return
    follower = asyncio.create_task(_keep_following(data, stop))
    while not stop.is_set():
        for what, name in due(data, datetime.now(UTC)):
            code = await _run(data, stop, what)
            if code and not stop.is_set():
                log.error("the %s has failed; the page of backups says why", name)
        await asyncio.to_thread(lambda: alarm.look(data, health(data)))
        await _pause(stop, LOOK_SECONDS if state.line(data) else 1.0)
    await follower


def _let_go() -> None:
    """A node without an archive need not keep its log for one."""
    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(os.environ["TUETINH_DATABASE_URL"], autocommit=True) as conn,
    ):
        conn.execute(DROP, [database.ARCHIVE])


async def _keep_following(data: Path, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await _run(data, stop, ("follow",))
        await _pause(stop, 1.0)


def due(data: Path, now: datetime) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is to be done now: arguments of `tuetinh backup`, and its name."""
    wanted, line = times(), state.line(data)
    if not line:
        return
    base = state.told(data, "base")
    fresh = base.get("line") == line and _age(base.get("ended"), now) < wanted.every
    if not fresh and _age(base.get("failed"), now) >= AGAIN:
        yield (), "base backup"
        yield ("prune",), "pruning of the archive"
    drill = state.told(data, "drill")
    patience = wanted.drill if drill.get("good", True) else AGAIN
    base = state.told(data, "base")
    if wanted.drill and patience and base.get("line") == line and _age(drill.get("at"), now) >= patience:
        yield ("drill",), "drill"


def _age(at: Any, now: datetime) -> timedelta:
    return now - datetime.fromisoformat(at) if at else timedelta.max


async def _run(data: Path, stop: asyncio.Event, what: tuple[str, ...]) -> int:
    """Run `tuetinh backup …` to its end, or until told to stop; its exit code."""
    command = (sys.executable, "-m", "tuetinh.node.cli", "backup", *what, "--data", str(data))
    env = os.environ | {"TUETINH_PARENT": str(os.getpid())}
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    ended, stopped = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not ended.done():
        process.terminate()
        await asyncio.wait({ended}, timeout=LEAVE_SECONDS)
        if not ended.done():
            process.kill()
    return await ended


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


@dataclass(frozen=True, slots=True)
class Health:
    """How the archive of a node is. state: `off`, `ok`, `late` (the last good base backup is too old), `behind` (the
    log is not followed), `drill` (the last drill has failed)."""

    state: str
    log: dict[str, Any]
    base: dict[str, Any]
    drill: dict[str, Any]


def health(data: Path, now: datetime | None = None) -> Health:
    """How the archive of a node is, by what the node itself has told."""
    now = now or datetime.now(UTC)
    told, base, drill = (state.told(data, name) for name in ("log", "base", "drill"))
    if not archive.address():
        return Health("off", told, base, drill)
    if base.get("line") != state.line(data) or _age(base.get("ended"), now) > 2 * times().every:
        return Health("late", told, base, drill)
    if told.get("error") or told.get("seconds", 0) > SILENT.total_seconds() or _age(told.get("at"), now) > SILENT:
        return Health("behind", told, base, drill)
    return Health("ok" if drill.get("good", True) else "drill", told, base, drill)
