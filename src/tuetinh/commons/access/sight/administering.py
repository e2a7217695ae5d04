"""Rules made by administrators, and who made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, SightChange, SightRule
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.access.sight import rules
from tuetinh.commons.access.sight.rules import Rule
from tuetinh.commons.access.telling import enter_log

if TYPE_CHECKING:
    from django.db.models import QuerySet

RULED = tuple(name for name, role in ROLES.items() if role.level == "user" and role.reads)
"""Roles that rules are made for: those that read anything of other people."""


@transaction.atomic
def change(by: Account, role: str, rule: Rule) -> bool:
    """Let this rule hold at the administrator's facility, or in the province; False when it held already.

    A facility has no purpose of its own. Raises AccessError `role`.
    """
    if by.role != "admin" or role not in RULED:
        raise AccessError("role")
    kept = SightRule.objects.select_for_update().filter(role=role, facility=by.facility).first()
    before, after = _fields(made(by.facility, role)), _fields(rule)
    if by.facility:
        after["purpose"] = ""
    if kept is not None and before == after:
        return False
    SightRule.objects.update_or_create(role=role, facility=by.facility, defaults=after)
    SightChange.objects.create(role=role, facility=by.facility, by=by, before=before, after=after)
    told = ", ".join(f"{name}: {before[name]} → {after[name]}" for name in after if after[name] != before[name])
    enter_log(by, "update", "SightRule", role, reason=told)
    transaction.on_commit(rules.forget)
    return True


def made(facility: str, role: str) -> Rule:
    """The rule that was made for the role just there, else what holds without one."""
    kept = SightRule.objects.filter(role=role, facility=facility).values_list(*rules.COLUMNS.split(", ")).first()
    if kept is not None:
        return rules.read(kept)
    return made("", role) if facility else rules.shipped(role)


def changes(by: Account, role: str) -> QuerySet[SightChange]:
    """Who changed the rules of the role that hold for the administrator, newest first."""
    return SightChange.objects.filter(role=role, facility__in={"", by.facility}).select_related("by").order_by("-pk")


def _fields(rule: Rule) -> dict[str, Any]:
    return {
        "by_relation": rule.by_relation,
        "whole": " ".join(sorted(rule.whole)),
        "labels": " ".join(sorted(rule.labels)),
        "own_labels": " ".join(sorted(rule.own_labels)),
        "purpose": rule.purpose,
        "after_days": rule.after_days,
        "glass_hours": rule.glass_hours,
    }
