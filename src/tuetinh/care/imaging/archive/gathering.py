"""Objects that several senders brought at the same time come into the index together: one statement, one commit.

Each sender waits for its own, so a single one waits no longer than alone; while a statement runs, the next ones gather.
What is not plain (a new series, an object that is there already) is settled by itself.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from tuetinh.care.imaging.archive.keeping import Kept, Place, Source, Taken, add_all, known_place, settle
from tuetinh.care.imaging.archive.workers import Workers

MOST: Final = 32  # objects of a statement


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An object whose file is on the disk and whose series is known. kept: what becomes of it."""

    source: Source
    taken: Taken
    place: Place
    uid: str
    kept: Future[Kept] = field(default_factory=Future)

    def alone(self) -> None:
        """Settle it by itself."""
        try:
            self.kept.set_result(settle(self.source, self.taken))
        except BaseException as error:
            self.kept.set_exception(error)


class Gathering:
    """Brings what waits at the same time into the index."""

    def __init__(self, workers: Workers) -> None:
        """workers: have the database."""
        self._workers = workers
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_at_work = False

    def settle(self, source: Source, taken: Taken) -> Kept:
        """As `keeping.settle`, of which it raises what that does."""
        place = known_place(source, taken.head) if taken.head else None
        if not place or not taken.head:
            return self._workers.run(settle, source, taken)
        waiting = _Waiting(source, taken, place, taken.head.sop_instance)
        with self._lock:
            self._waiting.append(waiting)
            begin, self._is_at_work = not self._is_at_work, True
        if begin:
            self._workers.submit(self._work).add_done_callback(self._ended)
        return waiting.kept.result()

    def _work(self) -> None:
        """Add what waits until nothing does."""
        while together := self._next():
            try:
                fresh = add_all((one.source, one.taken, one.place) for one in together)
            except Exception:  # of one of them, or of all: each is told its own
                fresh = set()
            for one in together:
                if one.uid in fresh:
                    one.kept.set_result(one.taken.kept("stored"))
                else:
                    one.alone()

    def _next(self) -> list[_Waiting]:
        """The objects of the next statement, in an order in which no two statements wait for each other."""
        with self._lock:
            chosen: dict[str, _Waiting] = {}
            for one in self._waiting:
                if len(chosen) < MOST:
                    chosen.setdefault(one.uid, one)
            self._waiting = [one for one in self._waiting if chosen.get(one.uid) is not one]
            self._is_at_work = bool(chosen)
        return [chosen[uid] for uid in sorted(chosen)]

    def _ended(self, work: Future[None]) -> None:
        """Tell those that wait where the work could not be done, as without a thread for it."""
        error = None if work.cancelled() else work.exception()
        if not error and not work.cancelled():
            return
        with self._lock:
            left, self._waiting, self._is_at_work = self._waiting, [], False
        for one in left:
            one.kept.set_exception(error or RuntimeError("nobody is at work"))
