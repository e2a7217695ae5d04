"""`Subscription/$status`, `$events`, `$get-ws-binding-token` (Subscriptions R5 Backport, operations)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tuetinh.record import bundling, r4, versioning
from tuetinh.record.errors import BadRequest, Forbidden, NotFound
from tuetinh.record.operations.declare import Asked, Operation, Out, Param, Reply
from tuetinh.record.steps import Query, Step
from tuetinh.record.subscriptions import couriers, notification, owners, sockets, tables, tokens, topics, wanted
from tuetinh.record.subscriptions.tables import Kept
from tuetinh.record.subscriptions.wanted import CONTENTS

CORE = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-"
MOST = 1000
MOST_EVENTS = 200

_MINE = f"""SELECT {tables.COLUMNS} FROM record.subscription
WHERE owner->>'account' = %s AND owner->>'client' = %s AND owner->>'patient' IS NOT DISTINCT FROM %s
ORDER BY id LIMIT {MOST}"""


def status(asked: Asked) -> Step[Reply]:
    """How subscriptions of the asker are: a searchset with one status each."""
    kinds = set(asked.many("status"))
    known = yield from topics.known()
    entries = []
    for kept in (yield from _asked_for(asked)):
        if not kinds or asked.id or kept.status in kinds:
            made = notification.status(kept, wanted.read(kept.subscription, known), "query-status", asked.base)
            one = versioning.Stored("Parameters", str(made.id), 1, datetime.now(UTC), None, r4.encode(made))
            entries.append(bundling.entry(one, asked.base))
    return Reply(bundling.bundle("searchset", entries, [("self", asked.path)], len(entries)))


def events(asked: Asked) -> Step[Reply]:
    """Events of a subscription by their numbers, as a notification; what the asker may not see now is left out."""
    (kept,) = yield from _asked_for(asked)
    since, until = _number(asked, "eventsSinceNumber", 1), _number(asked, "eventsUntilNumber", 2**62)
    content = asked.one("content") or ""
    if content and content not in CONTENTS:
        message = f"content is one of {', '.join(CONTENTS)}"
        raise BadRequest(message, "content")
    found = yield from tables.events(kept.id, since - 1, MOST_EVENTS, until)
    ask = wanted.read(kept.subscription, (yield from topics.known()))
    told, _ = yield from couriers.seen_by(asked.asker, found, ask.shapes if (content or ask.content) != "empty" else {})
    body = notification.bundle(kept, ask, "query-event", asked.base, told=told, content=content)
    return Reply(body, seen=[name for one in told for name in one.names])


def token(asked: Asked) -> Step[Reply]:
    """A token for the websocket."""
    found = [kept for kept in (yield from _asked_for(asked)) if kept.channel == "websocket"]
    if not found:
        message = "none of these subscriptions has a websocket"
        raise BadRequest(message, "id")
    expires = datetime.now(UTC) + timedelta(seconds=tokens.SECONDS)
    url = asked.base.replace("http", "ws", 1).removesuffix("/fhir") + sockets.PATH
    parts = [
        r4.ParametersParameter(name="token", valueString=tokens.write([kept.id for kept in found])),
        r4.ParametersParameter(name="expiration", valueDateTime=versioning.instant(expires)),
        *(r4.ParametersParameter(name="subscription", valueString=kept.id) for kept in found),
        r4.ParametersParameter(name="websocket-url", valueUrl=url),
    ]
    return Reply(r4.Parameters(parameter=parts))


def _asked_for(asked: Asked) -> Step[list[Kept]]:
    """The asker's own subscriptions: the one of the address, those that are named, or all of them."""
    ids = [asked.id] if asked.id else asked.many("id")
    if not ids:
        rows = yield Query(_MINE, (asked.asker.account, asked.asker.client, asked.asker.patient))
        return [Kept(*row) for row in rows]
    if len(ids) > MOST:
        message = f"at most {MOST} subscriptions are looked at"
        raise BadRequest(message, "id")
    found = []
    for id_ in dict.fromkeys(ids):
        kept = yield from tables.one(id_)
        if kept is None:
            message = f"Subscription/{id_} is not known, or was never active"
            raise NotFound(message)
        if not owners.same(kept.asker, asked.asker):
            message = f"Subscription/{id_} is another account's"
            raise Forbidden(message)
        found.append(kept)
    return found


def _number(asked: Asked, name: str, default: int) -> int:
    text = asked.one(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        message = f"{name} must be the number of an event"
        raise BadRequest(message, name)
    return int(text)


_TYPES = frozenset({"Subscription"})
_ID = Param("id", "id", max=None)
OPERATIONS = (
    Operation(
        "status",
        CORE + "status",
        ("type", "instance"),
        status,
        types=_TYPES,
        params=(_ID, Param("status", "code", max=None)),
        out=(Out("return", "Bundle", 1),),
    ),
    Operation(
        "events",
        CORE + "events",
        ("instance",),
        events,
        types=_TYPES,
        params=(Param("eventsSinceNumber", "string"), Param("eventsUntilNumber", "string"), Param("content", "code")),
        out=(Out("return", "Bundle", 1),),
    ),
    Operation(
        "get-ws-binding-token",
        CORE + "get-ws-binding-token",
        ("type", "instance"),
        token,
        types=_TYPES,
        params=(_ID,),
        out=(
            Out("token", "string", 1),
            Out("expiration", "dateTime", 1),
            Out("subscription", "string", max=None),
            Out("websocket-url", "url", 1),
        ),
    ),
)
