"""The access log tells who came in and left, who was turned away and why, from where, and what was printed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tuetinh.commons.access.api import asker_of, create_client
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.proof import actions, codes
from tuetinh.node.testing import PASSWORD
from tuetinh.record.asker import SYSTEM
from tuetinh.record.audit import reading
from tuetinh.record.audit.event import audit_event
from tuetinh.record.steps import enter, run

Row = tuple[Any, ...]
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"


def logged(columns: str = "account, action, outcome, reason") -> list[Row]:
    """The entries of the test, but those of the house itself and of what is done to accounts."""
    enter(SYSTEM)
    with connection.cursor() as cursor:
        kept = "account <> 'system' AND type <> 'Account'"
        cursor.execute(f"SELECT {columns} FROM record.audit WHERE {kept} ORDER BY position")
        return list(cursor.fetchall())


def log_in(browser: Client, username: str, password: str, **headers: str) -> int:
    form = {"username": username, "password": password}
    return browser.post("/login", form, headers={"User-Agent": AGENT, **headers}).status_code


def test_a_wrong_password_is_logged_with_its_account(client: Client, cast: dict[str, Account]) -> None:
    assert log_in(client, "cast.doctor", "wrong-password-1") == 200
    doctor = str(cast["doctor"].pk)
    assert logged("account, role, facility, action, outcome, reason, address, agent") == [
        (doctor, "doctor", "12104", "login", "4", "password", "127.0.0.1", AGENT)
    ]


def test_a_name_that_nobody_has_is_not_kept(client: Client, cast: dict[str, Account]) -> None:
    log_in(client, "mat-khau-go-nham-cho", "x")
    assert logged() == [("", "login", "4", "password")]
    assert "mat-khau" not in str(logged("*"))


def test_who_comes_and_leaves(client: Client, cast: dict[str, Account]) -> None:
    assert log_in(client, "cast.doctor", PASSWORD) == 302
    client.post("/logout")
    doctor = str(cast["doctor"].pk)
    assert logged() == [(doctor, "login", None, "password"), (doctor, "logout", None, None)]


def test_a_wrong_code_is_logged(client: Client, cast: dict[str, Account]) -> None:
    secret = codes.new_secret()
    actions.add_totp(cast["doctor"], secret, codes.pyotp.TOTP(secret).now())
    log_in(client, "cast.doctor", PASSWORD)
    client.post("/login/second", {"code": "000000"})
    assert logged() == [(str(cast["doctor"].pk), "login", "4", "code")]


def test_a_system_that_cannot_prove_itself(client: Client, db: None) -> None:
    create_client("his", "HIS", facility="12104")
    for name in ("his", "nobody"):
        proof = base64.b64encode(f"{name}:wrong".encode()).decode()
        form = {"grant_type": "client_credentials"}
        assert client.post("/oauth/token", form, headers={"Authorization": f"Basic {proof}"}).status_code == 401
    assert logged("account, client, facility, action, outcome, reason") == [
        ("client:his", "his", "12104", "login", "4", "invalid_client"),
        ("", "", "", "login", "4", "invalid_client"),
    ]


@pytest.mark.parametrize(("proxies", "address"), [([], "127.0.0.1"), (["127.0.0.0/8"], "203.0.113.7")])
def test_only_our_proxies_say_from_where(
    client: Client, cast: dict[str, Account], settings: Any, proxies: list[str], address: str
) -> None:
    settings.PROXIES = [ip_network(one) for one in proxies]
    log_in(client, "cast.doctor", "wrong", **{"X-Forwarded-For": "9.9.9.9, 203.0.113.7"})
    assert logged("address") == [(address,)]


def test_a_page_that_is_refused_says_why(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    as_role("lab").get("/accounts?q=x", headers={"User-Agent": AGENT})
    assert logged("account, action, outcome, reason, query, agent") == [
        (str(cast["lab"].pk), "page", "4", "desk", "/accounts?q=x", AGENT)
    ]


def test_a_paper_is_logged_as_printed(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    assert as_role("cashier").get("/billing/day.pdf").status_code == 200
    assert logged("account, action, query") == [(str(cast["cashier"].pk), "print", "/billing/day.pdf")]


def test_what_is_of_a_person_is_printed_with_whose_it_is(
    as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    from tuetinh.care.reception import api as reception

    visit = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Ho")
    before = len(logged())
    assert as_role("reception").get(f"/reception/visits/{visit.encounter}/ticket.pdf").status_code == 200
    entries = logged("account, action, patient, query")[before:]
    assert {row[:3] for row in entries} == {(str(cast["reception"].pk), "print", "cast-citizen")}
    assert {row[3] for row in entries} == {f"/reception/visits/{visit.encounter}/ticket.pdf"}


def test_administrators_read_it_as_audit_events(client: Client, cast: dict[str, Account]) -> None:
    log_in(client, "cast.doctor", "wrong")
    log_in(client, "cast.doctor", PASSWORD)
    log_in(Client(), "cast.outsider", "wrong")  # of another facility
    admin = asker_of(cast["admin"])

    def found(*pairs: tuple[str, str]) -> list[Any]:
        entries, _ = run(admin, reading.page(admin, reading.read(admin, list(pairs))))
        return [audit_event(entry, admin) for entry in entries]

    good, wrong = found(("type", "110114"))
    assert (wrong.outcome, wrong.outcomeDesc, wrong.action) == ("4", "password", "E")
    assert (good.outcome, good.outcomeDesc) == ("0", "password")
    assert [one.code for one in good.subtype] == ["110122"]
    assert (wrong.agent[0].network.address, wrong.agent[2].name) == ("127.0.0.1", AGENT)
    assert [one.id for one in found(("subtype", "110122"), ("outcome", "4"))] == [wrong.id]
    assert found(("type", "rest")) == found(("subtype", "110123")) == []
