"""Who may follow which channel. What it tells is only that something changed, but that is something too."""

from __future__ import annotations

from typing import Final

from tuetinh.record.asker import Asker
from tuetinh.record.steps import Query, Step

PUBLIC: Final = "queue:"  # waiting-room screens have nobody logged in; their channel says only that a queue moved
OF_A_VISIT: Final = frozenset({"visit", "bill"})
NOT_STAFF: Final = frozenset({"citizen", "outsider"})
_EXISTS = """SELECT 1 FROM record."Encounter" WHERE type = 'Encounter' AND id = %s AND NOT deleted"""

_few: dict[str, frozenset[str]] = {}


def register(kind: str, *roles: str) -> None:
    """Let only these roles follow the channels `KIND:FACILITY`, each those of the own facility."""
    _few[kind] = frozenset(roles)


def may_follow(asker: Asker, channel: str) -> Step[bool]:
    """Whether the asker may follow a channel: of a visit, who sees it; of a facility, its own staff, or some of it."""
    kind, colon, name = channel.partition(":")
    if not colon:
        return False
    if kind in OF_A_VISIT:
        return asker.may("r", "Encounter") and bool((yield Query(_EXISTS, [name])))
    if asker.client or asker.role in NOT_STAFF or name != asker.facility:
        return False
    return asker.role in _few[kind] if kind in _few else bool(asker.scopes)
