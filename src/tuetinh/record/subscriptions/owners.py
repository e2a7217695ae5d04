"""Who owns a subscription, kept as it asked then, and what it may do now."""

from __future__ import annotations

from collections.abc import Callable

from tuetinh.record import granular
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import Step

Resolve = Callable[[Asker], Step[Asker | None]]

HOUSE = Asker("subscriptions", "system", "", "HOPERAT", frozenset({"system/Subscription.cruds"}), sight=EVERYTHING)
"""The house when it changes the status of a subscription."""


def same(one: Asker, other: Asker) -> bool:
    """Whether they are the same account through the same app, for the same patient where it is bound to one."""
    return (one.account, one.client, one.patient) == (other.account, other.client, other.patient)


def _nobody(owner: Asker) -> Step[Asker | None]:
    """Without accounts nobody may do anything any more."""
    return owner if owner is SYSTEM else None
    yield


_resolve: list[Resolve] = [_nobody]


def register(resolve: Resolve) -> None:
    """Tell how an owner's present rights are found: a step that returns the asker with them, None for nobody."""
    _resolve[0] = resolve


def now(owner: Asker) -> Step[Asker | None]:
    """The owner with the rights it has now, within those that it had when it wrote the subscription."""
    found = yield from _resolve[0](owner)
    if found is not None:
        yield from granular.ready(found.scopes)
    return found
