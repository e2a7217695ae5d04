"""What the modules above may call: who owners are, and what administrators see and do. On Django's connection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import run
from tuetinh.record.subscriptions import desk, owners, topics
from tuetinh.record.subscriptions.desk import MOST_COUNTED, Line
from tuetinh.record.subscriptions.topics import Topic

__all__ = [
    "MOST_COUNTED",
    "Line",
    "Lines",
    "Topic",
    "drop",
    "known_topics",
    "pause",
    "register_owners",
    "retry",
    "set_back",
]

register_owners = owners.register


class Lines(Sequence[Line]):
    """The subscriptions of a facility ("": all) as a sequence that is read page by page."""

    def __init__(self, facility: str, *, failing: bool) -> None:
        self._facility, self._failing = facility, failing

    def __len__(self) -> int:
        return run(SYSTEM, desk.count(self._facility, failing=self._failing))

    def __getitem__(self, part: Any) -> Any:
        offset = part.start or 0
        step = desk.page(self._facility, failing=self._failing, offset=offset, limit=part.stop - offset)
        return run(SYSTEM, step)


def known_topics() -> list[Topic]:
    """All topics, by their urls."""
    return [topic for _, topic in sorted(run(SYSTEM, topics.known()).items())]


@transaction.atomic
def retry(asker: Asker, facility: str, id_: str) -> None:
    """Try again now. Raises NotFound, like all below, for a subscription that is not of the facility."""
    run(SYSTEM, desk.retry(asker, facility, id_))


@transaction.atomic
def pause(asker: Asker, facility: str, id_: str, *, paused: bool) -> None:
    """Send nothing for a while, or go on."""
    run(SYSTEM, desk.pause(asker, facility, id_, paused=paused))


@transaction.atomic
def drop(asker: Asker, facility: str, id_: str, reason: str) -> None:
    """End a subscription. Raises BadRequest without a reason."""
    run(SYSTEM, desk.drop(asker, facility, id_, reason))


@transaction.atomic
def set_back(asker: Asker, facility: str, id_: str, since: datetime | int) -> None:
    """Tell everything again from a moment, or after a position of the feed. Raises BadRequest for one that is off."""
    run(SYSTEM, desk.set_back(asker, facility, id_, since))
