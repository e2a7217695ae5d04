"""Work of whoever keeps a node: claims, the access log, the check of an installation, measurements."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tuetinh.node.errors import Refused

DAY = timedelta(days=1)


def administrator(username: str, full_name: str) -> tuple[str, str]:
    """Make an administrator of the whole node, or let the one of that name in again; user name and first password.

    Raises Refused for a name that nobody can have, or that is another account's.
    """
    from tuetinh.commons.access.api import AccessError, is_username, recover

    if not is_username(username):
        raise Refused(f"{username!r} is no user name: small letters, digits, dots and hyphens, at least three")
    try:
        account, password = recover(username, full_name.strip() or username)
    except AccessError as error:
        raise Refused(f"{username} is the account of somebody who does not administer the whole node") from error
    return account.username, password


def accesses(
    patient: str = "", account: str = "", since: datetime | None = None, until: datetime | None = None, limit: int = 0
) -> Iterator[dict[str, str]]:
    """The entries of the access log, newest first, one at a time; that it is read is an entry of its own.

    since, until: from the one instant to before the other. limit: 0 for all. Times are ISO 8601 in UTC.
    """
    from django.db import connection, transaction

    from tuetinh.record.asker import SYSTEM
    from tuetinh.record.steps import enter

    enter(SYSTEM)
    named = "at account role facility purpose client action type id patient address agent outcome reason"
    columns = named.split()
    with connection.cursor() as cursor:  # before anything is shown
        cursor.execute(
            f"INSERT INTO record.audit ({', '.join(columns[:10])})"
            " VALUES (now(), %s, 'operator', '', 'HSYSADMIN', '', 'read', 'AuditEvent', '', %s) RETURNING position",
            [f"os:{getpass.getuser()}", patient or None],
        )
        own = cursor.fetchone()[0]
    asked = [("patient = %s", patient), ("account = %s", account), ("at >= %s", since), ("at < %s", until)]
    where = ["position < %s", *(text for text, value in asked if value)]
    values = [own, *(value for _, value in asked if value), limit or None]
    sql = f"SELECT {', '.join(columns)} FROM record.audit WHERE {' AND '.join(where)} ORDER BY position DESC LIMIT %s"
    with transaction.atomic(), connection.connection.cursor(name="audit") as rows:
        rows.itersize = 1000
        rows.execute(sql, values)
        for at, *row in rows:
            told = [at.astimezone(UTC).isoformat(), *("" if value is None else str(value) for value in row)]
            yield dict(zip(columns, told, strict=True))


def examine(data: Path, *, hashed: bool = True) -> Iterator[tuple[str, bool, str]]:
    """What a node needs, each with whether it is so and what was found.

    hashed: every byte of the files of large contents is read.
    """
    from django.contrib.staticfiles import finders
    from django.core.management import call_command
    from django.db import connection

    from tuetinh.care.imaging import api as imaging
    from tuetinh.commons.access import api as access
    from tuetinh.node import contents
    from tuetinh.record.postgresql import owner

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000, current_setting('fsync')")
        version, fsync = cursor.fetchone()
    yield "PostgreSQL", version >= 15, f"version {version}, 15 or newer is needed"
    yield "fsync", fsync == "on", f"{fsync}; without it a power cut loses what was acknowledged"
    try:
        call_command("migrate", check_unapplied=True, verbosity=0)
        yield "tables", True, "up to date"
        yield "row security", *owner.examine()
        admins, bare = access.administrators_by_password()
        told = f"{bare} of {admins} administrators have none: their password alone opens every door"
        yield "second factor", True, told if bare else f"all {admins} administrators have one"
        yield "files", *contents.examine(hashed=hashed)
        yield "pictures", *imaging.check()
    except SystemExit:
        yield "tables", False, "migrations wait; start the node once"
    built = finders.find("vendor/icons.json") is not None
    yield "page assets", built, "built" if built else "run make assets"
    free = shutil.disk_usage(data).free // 2**20
    yield "free space", free > 1024, f"{free} MiB in {data}"
    loose = [p.name for p in (data / "keys").glob("*") if p.stat().st_mode & 0o077]
    yield "secrets", not loose, f"readable by others: {', '.join(loose)}" if loose else "readable by their owner only"


def bench_linkage(what: str) -> int:
    """Measure person matching: on the labelled sets of a folder, or on so many invented people."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tuetinh.node.settings")
    import django

    django.setup()
    from tuetinh.commons.identity.api import measure_linkage

    if what.isascii() and what.isdigit():
        return measure_linkage(None, int(what))
    if not Path(what).is_dir():
        raise Refused(f"{what} is neither a folder of labelled sets nor a number of people")
    return measure_linkage(Path(what), 0)


def bench(arguments: list[str]) -> int:
    """Run the measurements of a checkout."""
    root = Path(__file__).parents[3]
    if not (root / "bench" / "__main__.py").exists():
        raise Refused("measurements are part of a checkout, not of an installed package")
    return subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=root, check=False).returncode  # noqa: S603
