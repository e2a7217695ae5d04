"""What other modules may call: offer a decision support service, ask the ones of a hook.

A module registers its services when it gets ready (`AppConfig.ready`)::

    register(Service("allergy-check", "order-sign", "Dị ứng thuốc", "…", answer, prefetch={"patient": "Patient/{{…}}"}))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tuetinh.record.asker import Asker

__all__ = ["Call", "Card", "Service", "find", "register", "services"]

_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}")


@dataclass(frozen=True)
class Call:
    """One call of a service: what happened where (`context`), what was sent along, who is answered.

    prefetch: resources as JSON by the service's keys; one that the client had nothing for is None.
    """

    asker: Asker
    hook: str
    instance: str
    context: Mapping[str, Any]
    prefetch: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """Something to tell (CDS Hooks 2.0, "Card Attributes"). summary: one sentence of less than 140 characters.

    source: label of where it comes from, and its address. suggestions and links as the standard's JSON.
    """

    summary: str
    source: tuple[str, str | None]
    indicator: Literal["info", "warning", "critical"] = "info"
    detail: str = ""
    suggestions: Sequence[Mapping[str, Any]] = ()
    selection: Literal["", "at-most-one", "any"] = ""
    links: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for what a client need not show."""
        if not self.summary or len(self.summary) >= 140 or not self.source[0]:
            message = "a card has a summary of less than 140 characters and says where it comes from"
            raise ValueError(message)
        if self.suggestions and not self.selection:
            message = "suggestions need to say how many may be chosen"
            raise ValueError(message)


@dataclass(frozen=True)
class Service:
    """A service for one hook (CDS Hooks 2.0, "Discovery"): its card makers, and what it wants sent along.

    heard: takes what a client reports on the cards of this service ("Feedback"): the list, as the standard's JSON.
    """

    id: str
    hook: str
    title: str
    description: str
    answer: Callable[[Call], Sequence[Card]]
    prefetch: Mapping[str, str] = field(default_factory=dict)
    usage: str = ""
    heard: Callable[[Asker, Sequence[Mapping[str, Any]]], None] | None = None


_services: dict[str, Service] = {}


def register(service: Service) -> None:
    """Offer a service. Registering the same one twice is once; another one of its id is refused with ValueError."""
    if not _ID.fullmatch(service.id):
        message = f"{service.id!r} cannot be part of an address"
        raise ValueError(message)
    if _services.setdefault(service.id, service) != service:
        message = f"there is another decision support service {service.id!r}"
        raise ValueError(message)


def services(hook: str = "") -> tuple[Service, ...]:
    """The services that are offered, of one hook or all, in the order of their ids."""
    return tuple(one for _, one in sorted(_services.items()) if hook in ("", one.hook))


def find(id_: str) -> Service | None:
    """The service of this id, or None."""
    return _services.get(id_)
