"""Until when a request must be answered and carried out, and why one may be refused: tables with dates in force."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from tuetinh.governance.privacy.terms import Term, in_force

DATA: Final = Path(__file__).parents[1] / "data"


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
    return in_force(_all(), received)


@cache
def refusals() -> dict[str, Refusal]:
    """Every reason by its code."""
    found = msgspec.json.decode((DATA / "refusals.json").read_bytes(), type=list[Refusal])
    return {one.code: one for one in found}
