"""A person at a desk, as the node sees one: a browser session that opens pages, fills forms and follows live events."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx
from lxml import html

TIMEOUT = httpx.Timeout(20)
LANGUAGE = "django_language"  # the cookie; without it pages are Vietnamese


class Refused(Exception):
    """A step did not get what it needs; the text says what came instead."""


@dataclass
class Page:
    """An answer of the node: its address, status, bytes, and tree of HTML."""

    url: str
    status: int
    content: bytes
    type: str

    @property
    def tree(self) -> html.HtmlElement:
        """The page as a tree."""
        return html.fromstring(self.content.decode())

    @property
    def text(self) -> str:
        """The visible words, with single spaces."""
        return " ".join(" ".join(self.tree.itertext()).split())

    def attribute(self, path: str) -> str:
        """The first value that an XPath finds."""
        found = self.tree.xpath(path)
        if not found:
            raise Refused(f"{self.url} has no {path}")
        return str(found[0])


class Desk:
    """One logged-in account."""

    def __init__(self, url: str, username: str, password: str) -> None:
        """Log in and read Vietnamese, whatever language the account chose; raises Refused when that fails."""
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=TIMEOUT)
        self.username = username
        page = self.get("/login")
        page = self.submit(page, "/login", {"username": username, "password": password})
        if "sessionid" not in self.http.cookies:
            raise Refused(f"{username} could not log in: {page.text[:200]}")
        self.http.cookies.delete(LANGUAGE)

    def get(self, path: str, **query: str) -> Page:
        """Open a page that must answer 200."""
        return self._page(self.http.get(path, params=query or None))

    def status(self, path: str) -> int:
        """The status that a page answers, without following redirects."""
        return self.http.get(path, follow_redirects=False).status_code

    def submit(self, page: Page, action: str, values: dict[str, Any] | None = None) -> Page:
        """Fill the form of a page whose action ends so and send it, with everything that it carries already."""
        target, data, headers = self._filled(page, action, values)
        return self._page(self.http.post(target, data=data, headers=headers))

    def try_(self, page: Page, action: str, values: dict[str, Any]) -> tuple[int, str]:
        """Send a form that the node is expected to refuse; returns the status and the text of the answer."""
        target, data, headers = self._filled(page, action, values)
        answer = self.http.post(target, data=data, headers=headers)
        return answer.status_code, answer.text

    def _filled(
        self, page: Page, action: str, values: dict[str, Any] | None
    ) -> tuple[str, dict[str, Any], dict[str, str]]:
        for form in page.tree.forms:
            target = str(urljoin(page.url, form.get("action") or page.url))
            if form.method == "POST" and target.split("?", maxsplit=1)[0].endswith(action):
                data: dict[str, Any] = {}
                for key, value in form.form_values():
                    data.setdefault(key, []).append(value)
                headers = {"Referer": page.url, "X-CSRFToken": self.http.cookies.get("csrftoken") or ""}
                return target, data | (values or {}), headers
        raise Refused(f"{page.url} has no form for {action}")

    def post(self, path: str, values: dict[str, Any]) -> Page:
        """Send what a script of the page sends."""
        headers = {"Referer": str(self.http.base_url), "X-CSRFToken": self.http.cookies.get("csrftoken") or ""}
        return self._page(self.http.post(path, data=values, headers=headers))

    def _page(self, answer: httpx.Response) -> Page:
        if answer.status_code >= 400:
            body = answer.text
            words = " ".join(html.fromstring(body).text_content().split())[:300] if "<" in body else body[:300]
            raise Refused(
                f"{self.username}: {answer.request.method} {answer.url} answered {answer.status_code}: {words}"
            )
        return Page(str(answer.url), answer.status_code, answer.content, answer.headers.get("content-type", ""))


class Follower:
    """Follows a live channel and notes when something changed."""

    def __init__(self, http: httpx.Client, channel: str) -> None:
        """Begin to follow; returns once the stream is open."""
        self._changed = threading.Event()
        self._open = threading.Event()
        self._http = http
        self._channel = channel
        threading.Thread(target=self._follow, daemon=True).start()
        if not self._open.wait(5):
            raise Refused(f"the live channel {channel} did not open")

    def _follow(self) -> None:
        timeout = httpx.Timeout(5, read=60)
        try:
            with self._http.stream("GET", "/events", params={"channel": self._channel}, timeout=timeout) as stream:
                for line in stream.iter_lines():
                    self._open.set()
                    if line.startswith("event: changed"):
                        self._changed.set()
        except httpx.HTTPError:
            return

    def wait(self, seconds: float) -> float:
        """Seconds until the next change; raises Refused when none comes in time."""
        start = time.monotonic()
        if not self._changed.wait(seconds):
            raise Refused(f"nothing changed on {self._channel} within {seconds:g} s")
        self._changed.clear()
        return time.monotonic() - start
