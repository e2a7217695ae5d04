"""Reads that were answered are logged, though the process is killed before the database has them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tuetinh.record.asker import SYSTEM
from tuetinh.record.audit import log, store_left, waiting
from tuetinh.record.steps import enter

pytestmark = pytest.mark.django_db
KILLED = """
import os, signal, sys
from datetime import datetime
from django.conf import settings
settings.configure(DATA=sys.argv[1])
from tuetinh.record.audit.waiting import Waiting
mine = Waiting()
for line in sys.stdin:
    at, *texts, patients = line.split()
    mine.keep([(datetime.fromisoformat(at), *texts, patients.split("+"), *[None] * 6)])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def room(settings: Any, tmp_path: Path) -> Path:
    settings.DATA = tmp_path
    return tmp_path / waiting.ROOM


def entry(who: str, *patients: str) -> log.Entry:
    saw = ("read", "Patient", "p1", list(patients or ["p1"]))
    return (datetime.now(UTC), who, "nurse", "h1", "TREAT", "app", *saw, *[None] * 6)


def killed(data: Path, entries: list[log.Entry]) -> None:
    """A process that keeps entries and is killed at once."""
    told = "".join(f"{one[0].isoformat()} {' '.join(one[1:9])} {'+'.join(one[9])}\n" for one in entries)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(data)], input=told, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL


def logged(*who: str) -> list[str]:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT account FROM record.audit WHERE account = ANY(%s) ORDER BY position", [list(who)])
        return [row[0] for row in cursor.fetchall()]


def patients(who: str) -> list[str | None]:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient FROM record.audit WHERE account = %s ORDER BY position", [who])
        return [row[0] for row in cursor.fetchall()]


def test_what_a_killed_process_kept_is_stored_once(tmp_path: Path, room: Path) -> None:
    entries = [entry("waits-1"), entry("waits-2")]
    killed(tmp_path, entries)
    assert store_left() == 2
    assert logged("waits-1", "waits-2") == ["waits-1", "waits-2"]
    assert (store_left(), list(room.iterdir())) == (0, [])


def test_what_it_had_stored_before_it_was_killed_is_not_stored_again(tmp_path: Path) -> None:
    first, second = entry("waits-3"), entry("waits-4")
    with connection.cursor() as cursor:
        cursor.execute(log._INSERT_MANY, log._given([first]))
    killed(tmp_path, [first, second])
    assert store_left() == 1
    assert logged("waits-3", "waits-4") == ["waits-3", "waits-4"]


def test_of_several_patients_only_those_are_stored_that_were_not(tmp_path: Path) -> None:
    both = entry("waits-11", "p1", "p2")
    with connection.cursor() as cursor:
        cursor.execute(log._INSERT_MANY, log._given([(*both[:9], ["p1"], *both[10:])]))
    killed(tmp_path, [both])
    assert store_left() == 1
    assert patients("waits-11") == ["p1", "p2"]


def test_an_entry_that_was_kept_with_one_patient_alone_is_stored(tmp_path: Path, room: Path) -> None:
    killed(tmp_path, [entry("waits-12")])
    [path] = [path for path in room.iterdir() if path.read_bytes().strip(b"\0")]
    path.write_text(path.read_text().replace('["p1"]', '"p1"') + path.read_text().replace('["p1"]', "null"))
    assert store_left() == 2
    assert patients("waits-12") == ["p1", None]


def test_the_file_of_a_living_process_is_left_alone(room: Path) -> None:
    mine = waiting.Waiting()
    mine.keep([entry("waits-5")])
    assert (store_left(), logged("waits-5")) == (0, [])
    assert sum(path.read_bytes().count(b"\n") for path in room.iterdir()) == 1
    assert {path.stat().st_mode & 0o777 for path in room.iterdir()} == {0o600}
    mine.end()
    assert store_left() == 1


def test_files_stay_small_while_entries_come_and_are_stored(room: Path) -> None:
    mine = waiting.Waiting()
    for _ in range(5):
        mine.keep([entry("waits-6")])
        mine.turn()
        mine.keep([entry("waits-7")])  # comes while the one before is stored
        mine.stored()
        assert sum(path.read_bytes().count(b"\n") for path in room.iterdir()) == 1
    mine.turn()
    mine.stored()
    mine.end()
    assert list(room.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_the_writer_leaves_nothing_behind(room: Path) -> None:
    writer = log.Writer()
    writer.add([entry("waits-8")])
    assert sum(path.read_bytes().count(b"\n") for path in room.iterdir()) <= 1
    writer.close()
    assert (logged("waits-8"), list(room.iterdir())) == (["waits-8"], [])


def test_a_line_that_broke_off_hides_no_other(tmp_path: Path, room: Path) -> None:
    killed(tmp_path, [entry("waits-9")])
    [path] = [path for path in room.iterdir() if path.read_bytes().strip(b"\0")]
    path.write_bytes(path.read_bytes().rstrip(b"\0") + b'["2026-11-30T')
    assert (store_left(), logged("waits-9")) == (1, ["waits-9"])


def test_more_than_a_file_holds_makes_it_longer_until_it_is_stored(room: Path) -> None:
    mine = waiting.Waiting()
    many = [entry("waits-13")] * 3000
    mine.keep(many)
    mine.keep(many)
    assert sum(path.read_bytes().count(b"\n") for path in room.iterdir()) == 6000
    mine.turn()
    mine.stored()
    assert {path.stat().st_size for path in room.iterdir()} == {waiting.SIZE}
    assert not any(path.read_bytes().strip(b"\0") for path in room.iterdir())
    mine.end()


def test_a_full_disk_hinders_nobody(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    mine = waiting.Waiting()
    monkeypatch.setattr(os, "write", full)
    mine.keep([entry("waits-10")])
    mine.turn()
    mine.stored()
    assert list(room.iterdir()) == []
    mine.end()
