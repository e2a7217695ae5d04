"""Sessions are listed with where they are from, ended one by one or all, and end by themselves."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.test import Client

from tuetinh.commons.access import actions, sessions
from tuetinh.commons.access.models import Account, AccountEvent, Policy, Session
from tuetinh.commons.access.proof import policy
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (Linux; Android 15; SM-A155F) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36"


def logged_in(agent: str = FIREFOX, address: str = "10.0.0.5", username: str = "cast.doctor") -> Client:
    browser = Client(HTTP_USER_AGENT=agent, REMOTE_ADDR=address)
    browser.post("/login", {"username": username, "password": PASSWORD})
    assert "_auth_user_id" in browser.session
    return browser


def is_in(browser: Client) -> bool:
    return browser.get("/account/sessions").status_code == 200


def aged(browser: Client, **seconds: int) -> None:
    """Put times of a session back."""
    session = browser.session
    for name, by in seconds.items():
        session[name] -= by
    session.save()


def handles(browser: Client) -> list[str]:
    return re.findall(r"/account/sessions/([0-9a-f]{16})/end", browser.get("/account/sessions").content.decode())


def test_list_says_where_and_when(cast: dict[str, Account]) -> None:
    here, _there, _other = logged_in(), logged_in(PHONE, "2001:db8::7"), logged_in(username="cast.nurse")
    page = here.get("/account/sessions").content.decode()
    assert page.count("<li><div><strong>Firefox, Windows</strong>") == 1
    assert page.count("<li><div><strong>Chrome, Android</strong>") == 1
    assert page.count("Máy này") == 1
    assert "2001:db8::7" in page
    assert "bằng mật khẩu" in page
    assert here.session.session_key not in page
    assert len(handles(here)) == 1


def test_end_one(cast: dict[str, Account]) -> None:
    here, there = logged_in(), logged_in(PHONE)
    assert here.post(f"/account/sessions/{handles(here)[0]}/end")["Location"] == "/account/sessions"
    assert (is_in(here), is_in(there)) == (True, False)


def test_end_all_others(cast: dict[str, Account]) -> None:
    here, there, elsewhere, nurse = logged_in(), logged_in(), logged_in(PHONE), logged_in(username="cast.nurse")
    here.post("/account/sessions/end")
    assert [is_in(one) for one in (here, there, elsewhere, nurse)] == [True, False, False, True]
    assert [event.what for event in AccountEvent.objects.all()] == ["sessions_ended"]


def test_nobody_ends_the_session_of_another(cast: dict[str, Account]) -> None:
    doctor, nurse = logged_in(), logged_in(username="cast.nurse")
    found = sessions.listed(cast["doctor"], None)[0].handle
    assert nurse.post(f"/account/sessions/{found}/end").status_code == 404
    assert nurse.post("/account/sessions/0000000000000000/end").status_code == 404
    assert is_in(doctor)


@pytest.mark.parametrize("how", ["own", "reset", "disable"])
def test_a_new_password_or_a_shut_account_leaves_no_session(cast: dict[str, Account], how: str) -> None:
    here, there = logged_in(), logged_in(PHONE)
    if how == "own":
        new = {"old_password": PASSWORD, "new_password1": "sau-tim-vang-7", "new_password2": "sau-tim-vang-7"}
        assert here.post("/account/password", new).status_code == 302
    elif how == "reset":
        actions.reset_password(cast["admin"], cast["doctor"].pk)
    else:
        actions.disable(cast["admin"], cast["doctor"].pk)
    assert (is_in(here), is_in(there)) == (how == "own", False)
    assert Session.objects.filter(account=cast["doctor"]).count() == (how == "own")


def test_unused_session_ends_and_a_used_one_goes_on(cast: dict[str, Account]) -> None:
    Policy.objects.create(idle_minutes=30, session_hours=8)
    policy.forget()
    browser = logged_in()

    def left() -> float:
        return (Session.objects.get(account=cast["doctor"]).expire_date - datetime.now(UTC)).total_seconds()

    assert 1795 < left() <= 1800
    aged(browser, seen=90)
    seen = browser.session["seen"]
    assert is_in(browser)
    assert browser.session["seen"] - seen >= 90
    assert browser.cookies["sessionid"]["max-age"] == 1800
    Session.objects.update(expire_date=datetime.now(UTC))
    assert not is_in(browser)


def test_no_use_makes_a_session_longer_than_a_working_day(cast: dict[str, Account]) -> None:
    browser = logged_in()
    aged(browser, began=12 * 3600 - 300)
    left = (Session.objects.get(account=cast["doctor"]).expire_date - datetime.now(UTC)).total_seconds()
    assert 295 <= left <= 300
    assert is_in(browser)
    aged(browser, began=301)
    assert not is_in(browser)


def test_a_session_is_written_once_a_minute(
    cast: dict[str, Account], django_assert_num_queries: Callable[..., object]
) -> None:
    browser = logged_in()
    browser.get("/account/security")
    before = Session.objects.values("expire_date", "session_data").get(account=cast["doctor"])
    browser.get("/account/security")
    assert Session.objects.values("expire_date", "session_data").get(account=cast["doctor"]) == before


def test_a_visitor_is_nobodys_session(db: None) -> None:
    browser = Client()
    browser.get("/login/passkey")
    assert Session.objects.get().account_id is None


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (FIREFOX, "Firefox, Windows"),
        (PHONE, "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("curl/8.5", ""),
        ("", ""),
    ],
)
def test_devices_are_named_for_people(agent: str, told: str) -> None:
    assert sessions.device(agent) == told


def test_login_at_another_desk_of_the_same_browser_begins_anew(cast: dict[str, Account]) -> None:
    browser = logged_in()
    aged(browser, began=3600, proved=3600)
    browser.post("/logout")
    browser.post("/login", {"username": "cast.nurse", "password": PASSWORD})
    assert time.time() - browser.session["began"] < 60
    assert time.time() - browser.session["proved"] < 60
    assert Session.objects.filter(account=cast["doctor"]).count() == 0
