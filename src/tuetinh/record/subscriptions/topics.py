"""Topics: which changes are events (SubscriptionTopic of FHIR R5, carried in R4 as the backport does).

Some ship in `data/topics.json`. More are stored as Basic with the code SubscriptionTopic, whose extensions
`…/extension-SubscriptionTopic.x` stand for the elements of R5; such a one hides one that ships under the same url.
This module is also the guard of Basic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Forbidden, Issue, Unprocessable
from tuetinh.record.fhirpath import Expression, FHIRPathError
from tuetinh.record.hashes import token_hash
from tuetinh.record.search.params import params
from tuetinh.record.search.parse import Include, Search, parse
from tuetinh.record.steps import Query, Step

DATA = Path(__file__).parent / "data" / "topics.json"
SYSTEM, CODE = "http://hl7.org/fhir/fhir-types", "SubscriptionTopic"
EXTENSION = "/StructureDefinition/extension-SubscriptionTopic."
TYPE = "http://hl7.org/fhir/StructureDefinition/"
REPEATED = frozenset({"supportedInteraction", "modifier", "comparator", "include", "revInclude"})
INTERACTIONS = ("create", "update", "delete")

_MODIFIED = re.compile(r":[a-z-]+$|:[A-Z][A-Za-z]+$")
_COMPARED = re.compile(r"([a-z]{2})(?=[0-9+\-.])")
_STORED = 'SELECT body FROM record."Basic" WHERE NOT deleted AND tokens @> ARRAY[%s]::bigint[]'


@dataclass(frozen=True)
class Trigger:
    """One way in which the topic happens: SubscriptionTopic.resourceTrigger.

    without_previous, without_current: what the criteria say of what is not there (a create, a delete).
    """

    type: str
    interactions: frozenset[str]
    previous: Search | None = None
    current: Search | None = None
    without_previous: bool = True
    without_current: bool = False
    both: bool = False
    expression: Expression | None = None

    @property
    def looks_back(self) -> bool:
        """Whether it needs the version before."""
        return self.previous is not None or self.expression is not None or "delete" in self.interactions


@dataclass(frozen=True)
class Filter:
    """A parameter by which subscriptions may narrow the topic: SubscriptionTopic.canFilterBy.

    type: resource type, "" for each of the topic's. allows: modifiers and comparators beside plain equality.
    """

    type: str
    name: str
    allows: frozenset[str]


Shapes = Mapping[str, tuple[Include, ...]]
"""By resource type of the focus, what comes along with an event: SubscriptionTopic.notificationShape."""


@dataclass(frozen=True)
class Topic:
    """A topic by its canonical url.

    id: of its Basic, "" where it ships. filters: None where the topic does not say, and any search may narrow it.
    """

    url: str
    title: str
    triggers: tuple[Trigger, ...]
    id: str = ""
    filters: tuple[Filter, ...] | None = None
    shapes: Shapes = field(default_factory=dict)

    @property
    def types(self) -> tuple[str, ...]:
        """Resource types that may be the focus of an event."""
        return tuple(dict.fromkeys(trigger.type for trigger in self.triggers))

    def refusal(self, type_: str, name: str, values: str) -> str:
        """Why a subscription may not narrow the topic by a parameter, "" if it may."""
        if self.filters is None:
            return ""
        is_bare = name.startswith("_has:") or not _MODIFIED.search(name)
        bare, _, modifier = (name, "", "") if is_bare else name.rpartition(":")
        mine = [one for one in self.filters if one.name == bare and one.type in ("", type_)]
        if not mine:
            can = ", ".join(dict.fromkeys(one.name for one in self.filters if one.type in ("", type_))) or "nothing"
            return f"the topic is not filtered by {bare[:80]!r} of {type_}, but by {can}"
        used = {modifier} - {""}
        param = params(type_).get(bare)
        if param is not None and param.type in ("date", "number", "quantity"):
            used |= {match[1] for value in values.split(",") if (match := _COMPARED.match(value))} - {"eq"}
        if missing := used - set().union(*(one.allows for one in mine)):
            return f"the topic does not allow {min(missing)[:40]!r} with {bare!r}"
        return ""


def known() -> Step[dict[str, Topic]]:
    """All topics by their urls."""
    found = dict(shipped())
    rows = yield Query(_STORED, (token_hash("code", SYSTEM, CODE),))
    for (body,) in rows:
        basic = r4.decode(bytes(body))
        if isinstance(basic, r4.Basic) and is_in_use(basic):
            topic = read(basic)
            found[topic.url] = topic
    return found


@cache
def shipped() -> dict[str, Topic]:
    """The topics that come with the house."""
    entries = msgspec.json.decode(DATA.read_bytes())
    return {entry["url"]: _topic(entry, "") for entry in entries}


def is_topic(basic: r4.Basic) -> bool:
    """Whether a Basic stands for a SubscriptionTopic."""
    codings = (basic.code.coding or []) if basic.code else []
    return any((coding.system, coding.code) == (SYSTEM, CODE) for coding in codings)


def is_in_use(basic: r4.Basic) -> bool:
    """Whether a Basic stands for a topic that one may subscribe to: it is active, or says nothing of its status."""
    status = next(
        (_value(one) for one in basic.extension or [] if (one.url or "").endswith(f"{EXTENSION}status")), None
    )
    return is_topic(basic) and status in (None, "active")


def read(basic: r4.Basic) -> Topic:
    """The topic that a Basic stands for. Raises Unprocessable naming what is missing or not understood."""
    elements: dict[str, Any] = {}
    for extension in basic.extension or []:
        _, found, name = (extension.url or "").partition(EXTENSION)
        if found and name in ("resourceTrigger", "canFilterBy", "notificationShape"):
            elements.setdefault(name, []).append(_parts(extension))
        elif found:
            elements[name] = _value(extension)
    return _topic(elements, str(basic.id or ""))


def _parts(extension: r4.Extension) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in extension.extension or []:
        name = part.url or ""
        value = _parts(part) if part.extension else _value(part)
        if name in REPEATED:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _value(extension: r4.Extension) -> Any:
    fields = (name for name in extension.__struct_fields__ if name.startswith("value") and not name.endswith("_ext"))
    return next((value for name in fields if (value := getattr(extension, name)) is not None), None)


def _topic(elements: dict[str, Any], id_: str) -> Topic:
    url, triggers = elements.get("url"), elements.get("resourceTrigger", [])
    if not isinstance(url, str) or "|" in url:
        raise _wrong("url", "a topic needs its canonical url, without version")
    if not triggers:
        raise _wrong("resourceTrigger", "a topic needs a trigger")
    title = elements.get("title") or elements.get("name") or url
    made = tuple(_trigger(one) for one in triggers)
    types = [trigger.type for trigger in made]
    filters = [_filter(one, types) for one in elements["canFilterBy"]] if elements.get("canFilterBy") else None
    shapes = dict(_shape(one, types) for one in elements.get("notificationShape", []))
    return Topic(url, str(title), made, id_, None if filters is None else tuple(filters), shapes)


def _filter(entry: dict[str, Any], types: Sequence[str]) -> Filter:
    type_ = str(entry.get("resource", "")).removeprefix(TYPE)
    if type_ and type_ not in types:
        raise _wrong("canFilterBy.resource", f"{type_[:80]!r} is of no trigger of the topic")
    name, definition = entry.get("filterParameter"), entry.get("filterDefinition")
    if name is None and definition is not None:
        among = (param for one in ([type_] if type_ else types) for param in params(one).values())
        name = next((param.code for param in among if param.url == definition), None)
    if not name:
        raise _wrong("canFilterBy.filterParameter", "a filter needs a search parameter that is known here")
    allows = frozenset(str(one) for key in ("modifier", "comparator") for one in entry.get(key, []))
    return Filter(type_, str(name), allows)


def _shape(entry: dict[str, Any], types: Sequence[str]) -> tuple[str, tuple[Include, ...]]:
    type_ = str(entry.get("resource", "")).removeprefix(TYPE)
    if type_ not in types:
        raise _wrong("notificationShape.resource", f"{type_[:80]!r} is of no trigger of the topic")
    pairs = [(f"_{key.lower()}", str(text)) for key in ("include", "revInclude") for text in entry.get(key, [])]
    search, problems = parse(type_, pairs)
    if wrong := [problem for problem in problems if problem.severity == "error"]:
        raise _wrong("notificationShape", wrong[0].message)
    return type_, search.includes


def _trigger(entry: dict[str, Any]) -> Trigger:
    type_ = str(entry.get("resource", "")).removeprefix(TYPE)
    if type_ not in r4.RESOURCES:
        raise _wrong("resourceTrigger.resource", f"there is no resource type {type_[:80]!r}")
    interactions = frozenset(entry.get("supportedInteraction") or INTERACTIONS)
    if unknown := interactions - set(INTERACTIONS):
        raise _wrong("resourceTrigger.supportedInteraction", f"{min(map(str, unknown))[:40]!r} is no interaction here")
    query, path = entry.get("queryCriteria") or {}, entry.get("fhirPathCriteria")
    return Trigger(
        type_,
        interactions,
        _search(type_, query, "previous"),
        _search(type_, query, "current"),
        query.get("resultForCreate", "test-passes") == "test-passes",
        query.get("resultForDelete", "test-fails") == "test-passes",
        query.get("requireBoth") is True,
        None if query or not path else _expression(str(path)),
    )


def _search(type_: str, query: dict[str, Any], name: str) -> Search | None:
    text = query.get(name)
    if text is None:
        return None
    search, problems = parse(type_, str(text).removeprefix(type_ + "?"))
    if wrong := [problem for problem in problems if problem.severity == "error"]:
        raise _wrong(f"resourceTrigger.queryCriteria.{name}", wrong[0].message)
    return search


def _expression(text: str) -> Expression:
    try:
        return Expression(text)
    except FHIRPathError as error:
        raise _wrong("resourceTrigger.fhirPathCriteria", str(error)[:200]) from None


def _wrong(name: str, text: str) -> Unprocessable:
    return Unprocessable(issues=[Issue("error", "invalid", text, f"Basic.extension('{EXTENSION[1:]}{name}')")])


def admit(asker: Asker, basic: r4.Resource) -> Step[r4.Resource]:
    """Refuse a topic that cannot be read; one in use is an administrator's. Raises Unprocessable, Forbidden."""
    if isinstance(basic, r4.Basic):
        if is_topic(basic):
            read(basic)
        if is_in_use(basic):
            _administers(asker)
        elif basic.id:
            yield from release(asker, basic.id)
    return basic


def release(asker: Asker, id_: str) -> Step[None]:
    """Topics may go; subscriptions to one that is gone have no more events. Raises Forbidden for one in use."""
    if not asker.administers:
        for (body,) in (
            yield Query(f"{_STORED} AND type = 'Basic' AND id = %s", (token_hash("code", SYSTEM, CODE), id_))
        ):
            before = r4.decode(bytes(body))
            if isinstance(before, r4.Basic) and is_in_use(before):
                _administers(asker)


def _administers(asker: Asker) -> None:
    if not asker.administers:
        text = "a topic in use is for everybody: store it as draft, or with a scope of the level system"
        raise Forbidden(issues=[Issue("error", "forbidden", text, f"Basic.extension('{EXTENSION[1:]}status')")])
