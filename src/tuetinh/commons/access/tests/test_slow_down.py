"""Allowances: how often one may be wrong, from one address and for one account, also across processes."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection, connections
from django.db.models.functions import Now
from django.test import Client, RequestFactory

from tuetinh.commons.access import actions, limits
from tuetinh.commons.access.models import Pace as Spent
from tuetinh.commons.access.models import Policy
from tuetinh.commons.access.oauth.clients import create_client
from tuetinh.commons.access.proof import policy
from tuetinh.node.testing import PASSWORD
from tuetinh.record import pace
from tuetinh.record.pace import Pace

if TYPE_CHECKING:
    from django.http import HttpResponse

    from tuetinh.commons.access.models import Account


def try_password(password: str, address: str, username: str = "cast.doctor") -> HttpResponse:
    return Client(REMOTE_ADDR=address).post("/login", {"username": username, "password": password})


def waits(kind: str, key: str, hourly: int) -> int:
    with pytest.raises(limits.Slow) as slow:
        limits.spend(kind, key, hourly)
    return slow.value.seconds


def test_an_allowance_is_spent_at_once_and_comes_back_evenly(db: None) -> None:
    for _ in range(60):
        limits.spend("x", "a", 60)
    assert 59 <= waits("x", "a", 60) <= 60
    with connection.cursor() as cursor:
        cursor.execute("""UPDATE access_pace SET "full" = "full" - interval '121 s'""")
    limits.spend("x", "a", 60)
    limits.spend("x", "a", 60)
    assert 58 <= waits("x", "a", 60) <= 60


def test_refusals_cost_nothing(db: None) -> None:
    limits.spend("x", "a", 1)
    before = Spent.objects.values().get()
    for _ in range(5):
        waits("x", "a", 1)
    assert Spent.objects.values().get() == before


def test_what_is_whole_is_forgotten(db: None) -> None:
    limits.spend("x", "a", 60)
    limits.spend("x", "b", 60)
    spent = Spent.objects.order_by("pk").first()
    assert spent is not None
    Spent.objects.filter(pk=spent.pk).update(full=Now() - timedelta(seconds=1))
    assert limits.tidy() == 1
    assert Spent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_are_let_through() -> None:
    passed: list[int] = []

    def many() -> None:
        for _ in range(10):
            try:
                limits.spend("x", "a", 20)
                passed.append(1)
            except limits.Slow:
                pass
        connections.close_all()

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 20


def test_one_account_is_not_tried_from_everywhere(cast: dict[str, Account]) -> None:
    Policy.objects.create(wrong_per_account=6)
    policy.forget()
    answers = [try_password("sai", f"10.0.{n}.1").status_code for n in range(7)]
    assert answers == [200] * 6 + [429]
    refused = try_password(PASSWORD, "10.0.99.1")
    assert refused.status_code == 429
    assert 500 < int(refused["Retry-After"]) <= 600
    assert "Hãy chờ một chút" in refused.content.decode()
    assert "_auth_user_id" not in refused.client.session
    assert try_password(PASSWORD, "10.0.99.1", "cast.nurse").status_code == 302
    actions.unlock(cast["admin"], cast["doctor"].pk)
    assert try_password(PASSWORD, "10.0.99.1").status_code == 302


def test_a_name_written_otherwise_is_the_same_account(cast: dict[str, Account]) -> None:
    Policy.objects.create(wrong_per_account=6)
    policy.forget()
    for n in range(6):
        try_password("sai", f"10.0.{n}.1")
    assert try_password(PASSWORD, "10.0.99.1", " cast.doctor ").status_code == 429
    assert try_password(PASSWORD, "10.0.99.1", "ｃast.doctor").status_code == 429


def test_one_address_does_not_try_every_account(cast: dict[str, Account]) -> None:
    Policy.objects.create(wrong_per_address=20)
    policy.forget()
    answers = [try_password("sai", "10.0.0.1", f"someone.{n}").status_code for n in range(21)]
    assert answers == [200] * 20 + [429]
    assert try_password(PASSWORD, "10.0.0.1").status_code == 429
    assert try_password(PASSWORD, "10.0.0.2").status_code == 302


def test_a_hospital_behind_one_address_logs_in_all_morning(cast: dict[str, Account]) -> None:
    Policy.objects.create(wrong_per_address=20)
    policy.forget()
    for _ in range(25):
        assert try_password(PASSWORD, "10.0.0.1").status_code == 302
    assert Spent.objects.count() == 0


def test_forms_left_empty_are_no_failures(cast: dict[str, Account]) -> None:
    try_password("", "10.0.0.1")
    try_password("x", "10.0.0.1", "")
    assert Spent.objects.count() == 0


def test_names_are_not_kept(cast: dict[str, Account]) -> None:
    try_password("sai", "10.0.0.1")
    assert sorted(len(bytes(row.key)) for row in Spent.objects.all()) == [32, 32]


def test_clients_with_wrong_secrets_wait_too(db: None) -> None:
    Policy.objects.create(wrong_per_account=5, wrong_per_address=20)
    policy.forget()
    secret = create_client("lis", "LIS")
    form = {"grant_type": "client_credentials", "client_id": "lis", "client_secret": "wrong"}
    browser = Client(REMOTE_ADDR="10.0.0.1")
    assert [browser.post("/oauth/token", form).status_code for _ in range(6)] == [401] * 5 + [429]
    right = form | {"client_secret": secret}
    refused = browser.post("/oauth/token", right)
    assert (refused.status_code, refused.json()["error"]) == (429, "slow_down")
    assert 600 < int(refused["Retry-After"]) <= 720
    assert Client(REMOTE_ADDR="10.0.0.2").post("/oauth/token", right).status_code == 200


@pytest.mark.parametrize(
    ("sender", "forwarded", "found"),
    [
        ("10.9.0.1", "", "10.9.0.1"),
        ("10.9.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.9.0.1", "1.2.3.4, 203.0.113.7, 10.9.0.2", "203.0.113.7"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.9.0.1", "nonsense", ""),
        ("", "", ""),
    ],
)
def test_only_known_proxies_say_whom_they_speak_for(settings: object, sender: str, forwarded: str, found: str) -> None:
    from ipaddress import ip_network

    settings.PROXIES = [ip_network("10.9.0.0/24")]  # type: ignore[attr-defined]
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert limits.address_of(RequestFactory(REMOTE_ADDR=sender).get("/", headers=headers)) == found


def test_one_customer_of_ipv6_is_one() -> None:
    request = RequestFactory(REMOTE_ADDR="2001:db8:1:2:aaaa::7").get("/")
    assert limits.network_of(request) == "2001:db8:1:2::/64"


def test_who_opens_pages_faster_than_a_person_waits(cast: dict[str, Account], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "people", Pace(2))
    monkeypatch.setattr(pace, "monotonic", lambda: 1000.0)
    desk, other = Client(), Client()
    desk.force_login(cast["doctor"])
    other.force_login(cast["nurse"])
    assert [desk.get("/account/security").status_code for _ in range(2)] == [200, 200]
    refused = desk.get("/account/security")
    assert (refused.status_code, refused.templates[0].name) == (429, "access/fast.html")
    assert refused["Retry-After"] == "30"
    assert "Hãy thử lại sau" in refused.content.decode()
    assert other.get("/account/security").status_code == 200
    assert desk.post("/logout").status_code == 302
