"""Letting somebody in: at once, or after the second step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.contrib.auth import authenticate, login

from tuetinh.commons.access import idle, sessions
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.proof import attempts, codes, noting, passkeys, policy
from tuetinh.commons.access.telling import note_account

if TYPE_CHECKING:
    from django.http import HttpRequest

OUTSIDE = "outside"  # in the session: the provider and identity token of who came from outside
WAITING = "waiting"  # in the session: who has given the password, and where to go then
SECONDS = 600  # that one may take for the second step
BACKEND = "django.contrib.auth.backends.ModelBackend"


def enter(request: HttpRequest, account: Account, way: str) -> None:
    """Log the person in, who has proved to be the account's. way: of `sessions.WAYS`."""
    if policy.is_too_old(account):
        Account.objects.filter(pk=account.pk).update(must_change_password=True)
    idle.used(account)
    request.session.pop(WAITING, None)
    login(request, account, backend=BACKEND)
    sessions.start(request, way)
    noting.came_in(account, way)


def wait(request: HttpRequest, account: Account, url: str) -> None:
    """Remember who has given the right password and still has to give a code or a passkey."""
    request.session[WAITING] = {"account": account.pk, "at": int(time.time()), "next": url, "with": account.password}


def waiting(request: HttpRequest) -> tuple[Account, str] | None:
    """Who that is, and where to go then; None when nobody is, or took too long, or is shut out meanwhile."""
    kept: dict[str, Any] | None = request.session.get(WAITING)
    if not kept or time.time() - kept["at"] > SECONDS:
        return None
    account = Account.objects.filter(pk=kept["account"], password=kept["with"], is_active=True).first()
    return (account, kept["next"]) if account else None


def second(request: HttpRequest, account: Account, code: str, passkey: str) -> str:
    """The way of a right second step, "" for a wrong one. Raises limits.Slow after too many wrong codes."""
    if passkey:
        if passkeys.prove(request, passkey, account):
            return "passkey"
        noting.turned_away(account, "passkey")
        return ""
    attempts.check_code(account.pk)
    if code and codes.use(account, code):
        return "totp"
    if code and codes.use_recovery_code(account, code):
        note_account(account, account, "code_used")
        return "recovery"
    attempts.failed_code(account.pk)
    noting.turned_away(account, "code")
    return ""


def again(request: HttpRequest, account: Account, password: str, code: str, passkey: str) -> str:
    """The way in which the person has proved once more, as at the login; "" for a wrong proof. Raises limits.Slow."""
    if passkey:
        return second(request, account, "", passkey)
    attempts.check(request, account.username)
    if not password or authenticate(request, username=account.username, password=password) is None:
        attempts.failed(request, account.username)
        noting.turned_away(account, "password")
        return ""
    return second(request, account, code, "") if account.has_factor else "password"
