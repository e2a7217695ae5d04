"""The real door on the real database, as tests of any module come to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
from django.db import connection
from psycopg_pool import AsyncConnectionPool

from tuetinh.record import audit, projections, sight
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.door import Door
from tuetinh.record.projections import Written
from tuetinh.record.steps import enter, run


class Client:
    """Speaks to the door as one of the cast. Calls are synchronous; `together` runs many at the same time."""

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        self.door, self.loop = door, loop
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(door), base_url="http://record.test/fhir", timeout=60
        )

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def send(self, method: str, path: str, who: str = "system", **kwargs: Any) -> httpx.Response:
        return self.run(self.asend(method, path, who, **kwargs))

    async def asend(self, method: str, path: str, who: str = "system", **kwargs: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {who}"} | kwargs.pop("headers", {})
        return await self.http.request(method, f"http://record.test/fhir{path}", headers=headers, **kwargs)

    def together(self, *calls: Coroutine[Any, Any, httpx.Response]) -> list[httpx.Response]:
        async def gather() -> list[httpx.Response]:
            return list(await asyncio.gather(*calls))

        return self.run(gather())

    def get(self, path: str, who: str = "system", **kwargs: Any) -> httpx.Response:
        return self.send("GET", path, who, **kwargs)

    def post(self, path: str, resource: Any, who: str = "system", **kwargs: Any) -> httpx.Response:
        return self.send("POST", path, who, json=resource, **kwargs)

    def put(self, path: str, resource: Any, who: str = "system", **kwargs: Any) -> httpx.Response:
        return self.send("PUT", path, who, json=resource, **kwargs)


def url() -> str:
    return psycopg.conninfo.make_conninfo(
        **{
            k: v
            for k, v in connection.get_connection_params().items()
            if k in ("dbname", "user", "password", "host", "port")
        }
    )


@contextmanager
def opened(authenticate: Callable[[Any, Any], Awaitable[Asker | None]]) -> Iterator[Client]:
    """The door with its own event loop; what was stored is gone afterwards. authenticate: of a scope, with a pool."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Client:
        kwargs = {"autocommit": True, "prepare_threshold": 1}
        pool: Any = AsyncConnectionPool(url(), min_size=2, max_size=12, open=False, kwargs=kwargs)
        await pool.open()

        async def who(scope: Any) -> Asker | None:
            return await authenticate(scope, pool)

        door = Door(pool, who)
        await door.startup()
        return Client(door, loop)

    client = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield client
    finally:

        async def stop() -> None:
            await client.http.aclose()
            await client.door.shutdown()
            await client.door.pool.close()

        asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        empty()


def rows(sql: str, *params: Any) -> list[Any]:
    """Ask the test database past Django, which the tests of the door do not use."""
    with psycopg.connect(url(), autocommit=True) as conn:
        conn.execute(sight.ENTER, sight.settings(SYSTEM))
        return conn.execute(sql, params).fetchall()


def empty() -> None:
    """Take away what was stored past Django's transactions."""
    audit.writer.close()
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT type FROM record.feed")
        for (type_,) in cursor.fetchall():
            cursor.execute(f'SELECT id, key, version, patient FROM record."{type_}"')
            run(SYSTEM, projections.project(type_, [Written(type_, *row, None) for row in cursor.fetchall()]))
            for part in ("", "_date", "_number", "_string", "_history"):
                cursor.execute(f'DELETE FROM record."{type_}{part}"')
        cursor.execute("DELETE FROM record.content")
        cursor.execute("DELETE FROM record.feed")
        cursor.execute("DELETE FROM record.merge_row; DELETE FROM record.merge_moved; DELETE FROM record.merge")
        cursor.execute("DELETE FROM record.audit")
    connection.close()
