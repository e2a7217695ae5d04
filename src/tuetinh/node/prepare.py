"""Makes a command ready to work with an installation."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

from tuetinh.node.errors import Refused


def prepare(data: Path, *, migrate: bool = True) -> None:
    """Start the database, bring its tables up to date and load the modules."""
    if not migrate and "TUETINH_DATABASE_URL" not in os.environ and not (data / "postgres").exists():
        raise Refused(f"{data} holds no installation; is --data right?")
    data.mkdir(parents=True, exist_ok=True)
    from tuetinh.node import database

    database.start(data)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tuetinh.node.settings"
    import django

    django.setup()
    from tuetinh.record import audit

    atexit.unregister(audit.writer.close)
    atexit.register(audit.writer.close)  # what is registered last comes first: before the database is left
    if migrate:
        _migrate()
    audit.store_left()  # of processes that were killed, also of one of a node that runs on


def load_alone() -> None:
    """Load the modules for work that asks no database."""
    os.environ.setdefault("TUETINH_DATABASE_URL", "postgresql://127.0.0.1:1/none")  # never connected to
    os.environ["DJANGO_SETTINGS_MODULE"] = "tuetinh.node.settings"
    import django

    django.setup()


def _migrate() -> None:
    """Bring the tables up to date; of processes that start together, one does it and the others wait."""
    import psycopg
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from tuetinh.record.postgresql.owner import settle

    with psycopg.connect(os.environ["TUETINH_DATABASE_URL"], autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(hashtext('tuetinh migrate'))")
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            call_command("migrate", verbosity=0, interactive=False)
        settle(conn.execute)
