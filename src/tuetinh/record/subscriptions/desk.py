"""What administrators see of subscriptions and do about them. Steps; each change needs a transaction.

`facility` is the id of the Organization whose subscriptions are meant, "" for all of them.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.errors import BadRequest, NotFound
from tuetinh.record.steps import Query, Step
from tuetinh.record.subscriptions import couriers, tables
from tuetinh.record.subscriptions.tables import Kept

MOST_COUNTED = 10_000  # more that wait are not counted
SLACK = timedelta(minutes=2)  # by which the clock of a version may be behind its place in the feed

_WHERE = """(%(facility)s = '' OR owner->>'facility' = %(facility)s)
AND (NOT %(failing)s OR (status <> 'off' AND (failing IS NOT NULL OR status = 'error' OR paused)))"""
_COUNT = f"SELECT count(*) FROM record.subscription WHERE {_WHERE}"
_PAGE = f"""
SELECT {tables.COLUMNS}, waiting.count, waiting.oldest FROM record.subscription s CROSS JOIN LATERAL (
  SELECT count(*), min(at) AS oldest FROM (
    SELECT at FROM record.subscription_event e WHERE e.subscription = s.id AND e.number > s.delivered
    ORDER BY number LIMIT {MOST_COUNTED}
  ) w
) waiting WHERE {_WHERE} ORDER BY failing NULLS LAST, id LIMIT %(limit)s OFFSET %(offset)s
"""
_LOCK = f"""SELECT {tables.COLUMNS} FROM record.subscription
WHERE id = %s AND (%s = '' OR owner->>'facility' = %s) FOR UPDATE"""
_RETRY = "UPDATE record.subscription SET next_try = NULL WHERE id = %s"
_PAUSE = "UPDATE record.subscription SET paused = %s, next_try = NULL WHERE id = %s"
_GIVE_UP = "UPDATE record.subscription SET delivered = events, failing = NULL, next_try = NULL, tries = 0 WHERE id = %s"
_BACK = """UPDATE record.subscription SET position = %s, next_try = NULL, begins = least(begins, %s) WHERE id = %s"""
_AGAIN = """DELETE FROM record.subscription_event e USING record.subscription s
WHERE s.id = %s AND e.subscription = s.id AND e.number > s.delivered AND e.position > %s"""
_NEXT = "SELECT position, at FROM record.feed WHERE position >= %s ORDER BY position LIMIT 1"
_ENDS = "SELECT coalesce(min(position), 0), coalesce(max(position), 0) FROM record.feed"
_TELL = "SELECT pg_notify('record_subscription', %s), pg_notify('record_feed', '')"


class Line(NamedTuple):
    """A subscription as administrators see it.

    receiver: scheme and host, or the mail address. about: a resource type or a topic; of a query nothing, for it may
    name a patient. waiting: events, counted up to `MOST_COUNTED`. oldest: when the
    first of them happened.
    """

    id: str
    status: str
    channel: str
    receiver: str
    about: str
    reason: str
    account: str
    client: str
    paused: bool
    error: str
    failing: datetime | None
    next_try: datetime | None
    waiting: int
    oldest: datetime | None
    events: int


def count(facility: str, *, failing: bool) -> Step[int]:
    """How many there are; `failing`: only those that somebody should look at."""
    rows = yield Query(*_named(_COUNT, facility=facility, failing=failing))
    return int(rows[0][0])


def page(facility: str, *, failing: bool, offset: int, limit: int) -> Step[list[Line]]:
    """Some of them, those that fail longest first."""
    rows = yield Query(*_named(_PAGE, facility=facility, failing=failing, limit=limit, offset=offset))
    return [_line(Kept(*row[:-2]), row[-2], row[-1]) for row in rows]


def _named(sql: str, **values: object) -> tuple[str, list[object]]:
    """SQL with names as SQL with places."""
    return re.sub(r"%\((\w+)\)s", "%s", sql), [values[name] for name in re.findall(r"%\((\w+)\)s", sql)]


def _line(kept: Kept, waiting: int, oldest: datetime | None) -> Line:
    resource, owner = kept.subscription, kept.asker
    endpoint = (resource.channel.endpoint if resource.channel else None) or ""
    parts = urlsplit(endpoint)
    receiver = f"{parts.scheme}://{parts.netloc}" if parts.netloc else parts.path
    return Line(
        id=kept.id,
        status=kept.status,
        channel=kept.channel,
        receiver=receiver,
        about=(resource.criteria or "").partition("?")[0],
        reason=resource.reason or "",
        account=owner.account,
        client=owner.client,
        paused=kept.paused,
        error=kept.error,
        failing=kept.failing,
        next_try=kept.next_try,
        waiting=waiting,
        oldest=oldest,
        events=kept.events,
    )


def retry(asker: Asker, facility: str, id_: str) -> Step[None]:
    """Try again now."""
    yield from _locked(asker, facility, id_)
    yield Query(_RETRY, (id_,))
    yield Query(_TELL, (id_,))


def pause(asker: Asker, facility: str, id_: str, *, paused: bool) -> Step[None]:
    """Send nothing until it is let go on; what happens meanwhile waits."""
    yield from _locked(asker, facility, id_)
    yield Query(_PAUSE, (paused, id_))
    yield Query(_TELL, (id_,))


def drop(asker: Asker, facility: str, id_: str, reason: str) -> Step[None]:
    """End a subscription and give up what waits. Its owner reads the reason in `Subscription.error`."""
    if not reason.strip():
        message = "a reason is needed"
        raise BadRequest(message)
    yield Query("SELECT FROM record.\"Subscription\" WHERE type = 'Subscription' AND id = %s FOR UPDATE", (id_,))
    yield from _locked(asker, facility, id_)
    yield from couriers.set_status(id_, "off", reason.strip()[:500])
    yield Query(_GIVE_UP, (id_,))
    yield Query(_TELL, (id_,))


def set_back(asker: Asker, facility: str, id_: str, since: datetime | int) -> Step[None]:
    """Tell everything again that happened from a moment, or after a position of the feed, on; with new numbers."""
    kept = yield from _locked(asker, facility, id_)
    if kept.status == "off":
        message = "a subscription that is off is told nothing"
        raise BadRequest(message)
    position = since if isinstance(since, int) else (yield from _position(since - SLACK))
    yield Query(_BACK, (position, position + 1, id_))
    yield Query(_AGAIN, (id_, position))
    yield Query(_TELL, (id_,))


def _position(moment: datetime) -> Step[int]:
    """The position before the first change from a moment on: places and times rise together."""
    rows = yield Query(_ENDS)
    low, high = rows[0][0], rows[0][1] + 1
    while low < high:
        middle = (low + high) // 2
        found = yield Query(_NEXT, (middle,))
        if found and found[0][1] < moment:
            low = found[0][0] + 1
        else:
            high = middle
    return int(low) - 1


def _locked(asker: Asker, facility: str, id_: str) -> Step[Kept]:
    rows = yield Query(_LOCK, (id_, facility, facility))
    if not rows:
        message = f"Subscription/{id_} is not known here"
        raise NotFound(message)
    audit.note(asker, "update", "Subscription", id_, None)
    return Kept(*rows[0])
