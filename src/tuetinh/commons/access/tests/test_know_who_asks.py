"""The lean door knows connected systems by their token and people by their browser session, and forgets within 5 s."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from psycopg_pool import AsyncConnectionPool

from tuetinh.commons.access.api import authenticate, create_client
from tuetinh.commons.access.models import Account, Policy, Token
from tuetinh.commons.access.models import Client as System
from tuetinh.commons.access.oauth import asking, grants
from tuetinh.commons.access.sessions import end_others

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

    from tuetinh.record.asker import Asker

pytestmark = pytest.mark.django_db(transaction=True)


def ask(**headers: str) -> Asker | None:
    """Who sends a request with these headers."""
    return ask_all([headers])[0]


def ask_all(requests: list[dict[str, str]]) -> list[Asker | None]:
    """Who sends each request, one after the other."""

    async def run() -> list[Asker | None]:
        parameters: dict[str, Any] = connection.get_connection_params()
        keys = ("dbname", "user", "password", "host", "port")
        kwargs = {key: parameters[key] for key in keys if parameters.get(key)} | {"autocommit": True}
        async with AsyncConnectionPool(kwargs=kwargs, min_size=1, max_size=2, open=False) as pool:
            scopes = [
                {"type": "http", "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()]}
                for headers in requests
            ]
            return [await authenticate(scope, pool) for scope in scopes]

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """Start with an empty cache."""
    asking._answers.clear()
    yield
    asking._answers.clear()


@pytest.fixture
def token() -> str:
    """A token of the client `lis`."""
    create_client("lis", "LIS", scopes="system/*.rs", facility="12104")
    return grants.issue(System.objects.get(pk="lis"), "")[0]


def test_system_is_known_by_its_token(token: str) -> None:
    asker = ask(Authorization=f"Bearer {token}")
    assert asker is not None
    assert (asker.account, asker.role, asker.facility) == ("client:lis", "system", "12104")
    assert asker.scopes == frozenset({"system/*.rs"})
    assert asker.patient is None


def test_one_that_has_expired_is_nobody(token: str) -> None:
    Token.objects.update(expires=datetime(2026, 1, 1, tzinfo=UTC))
    assert ask(Authorization=f"Bearer {token}") is None


def test_one_that_is_revoked_is_nobody_within_five_seconds_even_when_nobody_was_told(token: str) -> None:
    assert asking.KEEP <= 5
    assert ask(Authorization=f"Bearer {token}") is not None
    grants.revoke(System.objects.get(), token)
    assert ask(Authorization=f"Bearer {token}") is not None  # believed for a moment
    for key, (until, asker) in list(asking._answers.items()):
        asking._answers[key] = (until - asking.KEEP, asker)
    assert ask(Authorization=f"Bearer {token}") is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer nothing"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer \xff\xfe"},
        {"Cookie": "sessionid=unknown"},
        {"Cookie": "sessionid="},
        {"Cookie": ";;;=\x01"},
    ],
)
def test_anything_else_is_nobody(headers: dict[str, str]) -> None:
    assert ask(**headers) is None


def test_cache_keeps_no_secret(token: str) -> None:
    ask(Authorization=f"Bearer {token}")
    assert len(asking._answers) == 1
    assert all(token.encode() not in key for key in asking._answers)


def session(browser: Client) -> dict[str, str]:
    """Cookie header of a logged-in browser."""
    return {"Cookie": f"theme=dark; sessionid={browser.cookies['sessionid'].value}"}


def test_person_is_known_by_the_session(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    doctor, citizen, outsider = ask_all([session(as_role(role)) for role in ("doctor", "citizen", "outsider")])
    assert doctor is not None
    assert (doctor.account, doctor.role, doctor.facility) == (str(cast["doctor"].pk), "doctor", "12104")
    assert doctor.scopes == frozenset({"user/*.rs"})
    assert citizen is not None
    assert (citizen.patient, citizen.scopes) == ("cast-citizen", frozenset({"patient/*.rs"}))
    assert outsider is not None
    assert outsider.scopes == frozenset()


def test_bad_token_is_not_saved_by_a_good_session(as_role: Callable[[str], Client]) -> None:
    assert ask(**session(as_role("doctor")), Authorization="Bearer nothing") is None


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "argon2$x"}, {"must_change_password": True}])
def test_session_of_a_changed_account_is_nobody(as_role: Callable[[str], Client], change: dict[str, object]) -> None:
    browser = as_role("doctor")
    Account.objects.filter(role="doctor").update(**change)
    assert ask(**session(browser)) is None


def test_session_that_logged_out_is_nobody(as_role: Callable[[str], Client]) -> None:
    browser = as_role("doctor")
    cookie = session(browser)
    browser.post("/logout")
    assert ask(**cookie) is None


def test_who_lacks_a_second_factor_that_the_policy_demands_is_nobody(as_role: Callable[[str], Client]) -> None:
    Policy.objects.create(factor_roles="admin doctor")
    cookies = [session(as_role(role)) for role in ("doctor", "nurse")]
    assert [asker and asker.role for asker in ask_all(cookies)] == [None, "nurse"]
    asking._answers.clear()
    Account.objects.filter(role="doctor").update(has_factor=True)
    assert [asker and asker.role for asker in ask_all(cookies)] == ["doctor", "nurse"]


def test_session_that_was_ended_elsewhere_is_nobody(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    cookie = session(as_role("doctor"))
    assert ask(**cookie) is not None
    asking._answers.clear()
    assert end_others(cast["doctor"], None) == 1
    assert ask(**cookie) is None
