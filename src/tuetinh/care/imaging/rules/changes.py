"""What an administrator does with rules of imaging: change one or add one, with a reason; who changed it before."""

from __future__ import annotations

import msgspec
from django.utils import timezone

from tuetinh.care.imaging.errors import NeedsReason, NotAllowed
from tuetinh.care.imaging.rules.book import in_force
from tuetinh.care.imaging.rules.kinds import KINDS, Rule
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
    rule.check()
    return RuleChange.objects.create(
        kind=kind_of(rule), code=rule.code, facility=asker.facility, content=msgspec.to_builtins(rule),
        at=timezone.now(), account=asker.account, why=why.strip()[:500],
    )  # fmt: skip


def kind_of(rule: Rule) -> str:
    """The name of its kind."""
    return next(name for name, kind in KINDS.items() if type(rule) is kind)


def history(asker: Asker, code: str) -> list[RuleChange]:
    """Who changed a rule, newest first, as far as it holds at the administrator's facility."""
    return list(RuleChange.objects.filter(code=code, facility__in={"", asker.facility}).order_by("-id"))


def known(asker: Asker, code: str) -> Rule | None:
    """A rule as it is now for the administrator."""
    return in_force(asker.facility).rules.get(code)


def read(kept: RuleChange) -> Rule:
    """The rule as it was made then."""
    return msgspec.convert(kept.content, KINDS[kept.kind])
