"""The rules: those that come with the house (`data/rules_GROUP.json`), and what people made of them since."""

from __future__ import annotations

import logging
from functools import cache, lru_cache
from pathlib import Path

import msgspec
from django.db.models import Max
from django.utils.translation import gettext_lazy

from tuetinh.care.insurance.models import RuleChange
from tuetinh.care.insurance.rules.language import Book, Rule, fault_of

log = logging.getLogger(__name__)

GROUPS = {
    "diagnosis": gettext_lazy("Chẩn đoán"),
    "visit": gettext_lazy("Đợt điều trị và thẻ"),
    "stay": gettext_lazy("Giường và tiền khám"),
    "services": gettext_lazy("Dịch vụ"),
    "staff": gettext_lazy("Người hành nghề và máy"),
    "drugs": gettext_lazy("Thuốc"),
    "prices": gettext_lazy("Giá và thầu"),
    "results": gettext_lazy("Kết quả"),
    "papers": gettext_lazy("Giấy tờ kèm hồ sơ"),
    "approved": gettext_lazy("Danh mục BHXH phê duyệt"),
}


@cache
def delivered() -> tuple[Rule, ...]:
    """The rules as they came, in the order of their groups."""
    data = Path(__file__).parents[1] / "data"
    return tuple(
        rule
        for group in GROUPS
        for rule in msgspec.json.decode((data / f"rules_{group}.json").read_bytes(), type=list[Rule])
    )


@cache
def delivered_book() -> Book:
    """The rules as they came, ready to be asked."""
    return Book(delivered())


_without_database = False


def use_delivered_rules() -> None:
    """Ask for no changes in this process: it has no database."""
    global _without_database  # noqa: PLW0603 - said once, at the start of a command
    _without_database = True


def in_force(facility: str = "") -> Book:
    """All rules as they are now at a facility, also those switched off; one query where nothing has changed."""
    if _without_database:
        return delivered_book()
    changed = RuleChange.objects.filter(facility__in={"", facility}).values_list("facility")
    last = dict(changed.annotate(last=Max("id")).order_by())
    return _as_of(max(last.values()), facility if facility in last else "") if last else delivered_book()


@lru_cache(maxsize=64)
def _as_of(last: int, facility: str) -> Book:
    """The rules with the changes up to this one; changes are never altered, so that this holds for good.

    facility: one that has changes of its own, "" for all others.
    """
    rules, unsound = {rule.code: rule for rule in delivered()}, {}
    for place in dict.fromkeys(("", facility)):
        changes = RuleChange.objects.filter(id__lte=last, facility=place).order_by("code", "-id").distinct("code")
        for rule in (msgspec.convert(change.content, Rule) for change in changes):
            unsound.pop(rule.code, None)
            if rule.on and (fault := fault_of(rule)):
                log.error("rule %s of %s does not hold: %s", rule.code, place or "every facility", fault)
                unsound[rule.code] = rule
            else:
                rules[rule.code] = rule
    order = {group: n for n, group in enumerate(GROUPS)}
    return Book(sorted(rules.values(), key=lambda rule: order.get(rule.group, len(order))), unsound.values())
