"""What an administrator does with rules of imaging: change one or add one, with a reason; who changed it before."""

from __future__ import annotations

from tuetinh.care.imaging.errors import NeedsReason, NotAllowed
from tuetinh.care.imaging.rules.book import LEDGER, in_force
from tuetinh.care.imaging.rules.kinds import Rule
from tuetinh.care.imaging.rules.models import RuleChange
from tuetinh.record.asker import Asker


def change(asker: Asker, rule: Rule, why: str) -> RuleChange:
    """Make a rule hold from now on, at the administrator's facility or, having none, everywhere.

    Raises NotAllowed, NeedsReason, BadRule.
    """
    if asker.role != "admin":
        raise NotAllowed
    if not why.strip():
        raise NeedsReason
    return LEDGER.change(asker, rule, why)


kind_of, history, read = LEDGER.kind_of, LEDGER.history, LEDGER.read


def known(asker: Asker, code: str) -> Rule | None:
    """A rule as it is now for the administrator."""
    return in_force(asker.facility).rules.get(code)
