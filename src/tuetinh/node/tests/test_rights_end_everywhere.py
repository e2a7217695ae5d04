"""What was allowed a moment ago is refused by each of the web processes; `test_tell_of_changes` has why at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tuetinh.node.tests.conftest import Province, token

TRIES = 12  # each by a connection of its own, so that both processes answer some
PATIENCE = 30  # seconds; only where nothing is refused is so long waited


@pytest.fixture
def node(start: Callable[..., Province], built: Path) -> Iterator[Province]:
    """A node with two web processes."""
    yield start(built, "--workers", "2")


def post(browser: httpx.Client, path: str, **form: str) -> None:
    """Send a form as a page would."""
    form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
    browser.post(path, data=form, headers={"Referer": f"{browser.base_url}{path}"}).raise_for_status()


def answers(node: Province, headers: dict[str, str]) -> set[int]:
    """How the record answers, asked often."""
    return {httpx.get(f"{node.url}/fhir/Patient?_count=1", headers=headers).status_code for _ in range(TRIES)}


def refused(node: Province, headers: dict[str, str]) -> bool:
    """Whether nothing but refusals come after a while."""
    until = time.monotonic() + PATIENCE
    while (found := answers(node, headers)) != {401} and time.monotonic() < until:
        pass
    return found == {401}


def test_a_session_that_is_logged_out(node: Province) -> None:
    with httpx.Client(base_url=node.url, follow_redirects=True, timeout=30) as browser:
        account = node.account("doctor")
        browser.get("/login")
        post(browser, "/login", username=account["username"], password=account["password"])
        headers = {"Cookie": f"sessionid={browser.cookies['sessionid']}"}
        assert answers(node, headers) == {200}
        post(browser, "/logout")
    assert refused(node, headers)


def test_a_token_that_is_revoked(node: Province) -> None:
    headers = token(node)
    assert answers(node, headers) == {200}
    client = node.demo["client"]
    given = {"token": headers["authorization"].removeprefix("Bearer ")}
    httpx.post(f"{node.url}/oauth/revoke", data=given, auth=(client["id"], client["secret"])).raise_for_status()
    assert refused(node, headers)
