"""How long something may take by law, and which of several laws was in force on a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tuetinh.commons.catalogues.api import after_working_days
from tuetinh.governance.privacy.errors import PrivacyError

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
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


class Dated(Protocol):
    """A row of a table with dates in force."""

    @property
    def since(self) -> date:
        """The first day on which it holds."""
        ...


D = TypeVar("D", bound=Dated)


def in_force(rows: Sequence[D], moment: datetime) -> D:
    """The row that holds at a moment. Raises PrivacyError `received` before there was any."""
    day = moment.astimezone(HANOI).date()
    found = [one for one in rows if one.since <= day]
    if not found:
        raise PrivacyError("received")
    return max(found, key=lambda one: one.since)
