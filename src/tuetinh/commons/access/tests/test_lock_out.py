"""Five wrong passwords lock an account out from that address; an administrator can end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client

from tuetinh.commons.access import actions
from tuetinh.commons.access.queries import locked_usernames
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from django.http import HttpResponse

    from tuetinh.commons.access.models import Account

HOME, ELSEWHERE = "10.0.0.5", "10.0.0.6"


def try_password(password: str, address: str = HOME, username: str = "cast.doctor") -> HttpResponse:
    """Send the login form from an address, in a browser of its own."""
    return Client(REMOTE_ADDR=address).post("/login", {"username": username, "password": password})


@pytest.fixture
def locked(cast: dict[str, Account]) -> dict[str, Account]:
    """The cast, with the doctor locked out at HOME."""
    answers = [try_password(f"sai-{n}").status_code for n in range(5)]
    assert answers == [200, 200, 200, 200, 429]
    return cast


def test_right_password_is_refused_during_the_lock_out(locked: dict[str, Account]) -> None:
    answer = try_password(PASSWORD)
    assert answer.status_code == 429
    assert "_auth_user_id" not in answer.client.session
    page = answer.content.decode()
    assert "Tạm khóa đăng nhập" in page
    assert "tạm khóa 15 phút" in page
    assert locked_usernames(["cast.doctor", "cast.nurse"]) == {"cast.doctor"}


def test_other_addresses_and_other_accounts_are_not_locked(locked: dict[str, Account]) -> None:
    assert try_password(PASSWORD, ELSEWHERE).status_code == 302
    assert try_password(PASSWORD, HOME, "cast.nurse").status_code == 302


def test_administrator_unlocks(locked: dict[str, Account]) -> None:
    actions.unlock(locked["admin"], locked["doctor"].pk)
    assert try_password(PASSWORD).status_code == 302
    assert [event.what for event in locked["doctor"].events.all()] == ["unlocked"]


def test_new_first_password_ends_the_lock_out_too(locked: dict[str, Account]) -> None:
    _, password = actions.reset_password(locked["admin"], locked["doctor"].pk)
    assert try_password(PASSWORD).status_code == 200
    assert try_password(password)["Location"] == "/"


def test_right_password_clears_earlier_slips(cast: dict[str, Account]) -> None:
    for _ in range(2):
        assert [try_password("sai").status_code for _ in range(4)] == [200] * 4
        assert try_password(PASSWORD).status_code == 302
