"""The statements on the tables of subscriptions, and their rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tuetinh.record import r4
from tuetinh.record.asker import Asker, unpack
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step

TOPIC = "record_subscription"
"""What is told with the id of a subscription for which something is to be done."""


class Kept(NamedTuple):
    """A row of `record.subscription`."""

    id: str
    status: str
    channel: str
    owner: dict[str, Any] | str
    resource: bytes
    headers: bytes | None
    ends: datetime | None
    begins: int | None
    position: int | None
    events: int
    delivered: int
    shaken: bool
    beats: bool
    paused: bool
    tries: int
    next_try: datetime | None
    failing: datetime | None
    error: str
    sent: datetime | None

    @property
    def asker(self) -> Asker:
        """Who wrote it, as it was then."""
        return unpack(self.owner)

    @property
    def subscription(self) -> r4.Subscription:
        """The resource, its headers masked."""
        return r4.decode(bytes(self.resource))  # type: ignore[return-value]


class Event(NamedTuple):
    """A row of `record.subscription_event`, without its subscription."""

    number: int
    at: datetime
    type: str
    id: str
    version: int
    change: str


class Seen(NamedTuple):
    """A stored version. `body` is None for a tombstone."""

    updated: datetime
    patient: str | None
    body: bytes | None


COLUMNS = ", ".join(Kept._fields)
_ONE = f"SELECT {COLUMNS} FROM record.subscription WHERE id = %s"
_EVENTS = f"""SELECT {", ".join(Event._fields)} FROM record.subscription_event
WHERE subscription = %s AND number > %s AND number <= %s ORDER BY number LIMIT %s"""
Name = tuple[str, str, int]


def one(id_: str) -> Step[Kept | None]:
    """A subscription by its id."""
    rows = yield Query(_ONE, (id_,))
    return Kept(*rows[0]) if rows else None


def events(id_: str, after: int, limit: int, until: int = 2**62) -> Step[list[Event]]:
    """Events of a subscription after a number, in order."""
    rows = yield Query(_EVENTS, (id_, after, until, limit))
    return [Event(*row) for row in rows]


def versions(names: Sequence[Name]) -> Step[dict[Name, Seen]]:
    """Versions by type, id and number, whether current or superseded."""
    wanted: dict[str, list[Name]] = {}
    for name in dict.fromkeys(names):
        wanted.setdefault(name[0], []).append(name)
    found: dict[Name, Seen] = {}
    for type_, group in wanted.items():
        ids, numbers = array(n[1] for n in group), array(str(n[2]) for n in group)
        for row in (yield Query(_versions(type_), (ids, numbers, ids, numbers))):
            found[type_, row[0], row[1]] = Seen(row[2], row[3], None if row[4] is None else bytes(row[4]))
    return found


def _versions(type_: str) -> str:
    parts = (
        f"""SELECT r.id, r.version, r.updated, r.patient, r.body FROM unnest(%s::text[], %s::int[]) AS w(id, version)
JOIN record."{table}" r ON r.type = '{type_}' AND r.id = w.id AND r.version = w.version"""
        for table in (type_, f"{type_}_history")
    )
    return " UNION ALL ".join(parts)
