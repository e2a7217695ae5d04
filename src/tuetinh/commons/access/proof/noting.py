"""Who came in, who left, and who was turned away at the doors: entries of the access log.

What was typed as a user name that nobody has is not kept: it may be a password.
"""

from __future__ import annotations

from tuetinh.commons.access.models import Account, Client
from tuetinh.record import audit
from tuetinh.record.asker import Asker

LOGIN, LOGOUT = "login", "logout"


def came_in(account: Account, way: str) -> None:
    """Somebody has logged in. way: of `sessions.WAYS`."""
    audit.note(_of(account), LOGIN, "", "", None, reason=way)


def left(account: Account) -> None:
    """Somebody has logged out."""
    audit.note(_of(account), LOGOUT, "", "", None)


def turned_away(account: Account | None, reason: str) -> None:
    """A login, or a proof that was asked for again, was wrong. reason: `password`, `code` or `passkey`."""
    audit.note(_of(account) if account else Asker("", ""), LOGIN, "", "", None, outcome=audit.REFUSED, reason=reason)


def turned_away_by_name(username: str, reason: str) -> None:
    """The same, of the account of a user name as it was typed."""
    turned_away(Account.objects.filter(username=username.strip()).first(), reason)


def system_turned_away(client_id: str, reason: str) -> None:
    """A connected system or an app could not prove itself. reason: the code of the refusal (RFC 6749, 5.2)."""
    client = Client.objects.filter(pk=client_id).first()
    who = Asker(f"client:{client.pk}", "system", client.facility, client=client.pk) if client else Asker("", "system")
    audit.note(who, LOGIN, "", "", None, outcome=audit.REFUSED, reason=reason)


def _of(account: Account) -> Asker:
    return Asker(str(account.pk), account.role, account.facility, "", practitioner=account.practitioner)
