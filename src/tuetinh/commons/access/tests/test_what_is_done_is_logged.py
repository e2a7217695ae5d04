"""What administrators do to accounts, rules, the policy, apps and providers is an entry of the sealed access log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from tuetinh.commons.access import actions, idle
from tuetinh.commons.access.outside import administering as outside
from tuetinh.commons.access.proof import policy
from tuetinh.commons.access.sight import administering, rules
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account

pytestmark = pytest.mark.django_db


def written() -> list[tuple[Any, ...]]:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT account, action, type, id, reason FROM record.audit"
            " WHERE type IN ('Account', 'Client', 'Policy', 'Provider', 'SightRule') ORDER BY position"
        )
        return cursor.fetchall()


def test_accounts(cast: dict[str, Account]) -> None:
    by, nurse = cast["admin"], cast["nurse"]
    actions.reset_password(by, nurse.pk)
    actions.change_role(by, nurse.pk, "doctor")
    actions.disable(by, nurse.pk)
    actions.recover("chu.may", "Chủ máy")
    cast["doctor"].for_emergency = True
    idle.used(cast["doctor"])
    admin, who, own = str(by.pk), str(nurse.pk), str(cast["doctor"].pk)
    assert [(account, id_, reason) for account, _, _, id_, reason in written()] == [
        (admin, who, "password_reset"),
        (admin, who, "role_changed"),
        (admin, who, "disabled"),
        ("system", str(actions.Account.objects.get(username="chu.may").pk), "recovered"),
        (own, own, "emergency_used"),
    ]


def test_rules_policy_apps_and_providers(cast: dict[str, Account]) -> None:
    by, province = cast["admin"], str(cast["province"].pk)
    rule = administering.made("12104", "nurse")
    assert administering.change(by, "nurse", replace(rule, glass_hours=rule.glass_hours + 1))
    assert not administering.change(by, "nurse", replace(rule, glass_hours=rule.glass_hours + 1))
    assert policy.change(cast["province"], {"idle_minutes": 30})
    actions.register_client(by, client_id="kho", name="Kho", proof="secret", scopes="system/Patient.rs")
    actions.set_client_active(by, "kho", active=False)
    fields = {"name": "Sở", "issuer": "https://id.example.vn", "client_id": "x"}
    outside.save(cast["province"], "so", fields, "")
    rules.forget()
    before, after = rule.glass_hours, rule.glass_hours + 1
    admin = str(by.pk)
    assert written() == [
        (admin, "update", "SightRule", "nurse", f"purpose: TREAT → , glass_hours: {before} → {after}"),
        (province, "update", "Policy", written()[1][3], "idle_minutes: 120 → 30"),
        (admin, "create", "Client", "kho", "system/Patient.rs"),
        (admin, "update", "Client", "kho", "disabled"),
        (province, "update", "Provider", "so", "https://id.example.vn"),
    ]
