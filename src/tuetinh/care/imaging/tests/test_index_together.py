"""Objects that several senders bring at the same time come into the index by one statement."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tuetinh.care.imaging.archive.gathering import Gathering
from tuetinh.care.imaging.archive.keeping import Kept, Taken, ask, keep, take
from tuetinh.care.imaging.archive.workers import Workers
from tuetinh.care.imaging.models import Held, Instance, Pending
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import Arriving, NoSpace, files
from tuetinh.record.steps import enter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Threads that have the database."""
    made = Workers(2, "test")
    yield made
    made.close()


@pytest.fixture
def index(workers: Workers) -> Iterator[Gathering]:
    """What brings objects into the index."""
    made = Gathering(workers)
    yield made
    made.close()


Together = Callable[..., tuple[list[Kept], list[int]]]


def taken(data: bytes) -> Taken:
    """An object that has come."""
    arriving = Arriving()
    arriving.write(data)
    return take(arriving)


def settled(index: Gathering, one: Taken) -> Kept:
    try:
        return index.settle(HERE, one)
    finally:
        left(one)


def left(one: Taken) -> None:
    """Leave its file, as who received it does."""
    one.place.__self__.__exit__()  # type: ignore[attr-defined]


@pytest.fixture
def together(index: Gathering, monkeypatch: pytest.MonkeyPatch) -> Together:
    """What becomes of objects that as many senders bring, and how many each statement adds.

    The first statement waits until so many objects wait for the next one.
    """
    sizes: list[int] = []
    free, adds = threading.Event(), index._line.add

    def add(objects: list[Any], place: Callable[[], object]) -> set[str]:
        sizes.append(len(objects))
        assert free.wait(60)
        return adds(objects, place)

    def send(*objects: bytes, waiting: int) -> tuple[list[Kept], list[int]]:
        came = [taken(one) for one in objects]
        with ThreadPoolExecutor(len(came)) as senders:
            sent = [senders.submit(settled, index, came[0])]
            until(lambda: bool(sizes))
            sent += [senders.submit(settled, index, one) for one in came[1:]]
            until(lambda: len(index._waiting) == waiting)
            free.set()
            return [one.result(60) for one in sent], sizes

    monkeypatch.setattr(index._line, "add", add)
    return send


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    limit = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.01)


def made(number: int, **changes: object) -> bytes:
    return part10(SOPInstanceUID=f"1.2.3.4.1.{number}", InstanceNumber=number, **changes)


def test_what_waits_is_added_at_once(person: r4.Patient, together: Together) -> None:
    keep(HERE, made(1))
    kept, statements = together(*(made(number) for number in range(2, 8)), waiting=5)
    assert [one.state for one in kept] == ["stored"] * 6
    assert [one.sop_instance for one in kept] == [f"1.2.3.4.1.{number}" for number in range(2, 8)]
    assert statements == [1, 5]
    enter(SYSTEM)
    assert sorted(Instance.objects.values_list("instance_number", flat=True)) == [1, 2, 3, 4, 5, 6, 7]
    assert (Pending.objects.count(), ask("SELECT count(*) FROM record.content")) == (3, [(7,)])


def test_each_is_told_its_own(person: r4.Patient, together: Together) -> None:
    """A new series, the same object again, another one of its UID, and one that cannot be read among others."""
    keep(HERE, made(1))
    again, other, twice = made(1), made(1, PixelData=bytes(32)), made(3)
    elsewhere = made(4, SeriesInstanceUID="1.2.3.4.2")
    kept, _ = together(made(2), again, other, twice, twice, elsewhere, b"no picture", made(5), waiting=5)
    states = [one.state for one in kept]
    assert states[:3] == ["stored", "duplicate", "held"]
    assert sorted(states[3:5]) == ["duplicate", "stored"]
    assert states[5:] == ["stored", "held", "stored"]
    enter(SYSTEM)
    assert (Instance.objects.count(), Held.objects.count()) == (5, 2)


def test_one_that_fails_takes_no_other_along(
    person: r4.Patient, index: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(HERE, made(1))
    enter(SYSTEM).execute("ALTER TABLE imaging_instance ADD CONSTRAINT odd CHECK (instance_number <> 3)")
    try:
        free, add = threading.Event(), index._line.add
        monkeypatch.setattr(index._line, "add", lambda *told: (free.wait(10), add(*told))[1])
        with ThreadPoolExecutor(4) as senders:
            kept = [senders.submit(settled, index, taken(made(number))) for number in (2, 3, 4, 5)]
            until(lambda: len(index._waiting) == 3)
            free.set()
            assert [kept[number].result(20).state for number in (0, 2, 3)] == ["stored"] * 3
            with pytest.raises(psycopg.errors.CheckViolation):
                kept[1].result(20)
    finally:
        enter(SYSTEM).execute("ALTER TABLE imaging_instance DROP CONSTRAINT odd")


def test_the_index_is_written_while_the_disk_writes_and_committed_after(
    person: r4.Patient, index: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(HERE, made(1))
    seen: list[object] = []
    sync = os.fsync

    def slow(file: int) -> None:
        if not seen:
            until(lambda: bool(ask(_WRITING)))
            seen.append(ask("SELECT count(*) FROM imaging_instance"))
        sync(file)

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", slow)
        assert settled(index, taken(made(2))).state == "stored"
    assert (seen, ask("SELECT count(*) FROM imaging_instance")) == ([[(1,)]], [(2,)])


_WRITING = """
SELECT FROM pg_locks WHERE relation = 'imaging_instance'::regclass AND mode = 'RowExclusiveLock'
  AND pid <> pg_backend_pid()"""


def test_what_the_disk_does_not_take_is_not_in_the_index(
    person: r4.Patient, index: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(HERE, made(1))

    def full(_: int) -> None:
        until(lambda: bool(ask(_WRITING)))
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        with pytest.raises(NoSpace):
            settled(index, taken(made(2)))
    until(lambda: not ask(_WRITING))
    assert ask("SELECT count(*) FROM imaging_instance") == [(1,)]
    assert settled(index, taken(made(3))).state == "stored"


class Lost(Workers):
    """Threads that have no database."""

    def submit(self, *_: object) -> Future[Any]:
        lost: Future[Any] = Future()
        lost.set_exception(ConnectionError())
        return lost


def test_nobody_waits_for_ever(person: r4.Patient, index: Gathering, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no database: not who leads, nor who waits beside; and afterwards where there is."""
    keep(HERE, made(1))

    sizes: list[int] = []

    def add(together: list[Any], _: object) -> set[str]:
        sizes.append(len(together))
        until(lambda: len(sizes) > 1 or len(index._waiting) == 2)
        raise ConnectionError

    with monkeypatch.context() as patched, ThreadPoolExecutor(3) as senders:
        patched.setattr(index._line, "add", add)
        patched.setattr(index, "_workers", Lost(1, "lost"))
        for one in [senders.submit(settled, index, taken(made(number))) for number in (2, 3, 4)]:
            with pytest.raises(ConnectionError):
                one.result(20)
    assert sizes == [1, 2]
    assert settled(index, taken(made(5))).state == "stored"


def test_a_connection_that_was_lost_takes_no_object_along(person: r4.Patient, index: Gathering) -> None:
    keep(HERE, made(1))
    for number in (2, 3, 4):
        assert settled(index, taken(made(number))).state == "stored"
        raw = index._line._raw
        assert raw
        with socket.socket(fileno=os.dup(raw.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        assert settled(index, taken(made(number * 10))).state == "stored"
    assert ask("SELECT count(*) FROM imaging_instance") == [(7,)]
