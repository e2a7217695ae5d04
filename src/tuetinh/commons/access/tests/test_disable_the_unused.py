"""Accounts that nobody uses are disabled, after their administrators were told; never the last one who could help."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tuetinh.commons.access import actions, idle
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.jobs import look_for_idle
from tuetinh.commons.access.models import Account, AccountEvent, Policy
from tuetinh.node.testing import PASSWORD

As = Callable[[str], Client]
NOW = datetime(2030, 6, 1, 2, tzinfo=UTC)


def unused(account: Account, days: float, *, told: float | None = None) -> None:
    """Let an account be unused, and its administrators told, for so many days before NOW."""
    Account.objects.filter(pk=account.pk).update(
        last_used=NOW - timedelta(days=days), idle_told=None if told is None else NOW - timedelta(days=told)
    )


@pytest.fixture(autouse=True)
def _everybody_came_today(cast: dict[str, Account]) -> None:
    Account.objects.update(last_used=NOW)


def active(account: Account) -> bool:
    return Account.objects.get(pk=account.pk).is_active


def whats() -> list[tuple[str, str]]:
    return list(AccountEvent.objects.order_by("pk").values_list("account__username", "what"))


def test_administrators_are_told_a_week_before(as_role: As, cast: dict[str, Account]) -> None:
    unused(cast["doctor"], 37.9)
    assert (idle.tell(NOW), idle.disable(NOW)) == (0, 0)
    unused(cast["doctor"], 38.1)
    assert (idle.tell(NOW), idle.tell(NOW), idle.disable(NOW)) == (1, 0, 0)
    assert whats() == [("cast.doctor", "idle_told")]
    page = as_role("admin").get("/accounts/review").content.decode()
    assert "Tự khóa ngày 08/06/2030" in page
    page = as_role("admin").get(f"/accounts/{cast['doctor'].pk}").content.decode()
    assert "Sẽ tự khóa ngày 08/06/2030 nếu người này không vào." in page
    assert active(cast["doctor"])


@pytest.mark.parametrize(
    ("days", "told", "goes"),
    [(45.1, 7.1, True), (44.9, 7.1, False), (45.1, 6.9, False), (400, None, False)],
    ids=["told and unused", "not long enough", "told too late", "never told"],
)
def test_who_was_told_of_and_did_not_come_is_disabled(
    cast: dict[str, Account], days: float, told: float | None, goes: bool
) -> None:
    browser = Client()
    browser.force_login(cast["doctor"], backend="django.contrib.auth.backends.ModelBackend")
    unused(cast["doctor"], days, told=told)
    assert idle.disable(NOW) == goes
    assert active(cast["doctor"]) is not goes
    assert browser.get("/clinic").status_code == (302 if goes else 200)
    assert whats() == ([("cast.doctor", "idle_disabled")] if goes else [])
    assert Account.objects.filter(is_active=False).count() == goes


def test_an_administrator_gives_it_back(as_role: As, cast: dict[str, Account]) -> None:
    unused(cast["doctor"], 50, told=10)
    assert idle.disable(NOW) == 1
    assert as_role("nurse").post(f"/accounts/{cast['doctor'].pk}/enable").status_code == 403
    assert not active(cast["doctor"])
    as_role("admin").post(f"/accounts/{cast['doctor'].pk}/enable")
    assert active(cast["doctor"])
    look_for_idle(0)
    assert active(cast["doctor"])
    assert Account.objects.get(pk=cast["doctor"].pk).last_used > timezone.now() - timedelta(minutes=1)


def test_coming_in_is_using(client: Client, cast: dict[str, Account]) -> None:
    unused(cast["doctor"], 50, told=1)
    client.post("/login", {"username": "cast.doctor", "password": "wrong"})
    assert Account.objects.get(pk=cast["doctor"].pk).idle_told is not None
    client.post("/login", {"username": "cast.doctor", "password": PASSWORD})
    found = Account.objects.get(pk=cast["doctor"].pk)
    assert found.idle_told is None
    assert found.last_used > timezone.now() - timedelta(minutes=1)


def test_people_look_at_their_own_record_when_they_like(cast: dict[str, Account]) -> None:
    unused(cast["citizen"], 4000, told=4000)
    assert (idle.tell(NOW), idle.disable(NOW)) == (0, 0)


def test_the_last_administrator_of_a_place_stays(cast: dict[str, Account]) -> None:
    second = Account.objects.create(username="admin.hai", full_name="Hai", role="admin", facility="12104", password="!")
    unused(cast["admin"], 60, told=20)
    unused(second, 50, told=20)
    unused(cast["province"], 300, told=100)
    assert idle.disable(NOW) == 1
    assert (active(cast["admin"]), active(second), active(cast["province"])) == (False, True, True)
    later = NOW + timedelta(days=100)
    assert (idle.tell(later), idle.disable(later + idle.NOTICE)) == (11, 11)  # all but the two and the citizen
    assert (active(second), active(cast["province"])) == (True, True)


def test_the_account_in_the_envelope_stays_and_tells_when_it_is_used(
    as_role: As, client: Client, cast: dict[str, Account]
) -> None:
    kept = Account.objects.create_account("du.phong", PASSWORD, full_name="Dự Phòng", role="admin", facility="12104")
    browser = as_role("admin")
    browser.post(f"/accounts/{kept.pk}/keep", follow=True)
    unused(kept, 900)
    unused(cast["admin"], 900, told=100)
    assert (idle.tell(NOW), idle.disable(NOW)) == (0, 0)  # it is no reason to let the last other one go
    Account.objects.filter(pk=kept.pk).update(last_used=timezone.now() - timedelta(days=300))
    assert "Dự Phòng" not in browser.get("/accounts/review").content.decode()
    client.post("/login", {"username": "du.phong", "password": PASSWORD})
    page = browser.get("/accounts/review").content.decode()
    assert "Tài khoản dự phòng đã được dùng" in page
    assert whats()[-1] == ("du.phong", "emergency_used")
    browser.post("/accounts/review", {"account": [kept.pk]})
    assert "Tài khoản dự phòng đã được dùng" not in browser.get("/accounts/review?all=1").content.decode()


def test_only_administrators_accounts_are_kept_for_emergencies_and_by_others(cast: dict[str, Account]) -> None:
    for by, account, code in (
        ("admin", "doctor", "role"),
        ("admin", "admin", "yourself"),
        ("admin", "province", "not-yours"),
        ("doctor", "admin", "not-yours"),
    ):
        with pytest.raises(AccessError) as refused:
            actions.keep_for_emergency(cast[by], cast[account].pk, kept=True)
        assert refused.value.code == code
    assert not Account.objects.filter(for_emergency=True).exists()
    actions.keep_for_emergency(cast["province"], cast["admin"].pk, kept=True)
    actions.change_role(cast["province"], cast["admin"].pk, "nurse")
    assert not Account.objects.filter(for_emergency=True).exists()


@pytest.mark.parametrize(("days", "goes"), [(100, 0), (60, 1), (0, 0)])
def test_how_long_is_the_policys(cast: dict[str, Account], days: int, goes: int) -> None:
    Policy.objects.create(idle_days=days)
    unused(cast["doctor"], 61, told=8)
    assert idle.disable(NOW) == goes


def test_many_go_some_at_a_time(cast: dict[str, Account], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "AT_ONCE", 3)
    for name in ("doctor", "nurse", "lab", "imaging", "cashier", "station", "official"):
        unused(cast[name], 50, told=8)
    assert idle.disable(NOW) == 7
    assert Account.objects.filter(is_active=False).count() == 7
