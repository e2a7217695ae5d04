"""The guard of Subscription: what a client writes is read, checked against its scopes, and kept with its owner."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from tuetinh.record import permits, r4
from tuetinh.record.asker import SYSTEM, Asker, pack, unpack
from tuetinh.record.errors import Forbidden, Issue, RecordError, Unprocessable
from tuetinh.record.search import run as searching
from tuetinh.record.search.parse import Search
from tuetinh.record.steps import Query, Step
from tuetinh.record.subscriptions import owners, reach, secrets, topics, wanted

_KNOWN = "SELECT owner, headers FROM record.subscription WHERE id = %s FOR UPDATE"
# What waits is kept, but for one that was off: it begins anew.
_KEEP = """
INSERT INTO record.subscription (id, status, channel, owner, resource, headers, ends, beats)
VALUES (%s, %s, %s, %s::jsonb, %s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET status = excluded.status, channel = excluded.channel, owner = excluded.owner,
  beats = excluded.beats, resource = excluded.resource, headers = excluded.headers, ends = excluded.ends,
  shaken = false, tries = 0, next_try = NULL, failing = NULL, error = '', paused = false,
  begins = CASE WHEN subscription.status = 'off' THEN NULL ELSE subscription.begins END,
  position = CASE WHEN subscription.status = 'off' THEN NULL ELSE subscription.position END,
  delivered = CASE WHEN subscription.status = 'off' THEN subscription.events ELSE subscription.delivered END
"""
_TELL = "SELECT pg_notify('record_subscription', %s)"
_FORGET = (
    "DELETE FROM record.subscription WHERE id = %s",
    "DELETE FROM record.subscription_event WHERE subscription = %s",
)


def admit(asker: Asker, resource: r4.Resource) -> Step[r4.Resource]:
    """The Subscription to store: `requested` or `off`, its headers masked. Raises Unprocessable, Forbidden.

    What the house itself imports is stored and sends nothing: nobody here has asked for it.
    """
    if not isinstance(resource, r4.Subscription) or asker is owners.HOUSE:
        return resource
    known = yield Query(_KNOWN, (resource.id,))
    if known and not owners.same(unpack(known[0][0]), asker):
        message = "a subscription is changed by the account that made it only"
        raise Forbidden(message)
    headers, lines = secrets.split(
        (resource.channel.header if resource.channel else None) or [], secrets.unseal(known[0][1]) if known else {}
    )
    kept = _copy(resource, lines)
    if asker.account == SYSTEM.account:
        return kept
    kept.status, kept.error = "off" if resource.status == "off" else "requested", None
    if kept.status == "off" and not known:
        return kept
    ask = yield from _checked(asker, resource)
    sealed, beats = secrets.seal(headers), bool(ask.topic and ask.heartbeat)
    row = (kept.id, kept.status, ask.channel, pack(asker), r4.encode(kept), sealed, ask.ends, beats)
    yield Query(_KEEP, row)
    yield Query(_TELL, (kept.id,))
    return kept


def release(asker: Asker, id_: str) -> Step[None]:
    """A subscription ends with its resource. Raises Forbidden for another's."""
    known = yield Query(_KNOWN, (id_,))
    if known and not owners.same(unpack(known[0][0]), asker):
        message = "a subscription is deleted by the account that made it only"
        raise Forbidden(message)
    for sql in _FORGET:
        yield Query(sql, (id_,))
    yield Query(_TELL, (id_,))


def _copy(resource: r4.Subscription, headers: list[str]) -> r4.Subscription:
    """A copy whose meta is the given one's, so that who wrote it learns version and time."""
    resource.meta = resource.meta or r4.Meta()
    channel = resource.channel and msgspec.structs.replace(resource.channel, header=list(headers) or None)
    return msgspec.structs.replace(resource, channel=channel)


def _checked(asker: Asker, resource: r4.Subscription) -> Step[wanted.Wanted]:
    """What is asked for, if the asker may."""
    ask = wanted.read(resource, (yield from topics.known()))
    if ask.ends is not None and ask.ends <= datetime.now(UTC) and resource.status != "off":
        raise Unprocessable(issues=[Issue("error", "value", "the end has passed", "Subscription.end")])
    if ask.channel == "rest-hook":
        reach.check_address(ask.endpoint)
    for type_, conditions in ask.filters.items():
        permits.allow(asker, "r", type_)
        if ask.chained and asker.is_granular:
            message = "a chained search is not possible with scopes that have a query"
            raise Forbidden(message)
        if conditions:
            yield from _tried(replace(asker, scopes=asker.scopes | {f"system/{type_}.s"}), type_, conditions)
    return ask


def _tried(asker: Asker, type_: str, conditions: tuple[object, ...]) -> Step[None]:
    """Ask the search once, so that what cannot be asked is refused now and not when something changes."""
    try:
        search = Search((type_,), conditions)  # type: ignore[arg-type]
        yield from searching.matching(asker, search, 1)
    except RecordError as error:
        raise error.inside("Subscription.criteria") if not isinstance(error, Forbidden) else error from error
