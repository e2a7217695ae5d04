"""The application of a node on a socket, and studies of one person in its archive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from pydicom import dcmread

from tuetinh.care.imaging.tests.conftest import _remember_nothing, part10, person
from tuetinh.record.tests.door_world import url

__all__ = ["_remember_nothing", "person"]
STUDY, OTHER = "1.2.3.4", "1.2.3.5"
TOKEN = "t" * 32


class Node:
    """The application of a node, which begins on the event loop that serves it."""

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as a node does; its pages leave the database with each answer, for their threads outlive a test."""
        async with self._lock:
            if self._app is None:
                from tuetinh.node.asgi import Application

                self._loop = asyncio.get_running_loop()
                app = Application(frozenset({"web"}))
                await app.startup()
                self._app = app
        await self._app(scope, receive, send)

    def close(self) -> None:
        """Leave the database."""
        if self._app:
            asyncio.run_coroutine_threadsafe(self._app.shutdown(), self._loop).result(20)
            for thread in self._app._executor._threads:
                thread.join(5)  # what a page was still asked for comes to its end, and leaves the database as well


@pytest.fixture
def node(
    over_a_socket: Callable[..., str], monkeypatch: pytest.MonkeyPatch, cast: object, transactional_db: None
) -> Iterator[str]:
    """The address of a node on the database of the test."""
    monkeypatch.setenv("TUETINH_DATABASE_URL", url())
    monkeypatch.setitem(connections["default"].settings_dict, "CONN_MAX_AGE", 0)
    app = Node()
    yield over_a_socket(app)
    app.close()


@pytest.fixture
def calls(node: str, as_role: Callable[[str], Client]) -> Callable[[str], httpx.Client]:
    """Browsers without pages: what calls the node with the session of somebody of a role."""

    def browser(role: str) -> httpx.Client:
        session = as_role(role).cookies[settings.SESSION_COOKIE_NAME].value
        cookies = {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: TOKEN}
        return httpx.Client(base_url=node, cookies=cookies, timeout=30)

    return browser


def measurements(**changes: object) -> bytes:
    """Measurements in a series of their own, as the viewer sends them."""
    told = {"Modality": "SR", "SeriesInstanceUID": "1.2.3.4.9", "SOPInstanceUID": "1.2.3.4.9.1"} | changes
    dataset = dcmread(BytesIO(part10(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.34", **told)))
    del dataset.PixelData
    out = BytesIO()
    dataset.save_as(out)
    return out.getvalue()
