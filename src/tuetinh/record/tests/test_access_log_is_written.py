"""Reads that are logged beside the request reach the table, whatever ends meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection

from tuetinh.record.audit.log import Entry, Writer
from tuetinh.record.tests.door_world import rows, url

pytestmark = pytest.mark.django_db
COUNT = "SELECT count(*) FROM record.audit WHERE account = 'of-the-writer'"


@pytest.fixture
def writer(emptied: None) -> Iterator[Writer]:
    made = Writer()
    yield made
    made.close()


def entry(*patients: str | None) -> Entry:
    who = ("of-the-writer", "nurse", "", "TREAT", "", "read", "Patient", "x")
    return (datetime.now(UTC), *who, list(patients or [None]), None, None, None, None, None, None)


def count() -> int:
    return int(rows(COUNT)[0][0])


def test_what_is_added_while_it_closes_is_stored(writer: Writer) -> None:
    before, several = count(), 300

    def add() -> None:
        for _ in range(several):
            writer.add([entry()])

    adding = threading.Thread(target=add)
    adding.start()
    while adding.is_alive():
        writer.close()
    writer.close()
    assert count() == before + several


def test_a_connection_that_went_away_loses_nothing_at_the_end(writer: Writer) -> None:
    before = count()
    writer.add([entry()])
    while count() == before:
        pass
    name = connection.settings_dict["NAME"]
    with psycopg.connect(url(), autocommit=True) as conn:
        conn.execute("SET ROLE NONE")
        ended = conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND query LIKE 'INSERT INTO record.audit%%' AND pid <> pg_backend_pid()",
            [name],
        ).fetchall()
    assert ended == [(True,)]
    writer.add([entry()])
    writer.close()
    assert count() == before + 2


def test_each_patient_has_an_entry_and_an_emergency_its_purpose(writer: Writer) -> None:
    with psycopg.connect(url(), autocommit=True) as conn:
        conn.execute("SET ROLE NONE")
        conn.execute("INSERT INTO record.relation VALUES ('p2', 'Account/of-the-writer', 'glass', 'Glass/w')")
        conn.execute("INSERT INTO record.relation VALUES ('p3', 'Account/of-the-writer', 'glass', 'Glass/w', now())")
        conn.execute("INSERT INTO record.relation VALUES ('p1', 'Account/somebody-else', 'glass', 'Glass/w')")
        writer.add([entry("p1", "p2", None, "p3"), entry('p"4\\')])
        writer.close()
        conn.execute("DELETE FROM record.relation WHERE source = 'Glass/w'")
    stored = rows("SELECT patient, purpose FROM record.audit ORDER BY position DESC LIMIT 5")[::-1]
    assert stored == [("p1", "TREAT"), ("p2", "BTG"), (None, "TREAT"), ("p3", "TREAT"), ('p"4\\', "TREAT")]
