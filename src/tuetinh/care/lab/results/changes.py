"""What an administrator does with rules: change one or add one, with a reason; who changed it before."""

from __future__ import annotations

from tuetinh.care.lab.errors import NeedsReason, NotAllowed
from tuetinh.care.lab.models import RuleChange
from tuetinh.care.lab.results.book import LEDGER, in_force
from tuetinh.care.lab.results.rules import Rule
from tuetinh.record.asker import Asker

KEEPING = frozenset({"admin", "system"})


def change(asker: Asker, rule: Rule, why: str) -> RuleChange:
    """Make a rule hold from now on, at the administrator's facility or, having none, everywhere.

    Raises NotAllowed, NeedsReason, BadRule.
    """
    if asker.role not in KEEPING:
        raise NotAllowed
    if not why.strip():
        raise NeedsReason
    return LEDGER.change(asker, rule, why)


kind_of, history, read = LEDGER.kind_of, LEDGER.history, LEDGER.read


def known(asker: Asker, code: str) -> Rule | None:
    """A rule as it is now for the administrator."""
    return in_force(asker.facility).rules.get(code)
