"""Reads the change feed and writes down the events of every subscription, in one transaction with how far it has read.

One process of a node does this at a time (an advisory lock on the very connection that writes). A subscription has its
own position where it is behind the others: when it was set back. It is brought up to them beside the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tuetinh.record.asker import Asker
from tuetinh.record.errors import RecordError
from tuetinh.record.feed import Change, Reader
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.statements import array
from tuetinh.record.steps import Pause, Query, Step, through
from tuetinh.record.subscriptions import owners, tables, topics, wanted
from tuetinh.record.subscriptions.match import Interest, Interests, Moment, Version
from tuetinh.record.subscriptions.tables import Kept, Name, Seen

log = logging.getLogger(__name__)

CHUNK = 200
READER = "subscriptions"
LOCK = "SELECT pg_try_advisory_lock(hashtext('record.subscriptions matcher'))"

_ALL = f"SELECT {tables.COLUMNS} FROM record.subscription WHERE status <> 'off' ORDER BY id"
_SOME = f"SELECT {tables.COLUMNS} FROM record.subscription WHERE id = %s AND status <> 'off'"
_BEHIND = f"SELECT {tables.COLUMNS} FROM record.subscription WHERE position IS NOT NULL AND status <> 'off' ORDER BY id"
_POSITION = """INSERT INTO record.feed_reader (name, position) VALUES (%s, 0)
ON CONFLICT (name) DO UPDATE SET position = feed_reader.position RETURNING position"""
_READ = "UPDATE record.feed_reader SET position = %s WHERE name = %s"
_BEGIN = "UPDATE record.subscription SET begins = %s WHERE id = %s AND begins IS NULL"
_CATCH_UP = "UPDATE record.subscription SET position = %s WHERE id = %s AND position = %s RETURNING id"
_OLD = """SELECT position, at, type, id, version, change FROM record.feed
WHERE position > %s AND position <= %s AND type = ANY(%s::text[]) ORDER BY position LIMIT %s"""
# Those that were set back since they were matched get nothing here: it will be matched again.
_WRITE = """
WITH new AS (
  SELECT *, row_number() OVER (PARTITION BY subscription ORDER BY position) AS ordinal
  FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[], %s::text[], %s::text[], %s::int[], %s::text[])
    AS n(subscription, position, at, type, id, version, change)
), counted AS (
  UPDATE record.subscription s SET events = s.events + c.n
  FROM (SELECT subscription, count(*) AS n FROM new GROUP BY subscription) c
  WHERE s.id = c.subscription AND s.status <> 'off' AND s.position IS NOT DISTINCT FROM %s
  RETURNING s.id, s.events - c.n AS base
), written AS (
  INSERT INTO record.subscription_event (subscription, number, position, at, type, id, version, change)
  SELECT c.id, c.base + n.ordinal, n.position, n.at, n.type, n.id, n.version, n.change
  FROM new n JOIN counted c ON c.id = n.subscription
)
SELECT pg_notify('record_subscription', id) FROM counted
"""
Hit = tuple[str, Change]


class Matcher:
    """Keeps what is subscribed in memory and follows the feed."""

    def __init__(self, reader: Reader, interests: Interests) -> None:
        self.reader, self._interests = reader, interests

    @staticmethod
    def load() -> Step[Matcher]:
        """Begin where the last one stopped."""
        rows = yield Query(_POSITION, (READER,))
        made = Matcher(Reader(rows[0][0]), Interests((yield from topics.known())))
        yield from made._load()
        return made

    def _load(self) -> Step[None]:
        self._interests.renew((yield from topics.known()))
        for row in (yield Query(_ALL)):
            kept = Kept(*row)
            if kept.begins is not None and kept.position is None:
                self._take(kept)

    def _take(self, kept: Kept) -> None:
        interest = _interest(kept, self._interests)
        if interest is None:
            self._interests.remove(kept.id)
        else:
            self._interests.add(interest)

    def follow(self, changes: Sequence[Change]) -> Step[None]:
        """Write down the events of changes that were read. Needs a transaction."""
        hits = yield from _match(self._interests, changes, self._meet)
        yield from _write(hits, None)
        yield Query(_READ, (changes[-1].position, READER))

    def _meet(self, change: Change) -> Step[None]:
        """A subscription or a topic has changed: from here on it is as it is now."""
        if change.type == "Basic":
            yield from self._load()
        else:
            yield Query(_BEGIN, (change.position, change.id))
            rows = yield Query(_SOME, (change.id,))
            if rows and rows[0][Kept._fields.index("position")] is None:
                self._take(Kept(*rows[0]))
            else:
                self._interests.remove(change.id)

    def catch_up(self) -> Step[bool]:
        """Bring each subscription that is behind a piece further; whether any was. Needs a transaction."""
        rows = yield Query(_BEHIND)
        for row in rows:
            kept = Kept(*row)
            self._interests.remove(kept.id)
            if (yield from self._one_piece(kept)):
                fresh = yield from tables.one(kept.id)
                if fresh is not None:
                    self._take(fresh)
        return bool(rows)

    def _one_piece(self, kept: Kept) -> Step[bool]:
        """One piece for one subscription; whether it has reached the others."""
        at, end = kept.position or 0, self.reader.position
        alone = Interests(self._interests.topics)
        interest = _interest(kept, alone)
        changes: list[Change] = []
        if interest is not None:
            alone.add(interest)
            rows = yield Query(_OLD, (at, end, array(interest.wanted.filters), CHUNK))
            changes = [Change(*row) for row in rows]
            hits = yield from _match(alone, changes, None)
            yield from _write(hits, at)
        done = len(changes) < CHUNK
        moved = yield Query(_CATCH_UP, (None if done else changes[-1].position, kept.id, at))
        return done and bool(moved)


def _interest(kept: Kept, interests: Interests) -> Interest | None:
    try:
        return Interest(kept.id, kept.asker, wanted.read(kept.subscription, interests.topics))
    except RecordError as error:  # its topic is gone, or can no longer be read
        log.warning("subscription %s is not matched: %s", kept.id, type(error).__name__)
        return None


def _match(interests: Interests, changes: Sequence[Change], meet: object) -> Step[list[Hit]]:
    names: list[Name] = []
    for change in changes:
        if change.type in interests.groups or meet is not None:
            names += _needed(interests, change)
    bodies = yield from tables.versions(names)
    hits: list[tuple[Interest, Change]] = []
    for number, change in enumerate(changes):
        if change.type in ("Subscription", "Basic") and callable(meet):
            yield from meet(change)
        if change.type in interests.groups:
            missing = [name for name in _needed(interests, change) if name not in bodies]
            bodies |= yield from tables.versions(missing)
            moment = _moment(change, bodies)
            hits += [(interest, change) for interest in (yield from interests.of(moment))]
            if number % 20 == 19:
                yield Pause()
    return (yield from _seen(hits))


def _seen(hits: Sequence[tuple[Interest, Change]]) -> Step[list[Hit]]:
    """Those events whose versions exist for the owner of the subscription, as its rights are now: others are none."""
    there: dict[Asker, set[Name]] = {}
    for owner in dict.fromkeys(interest.owner for interest, _ in hits if interest.owner.sight != EVERYTHING):
        asker = yield from owners.now(owner)
        names = [_name(change) for interest, change in hits if interest.owner == owner]
        there[owner] = set((yield from through(asker, tables.versions(names))) if asker is not None else ())
    return [
        (interest.id, change)
        for interest, change in hits
        if interest.owner not in there or _name(change) in there[interest.owner]
    ]


def _name(change: Change) -> Name:
    return change.type, change.id, change.version


def _needed(interests: Interests, change: Change) -> list[Name]:
    if change.type not in interests.groups:
        return []
    names = [_name(change)]
    if change.version > 1 and interests.looks_back(change.type):
        names.append((change.type, change.id, change.version - 1))
    return names


def _moment(change: Change, bodies: dict[Name, Seen]) -> Moment:
    def version(number: int) -> Version | None:
        seen = bodies.get((change.type, change.id, number))
        return Version.of(change.type, change.id, seen.updated, seen.body) if seen and seen.body else None

    return Moment(change.type, change.change, version(change.version), version(change.version - 1))


def _write(hits: Sequence[Hit], position: int | None) -> Step[None]:
    if not hits:
        return
    columns = zip(
        *((id_, c.position, c.at.isoformat(), c.type, c.id, c.version, c.change) for id_, c in hits), strict=True
    )
    yield Query(_WRITE, (*(array(map(str, column)) for column in columns), position))
