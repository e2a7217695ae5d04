"""What an administrator does with rules: change one, add one, try one on past claims."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.claims import gather_many, tables_of
from tuetinh.care.insurance.errors import BadRule, NotAllowed
from tuetinh.care.insurance.facts import ADMINISTERING
from tuetinh.care.insurance.models import ClaimCase, RuleChange
from tuetinh.care.insurance.rules.around import Lists, around
from tuetinh.care.insurance.rules.book import GROUPS, in_force
from tuetinh.care.insurance.rules.desk import RULES
from tuetinh.care.insurance.rules.language import BadCondition, Book, Rule, verify
from tuetinh.care.insurance.rules.weigh import weigh
from tuetinh.record.asker import Asker

TRIED = 200  # of the latest claims: a person waits for the answer
BATCH = 40
EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Trial:
    """How a rule would have fared: claims it was asked of, how many it hits, and some of them with what it says."""

    asked: int
    hit: int
    examples: list[tuple[ClaimCase, Problem]]


def change(asker: Asker, rule: Rule, why: str) -> RuleChange:
    """Make a rule hold from now on, at the administrator's facility or, having none, everywhere.

    Raises NotAllowed, BadRule.
    """
    if asker.role not in ADMINISTERING:
        raise NotAllowed
    if not why.strip():
        raise BadRule("why", _("Ghi lý do thay đổi."))
    check(rule)
    content = msgspec.to_builtins(rule)
    return RuleChange.objects.create(
        code=rule.code, facility=asker.facility, content=content, at=timezone.now(), account=asker.account,
        why=why.strip()[:500],
    )  # fmt: skip


def check(rule: Rule) -> None:
    """Raise BadRule, naming the field, for a rule that cannot be kept."""
    if not re.fullmatch(r"[A-Z][A-Z0-9-]{1,58}", rule.code):
        raise BadRule("code", _("Mã gồm chữ in hoa không dấu, số và dấu -."))
    if rule.group not in GROUPS:
        raise BadRule("group", _("Chọn nhóm."))
    for name in ("vi", "clause"):
        if not getattr(rule, name).strip():
            raise BadRule(name, _("Bắt buộc có giá trị."))
    if rule.to and rule.from_ > rule.to:
        raise BadRule("to", _("Ngày cuối phải không trước ngày đầu."))
    try:
        verify(rule)
    except BadCondition as error:
        raise BadRule("condition", _("Điều kiện không dùng được: %(why)s") % {"why": error}) from error


def attempt(asker: Asker, rule: Rule) -> Trial:
    """Ask a rule of the facility's latest claims, whatever its dates, without keeping anything. Raises BadRule."""
    check(rule)
    everywhere = msgspec.structs.replace(rule, from_="", to="", on=True, when=("claim",))
    cases = ClaimCase.objects.filter(kind=ClaimCase.Kind.CLAIM).order_by("-ended", "-id")
    if asker.facility:
        cases = cases.filter(facility=asker.facility)
    latest = list(cases[:TRIED])
    hits = list(_asked(latest, Book([everywhere])))
    return Trial(len(latest), len(hits), hits[:EXAMPLES])


def _asked(cases: list[ClaimCase], book: Book) -> Iterable[tuple[ClaimCase, Problem]]:
    for start in range(0, len(cases), BATCH):
        part = cases[start : start + BATCH]
        visits = gather_many(RULES, [case.encounter for case in part])
        lists = Lists()
        lists.expect(visit for visit, _ in visits.values())
        for case in part:
            if case.encounter not in visits:
                continue
            visit, situation = visits[case.encounter]
            tables = tables_of(visit, situation)
            problems = weigh(tables, book, when="claim", around=around(visit, lists))
            if problems:
                yield case, problems[0]


def history(asker: Asker, code: str) -> list[RuleChange]:
    """Who changed a rule, newest first, as far as it holds at the administrator's facility."""
    return list(RuleChange.objects.filter(code=code, facility__in={"", asker.facility}).order_by("-id"))


def known(asker: Asker, code: str) -> Rule | None:
    """A rule as it is now for the administrator: as somebody kept it last, even where it can no longer be asked."""
    book = in_force(asker.facility)
    return book.unsound.get(code) or book.rules.get(code)
