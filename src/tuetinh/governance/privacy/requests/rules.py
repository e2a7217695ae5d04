"""Until when a request must be answered and carried out, and why one may be refused: tables with dates in force."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from tuetinh.commons.catalogues.api import after_working_days
from tuetinh.governance.privacy.errors import PrivacyError

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
DATA: Final = Path(__file__).parents[1] / "data"
_END: Final = time(23, 59, 59)


class Term(msgspec.Struct, frozen=True):
    """How long something may take; one of the three is set. Days end with their day, hours at the minute."""

    hours: int = 0
    days: int = 0
    working_days: int = 0

    def ends(self, start: datetime) -> datetime:
        """The last moment of it."""
        if self.hours:
            return start + timedelta(hours=self.hours)
        day = start.astimezone(HANOI).date()
        day = after_working_days(day, self.working_days) if self.working_days else day + timedelta(days=self.days)
        return datetime.combine(day, _END, HANOI)


class Rules(msgspec.Struct, frozen=True):
    """The deadlines of one law: of the first answer, and of each kind of request."""

    law: str
    since: date
    answer: Term
    kinds: dict[str, Term]


class Refusal(msgspec.Struct, frozen=True):
    """A reason to refuse requests of some kinds, with the clause that it rests on; worded in `words.REFUSALS`."""

    code: str
    kinds: tuple[str, ...]
    clause: str = ""


@cache
def _all() -> list[Rules]:
    return msgspec.json.decode((DATA / "request_rules.json").read_bytes(), type=list[Rules])


def on(received: datetime) -> Rules:
    """The rules in force when a request was received. Raises PrivacyError `received` before there were any."""
    day = received.astimezone(HANOI).date()
    found = [one for one in _all() if one.since <= day]
    if not found:
        raise PrivacyError("received")
    return found[-1]


@cache
def refusals() -> dict[str, Refusal]:
    """Every reason by its code."""
    found = msgspec.json.decode((DATA / "refusals.json").read_bytes(), type=list[Refusal])
    return {one.code: one for one in found}
