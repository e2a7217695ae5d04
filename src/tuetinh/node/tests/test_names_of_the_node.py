"""Under which names a node answers, and whose word it takes for how it was asked."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client

from tuetinh.node.settings import hosts
from tuetinh.record.door.call import base_of


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({}, {"localhost", "127.0.0.1", "[::1]"}),
        ({"TUETINH_URL": "https://hoso.tinh.vn"}, {"hoso.tinh.vn", "localhost", "127.0.0.1", "[::1]"}),
        ({"TUETINH_BIND": "10.2.0.7"}, {"10.2.0.7", "localhost", "127.0.0.1", "[::1]"}),
        ({"TUETINH_HOSTS": "a.vn, .b.vn", "TUETINH_URL": "https://c.vn"}, {"a.vn", ".b.vn"}),
    ],
)
def test_names_come_from_the_address(told: dict[str, str], named: set[str]) -> None:
    assert set(hosts(told)) == named


def test_what_is_bound_to_every_address_answers_by_each_but_not_by_any() -> None:
    found = hosts({"TUETINH_BIND": "0.0.0.0"})
    assert {"127.0.0.1", "localhost"} <= set(found)
    assert not {"*", "evil.example"} & set(found)


@pytest.mark.django_db
def test_a_page_of_another_name_is_refused(settings: Any) -> None:
    settings.ALLOWED_HOSTS = hosts({})
    assert Client(headers={"host": "evil.example"}).get("/login").status_code == 400
    assert Client(headers={"host": "localhost"}).get("/login").status_code == 200


@pytest.mark.parametrize(
    ("peer", "proxies", "url", "expected"),
    [
        ("10.9.0.2", [], "", "http"),
        ("10.9.0.2", ["10.9.0.0/24"], "", "https"),
        ("10.8.0.2", ["10.9.0.0/24"], "", "http"),
        ("10.8.0.2", [], "https://localhost", "https"),
        ("10.8.0.2", [], "https://other.vn", "http"),
    ],
)
def test_the_scheme_is_told_by_a_proxy_of_ours_alone(
    settings: Any, monkeypatch: pytest.MonkeyPatch, peer: str, proxies: list[str], url: str, expected: str
) -> None:
    settings.PROXIES, settings.ALLOWED_HOSTS = [ip_network(one) for one in proxies], ["localhost"]
    monkeypatch.setenv("TUETINH_URL", url)
    scope: dict[str, Any] = {"client": (peer, 4711), "scheme": "http", "server": ("127.0.0.1", 80)}
    headers = {"host": "localhost", "x-forwarded-proto": "https"}
    assert base_of(scope, headers) == f"{expected}://localhost/fhir"
    assert base_of(scope, headers | {"host": "evil.example"}).endswith("://127.0.0.1:80/fhir")
