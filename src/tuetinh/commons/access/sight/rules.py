"""What each role sees of the record: shipped with the role, changed by administrators, made into a `Sight`.

A facility's own rule can only be stricter than the province's. Rules are believed for a few seconds, as tokens are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import psycopg

from tuetinh.commons.access.roles import CONFORMANCE, CROSSING, IMPERSONAL, ROLES
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.labels import BITS
from tuetinh.record.sight import ALL_LABELS, EVERYTHING, NOTHING, Sight
from tuetinh.record.steps import Query, Row, Step, arun, run

KEEP: Final = 4.0  # seconds
AFTER_DAYS: Final = 30
OPEN: Final = "Patient"
"""People by name: seen whole also by who sees by relation only, or a second record would be begun."""
COLUMNS: Final = "role, facility, by_relation, whole, labels, own_labels, purpose, after_days, glass_hours"
_IMPERSONAL: Final = frozenset(IMPERSONAL.split())
_ALL: Final = f"SELECT {COLUMNS} FROM access_sightrule"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a role sees, in the terms of `models.SightRule`."""

    by_relation: bool = True
    whole: frozenset[str] = frozenset(OPEN.split())
    labels: frozenset[str] = frozenset()
    own_labels: frozenset[str] = frozenset()
    purpose: str = ""
    after_days: int = AFTER_DAYS
    glass_hours: int = 0

    def within(self, other: Rule) -> Rule:
        """The stricter of both in everything; the purpose is the other's."""
        return Rule(
            self.by_relation or other.by_relation,
            self.whole & other.whole,
            self.labels & other.labels,
            self.own_labels & other.own_labels,
            other.purpose,
            min(self.after_days, other.after_days),
            min(self.glass_hours, other.glass_hours),
        )


def shipped(role: str) -> Rule:
    """The rule of a role until an administrator makes another."""
    known = ROLES[role]
    return Rule(
        whole=frozenset(known.whole.split()),
        labels=frozenset(known.labels.split()),
        own_labels=frozenset(known.own_labels.split()),
        purpose=known.purpose,
        glass_hours=known.glass,
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that were made, by role and facility."""

    made: Mapping[tuple[str, str], Rule]

    def of(self, role: str, facility: str) -> Rule:
        """The rule that holds for a role at a facility; of the province for ""."""
        province = self.made.get((role, "")) or shipped(role)
        own = self.made.get((role, facility)) if facility else None
        return own.within(province) if own else province

    def told(self, asker: Asker) -> Asker:
        """The asker of an account with what it sees, and what for."""
        role = ROLES[asker.role]
        if role.level == "patient":
            return replace(asker, purpose=role.purpose, sight=Sight(whole=" ".join(role.types), labels=ALL_LABELS))
        rule = self.of(asker.role, asker.facility)
        sight = replace(
            _sight(rule, role.types, asker),
            elsewhere=role.elsewhere(asker.facility),
            closed=role.closed(asker.facility),
        )
        return replace(asker, purpose=rule.purpose or role.purpose, sight=sight)


def _sight(rule: Rule, types: tuple[str, ...], asker: Asker) -> Sight:
    if not types:
        return NOTHING
    whole: tuple[str, ...] = types
    related: tuple[str, ...] = ()
    if rule.by_relation:
        open_ = rule.whole | _IMPERSONAL
        whole = tuple(sorted(open_ if types == ("*",) else open_ & set(types)))
        related = types if types == ("*",) else tuple(one for one in types if one not in open_)
    return Sight(
        whole=" ".join(whole),
        related=" ".join(related),
        holders=holders(asker.account, asker.facility, asker.practitioner),
        labels=_bits(rule.labels),
        after=rule.after_days,
        here=_bits(rule.own_labels),
    )


def _bits(labels: frozenset[str]) -> int:
    return sum(BITS[label] for label in labels if label in BITS)


def of_system(facility: str) -> Sight:
    """What a connected system sees: one of the province everything, one of a facility what concerns the facility."""
    if not facility:
        return EVERYTHING
    return Sight(
        whole=IMPERSONAL,
        related="*",
        holders=holders("", facility, ""),
        labels=sum(BITS.values()),
        after=AFTER_DAYS,
        elsewhere=CROSSING,
        closed=CONFORMANCE,
    )


def holders(account: str, facility: str, practitioner: str) -> tuple[str, ...]:
    """Names under which relations to an account are kept."""
    named = (("Account", account), ("Organization", facility), ("Practitioner", practitioner))
    return tuple(f"{kind}/{id_}" for kind, id_ in named if id_)


_kept: tuple[float, Rules] | None = None


def now() -> Rules:
    """The rules, asked on Django's connection."""
    known = _fresh()
    return run(SYSTEM, step()) if known is None else known


async def now_on(conn: psycopg.AsyncConnection[Row]) -> Rules:
    """The rules, asked on an asynchronous connection."""
    known = _fresh()
    return await arun(step(), conn) if known is None else known


def step() -> Step[Rules]:
    """The rules, as a step."""
    global _kept  # noqa: PLW0603 - one answer for the process
    if known := _fresh():
        return known
    rows = yield Query(_ALL)
    rules = Rules({(row[0], row[1]): read(row) for row in rows})
    _kept = (time.monotonic() + KEEP, rules)
    return rules


def forget() -> None:
    """Believe the rules no longer: they were changed."""
    global _kept  # noqa: PLW0603
    _kept = None


def _fresh() -> Rules | None:
    kept = _kept
    return kept[1] if kept and kept[0] > time.monotonic() else None


def read(row: Row) -> Rule:
    """A rule from its row in `COLUMNS`."""
    _, _, by_relation, *texts, purpose, after_days, glass_hours = row
    whole, labels, own_labels = (frozenset(text.split()) for text in texts)
    return Rule(by_relation, whole, labels, own_labels, purpose, after_days, glass_hours)
