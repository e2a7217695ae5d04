"""What the pages ask about accounts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from tuetinh.commons.access.models import OF_STAFF, Account, Client, Glass
from tuetinh.commons.access.proof import policy
from tuetinh.commons.access.roles import ROLES

GRANTABLE = tuple(name for name in ROLES if name != "citizen")
"""Roles that an administrator may give; a citizen's account comes with the health record."""
OF_PROVINCE = frozenset({"official"})
"""Roles that work for the whole province, so no facility's administrator gives them."""


def grantable(by: Account) -> tuple[str, ...]:
    """Roles that this administrator may give, none above the own one."""
    if by.role != "admin":
        return ()
    return tuple(name for name in GRANTABLE if not by.facility or name not in OF_PROVINCE)


def administered(by: Account) -> QuerySet[Account]:
    """Accounts that the administrator answers for: those of the facility, or all when the account names none."""
    if by.role != "admin":
        return Account.objects.none()
    return Account.objects.filter(facility=by.facility) if by.facility else Account.objects.all()


def administrators_by_password() -> tuple[int, int]:
    """How many administrators there are, and how many of them come in by a password alone."""
    admins = Account.objects.filter(role="admin", is_active=True)
    return admins.count(), admins.filter(has_factor=False).count()


def review_days() -> int:
    """After how many days somebody must have looked at an account again; 0 for never."""
    return int(policy.now().review_months) * 365 // 12


def to_review(by: Account) -> QuerySet[Account]:
    """Accounts that the administrator should look at: not looked at for long, unused, or used in an emergency."""
    days = review_days()
    wanted = Q(idle_told__isnull=False) | Q(for_emergency=True, last_used__gt=F("reviewed"))
    if days:
        wanted |= Q(reviewed__lt=timezone.now() - timedelta(days=days))
    return administered(by).filter(OF_STAFF, wanted)


def idle_clients(by: Account) -> QuerySet[Client]:
    """Systems and apps that may ask and have not for as long as an account may be unused, by name."""
    days = policy.now().idle_days
    clients = administered_clients(by).filter(is_active=True)
    unused = Q(last_used=None) | Q(last_used__lt=timezone.now() - timedelta(days=days))
    return clients.filter(unused).order_by("name", "pk") if days else clients.none()


def administered_clients(by: Account) -> QuerySet[Client]:
    """Systems and apps of the administrator's facility, or all when the account names none."""
    if by.role != "admin":
        return Client.objects.none()
    return Client.objects.filter(facility=by.facility) if by.facility else Client.objects.all()


def opened(by: Account) -> QuerySet[Glass]:
    """Records that were opened in an emergency at the administrator's facility, or anywhere when it names none."""
    if by.role != "admin":
        return Glass.objects.none()
    return Glass.objects.filter(facility=by.facility) if by.facility else Glass.objects.all()


def waiting(by: Account) -> QuerySet[Glass]:
    """Those that wait for a review."""
    return opened(by).filter(verdict="")


def apps_to_launch() -> QuerySet[Client]:
    """Apps that can be launched from a person's page, by name."""
    return Client.objects.filter(is_active=True).exclude(launch_url="").order_by("name", "pk")


def find_accounts(by: Account, text: str, role: str = "") -> QuerySet[Account]:
    """Administered accounts whose name or user name has every word of the text, by name."""
    accounts = administered(by)
    for word in text.split():
        accounts = accounts.filter(Q(full_name__icontains=word) | Q(username__icontains=word))
    if role:
        accounts = accounts.filter(role=role)
    return accounts.order_by("full_name", "pk")


def owner_names(accounts: Iterable[str], clients: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Names of accounts and of clients by the ids that an `Asker` carries."""
    numbers = [int(one) for one in accounts if one.isdigit()]
    people = {str(pk): name for pk, name in Account.objects.filter(pk__in=numbers).values_list("pk", "full_name")}
    return people, dict(Client.objects.filter(pk__in=list(clients)).values_list("pk", "name"))


def locked_usernames(usernames: list[str]) -> set[str]:
    """Which of these accounts are locked out from some address after wrong passwords."""
    since = timezone.now() - timedelta(hours=settings.AXES_COOLOFF_TIME)
    attempts = AccessAttempt.objects.filter(
        username__in=usernames, failures_since_start__gte=settings.AXES_FAILURE_LIMIT, attempt_time__gte=since
    )
    return set(attempts.values_list("username", flat=True))
