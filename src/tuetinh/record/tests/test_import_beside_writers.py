"""An import while others write about the same people: a batch that the database breaks off is begun anew."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from tuetinh.record import api, imports
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)
SEEN = """INSERT INTO identity_seen (patient, facility, at) VALUES (%s, 'beside', now())
ON CONFLICT (facility, patient) DO UPDATE SET at = excluded.at"""


class Silent:
    """Hears how the import goes and says nothing."""

    def advanced(self, report: imports.Report, place: str) -> None:
        pass

    def refused(self, place: str, name: str, issues: Any) -> None:
        raise AssertionError((place, name, issues))


def visit(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": f"beside-{number}",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/beside-{number}"},
        "serviceProvider": {"reference": "Organization/beside"},
        "period": {"start": "2026-03-01T08:00:00+07:00"},
    }


def waits() -> bool:
    """Whether the import waits for a lock of the other one's."""
    with psycopg.connect(**connection.get_connection_params()) as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%identity_seen%'"
        ).fetchone()
    return bool(row and row[0])


def in_the_way(ready: threading.Event) -> None:
    """Hold the later of two people, then want the earlier one while the import waits: one of the two must give way."""
    with psycopg.connect(**connection.get_connection_params()) as conn:
        conn.execute("SET ROLE NONE")
        conn.execute("SET deadlock_timeout = '60s'")  # so that it is the import that is broken off
        conn.execute(SEEN, ["beside-2"])
        ready.set()
        while not waits():
            time.sleep(0.02)
        conn.execute(SEEN, ["beside-1"])
        conn.commit()


def test_a_batch_that_others_break_off_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "visits.ndjson"
    file.write_text("\n".join(json.dumps(visit(number)) for number in (2, 1)))
    ready = threading.Event()
    other = threading.Thread(target=in_the_way, args=(ready,))
    other.start()
    assert ready.wait(30)
    report = imports.import_paths([str(file)], SYSTEM, Silent())
    other.join(30)
    assert not other.is_alive()
    assert report.created == {"Encounter": 2}
    versions = [api.read(SYSTEM, "Encounter", f"beside-{number}").meta for number in (1, 2)]
    assert [meta.versionId for meta in versions if meta] == ["1", "1"]
