"""What a Subscription asks for, read from the resource: R4's own form, and the topic-based one of the backport."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tuetinh.record import r4
from tuetinh.record.errors import Issue, Unprocessable
from tuetinh.record.search.conditions import Condition
from tuetinh.record.search.parse import parse
from tuetinh.record.subscriptions.topics import Shapes, Topic

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
CHANNELS = ("rest-hook", "websocket", "email")
JSON, XML = ("application/fhir+json", "application/json"), ("application/fhir+xml", "application/xml")
CONTENTS = ("empty", "id-only", "full-resource")
TIMEOUT, LONGEST = 20, 120  # seconds in which a receiver must have answered
COUNT, MOST = 20, 200  # events of one notification
SHORTEST_BEAT = 5  # seconds
MOST_FILTERS = 10

_CRITERIA = re.compile(r"/?(?P<type>[A-Z][A-Za-z]+)(?:\?(?P<query>.*))?", re.DOTALL)
_MAIL = re.compile(r"mailto:[^\s@<>,;:\"?]+@[^\s@<>,;:\"?]+")


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    topic: canonical url, "" in R4's own form. filters: for each resource type that may be told of, conditions that must
    all hold. payload: media type, "" for none. content: of `CONTENTS`; in R4's own form a payload is the resource.
    heartbeat: seconds, 0 for none. timeout: seconds. count: events of one notification at most. ends: when to stop.
    shapes: what comes along, as the topic says.
    """

    topic: str
    filters: Mapping[str, tuple[Condition, ...]]
    chained: bool
    channel: str
    endpoint: str
    payload: str
    content: str
    heartbeat: int
    timeout: int
    count: int
    ends: datetime | None
    shapes: Shapes = field(default_factory=dict)

    @property
    def context(self) -> Shapes:
        """What comes along with an event by the topic's shapes: nothing where nothing is told of the event itself."""
        return {} if self.content == "empty" else self.shapes


def read(resource: r4.Subscription, topics: Mapping[str, Topic]) -> Wanted:
    """Read the resource. Raises Unprocessable with the place of what cannot be done."""
    channel = resource.channel or r4.SubscriptionChannel()
    kind = channel.type or ""
    if kind not in CHANNELS or _extension(channel.type_ext, "backport-channel-type") is not None:
        raise _wrong("channel.type", f"the channel must be one of {', '.join(CHANNELS)}")
    endpoint = channel.endpoint or ""
    _check_endpoint(kind, endpoint)
    content = _extension(channel.payload_ext, "backport-payload-content")
    topic, filters, chained = _criteria(resource, topics, backport=content is not None)
    if content is None:
        content = "full-resource" if channel.payload else "empty"
    elif content not in CONTENTS:
        raise _wrong("channel.payload.extension", f"the content must be one of {', '.join(CONTENTS)}")
    said = (channel.payload or "").lower().replace(" ", "")
    # A mail's text has a type of its own: text/plain;attach=application/fhir+json (backport, channels, Email).
    payload = said.partition("attach=")[2] if kind == "email" and "attach=" in said else said.partition(";")[0]
    payload = payload or (JSON[0] if topic else "")
    if payload and payload not in JSON + XML and not (kind == "email" and payload.startswith("text/")):
        raise _wrong("channel.payload", f"{payload[:80]!r} cannot be sent; {', '.join(JSON + XML)} can")
    return Wanted(
        topic,
        filters,
        chained,
        kind,
        endpoint,
        payload,
        content,
        _number(channel, "backport-heartbeat-period", 0, SHORTEST_BEAT, 10**9),
        _number(channel, "backport-timeout", TIMEOUT, 1, LONGEST),
        _number(channel, "backport-max-count", COUNT, 1, MOST),
        datetime.fromisoformat(resource.end) if resource.end else None,
        topics[topic].shapes if topic else {},
    )


def _check_endpoint(kind: str, endpoint: str) -> None:
    if kind == "websocket":
        return
    if kind == "email":
        if not _MAIL.fullmatch(endpoint):
            raise _wrong("channel.endpoint", "a mail goes to mailto: and one address")
        return
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        good = None
    if not good or parts.username is not None or parts.fragment or not endpoint.isprintable():
        raise _wrong("channel.endpoint", "the receiver must be an address such as https://example.org/notify")


def _criteria(
    resource: r4.Subscription, topics: Mapping[str, Topic], *, backport: bool
) -> tuple[str, dict[str, tuple[Condition, ...]], bool]:
    """Topic, filters by type, and whether a filter leads beyond the resource."""
    text = resource.criteria or ""
    match = _CRITERIA.fullmatch(text)
    if match and match["type"] in r4.RESOURCES:
        conditions, chained = _conditions(match["type"], match["query"] or "", "criteria")
        return "", {match["type"]: conditions}, chained
    topic = topics.get(text.partition("|")[0])
    if topic is None:
        raise _wrong("criteria", f"{text[:200]!r} is neither a search, such as Observation?code=…, nor a topic")
    if not backport:
        raise _wrong("channel.payload", "a topic-based subscription needs the extension backport-payload-content")
    filters: dict[str, tuple[Condition, ...]] = dict.fromkeys(topic.types, ())
    chained = False
    extensions = (resource.criteria_ext.extension if resource.criteria_ext else None) or []
    given = [one.valueString or "" for one in extensions if one.url == f"{BACKPORT}backport-filter-criteria"]
    if len(given) > MOST_FILTERS:
        raise _wrong("criteria.extension", f"at most {MOST_FILTERS} filters are taken")
    for one in given:
        match = _CRITERIA.fullmatch(one)
        type_ = match["type"] if match else ""
        if type_ not in filters:
            raise _wrong("criteria.extension", f"{one[:200]!r} is no filter on {' or '.join(filters)}")
        query = match["query"] or "" if match else ""
        for name, value in parse_qsl(query):
            if why := topic.refusal(type_, name, value):
                raise _wrong("criteria.extension", why)
        conditions, beyond = _conditions(type_, query, "criteria.extension")
        filters[type_], chained = (*filters[type_], *conditions), chained or beyond
    return topic.url, filters, chained


def _conditions(type_: str, query: str, place: str) -> tuple[tuple[Condition, ...], bool]:
    search, problems = parse(type_, query)
    if wrong := [problem for problem in problems if problem.severity == "error"]:
        raise Unprocessable(issues=[Issue("error", p.code, p.message, f"Subscription.{place}") for p in wrong])
    return search.conditions, search.is_chained


def _extension(element: r4.Element | None, name: str) -> Any:
    for one in (element.extension if element is not None else None) or []:
        if one.url == BACKPORT + name:
            values = (one.valueCode, one.valueUnsignedInt, one.valuePositiveInt, one.valueCoding)
            return next((value for value in values if value is not None), None)
    return None


def _number(channel: r4.SubscriptionChannel, name: str, default: int, least: int, most: int) -> int:
    value = _extension(channel, name)
    if value is None:
        return default
    if not isinstance(value, int) or value == 0:
        return default
    return min(max(value, least), most)


def _wrong(place: str, text: str) -> Unprocessable:
    return Unprocessable(issues=[Issue("error", "not-supported", text, f"Subscription.{place}")])
