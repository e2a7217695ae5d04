"""The change feed, read from a position on, in order, and leaving nothing out.

A position is drawn when a version is written and shows when its transaction has ended, so a later position may show
before an earlier one. Two writes of one resource, or one after the other, keep their order by position. A `Reader`
therefore stops where a position is missing, until no transaction can bring it any more: those that were rolled back
stay missing.

A commit that adds to the feed rings (`TOPIC`), unless another that commits at the same moment rings for it, or
the reader is awake: it holds the bell while it finds something, so that a stream of writes need not notify it. When it
lets the bell go, as after a ring, it is `calm` once all that was under way has been looked at. There is one reader.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from tuetinh.record.steps import Query, Step

TOPIC = "record_feed"

_ROWS = """SELECT position, at, type, id, version, change FROM record.feed WHERE position > %s
ORDER BY position LIMIT %s"""
# A number of its own is higher than that of every transaction that has one now.
_NUMBER = "SELECT pg_current_xact_id()::text::bigint"
_OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
# The lock that `record.ring` tries; commits try it when they have their numbers.
_HOLD = "SELECT pg_try_advisory_lock(hashtext('record.feed ring'))"
_LET_GO = "SELECT pg_advisory_unlock(hashtext('record.feed ring'))"


class Change(NamedTuple):
    """One version that was written. change: `create`, `update` or `delete`."""

    position: int
    at: datetime
    type: str
    id: str
    version: int
    change: str


class Reader:
    """Reads on from a position. Its steps need a connection in autocommit."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._settled = 0  # positions up to here show, or never will
        self._gap: tuple[int, int] | None = None  # a position up to which all are drawn, and a number for `_OLDEST`
        self._under_way: int | None = None
        self._rung = True
        self._holds_bell = False

    def ring(self) -> None:
        """Note that there may be something new."""
        self._rung = True

    def read(self, limit: int) -> Step[list[Change]]:
        """What comes next; nothing where there is nothing, or while a transaction may still bring what comes next."""
        rows = yield Query(_ROWS, (self.position, limit))
        found: list[Change] = []
        for row in rows:
            expected = found[-1].position + 1 if found else self.position + 1
            if row[0] > max(expected, self._settled + 1):
                break
            found.append(Change(*row))
        if found:
            self.position = found[-1].position
            if not self._holds_bell:
                self._holds_bell = (yield Query(_HOLD))[0][0]
        elif rows and (yield from self._settle(rows[-1][0])):
            return (yield from self.read(limit))
        return found

    def _settle(self, drawn: int) -> Step[bool]:
        """Whether what is missing below a position that is drawn will stay missing; looked at again until it is so."""
        if self._gap is None:
            number = yield Query(_NUMBER)
            self._gap = drawn, number[0][0]
        oldest = yield Query(_OLDEST)
        if oldest[0][0] < self._gap[1]:
            return False
        self._settled, self._gap = self._gap[0], None
        return True

    def calm(self) -> Step[bool]:
        """Asked when nothing was read: whether the next ring can be awaited. If not, read again a moment later."""
        if self._gap is not None:
            return False
        if self._rung or self._holds_bell:
            if self._holds_bell:
                yield Query(_LET_GO)
            self._rung = self._holds_bell = False
            number = yield Query(_NUMBER)
            self._under_way = number[0][0]
            return False
        if self._under_way is not None:
            oldest = yield Query(_OLDEST)
            if oldest[0][0] >= self._under_way:
                self._under_way = None  # what these have brought is read once more
            return False
        return True
