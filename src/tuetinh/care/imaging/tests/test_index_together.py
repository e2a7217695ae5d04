"""Objects that several senders bring at the same time come into the index by one statement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tuetinh.care.imaging.archive import gathering
from tuetinh.care.imaging.archive.gathering import Gathering
from tuetinh.care.imaging.archive.keeping import Kept, ask, keep, take
from tuetinh.care.imaging.archive.workers import Workers
from tuetinh.care.imaging.models import Held, Instance, Pending
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Threads that have the database."""
    made = Workers(2, "test")
    yield made
    made.close()


Together = Callable[..., tuple[list[Kept], list[int]]]


@pytest.fixture
def together(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> Together:
    """What becomes of objects that as many senders bring, and how many each statement adds.

    The first statement waits until so many objects wait for the next one.
    """
    sizes: list[int] = []
    free, adds, index = threading.Event(), gathering.add_all, Gathering(workers)

    def add(objects: Iterable[Any]) -> set[str]:
        several = list(objects)
        sizes.append(len(several))
        assert free.wait(60)
        return adds(several)

    def send(*objects: bytes, waiting: int) -> tuple[list[Kept], list[int]]:
        taken = [take(one) for one in objects]
        with ThreadPoolExecutor(len(taken)) as senders:
            sent = [senders.submit(index.settle, HERE, taken[0])]
            until(lambda: bool(sizes))
            sent += [senders.submit(index.settle, HERE, one) for one in taken[1:]]
            until(lambda: len(index._waiting) == waiting)
            free.set()
            return [one.result(60) for one in sent], sizes

    monkeypatch.setattr(gathering, "add_all", add)
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
    person: r4.Patient, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(HERE, made(1))
    enter(SYSTEM).execute("ALTER TABLE imaging_instance ADD CONSTRAINT odd CHECK (instance_number <> 3)")
    try:
        index = Gathering(workers)
        taken = [take(made(number)) for number in (2, 3, 4)]
        free = threading.Event()
        monkeypatch.setattr(index, "_next", lambda of=index._next: (free.wait(10), of())[1])
        with ThreadPoolExecutor(3) as senders:
            kept = [senders.submit(index.settle, HERE, one) for one in taken]
            until(lambda: len(index._waiting) == 3)
            free.set()
            assert [kept[number].result(20).state for number in (0, 2)] == ["stored"] * 2
            with pytest.raises(psycopg.errors.CheckViolation):
                kept[1].result(20)
    finally:
        enter(SYSTEM).execute("ALTER TABLE imaging_instance DROP CONSTRAINT odd")


def test_nobody_waits_for_ever(person: r4.Patient) -> None:
    """Where there is no database, and afterwards where there is."""
    keep(HERE, made(1))

    class Lost(Workers):
        def submit(self, *_: object) -> Future[None]:  # type: ignore[override]
            lost: Future[None] = Future()
            lost.set_exception(ConnectionError())
            return lost

    index, workers = Gathering(Lost(1, "lost")), Workers(1, "test")
    with pytest.raises(ConnectionError):
        index.settle(HERE, take(made(2)))
    index._workers = workers
    assert index.settle(HERE, take(made(2))).state == "stored"
    workers.close()
