"""People log in with name and password and land at their desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client

from tuetinh.commons.access.models import Account
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable


def log_in(client: Client, username: str, password: str = PASSWORD, **fields: str) -> object:
    """Send the login form."""
    return client.post("/login", {"username": username, "password": password, **fields})


def test_login_leads_to_the_desk(client: Client, cast: dict[str, Account]) -> None:
    answer = log_in(client, "cast.admin")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert client.get("/")["Location"] == "/accounts"
    assert client.session["_auth_user_id"] == str(cast["admin"].pk)


@pytest.mark.parametrize(("username", "password"), [("cast.doctor", "sai"), ("khong.co", PASSWORD)])
def test_wrong_name_or_password_says_the_same(
    client: Client, cast: dict[str, Account], username: str, password: str
) -> None:
    answer = log_in(client, username, password)
    assert answer.status_code == 200
    assert "_auth_user_id" not in client.session
    assert "Tên đăng nhập hoặc mật khẩu chưa đúng" in answer.content.decode()


def test_empty_form_names_both_fields(client: Client, db: None) -> None:
    page = log_in(client, "", "").content.decode()
    assert page.count('aria-invalid="true"') == 2
    assert page.count('class="field-error"') == 2


def test_disabled_account_stays_out(client: Client, cast: dict[str, Account]) -> None:
    Account.objects.filter(username="cast.doctor").update(is_active=False)
    answer = log_in(client, "cast.doctor")
    assert "Tên đăng nhập hoặc mật khẩu chưa đúng" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_disabling_ends_an_open_session(as_role: Callable[[str], Client]) -> None:
    browser = as_role("admin")
    assert browser.get("/accounts").status_code == 200
    Account.objects.filter(username="cast.admin").update(is_active=False)
    assert browser.get("/accounts")["Location"] == "/login?next=%2Faccounts"


def test_session_key_changes_with_the_login(client: Client, cast: dict[str, Account]) -> None:
    session = client.session
    session["before"] = "1"
    session.save()
    old = client.cookies["sessionid"].value
    log_in(client, "cast.doctor")
    assert client.cookies["sessionid"].value != old


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/accounts?q=a", "/accounts?q=a"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\\evil.example", "/"),
    ],
)
def test_next_never_leaves_the_house(client: Client, cast: dict[str, Account], wanted: str, reached: str) -> None:
    assert log_in(client, "cast.admin", next=wanted)["Location"] == reached


@pytest.mark.parametrize(
    "odd", ["e", "access:accounts", "a\nb", "/x\r\nSet-Cookie: a=b", "?", "\u00e9", "%00", "." * 3000]
)
def test_next_is_an_address_and_never_a_name_of_ours(client: Client, cast: dict[str, Account], odd: str) -> None:
    for answer in (client.post("/language", {"language": "en", "next": odd}), log_in(client, "cast.admin", next=odd)):
        assert answer.status_code == 302
        assert not answer["Location"].startswith(("/accounts", "//", "http"))
        assert "\n" not in answer["Location"]
        assert "a" not in answer.cookies


def test_form_without_token_is_refused(cast: dict[str, Account]) -> None:
    browser = Client(enforce_csrf_checks=True)
    answer = log_in(browser, "cast.doctor")
    assert answer.status_code == 403
    assert "Trang đã mở quá lâu" in answer.content.decode()
    assert "_auth_user_id" not in browser.session


def test_log_out_needs_a_form(as_role: Callable[[str], Client]) -> None:
    browser = as_role("doctor")
    assert browser.get("/logout").status_code == 405
    assert "_auth_user_id" in browser.session
    assert browser.post("/logout")["Location"] == "/login"
    assert "_auth_user_id" not in browser.session


def test_passwords_are_argon2(cast: dict[str, Account]) -> None:
    assert Account.objects.get(username="cast.doctor").password.startswith("argon2$argon2id$")


def test_language_is_vietnamese_whatever_the_browser_prefers(client: Client, db: None) -> None:
    answer = client.get("/login", headers={"Accept-Language": "en-US,en"})
    assert answer["Content-Language"] == "vi"
    assert '<html lang="vi"' in answer.content.decode()


def test_chosen_language_is_remembered(client: Client, cast: dict[str, Account]) -> None:
    log_in(client, "cast.doctor")
    answer = client.post("/language", {"language": "en", "next": "/account/password"})
    assert answer["Location"] == "/account/password"
    assert '<html lang="en"' in client.get("/account/password").content.decode()
    assert Account.objects.get(username="cast.doctor").language == "en"
    again = Client()
    log_in(again, "cast.doctor")
    assert again.cookies["django_language"].value == "en"


def test_language_chosen_at_the_door_stays_with_the_person(client: Client, cast: dict[str, Account]) -> None:
    client.post("/language", {"language": "en", "next": "/login"})
    log_in(client, "cast.doctor")
    assert Account.objects.get(username="cast.doctor").language == "en"
    assert client.cookies["django_language"].value == "en"
    client.post("/logout")
    assert client.cookies["django_language"].value == ""
    log_in(client, "cast.nurse")
    assert Account.objects.get(username="cast.nurse").language == "vi"


@pytest.mark.parametrize("fields", [{"language": "xx"}, {}, {"language": "en", "next": "https://evil.example"}])
def test_odd_language_changes_nothing_dangerous(client: Client, db: None, fields: dict[str, str]) -> None:
    assert client.post("/language", fields)["Location"] == "/"


def test_outsider_is_told_and_sees_nothing(as_role: Callable[[str], Client]) -> None:
    page = as_role("outsider").get("/").content.decode()
    assert "Tài khoản chưa được phân quyền" in page
    assert 'name="q"' not in page
    assert "<li><a" not in page
