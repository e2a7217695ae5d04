"""Until when a claim must be with the gateway (TT 48/2017, TT 12/2026): the same day, and with corrections in 7 working
days, but that of one month before the 5th of the next.
"""

from __future__ import annotations

from datetime import date, timedelta

from tuetinh.commons.catalogues.api import after_working_days

WORKING_DAYS = 7
MONTH_CLOSES = 5
ANSWER = 2  # working days for what the gateway finds wrong by itself (TT 12/2026)


def last_day(ended: date) -> date:
    """The last day on which the claim of a visit that ended then may be sent and corrected."""
    following = (ended.replace(day=28) + timedelta(days=4)).replace(day=MONTH_CLOSES)
    return min(after_working_days(ended, WORKING_DAYS), following)


def answer_by(told: date) -> date:
    """The last day on which a facility may answer what the gateway found wrong with a claim and told it on a day."""
    return after_working_days(told, ANSWER)
