"""Accounts that nobody uses: their administrators are told, and some days later they are disabled.

Nobody is disabled who was not told of before: not after a node stood still for months, nor after it came back from a
backup. At each place the administrator who was there last stays, and so does the account for emergencies.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from tuetinh.commons.access.models import OF_STAFF, Account, Session
from tuetinh.commons.access.proof import policy
from tuetinh.commons.access.telling import note_account

if TYPE_CHECKING:
    from django.db.models import QuerySet

NOTICE: Final = timedelta(days=7)
AT_ONCE: Final = 500  # accounts in one transaction


def used(account: Account) -> None:
    """Note that the person has come in, or one of their apps has. An account for emergencies tells of it."""
    Account.objects.filter(pk=account.pk).update(last_used=timezone.now(), idle_told=None)
    if account.for_emergency:
        note_account(account, account, "emergency_used")


def tell(now: datetime | None = None) -> int:
    """Note for the administrators which accounts will be disabled; how many are new among them."""
    now = now or timezone.now()
    since = _unused_since(now)
    return _each(_going().filter(last_used__lt=since + NOTICE, idle_told=None), "idle_told", now) if since else 0


def disable(now: datetime | None = None) -> int:
    """Disable those that were told of long enough ago; how many."""
    now = now or timezone.now()
    since = _unused_since(now)
    if not since:
        return 0
    return _each(_going().filter(last_used__lt=since, idle_told__lte=now - NOTICE), "idle_disabled", now)


def going_on(account: Account) -> datetime | None:
    """When the account will be disabled if nobody uses it; None where its administrators were not told of that."""
    if not account.is_active or account.idle_told is None or not policy.now().idle_days:
        return None
    return max(account.idle_told + NOTICE, account.last_used + timedelta(days=policy.now().idle_days))


def _unused_since(now: datetime) -> datetime | None:
    days = policy.now().idle_days
    return now - timedelta(days=days) if days else None


def _going() -> QuerySet[Account]:
    """Accounts that may be disabled: of administrators only where another one was there later."""
    later = Q(last_used__gt=OuterRef("last_used")) | Q(last_used=OuterRef("last_used"), pk__gt=OuterRef("pk"))
    here = Account.objects.filter(later, role="admin", is_active=True, for_emergency=False)
    another = Exists(here.filter(facility=OuterRef("facility")))
    return Account.objects.filter(OF_STAFF, ~Q(role="admin") | another, for_emergency=False)


def _each(accounts: QuerySet[Account], what: str, now: datetime) -> int:
    """Do it, some at a time; who is used in this moment waits for the next night."""
    done = 0
    while True:
        with transaction.atomic():
            some = list(accounts.select_for_update(of=("self",), skip_locked=True).order_by("pk")[:AT_ONCE])
            ids = [account.pk for account in some]
            if what == "idle_told":
                Account.objects.filter(pk__in=ids).update(idle_told=now)
            else:
                Account.objects.filter(pk__in=ids).update(is_active=False, idle_told=None)
                Session.objects.filter(account__in=ids).delete()
            for account in some:
                note_account(account, None, what)
        done += len(some)
        if len(some) < AT_ONCE:
            return done
