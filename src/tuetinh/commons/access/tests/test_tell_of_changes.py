"""Whatever changes who may what is told to every process by the database, and is then believed no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from tuetinh.commons.access import api
from tuetinh.commons.access.models import Account, Client, Policy, Session, SightRule
from tuetinh.commons.access.oauth import asking, grants
from tuetinh.commons.messages.live import Live

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 30  # seconds for what comes at once; only where it is missing is so long waited

CHANGES: dict[str, Callable[[], object]] = {
    "a session ends": lambda: Session.objects.all().delete(),
    "a token is revoked": lambda: grants.revoke(Client.objects.get(pk="lis"), issued()),
    "an account is disabled": lambda: Account.objects.filter(username="cast.doctor").update(is_active=False),
    "an account changes its desk": lambda: Account.objects.filter(username="cast.doctor").update(role="nurse"),
    "an app is shut out": lambda: Client.objects.filter(pk="lis").update(is_active=False),
    "a rule is made": lambda: SightRule.objects.create(role="nurse", after_days=1, glass_hours=1),
    "the policy is changed": Policy.objects.create,
}
NO_CHANGES: dict[str, Callable[[], object]] = {
    "an account is used": lambda: Account.objects.filter(username="cast.doctor").update(last_login=timezone.now()),
    "a client is used": lambda: Client.objects.filter(pk="lis").update(last_used=timezone.now()),
}


def issued() -> str:
    """A token of the client."""
    return grants.issue(Client.objects.get(pk="lis"), "")[0]


@pytest.fixture(autouse=True)
def world(cast: dict[str, Account]) -> None:
    """The cast, a client with a token, and a session."""
    api.create_client("lis", "LIS", scopes="system/*.rs", facility="12104")
    Session.objects.create(session_key="x", session_data="", expire_date=timezone.now(), account=cast["doctor"])


def told(change: Callable[[], object], seconds: float) -> bool:
    """Whether the database tells of it."""
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as listener:
        listener.execute(f"LISTEN {api.TOPIC}")
        change()
        return any(True for _ in listener.notifies(timeout=seconds, stop_after=1))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_changes_are_told(change: Callable[[], object]) -> None:
    assert told(change, PATIENCE)


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES.keys())
def test_what_changes_nobodys_rights_is_not(change: Callable[[], object]) -> None:
    assert not told(change, 0.2)


def test_a_process_that_is_told_forgets() -> None:
    bearer = {"headers": [(b"authorization", f"Bearer {issued()}".encode())]}

    async def nobody(_: object) -> None:
        return None

    async def no_channel(_asker: object, _channel: str) -> bool:
        return False

    async def main() -> None:
        from psycopg_pool import AsyncConnectionPool

        url = psycopg.conninfo.make_conninfo(**_params())
        heard = asyncio.Event()

        def forget() -> None:
            api.forget()
            heard.set()

        live = Live(url, nobody, no_channel, {api.TOPIC: forget})
        live.start()
        async with AsyncConnectionPool(url, min_size=1, kwargs={"autocommit": True}, open=False) as pool:
            await asyncio.wait_for(heard.wait(), PATIENCE)  # it listens now
            assert await api.authenticate(bearer, pool) is not None
            assert len(asking._answers) == 1
            heard.clear()
            async with pool.connection() as conn:
                await conn.execute("UPDATE access_client SET is_active = false WHERE id = 'lis'")
            await asyncio.wait_for(heard.wait(), PATIENCE)
            assert await api.authenticate(bearer, pool) is None
        await live.stop()

    asyncio.run(main())


def _params() -> dict[str, str]:
    """What libpq needs of Django's connection."""
    kept = ("host", "port", "user", "password", "dbname")
    return {name: str(value) for name, value in connection.get_connection_params().items() if name in kept and value}
