"""Notifications as the backport has them in R4: a Bundle of type history, its first entry the status as Parameters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from tuetinh.record import r4, versioning
from tuetinh.record.subscriptions.tables import Event, Kept, Seen
from tuetinh.record.subscriptions.wanted import BACKPORT, Wanted

STATUS_PROFILE = f"{BACKPORT}backport-subscription-status-r4"
PROFILE = f"{BACKPORT}backport-subscription-notification-r4"
METHODS = {"create": ("POST", "201"), "update": ("PUT", "200"), "delete": ("DELETE", "204")}


class Beside(NamedTuple):
    """A resource that comes along with an event, as it is now."""

    type: str
    id: str
    updated: datetime
    patient: str | None
    body: bytes

    @property
    def name(self) -> str:
        """As a relative reference."""
        return f"{self.type}/{self.id}"


class Told(NamedTuple):
    """An event with the version that it is about, and what comes along, all of which its owner may see."""

    event: Event
    seen: Seen
    beside: tuple[Beside, ...] = ()

    @property
    def name(self) -> str:
        """The focus as a relative reference."""
        return f"{self.event.type}/{self.event.id}"

    @property
    def names(self) -> list[tuple[str, str, str | None]]:
        """Type, id and patient of all resources, for the access log."""
        own = (self.event.type, self.event.id, self.seen.patient)
        return [own, *((one.type, one.id, one.patient) for one in self.beside)]


def status(
    kept: Kept, wanted: Wanted, kind: str, base: str, *, told: Sequence[Told] = (), content: str = ""
) -> r4.Parameters:
    """SubscriptionStatus. kind: `handshake`, `heartbeat`, `event-notification`, `query-status` or `query-event`."""
    content = content or wanted.content
    parts = [
        r4.ParametersParameter(
            name="subscription", valueReference=r4.Reference(reference=f"{base}/Subscription/{kept.id}")
        ),
        r4.ParametersParameter(name="status", valueCode=kept.status),
        r4.ParametersParameter(name="type", valueCode=kind),
        r4.ParametersParameter(name="events-since-subscription-start", valueString=str(kept.events)),
    ]
    if wanted.topic and content != "empty":
        parts.insert(1, r4.ParametersParameter(name="topic", valueCanonical=wanted.topic))
    for one in told:
        parts.append(r4.ParametersParameter(name="notification-event", part=_event(one, base, content)))
    if kept.error:
        parts.append(r4.ParametersParameter(name="error", valueCodeableConcept=r4.CodeableConcept(text=kept.error)))
    return r4.Parameters(id=versioning.new_id(), meta=r4.Meta(profile=[STATUS_PROFILE]), parameter=parts)


def _event(told: Told, base: str, content: str) -> list[r4.ParametersParameter]:
    parts = [
        r4.ParametersParameter(name="event-number", valueString=str(told.event.number)),
        r4.ParametersParameter(name="timestamp", valueInstant=versioning.instant(told.event.at)),
    ]
    if content != "empty":
        focus = r4.Reference(reference=f"{base}/{told.name}")
        parts.append(r4.ParametersParameter(name="focus", valueReference=focus))
        for one in told.beside:
            context = r4.Reference(reference=f"{base}/{one.name}")
            parts.append(r4.ParametersParameter(name="additional-context", valueReference=context))
    return parts


def bundle(kept: Kept, wanted: Wanted, kind: str, base: str, *, told: Sequence[Told] = (), content: str = "") -> bytes:
    """A notification as JSON."""
    content = content or wanted.content
    first = status(kept, wanted, kind, base, told=told, content=content)
    entries = [
        msgspec.json.encode(
            {
                "fullUrl": f"urn:uuid:{first.id}",
                "resource": msgspec.Raw(r4.encode(first)),
                "request": {"method": "GET", "url": f"{base}/Subscription/{kept.id}/$status"},
                "response": {"status": "200"},
            }
        )
    ]
    if content != "empty":
        entries += [_entry(one, base, full=content == "full-resource") for one in told]
        beside = {one.name: one for each in told for one in each.beside}
        entries += [_beside(one, base, full=content == "full-resource") for one in beside.values()]
    head = msgspec.json.encode(
        {
            "resourceType": "Bundle",
            "id": versioning.new_id(),
            "meta": {"profile": [PROFILE]},
            "type": "history",
            "timestamp": versioning.instant(datetime.now(UTC)),
        }
    )[:-1]
    return head + b',"entry":[' + b",".join(entries) + b"]}"


def _entry(told: Told, base: str, *, full: bool) -> bytes:
    method, code = METHODS[told.event.change]
    address = f"{base}/{told.name}"
    entry: dict[str, object] = {"fullUrl": address}
    if full and told.seen.body is not None:
        entry["resource"] = msgspec.Raw(told.seen.body)
    entry["request"] = {"method": method, "url": told.event.type if method == "POST" else told.name}
    entry["response"] = {"status": code, "lastModified": versioning.instant(told.event.at)}
    return msgspec.json.encode(entry)


def _beside(one: Beside, base: str, *, full: bool) -> bytes:
    entry: dict[str, object] = {"fullUrl": f"{base}/{one.name}"}
    if full:
        entry["resource"] = msgspec.Raw(one.body)
    entry["request"] = {"method": "GET", "url": one.name}
    entry["response"] = {"status": "200", "lastModified": versioning.instant(one.updated)}
    return msgspec.json.encode(entry)
