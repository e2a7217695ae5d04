"""`tuetinh admin`: whoever keeps the machine makes the first administrator, and helps the last one in again."""

from __future__ import annotations

import pytest
from django.test import Client

from tuetinh.commons.access.models import Account, AccountEvent, Policy, RecoveryCode, Totp
from tuetinh.commons.access.proof import codes, policy
from tuetinh.node import operations
from tuetinh.node.errors import Refused
from tuetinh.node.testing import PASSWORD


def _comes_in(username: str, password: str) -> bool:
    answer = Client().post("/login", {"username": username, "password": password})
    return answer.status_code == 302 and answer["Location"] == "/"


def test_the_first_one_is_made(db: None) -> None:
    assert operations.administrator("sep.tinh", "Nguyễn Thị Sếp")[0] == "sep.tinh"
    made = Account.objects.get()
    assert (made.full_name, made.role, made.facility, made.must_change_password) == (
        "Nguyễn Thị Sếp",
        "admin",
        "",
        True,
    )
    event = AccountEvent.objects.get()
    assert (event.what, event.by) == ("recovered", None)


def test_the_first_one_sets_up_a_second_factor(db: None) -> None:
    _, password = operations.administrator("sep.tinh", "")
    policy.forget()
    browser = Client()
    browser.post("/login", {"username": "sep.tinh", "password": password})
    assert browser.get("/accounts")["Location"] == "/account/password"
    new = "mot-mat-khau-rat-dai-7"
    form = {"old_password": password, "new_password1": new, "new_password2": new}
    assert browser.post("/account/password", form).status_code == 302
    assert browser.get("/accounts")["Location"] == "/account/security"
    assert browser.get("/account/security").status_code == 200
    Account.objects.update(has_factor=True)
    assert browser.get("/accounts").status_code == 200


def test_a_node_with_administrators_keeps_its_policy(cast: dict[str, Account]) -> None:
    operations.administrator("sep.tinh", "")
    assert not Policy.objects.exists()


def test_one_who_lost_everything_comes_in_again(cast: dict[str, Account]) -> None:
    locked = cast["province"]
    Totp.objects.create(account=locked, secret=b"x", last_step=0)
    codes.new_recovery_codes(locked)
    Account.objects.filter(pk=locked.pk).update(is_active=False, has_factor=True)
    for _ in range(6):
        Client().post("/login", {"username": "cast.province", "password": "wrong"})
    _, password = operations.administrator("cast.province", "")
    assert not _comes_in("cast.province", PASSWORD)
    assert _comes_in("cast.province", password)
    locked.refresh_from_db()
    assert (locked.is_active, locked.has_factor, locked.must_change_password) == (True, False, True)
    assert not RecoveryCode.objects.filter(account=locked).exists()


@pytest.mark.parametrize("username", ["cast.admin", "cast.doctor", "cast.citizen", "Sếp", "x", "a" * 101, "a\n-b"])
def test_nobody_else_becomes_one(cast: dict[str, Account], username: str) -> None:
    before = list(Account.objects.order_by("pk").values())
    with pytest.raises(Refused):
        operations.administrator(username, "")
    assert list(Account.objects.order_by("pk").values()) == before
