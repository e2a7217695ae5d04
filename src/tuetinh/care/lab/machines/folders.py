"""Folders in which machines leave their files: each file is kept in the inbox before it is moved out of the way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from watchfiles import awatch

from tuetinh.care.lab.machines.analysers import FOLDER
from tuetinh.care.lab.machines.intake import Intake
from tuetinh.care.lab.machines.reading import Arrival

log = logging.getLogger(__name__)
LOOK = 5.0  # seconds between looks at which folders there are, and into them: network drives tell of no change
QUIET = 0.5  # seconds that a file must have been left alone: it may still be written
DONE = "da-nhan"  # where files go that are kept
LARGEST = 64 * 1024 * 1024
EXCERPT = 64 * 1024  # of what is larger: enough for a person to see what it was; the file itself is moved as others
_SKIPPED = (".", "~")  # begin the names of what programs write for themselves
_PARTIAL = (".tmp", ".part", ".partial", ".crdownload")


@dataclass(frozen=True, slots=True)
class Folder:
    """A machine's folder. machine: its number, by which its files are told from those of others."""

    path: Path
    machine: int


async def watch_folders(stop: asyncio.Event) -> None:
    """Take files from the folders of all machines until `stop` is set."""
    intake = Intake()
    watches: dict[Folder, tuple[asyncio.Task[None], asyncio.Event]] = {}
    try:
        while not stop.is_set():
            with contextlib.suppress(Exception):  # without a database nothing is taken
                wanted = await intake.run(_wanted)
                for folder in set(watches) - wanted:
                    watches.pop(folder)[1].set()
                for folder in wanted - set(watches):
                    ended = asyncio.Event()
                    watches[folder] = (asyncio.create_task(watch(folder, intake, ended)), ended)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK)
    finally:
        for _, ended in watches.values():
            ended.set()
        if watches:
            await asyncio.wait([task for task, _ in watches.values()], timeout=3)
        await intake.close()


def _wanted() -> set[Folder]:
    from tuetinh.care.lab.models import Analyser  # models, which are ready when the role runs

    rows = Analyser.objects.filter(enabled=True).exclude(folder="")
    return {Folder(Path(path), pk) for path, pk in rows.values_list("folder", "pk")}


async def watch(folder: Folder, intake: Intake, stop: asyncio.Event) -> None:
    """Take the files of one folder, at once where the system tells of changes, else at the next look."""
    while not stop.is_set():
        with contextlib.suppress(OSError):
            await sweep(folder, intake)
        try:
            if folder.path.is_dir():
                looks = {"recursive": False, "rust_timeout": int(LOOK * 1000), "yield_on_timeout": True}
                async for _ in awatch(folder.path, stop_event=stop, **looks):  # type: ignore[arg-type]
                    await asyncio.sleep(QUIET)
                    await sweep(folder, intake)
                    if not folder.path.is_dir():
                        break
        except (OSError, RuntimeError) as error:
            log.warning("lab: the folder %s is not watched: %s", folder.path, error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK)


async def sweep(folder: Folder, intake: Intake) -> int:
    """Keep each file that lies in the folder, and move it away after that; returns how many."""
    taken = 0
    for path in await asyncio.to_thread(_files, folder.path):
        try:
            payload = await asyncio.to_thread(_read, path)
            fault = "too-large" if len(payload) > LARGEST else ""
            payload = payload[:EXCERPT] if fault else payload
            await intake.keep([Arrival(payload, f"{FOLDER}{folder.machine}", "file", fault, path.name)])
            await asyncio.to_thread(_move, path)
        except OSError as error:  # taken again at the next look; the inbox keeps what comes twice once
            log.warning("lab: the file %s stays where it is: %s", path, error)
        except Exception:
            log.exception("lab: the file %s could not be kept", path)
        else:
            taken += 1
    return taken


def _files(folder: Path) -> list[Path]:
    """Files that nobody has touched for a moment, oldest first."""
    now = time.time()
    found = []
    for entry in os.scandir(folder):
        name = entry.name.casefold()
        if not entry.is_file(follow_symlinks=False) or name.startswith(_SKIPPED) or name.endswith(_PARTIAL):
            continue
        status = entry.stat()
        if now - status.st_mtime >= QUIET and status.st_size:
            found.append((status.st_mtime, Path(entry.path)))
    return [path for _, path in sorted(found)]


def _read(path: Path) -> bytes:
    """A file, or of one that is too large a little more than may be."""
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def _move(path: Path) -> None:
    """Into the folder of what is kept, under a name that is free there."""
    done = path.parent / DONE
    done.mkdir(exist_ok=True)
    target, count = done / path.name, 1
    while target.exists():
        count += 1
        target = done / f"{path.stem}-{count}{path.suffix}"
    path.rename(target)
