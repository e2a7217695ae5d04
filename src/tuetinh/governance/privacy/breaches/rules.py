"""Within which time the authority and the people concerned are told, by the law in force."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path

import msgspec

from tuetinh.governance.privacy.terms import Term, in_force


class Rules(msgspec.Struct, frozen=True):
    """The clock of one law. form: of the notice. subjects: None where it asks for none. keep_years: after the end."""

    law: str
    since: date
    form: str
    authority: Term
    subjects: Term | None
    keep_years: int


def on(detected: datetime) -> Rules:
    """The rules in force when a breach was detected. Raises PrivacyError `received` before there were any."""
    return in_force(_all(), detected)


@cache
def _all() -> list[Rules]:
    path = Path(__file__).parents[1] / "data" / "breach_rules.json"
    return msgspec.json.decode(path.read_bytes(), type=list[Rules])
