"""What `tuetinh backup` and `tuetinh restore` do; each yields the lines that it tells."""

from __future__ import annotations

import os
import signal
import threading
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from tuetinh.node import database
from tuetinh.node.backup import archive, base, drill, portable, recover, retention, sealing
from tuetinh.node.backup.follow import Follower
from tuetinh.node.backup.sealing import Broken
from tuetinh.node.errors import Refused
from tuetinh.node.export import instant
from tuetinh.record.contents.places import Missing, Unreachable

VERBS = ("list", "prune", "drill", "follow", "key")
PARENT_SECONDS = 0.5


class Failed(Refused):
    """Everything was told; the command has not succeeded."""


def backup(arguments: Namespace) -> Iterator[str]:
    """Do what is asked. Raises Refused."""
    what, data = arguments.what, arguments.data
    if what != "key" and arguments.file:
        raise Refused(f"{arguments.file} is one argument too many")
    if what == "key":
        if not arguments.file:
            raise Refused("backup key FILE: where is the private key to be written?")
        public = sealing.make_key(arguments.file)
        yield public
        yield f"{arguments.file}: keep it away from the node; whoever has it reads the backups, without it nobody can"
        return
    if what == "list":
        yield from _list()
        return
    if not (data / "keys").exists():
        raise Refused(f"{data} holds no installation")
    database.start(data)
    try:
        yield from _on_node(what, arguments)
    except (Unreachable, Broken) as error:
        raise Refused(str(error)) from error


def _on_node(what: str, arguments: Namespace) -> Iterator[str]:
    data: Path = arguments.data
    if what not in ("", *VERBS):
        yield from _one_file(data, Path(what), arguments)
    elif what == "":
        made = base.make(data, archive.opened(), archive.recipients())
        yield f"{made.folder}: {made.size:,} bytes of database, {made.contents} contents"
    elif what == "prune":
        gone = retention.prune(data, archive.opened(), retention.rule(), datetime.now(UTC), dry=arguments.dry_run)
        yield from (f"{name} goes" for name in gone.bases)
        yield f"{gone.names} objects, {gone.size:,} bytes{', if it were not a trial' if arguments.dry_run else ''}"
    elif what == "drill":
        yield from _drill(arguments)
    else:
        _follow(data)


def _one_file(data: Path, target: Path, arguments: Namespace) -> Iterator[str]:
    """All of a node in one file: sealed for those who are named, else for a new key that lies beside it."""
    if arguments.plain:
        if arguments.recipient:
            raise Refused("--plain or --recipient, not both")
        portable.backup(data, target, None)
        yield f"{target}: {target.stat().st_size:,} bytes, not encrypted; it holds secrets and health data"
        return
    named = arguments.recipient or os.environ.get("TUETINH_BACKUP_RECIPIENTS", "")
    key = key_beside(target)
    if not named:
        if target.exists():  # before there is a key of something else beside it
            raise Refused(f"{target} is there already")
        named = sealing.make_key(key)
    try:
        portable.backup(data, target, sealing.Recipients(named))
    except BaseException:
        if not arguments.recipient and "TUETINH_BACKUP_RECIPIENTS" not in os.environ:
            key.unlink(missing_ok=True)
        raise
    yield f"{target}: {target.stat().st_size:,} bytes, encrypted"
    if key.exists():
        yield f"{key}: the key that opens it; take it to another place, without it nobody can restore"


def key_beside(target: Path) -> Path:
    """Where the key of a backup in one file lies when nobody was named who may read it."""
    return target.with_name(f"{target.name}.key")


def _drill(arguments: Namespace) -> Iterator[str]:
    whole = True
    keys = archive.identities(arguments.key)
    for name, good, told in drill.run(
        arguments.data, archive.opened(), archive.recipients(), keys, quick=arguments.quick
    ):
        whole = whole and good
        yield f"{'ok  ' if good else 'FAIL'}  {name}: {told}"
    if not whole:
        raise Failed("the drill has failed")


def _list() -> Iterator[str]:
    source = archive.opened()
    try:
        for made in source.bases():
            stretch = source.stretch(source.line(made.line), made.start)
            until = stretch.at.isoformat(timespec="seconds") if stretch.at and stretch.end >= made.stop else "?"
            gap = f"  log lacks {stretch.missing}" if stretch.missing else ""
            yield f"{made.folder}  {made.usable.isoformat(timespec='seconds')} to {until}  {made.size:>16,}{gap}"
    except (Unreachable, Broken) as error:
        raise Refused(str(error)) from error


def _follow(data: Path) -> None:
    """Bring the log over until told to end, or until the process that began this one is gone."""
    stop = threading.Event()
    parent = os.getppid() if "TUETINH_PARENT" in os.environ else 0

    def end(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    Follower(
        data,
        archive.opened(),
        archive.recipients(),
        lambda: stop.is_set() or bool(parent and os.getppid() != parent),
    ).run()


def restore(arguments: Namespace) -> Iterator[str]:
    """Bring back what is asked. Raises Refused."""
    data: Path = arguments.data
    if arguments.file:
        if arguments.at or arguments.latest:
            raise Refused("a file holds one moment; --at and --latest are of an archive")
        beside = key_beside(arguments.file)
        key = arguments.key or (beside if beside.exists() else None)
        portable.restore(data, arguments.file, lambda: archive.identities(key), force=arguments.force)
        yield f"restored into {data}"
        return
    if bool(arguments.at) == arguments.latest:
        raise Refused("which moment? --at TIME or --latest, or name the FILE of a backup")
    if arguments.force:
        raise Refused("an archive is restored into an empty folder; --force is for files")
    try:
        source = archive.opened(arguments.place)
        found = recover.restore(data, source, archive.identities(arguments.key), instant(arguments.at))
    except (Broken, Missing, Unreachable) as error:
        raise Refused(f"{error}; nothing was restored") from error
    last = f", the last change at {found.last.isoformat(timespec='milliseconds')}" if found.last else ""
    moment = instant(arguments.at)
    yield f"restored into {data}: {moment.isoformat() if moment else 'the end of the archive'}{last}"
    yield f"position {found.position} of the change feed, {found.contents} contents, from {found.base.folder}"
