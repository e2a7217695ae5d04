"""Who owns a subscription, kept as it asked then, and what it may do now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import Step

Resolve = Callable[[Asker], Step[Asker | None]]

HOUSE = Asker("subscriptions", "system", "", "HOPERAT", frozenset({"system/Subscription.cruds"}))
"""The house when it changes the status of a subscription."""


def pack(asker: Asker) -> str:
    """The asker as JSON."""
    fields = {name: getattr(asker, name) for name in asker.__dataclass_fields__}
    return msgspec.json.encode(fields | {"scopes": sorted(asker.scopes)}).decode()


def unpack(owner: dict[str, Any] | str) -> Asker:
    """The asker as it was then. JSON comes as text on Django's connection."""
    if isinstance(owner, str):
        owner = msgspec.json.decode(owner, type=dict[str, Any])
    return Asker(**{**owner, "scopes": frozenset(owner["scopes"])})


def same(one: Asker, other: Asker) -> bool:
    """Whether they are the same account through the same app."""
    return (one.account, one.client) == (other.account, other.client)


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
    return (yield from _resolve[0](owner))
