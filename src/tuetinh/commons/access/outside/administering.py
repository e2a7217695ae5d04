"""Providers and links, made by administrators: of the province, or of a facility for its own accounts."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, AccountEvent, Link, Provider
from tuetinh.commons.access.outside.providers import PURPOSE
from tuetinh.commons.access.queries import administered
from tuetinh.record import seals


def administered_providers(by: Account) -> QuerySet[Provider]:
    """Providers of the administrator's facility, or all for the province's."""
    if by.role != "admin":
        return Provider.objects.none()
    return Provider.objects.filter(facility=by.facility) if by.facility else Provider.objects.all()


def for_account(account: Account) -> QuerySet[Provider]:
    """Providers that the account could come from."""
    return Provider.objects.filter(is_active=True, facility__in={"", account.facility}).order_by("name", "pk")


@transaction.atomic
def save(by: Account, id_: str, fields: dict[str, Any], secret: str) -> Provider:
    """Make a provider, or change one; an empty secret leaves the one before. Raises AccessError `role`, `not-yours`."""
    if by.role != "admin":
        raise AccessError("role")
    provider = Provider.objects.select_for_update().filter(pk=id_).first()
    if provider is None:
        provider = Provider(id=id_, facility=by.facility)
    elif not administered_providers(by).filter(pk=id_).exists():
        raise AccessError("not-yours")
    for name, value in fields.items():
        setattr(provider, name, value)
    if secret:
        provider.secret = seals.seal(PURPOSE, secret.encode())
    provider.save()
    return provider


@transaction.atomic
def link(by: Account, account_id: int, provider_id: str, value: str) -> Account:
    """Say who an account is at a provider; an empty value ends it. Raises AccessError `not-yours`, `linked`."""
    account = administered(by).select_for_update().filter(pk=account_id).first()
    if account is None or not for_account(account).filter(pk=provider_id).exists():
        raise AccessError("not-yours")
    had = Link.objects.filter(account=account, provider_id=provider_id).delete()[0]
    if value:
        try:
            with transaction.atomic():
                Link.objects.create(account=account, provider_id=provider_id, value=value)
        except IntegrityError:
            raise AccessError("linked") from None
    if value or had:
        AccountEvent.objects.create(account=account, by=by, what="linked" if value else "unlinked")
    return account
