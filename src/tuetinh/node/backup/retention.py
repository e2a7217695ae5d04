"""Which backups are kept, and the forgetting of the others.

`TUETINH_BACKUP_KEEP`, say `7d 4w 12m`: each base backup of the last seven days, the last one of each of four weeks, and
of each of twelve months (days of Vietnam). The log is kept from the oldest base backup of the last days on, so that
every moment of these can be restored; from older ones, the moment at which they ended.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tuetinh.node.backup import archive, state
from tuetinh.node.backup.archive import Archive, Base, Line
from tuetinh.node.errors import Refused
from tuetinh.record.contents.files import UNARCHIVED

DEFAULT = "7d 4w 12m"
HOME = ZoneInfo("Asia/Ho_Chi_Minh")


@dataclass(frozen=True, slots=True)
class Rule:
    """For how many days, weeks and months something is kept."""

    days: int
    weeks: int
    months: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was forgotten, or would be."""

    bases: tuple[str, ...]
    names: int
    size: int


def rule(text: str = "") -> Rule:
    """The rule of a setting. Raises Refused."""
    written = text or os.environ.get("TUETINH_BACKUP_KEEP", DEFAULT)
    found = re.fullmatch(r"(?:(\d{1,4})d)?\s*(?:(\d{1,3})w)?\s*(?:(\d{1,3})m)?", written.strip())
    if not found or not any(found.groups()):
        raise Refused(f"TUETINH_BACKUP_KEEP: {written!r} is not of the form {DEFAULT!r}")
    days, weeks, months = (int(part or 0) for part in found.groups())
    return Rule(days, weeks, months)


def kept(bases: Iterable[Base], wanted: Rule, now: datetime) -> tuple[list[Base], list[Base]]:
    """The base backups to keep, and those of them from which each moment on can be restored.

    The newest is always kept. From the oldest of the days back, one more is kept, so that the days are whole.
    """
    newest_first = sorted(bases, key=lambda base: base.name, reverse=True)
    since = now - timedelta(days=wanted.days)
    whole = [base for number, base in enumerate(newest_first) if number == 0 or newest_first[number - 1].usable > since]
    chosen = dict.fromkeys(whole)
    for count, part in ((wanted.weeks, "%G-%V"), (wanted.months, "%Y-%m")):
        seen: set[str] = set()
        for base in newest_first:
            period = base.usable.astimezone(HOME).strftime(part)
            if period not in seen and len(seen) < count:
                seen.add(period)
                chosen.setdefault(base)
    return sorted(chosen, key=lambda base: base.name), sorted(whole, key=lambda base: base.name)


def prune(data: Path, source: Archive, wanted: Rule, now: datetime, *, dry: bool = False) -> Pruned:
    """Forget what is no longer kept. data: the node's folder, whose own contents stay. dry: only say how much.

    A base backup goes meta.json first: what is left of one that broke off is no backup, and goes the next time.
    """
    bases = source.bases()
    keeping, whole = kept(bases, wanted, now)
    if not keeping:
        return Pruned((), 0, 0)
    gone = [base for base in bases if base not in keeping]
    names: dict[str, int] = {f"{base.folder}/meta.json": 0 for base in gone}
    folders = {base.folder for base in keeping}
    newest = keeping[-1].name
    for entry in source.place.entries("base/"):
        folder = entry.name.rpartition("/")[0]
        if folder not in folders and folder.rpartition("/")[2] < newest:  # a newer one may be on its way
            names[entry.name] = entry.size
    names |= _log(source, keeping, whole)
    unused = {name: size for name, size in _contents(source, keeping).items() if not _here(data, name).exists()}
    if not dry:
        source.place.delete(names)
        source.place.delete(unused)
        for name in unused:
            if _here(data, name).exists():  # it came again meanwhile
                (data / "files" / UNARCHIVED / _here(data, name).name).touch(mode=0o600)
        state.tell_bases(data, source)
    names |= unused
    return Pruned(tuple(base.name for base in gone), len(names), sum(names.values()))


def _here(data: Path, name: str) -> Path:
    """Where the node itself has a content."""
    return data / "files" / name.removeprefix(archive.CONTENTS)


def _log(source: Archive, keeping: list[Base], whole: list[Base]) -> dict[str, int]:
    """The stretches of the log, and the keys, that no base backup needs."""
    found: dict[str, int] = {}
    lines = {entry.name.partition("/")[2].partition("/")[0] for entry in source.place.entries("log/")}
    for name in lines:
        line = source.line(name)
        own = [base for base in keeping if base.line == name]
        newest_line = name >= keeping[-1].line
        since = min((base.start for base in own if base in whole), default=None)
        for entry in source.place.entries(f"log/{name}/"):
            piece = line.piece(entry)
            if piece is None or (newest_line and since is None):
                continue
            needed = (since is not None and piece.end > since) or any(
                piece.end > base.start and piece.start <= base.stop for base in own
            )
            if not needed:
                found[entry.name] = entry.size
        found |= _keys(source, line, own, newest=newest_line)
        if not own and not newest_line:
            found |= {entry.name: entry.size for entry in source.place.entries(f"months/{name}/")}
    return found


def _keys(source: Archive, line: Line, own: list[Base], *, newest: bool) -> dict[str, int]:
    entries = sorted(source.place.entries(f"keys/{line.name}/"), key=lambda entry: entry.name)
    if not own:
        return {} if newest else {entry.name: entry.size for entry in entries}
    first = archive.stamp(own[0].usable)
    older = [entry for entry in entries if entry.name.rpartition("/")[2] <= first]
    return {entry.name: entry.size for entry in older[:-1]}


def _contents(source: Archive, keeping: list[Base]) -> dict[str, int]:
    """The contents that were there at none of the base backups, and came before the oldest of them."""
    used: set[bytes] = set()
    for base in keeping:
        listed = b"".join(source.place.get(f"{base.folder}/contents"))
        used.update(bytes.fromhex(line) for line in listed.decode().split())
    oldest = keeping[0].began
    return {
        entry.name: entry.size
        for entry in source.contents()
        if entry.modified < oldest and bytes.fromhex(entry.name.rpartition("/")[2]) not in used
    }
