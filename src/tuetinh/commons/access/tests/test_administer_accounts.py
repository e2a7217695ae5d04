"""Administrators give, close, open and unlock the accounts of their own facility, and nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.hashers import check_password

from tuetinh.commons.access import actions
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, AccountEvent
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

NEW = {"full_name": "Trần Thị Lan", "username": "lan.tran", "role": "nurse"}


def test_list_shows_own_facility_only(as_role: Callable[[str], Client]) -> None:
    page = as_role("admin").get("/accounts").content.decode()
    assert "cast.doctor" in page
    assert "cast.outsider" not in page
    assert "cast.citizen" not in page


def test_list_is_searched_and_paged(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser = as_role("admin")
    for n in range(30):
        Account.objects.create(
            username=f"n{n}", full_name=f"Người {n:02}", role="nurse", facility="12104", password="x"
        )
    page = browser.get("/accounts", {"q": "ngườ", "role": "nurse"}).content.decode()
    assert "1–25 trong 30" in page
    assert "cast.doctor" not in page
    assert "26–30 trong 30" in browser.get("/accounts", {"q": "ngườ", "role": "nurse", "page": "2"}).content.decode()
    assert "26–30 trong 30" in browser.get("/accounts", {"q": "ngườ", "page": "99"}).content.decode()


def test_list_asks_a_fixed_number_of_queries(
    as_role: Callable[[str], Client], django_assert_max_num_queries: Callable[..., object]
) -> None:
    browser = as_role("admin")
    browser.get("/accounts")
    with django_assert_max_num_queries(10):
        browser.get("/accounts")


def test_new_account_gets_a_first_password(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    answer = as_role("admin").post("/accounts/new", NEW)
    account = Account.objects.get(username="lan.tran")
    password = answer.content.decode().split('<div class="secret">')[1].split("<")[0]
    assert check_password(password, account.password)
    assert (account.facility, account.role, account.must_change_password) == ("12104", "nurse", True)
    assert "no-store" in answer["Cache-Control"]
    assert [(e.what, e.by_id) for e in account.events.all()] == [("created", cast["admin"].pk)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"username": "cast.doctor"}, "đã có người dùng"),
        ({"username": "Lan Trần"}, "Chỉ dùng chữ thường"),
        ({"full_name": ""}, "bắt buộc"),
        ({"role": "citizen"}, "citizen"),
        ({"role": "boss"}, "boss"),
    ],
)
def test_bad_new_account_is_told_beside_its_field(
    as_role: Callable[[str], Client], cast: dict[str, Account], change: dict[str, str], told: str
) -> None:
    before = Account.objects.count()
    answer = as_role("admin").post("/accounts/new", NEW | change)
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert 'aria-invalid="true"' in answer.content.decode()
    assert Account.objects.count() == before


def test_disable_and_enable(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser, doctor = as_role("admin"), cast["doctor"]
    page = browser.post(f"/accounts/{doctor.pk}/disable", follow=True).content.decode()
    doctor.refresh_from_db()
    assert not doctor.is_active
    assert f"Đã khóa tài khoản {doctor.full_name}." in page
    assert "Khóa tài khoản" in page
    browser.post(f"/accounts/{doctor.pk}/enable")
    doctor.refresh_from_db()
    assert doctor.is_active
    assert list(doctor.events.order_by("pk").values_list("what", flat=True)) == ["disabled", "enabled"]


def test_twice_is_noted_once(cast: dict[str, Account]) -> None:
    for _ in range(2):
        actions.disable(cast["admin"], cast["doctor"].pk)
    assert cast["doctor"].events.count() == 1


def test_nobody_locks_the_own_door(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    page = as_role("admin").post(f"/accounts/{cast['admin'].pk}/disable", follow=True).content.decode()
    assert "Bạn không thể tự khóa hay đổi bàn của tài khoản của mình." in page
    assert Account.objects.get(pk=cast["admin"].pk).is_active


@pytest.mark.parametrize("verb", ["disable", "enable", "unlock", "reset-password"])
def test_accounts_of_another_facility_are_out_of_reach(
    as_role: Callable[[str], Client], cast: dict[str, Account], verb: str
) -> None:
    other = cast["outsider"]
    before = Account.objects.filter(pk=other.pk).values().get()
    assert as_role("admin").post(f"/accounts/{other.pk}/{verb}").status_code == 403
    assert as_role("admin").get(f"/accounts/{other.pk}").status_code == 403
    assert Account.objects.filter(pk=other.pk).values().get() == before
    assert AccountEvent.objects.count() == 0


@pytest.mark.parametrize("action", [actions.disable, actions.enable, actions.unlock, actions.reset_password])
def test_actions_refuse_whoever_is_no_administrator(
    cast: dict[str, Account], action: Callable[[Account, int], object]
) -> None:
    with pytest.raises(AccessError) as refused:
        action(cast["doctor"], cast["nurse"].pk)
    assert refused.value.code == "not-yours"
    assert AccountEvent.objects.count() == 0
    with pytest.raises(AccessError):
        actions.create_account(cast["doctor"], username="x.y", full_name="X", role="nurse")
    assert not Account.objects.filter(username="x.y").exists()


def test_province_administrator_reaches_every_account(cast: dict[str, Account]) -> None:
    assert actions.disable(cast["province"], cast["outsider"].pk).is_active is False


def test_who_is_in_does_not_give_the_own_account_a_new_password(
    as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    admin, own = as_role("admin"), cast["admin"]
    before = Account.objects.get(pk=own.pk).password
    assert "reset-password" not in admin.get(f"/accounts/{own.pk}").content.decode()
    assert "reset-password" in admin.get(f"/accounts/{cast['doctor'].pk}").content.decode()
    admin.post(f"/accounts/{own.pk}/reset-password")
    assert Account.objects.get(pk=own.pk).password == before
    assert admin.get("/accounts").status_code == 200


def test_reset_password_ends_open_sessions(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    doctor = as_role("doctor")
    assert doctor.get("/account/password").status_code == 200
    as_role("admin").post(f"/accounts/{cast['doctor'].pk}/reset-password")
    assert doctor.get("/account/password").status_code == 302


@pytest.mark.parametrize(
    ("old", "new", "again", "told"),
    [
        ("sai", "sau-tim-vang-7", "sau-tim-vang-7", "Mật khẩu hiện tại chưa đúng."),
        (PASSWORD, "sau-tim-vang-7", "khac", "Hai lần gõ mật khẩu mới không giống nhau."),
        (PASSWORD, "ngan", "ngan", "ít nhất 14 ký tự"),
        (PASSWORD, "1234567890123", "1234567890123", "chữ số|số"),
    ],
)
def test_own_password_follows_the_rules(
    as_role: Callable[[str], Client], cast: dict[str, Account], old: str, new: str, again: str, told: str
) -> None:
    form = {"old_password": old, "new_password1": new, "new_password2": again}
    answer = as_role("nurse").post("/account/password", form)
    assert answer.status_code == 422
    assert any(part in answer.content.decode() for part in told.split("|"))
    assert check_password(PASSWORD, Account.objects.get(role="nurse").password)


def test_own_password_changes_and_keeps_the_session(as_role: Callable[[str], Client]) -> None:
    browser = as_role("nurse")
    Account.objects.filter(role="nurse").update(must_change_password=True)
    form = {"old_password": PASSWORD, "new_password1": "sau-tim-vang-7", "new_password2": "sau-tim-vang-7"}
    assert browser.post("/account/password", form)["Location"] == "/"
    account = Account.objects.get(role="nurse")
    assert check_password("sau-tim-vang-7", account.password)
    assert not account.must_change_password
    assert browser.get("/account/password").status_code == 200
