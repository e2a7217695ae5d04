"""Objects come into the index while their files come to the disk; those that come at the same time come together.

Who comes first leads: sends the statement, lets the server execute it while the disk writes, and has it committed when
both have. Others bring their files to the disk meanwhile; then the next one leads, and what waits comes along.
What is not plain (a new series, an object that is there already) is settled by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from django.db import connection

from tuetinh.care.imaging.archive.keeping import ADD, Kept, Place, Source, Taken, as_rows, known_place, settle
from tuetinh.care.imaging.archive.workers import Workers
from tuetinh.record import sight
from tuetinh.record.asker import SYSTEM

MOST: Final = 32  # objects of a statement


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An object whose series is known. turn: what becomes of it, None where it is to lead."""

    source: Source
    taken: Taken
    place: Place
    uid: str
    turn: Future[Kept | None] = field(default_factory=Future)

    def told(self, work: Future[Kept]) -> None:
        """Tell who waits what became of it when it was settled by itself."""
        if error := work.exception():
            self.turn.set_exception(error)
        else:
            self.turn.set_result(work.result())


class _Line:
    """A connection of its own to the database, in pipeline mode, for one thread after the other."""

    _pipeline: psycopg.Pipeline

    def __init__(self) -> None:
        self._raw: psycopg.Connection[Any] | None = None
        self._open = ExitStack()

    def add(self, together: Sequence[_Waiting], place: Callable[[], object]) -> set[str]:
        """Add objects to the index while `place` brings what is left to the disk; the UIDs of those that are new.

        Raises what that does, and then none has been added.
        """
        told = as_rows((one.source, one.taken, one.place) for one in together)
        try:
            cursor = psycopg.Cursor(self._raw or self._connected())
            cursor.execute(ADD, [told], prepare=True)
            place()
            self._pipeline.sync()  # which commits
            return {uid for (uid,) in cursor.fetchall()}
        except BaseException:
            self.close()  # and nothing is committed of what was not synced
            raise

    def _connected(self) -> psycopg.Connection[Any]:
        raw = self._raw = connection.get_new_connection(connection.get_connection_params())
        raw.autocommit = True
        raw.execute(sight.ENTER, sight.settings(SYSTEM))
        self._pipeline = self._open.enter_context(raw.pipeline())
        return raw

    def close(self) -> None:
        """Leave the database."""
        with suppress(psycopg.Error):
            if self._raw:
                self._raw.close()
            self._open.close()
        self._raw = None


class Gathering:
    """Brings what waits at the same time into the index."""

    def __init__(self, workers: Workers) -> None:
        """workers: have the database."""
        self._workers = workers
        self._line = _Line()
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_led = False

    def settle(self, source: Source, taken: Taken) -> Kept:
        """As `keeping.settle`, of which it raises what that does."""
        place = known_place(source, taken.head) if taken.head else None
        if not place or not taken.head:
            return self._workers.run(settle, source, taken)
        one = _Waiting(source, taken, place, taken.head.sop_instance)
        if not self._begins():
            taken.place()
            if not self._begins(one) and (kept := one.turn.result()):
                return kept
        return self._lead(one)

    def close(self) -> None:
        """Leave the database, when nobody stores any more."""
        self._line.close()

    def _begins(self, one: _Waiting | None = None) -> bool:
        """Whether nobody leads, so that the caller does; else an object waits for who does."""
        with self._lock:
            begins, self._is_led = not self._is_led, True
            if one and not begins:
                self._waiting.append(one)
        return begins

    def _lead(self, one: _Waiting) -> Kept:
        """Add an object and what waits beside it; returns what became of it."""
        together, fresh = self._beside(one), set()
        try:
            with suppress(Exception):  # of one of them, or of all: each is told its own
                fresh = self._line.add(sorted(together, key=lambda each: each.uid), one.taken.place)
        finally:
            self._pass_on()
            for each in together[1:]:
                if each.uid in fresh:
                    each.turn.set_result(each.taken.kept("stored"))
                else:
                    self._alone(each)
        return one.taken.kept("stored") if one.uid in fresh else self._workers.run(settle, one.source, one.taken)

    def _alone(self, one: _Waiting) -> None:
        try:
            self._workers.submit(settle, one.source, one.taken).add_done_callback(one.told)
        except RuntimeError as error:  # they have gone
            one.turn.set_exception(error)

    def _beside(self, one: _Waiting) -> list[_Waiting]:
        """The objects of a statement, first that of who leads: no two of the same UID."""
        with self._lock:
            chosen = {one.uid: one}
            for each in self._waiting:
                if len(chosen) < MOST:
                    chosen.setdefault(each.uid, each)
            self._waiting = [each for each in self._waiting if chosen.get(each.uid) is not each]
        return list(chosen.values())

    def _pass_on(self) -> None:
        """Let the next one lead."""
        with self._lock:
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting.pop(0).turn.set_result(None)
