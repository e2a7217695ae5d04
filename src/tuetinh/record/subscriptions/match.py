"""Which subscriptions a change is an event of.

A change is looked at once, whatever the number of subscriptions: its entries in the search index are made, and the
subscriptions whose criteria name one of its tokens are looked up by these. Only they, and those that name no token, are
compared with it in memory; only conditions that lead beyond the resource ask the database.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg

from tuetinh.record import granular, permits, r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import RecordError
from tuetinh.record.fhirpath import FHIRPathError, root
from tuetinh.record.search import index
from tuetinh.record.search import run as searching
from tuetinh.record.search.conditions import AllOf, AnyOf, Condition, Has, Ids, Linked, NoneOf, Tokens
from tuetinh.record.search.expressions import walk
from tuetinh.record.search.holds import Facts, holds, is_plain
from tuetinh.record.search.parse import Search
from tuetinh.record.search.resolve import contained, resolve
from tuetinh.record.steps import Step, through
from tuetinh.record.subscriptions.topics import Topic, Trigger
from tuetinh.record.subscriptions.wanted import Wanted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Version:
    """One version as it is matched."""

    facts: Facts
    patient: str | None
    resource: r4.Resource

    @staticmethod
    def of(type_: str, id_: str, updated: datetime, body: bytes) -> Version:
        """Take a stored version apart."""
        resource = r4.decode(body)
        _, patient = index.shard_of(resource)
        return Version(Facts(type_, id_, updated, index.extract(resource)), patient, resource)


@dataclass(frozen=True)
class Moment:
    """A change with the versions after and before it; None where there was none (or none that is needed)."""

    type: str
    change: str
    current: Version | None
    previous: Version | None

    @property
    def shown(self) -> Version | None:
        """The version that filters look at: of a deletion, what was deleted."""
        return self.current or self.previous


@dataclass(frozen=True)
class Interest:
    """One subscription, ready to be compared."""

    id: str
    owner: Asker
    wanted: Wanted

    def keys(self, type_: str) -> tuple[int, ...]:
        """Tokens of which every match has one; none where the conditions name none."""
        best: tuple[int, ...] = ()
        for condition in _flat(self.wanted.filters.get(type_, ())):
            if isinstance(condition, Tokens) and condition.hashes and not condition.negate:
                if condition.selective:
                    return condition.hashes
                best = best or condition.hashes
        return best

    def may_see(self, version: Version) -> bool:
        """Whether the owner might see it with what it was allowed when it subscribed."""
        type_ = version.facts.type
        return (
            self.owner.may_some("r", type_)
            and permits.sees(self.owner, version.patient)
            and granular.within(granular.clauses(self.owner.scopes, "r", type_), version.facts.found_by.tokens)
        )


def _flat(conditions: tuple[Condition, ...]) -> Iterator[Condition]:
    for condition in conditions:
        if isinstance(condition, AllOf):
            yield from _flat(condition.conditions)
        else:
            yield condition


@dataclass
class Group:
    """The subscriptions to one topic (or to none) on one resource type, by the tokens that they need."""

    keyed: dict[int, dict[str, Interest]] = field(default_factory=dict)
    rest: dict[str, Interest] = field(default_factory=dict)

    def places(self, interest: Interest, type_: str) -> list[dict[str, Interest]]:
        """Where a subscription stands."""
        return [self.keyed.setdefault(key, {}) for key in interest.keys(type_)] or [self.rest]

    def candidates(self, version: Version) -> dict[str, Interest]:
        """Those that may match."""
        found = dict(self.rest)
        if self.keyed:
            for token in version.facts.found_by.tokens:
                found |= self.keyed.get(token, {})
        return found


class Interests:
    """All subscriptions that are matched together."""

    def __init__(self, topics: Mapping[str, Topic]) -> None:
        self.groups: dict[str, dict[str, Group]] = {}  # by resource type, then by topic
        self._known: dict[str, Interest] = {}
        self.renew(topics)

    def renew(self, topics: Mapping[str, Topic]) -> None:
        """Forget all subscriptions, because the topics are others now."""
        self.topics = topics
        self.groups.clear()
        self._known.clear()

    def add(self, interest: Interest) -> None:
        """Take a subscription in, in the place of what was known of it."""
        self.remove(interest.id)
        self._known[interest.id] = interest
        for type_ in interest.wanted.filters:
            group = self.groups.setdefault(type_, {}).setdefault(interest.wanted.topic, Group())
            for place in group.places(interest, type_):
                place[interest.id] = interest

    def remove(self, id_: str) -> None:
        """Forget a subscription."""
        interest = self._known.pop(id_, None)
        if interest is not None:
            for type_ in interest.wanted.filters:
                for place in self.groups[type_][interest.wanted.topic].places(interest, type_):
                    place.pop(id_, None)

    def looks_back(self, type_: str) -> bool:
        """Whether the version before a change of the type is needed."""
        urls = self.groups.get(type_, {})
        return any(one.looks_back for url in urls if url in self.topics for one in self.topics[url].triggers)

    def of(self, moment: Moment) -> Step[list[Interest]]:
        """The subscriptions that the change is an event of."""
        found: list[Interest] = []
        shown = moment.shown
        if shown is None:
            return found
        for url, group in self.groups.get(moment.type, {}).items():
            if not _happens(self.topics.get(url), moment) if url else moment.change == "delete":
                continue
            for interest in group.candidates(shown).values():
                if interest.may_see(shown) and (yield from _matches(interest, shown)):
                    found.append(interest)
        return found


def _happens(topic: Topic | None, moment: Moment) -> bool:
    return topic is not None and any(_triggered(one, moment) for one in topic.triggers if one.type == moment.type)


def _triggered(trigger: Trigger, moment: Moment) -> bool:
    if moment.change not in trigger.interactions:
        return False
    if trigger.expression is not None:
        return _expressed(trigger, moment)
    answers = []
    if trigger.previous is not None:
        answers.append(_all_hold(trigger.previous, moment.previous, absent=trigger.without_previous))
    if trigger.current is not None:
        answers.append(_all_hold(trigger.current, moment.current, absent=trigger.without_current))
    return not answers or (all(answers) if trigger.both else any(answers))


def _all_hold(search: Search, version: Version | None, *, absent: bool) -> bool:
    if version is None:
        return absent
    return all(is_plain(one) and holds(one, version.facts) for one in search.conditions)


def _expressed(trigger: Trigger, moment: Moment) -> bool:
    variables: dict[str, Any] = {
        "current": root(moment.current.resource) if moment.current else [],
        "previous": root(moment.previous.resource) if moment.previous else [],
    }
    shown = moment.shown
    try:
        return bool(trigger.expression and shown and trigger.expression.holds(shown.resource, variables=variables))
    except FHIRPathError:
        return False


def _matches(interest: Interest, version: Version) -> Step[bool]:
    """Whether every filter holds; one that fails by itself is no match, and does not stop the others."""
    conditions = interest.wanted.filters[version.facts.type]
    try:
        if not all(holds(one, version.facts) for one in conditions if is_plain(one)):
            return False
        asker = replace(interest.owner, scopes=interest.owner.scopes | {f"system/{version.facts.type}.s"})
        for condition in conditions:
            if not is_plain(condition) and not (yield from through(asker, _beyond(asker, condition, version))):
                return False
    except (RecordError, ValueError, TypeError, ArithmeticError) as error:
        if isinstance(error, psycopg.Error):
            raise
        log.warning("subscription %s cannot be matched: %s", interest.id, type(error).__name__)
        return False
    return True


def _beyond(asker: Asker, condition: Condition, version: Version) -> Step[bool]:
    """Whether a condition holds that leads beyond the resource: asked of what this version refers to."""
    facts = version.facts
    if is_plain(condition):
        return holds(condition, facts)
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            answers = []
            for one in conditions:
                answers.append((yield from _beyond(asker, one, version)))
            return all(answers) if isinstance(condition, AllOf) else any(answers)
        case NoneOf(inner):
            return not (yield from _beyond(asker, inner, version))
        case Linked(param, targets):
            links = [walk([version.resource], leaf.hops) for leaf in param.leaves]
            names = [getattr(one, "reference", None) or "" for found in links for one in found]
            for type_, inner in targets:
                ids = tuple(n.split("/")[1] for n in names if n.startswith(f"{type_}/"))
                if ids and (yield from searching.matching(asker, Search((type_,), (Ids(ids), inner)), 1)):
                    return True
            contains = any(name.startswith("#") for name in names)
            return contains and holds((yield from contained(asker, condition)), facts)
        case Has():
            search = Search((facts.type,), (Ids((facts.id,)), condition))
            return bool((yield from searching.matching(asker, search, 1)))
    (resolved,) = yield from resolve(asker, (facts.type,), (condition,))
    return holds(resolved, facts)
