"""What the tests of bulk data share: kick-off, a real worker that runs until nothing is left, and what came out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from asgiref.sync import sync_to_async
from django.db import connections
from procrastinate.contrib.django import app

T = TypeVar("T")
ASYNC = {"prefer": "respond-async"}


def work() -> None:
    """Run a worker on the queue of bulk data until no job is left, beside the test's own connection."""
    jobs = app.with_connector(app.connector.get_worker_connector())

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as thread:  # one for all that is not asynchronous: its connection can be closed
            loop.set_default_executor(thread)
            async with jobs.open_async():
                await jobs.run_worker_async(queues=["bulk"], wait=False, install_signal_handlers=False)
            await loop.run_in_executor(thread, connections.close_all)
        await sync_to_async(connections.close_all)()  # that of what only one thread may do

    asyncio.run(run())


def aside(function: Callable[[], T]) -> T:
    """What a function returns in a thread, and so on a connection, of its own."""

    def run() -> T:
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result()


def path_of(answer: httpx.Response) -> str:
    """Where the job of a kick-off is asked for, below the base."""
    assert answer.status_code == 202, answer.text
    return answer.headers["content-location"].removeprefix("http://record.test/fhir")


@dataclass
class Made:
    """A job that has ended, with its manifest."""

    fhir: Any
    who: str
    path: str
    manifest: dict[str, Any]

    def text(self, url: str, **headers: str) -> str:
        answer = self.fhir.get(url.removeprefix("http://record.test/fhir"), self.who, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def lines(self, part: str = "output", type_: str = "") -> list[dict[str, Any]]:
        """The resources in the files of a part of the manifest."""
        files = [file for file in self.manifest[part] if type_ in ("", file.get("type"))]
        found = [json.loads(line) for file in files for line in self.text(file["url"]).splitlines()]
        assert len(found) == sum(file["count"] for file in files)
        return found

    def ids(self) -> list[str]:
        """`Type/id` of what was exported, sorted."""
        return sorted(f"{each['resourceType']}/{each['id']}" for each in self.lines())


def export(fhir: Any, path: str = "/$export", who: str = "system", body: Any = None, **headers: str) -> Made:
    """Ask for an export, have it done, and read its manifest."""
    send: Callable[..., httpx.Response] = fhir.send
    more = {"json": body} if body is not None else {}
    answer = send("GET" if body is None else "POST", path, who, headers=ASYNC | headers, **more)
    return ended(fhir, path_of(answer), who)


def ended(fhir: Any, path: str, who: str = "system") -> Made:
    """Have a job done, and read its manifest."""
    work()
    answer = fhir.get(path, who)
    assert answer.status_code == 200, answer.text
    return Made(fhir, who, path, answer.json())
