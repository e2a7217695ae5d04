"""Providers, made by administrators: of the province, or of a facility for its own accounts; links, by their owners.

What a facility's provider says is believed of its own accounts only, never of whoever has a second factor, and only of
who has linked the own account: else its administrators could make a provider of their own and become any of these.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Link, Provider
from tuetinh.commons.access.oauth.clients import LOCAL
from tuetinh.commons.access.queries import administered
from tuetinh.commons.access.telling import enter_log, note_account
from tuetinh.record import seals

PURPOSE = "identity providers"  # of the seal of their secrets
LONGEST = 255  # value of a claim
RESTS_ON = ("issuer", "client_id", "claim")


def administered_providers(by: Account) -> QuerySet[Provider]:
    """Providers of the administrator's facility, or all for the province's."""
    if by.role != "admin":
        return Provider.objects.none()
    return Provider.objects.filter(facility=by.facility) if by.facility else Provider.objects.all()


def check_address(url: str) -> str:
    """The issuer's address: https, or http on this very machine, without a slash at the end. Raises ValueError."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.fragment or parts.query or not parts.hostname:
        raise ValueError("not an issuer")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise ValueError("an issuer is reached by https")
    return url.rstrip("/")


def for_account(account: Account) -> QuerySet[Provider]:
    """Providers that the account could come from."""
    return Provider.objects.filter(is_active=True, facility__in={"", account.facility}).order_by("name", "pk")


def links_of(account: Account) -> list[tuple[Provider, str]]:
    """Who the account is at each provider that it could come from."""
    linked = dict(account.links.values_list("provider", "value"))
    return [(provider, linked.get(provider.pk, "")) for provider in for_account(account)]


@transaction.atomic
def save(by: Account, id_: str, fields: dict[str, Any], secret: str) -> Provider:
    """Make a provider, or change one; an empty secret leaves the one before.

    Links end with what they rest on: the issuer, our client there, the claim. Raises AccessError `role`, `not-yours`,
    or `province` for what only the province says of a provider.
    """
    if by.role != "admin":
        raise AccessError("role")
    provider = Provider.objects.select_for_update().filter(pk=id_).first()
    if provider is None:
        provider = Provider(id=id_, facility=by.facility)
    elif not administered_providers(by).filter(pk=id_).exists():
        raise AccessError("not-yours")
    if provider.facility and (fields.get("is_strong") or fields.get("by_username")):
        raise AccessError("province")
    if any(fields.get(name, getattr(provider, name)) != getattr(provider, name) for name in RESTS_ON):
        Link.objects.filter(provider_id=id_).delete()
    for name, value in fields.items():
        setattr(provider, name, value)
    if secret:
        provider.secret = seals.seal(PURPOSE, secret.encode())
    provider.save()
    enter_log(by, "update", "Provider", provider.pk, reason=provider.issuer)
    return provider


@transaction.atomic
def link(account: Account, provider: Provider, value: object) -> None:
    """Say who one is at a provider, as it has just told of who came back from it. Raises AccessError `linked`."""
    if not isinstance(value, str) or not value or "\0" in value or len(value) > LONGEST:
        raise AccessError("outside")
    if not for_account(account).filter(pk=provider.pk).exists():
        raise AccessError("outside")
    Link.objects.filter(account=account, provider=provider).delete()
    try:
        with transaction.atomic():
            Link.objects.create(account=account, provider=provider, value=value)
    except IntegrityError:
        raise AccessError("linked") from None
    note_account(account, account, "linked")


@transaction.atomic
def unlink(by: Account, account_id: int, provider_id: str) -> Account:
    """End who an account is at a provider. Raises AccessError `not-yours`."""
    account = administered(by).select_for_update().filter(pk=account_id).first()
    if account is None or not for_account(account).filter(pk=provider_id).exists():
        raise AccessError("not-yours")
    if Link.objects.filter(account=account, provider_id=provider_id).delete()[0]:
        note_account(account, by, "unlinked")
    return account
