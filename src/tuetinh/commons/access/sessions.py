"""Sessions of browsers, kept with their account, so that a person can list and end them (`SESSION_ENGINE`).

A session ends when it has not been used for a while, and after a working day in any case (`Policy`).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.functional import _StrPromise

    from tuetinh.commons.access.models import Account, Session

TOUCH = 60  # seconds; how exactly the last use is known
# What stands in a browser's User-Agent, the most telling first.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}
WAYS = {
    "password": gettext_lazy("mật khẩu"),
    "totp": gettext_lazy("mật khẩu và mã 6 số"),
    "recovery": gettext_lazy("mật khẩu và mã dự phòng"),
    "passkey": gettext_lazy("khóa truy cập"),
    "outside": gettext_lazy("tài khoản ngoài"),
}


class SessionStore(DatabaseStore):
    """Django's sessions of the database, with the account in a column and the times in the data.

    began, seen, proved: seconds since 1970 of the login, the last use, and the last proof of who it is.
    """

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Where they are."""
        from tuetinh.commons.access.models import Session

        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """The row of a session."""
        if SESSION_KEY in data:
            for name in ("began", "seen", "proved"):
                data.setdefault(name, int(time.time()))
        row: Any = super().create_model_instance(data)
        row.account_id = data.get(SESSION_KEY)
        return row

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Seconds until it ends if nobody uses it."""
        if SESSION_KEY not in self:
            age: int = super().get_expiry_age(**kwargs)
            return age
        from tuetinh.commons.access.proof import policy

        rules = policy.now()
        left = self.get("began", int(time.time())) + rules.session_hours * 3600 - int(time.time())
        return int(max(0, min(left, rules.idle_minutes * 60)))

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """The moment when it ends if nobody uses it."""
        return timezone.now() + timedelta(seconds=self.get_expiry_age(**kwargs))


def start(request: HttpRequest, way: str) -> None:
    """Note who has just come in, from where, with what: the session is as fresh as can be."""
    now = int(time.time())
    request.session.update({"began": now, "proved": now, "way": way})
    _see(request, now)


def touch(request: HttpRequest) -> None:
    """Note that a session is used, once a minute."""
    now = int(time.time())
    if now - request.session.get("seen", now) >= TOUCH:
        _see(request, now)


def _see(request: HttpRequest, now: int) -> None:
    from tuetinh.commons.access.limits import address_of

    agent = request.headers.get("User-Agent", "")[:300]
    request.session.update({"seen": now, "address": address_of(request), "agent": agent})


@dataclass(frozen=True, slots=True)
class Listed:
    """One session as its owner sees it. handle: names it in addresses, where its key must not stand."""

    handle: str
    device: str
    address: str
    way: _StrPromise | str
    began: datetime
    seen: datetime
    is_this: bool


def listed(account: Account, current: str | None) -> list[Listed]:
    """The open sessions of an account, the last used on top. current: the key of the one who asks."""
    rows = [(row.session_key, row.get_decoded()) for row in _open(account)]
    found = [
        Listed(
            _handle(key),
            device(data.get("agent", "")),
            data.get("address", ""),
            WAYS.get(data.get("way", ""), ""),
            datetime.fromtimestamp(data["began"], UTC),
            datetime.fromtimestamp(data["seen"], UTC),
            key == current,
        )
        for key, data in rows
        if SESSION_KEY in data
    ]
    return sorted(found, key=lambda one: (one.is_this, one.seen), reverse=True)


def end(account: Account, handle: str) -> bool:
    """End one session of the account; False when it has no such one."""
    keys = [row.session_key for row in _open(account) if _handle(row.session_key) == handle]
    return bool(account.sessions.filter(session_key__in=keys).delete()[0])


def end_others(account: Account, current: str | None) -> int:
    """End all sessions of the account but this one; returns how many."""
    return int(account.sessions.exclude(session_key=current).delete()[0])


def device(agent: str) -> str:
    """Browser and system in a User-Agent, for people: `Chrome, Windows`."""
    known = (next((name for sign, name in table.items() if sign in agent), "") for table in (BROWSERS, SYSTEMS))
    return ", ".join(name for name in known if name)


def _open(account: Account) -> QuerySet[Session]:
    return account.sessions.filter(expire_date__gt=timezone.now())


def _handle(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
