"""Whose account somebody outside has here: by what an administrator decided, never by an e-mail address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Provider
from tuetinh.commons.access.queries import GRANTABLE, OF_PROVINCE
from tuetinh.commons.access.telling import note_account

if TYPE_CHECKING:
    from tuetinh.commons.access.outside.providers import Claims


@transaction.atomic
def find(provider: Provider, claims: Claims) -> Account:
    """The account of the person whom the claims name, with the role that the administrator's table gives it.

    Raises AccessError `unlinked` when there is none, it is shut, or of a facility that the provider is not for.
    """
    account = _named(provider, claims.get(provider.claim))
    if account is None or not account.is_active:
        raise AccessError("unlinked")
    if provider.facility and account.facility != provider.facility:
        raise AccessError("unlinked")
    role = mapped(provider, claims)
    if role and role != account.role and account.role in _given(provider):
        account.role = role
        account.save(update_fields=["role"])
        note_account(account, account, "role_mapped")
    return account


def _named(provider: Provider, value: object) -> Account | None:
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    accounts = Account.objects.select_for_update()
    linked = accounts.filter(links__provider=provider, links__value=value).first()
    if linked is None and provider.by_username:
        # Who is linked to somebody else outside is not taken by name.
        return accounts.filter(username=value).exclude(pk__in=provider.links.values("account")).first()
    return linked


def mapped(provider: Provider, claims: Claims) -> str:
    """The role that the administrator's table gives to these claims, "" for none, or for more than one."""
    told = claims.get(provider.role_claim) if provider.role_claim else None
    values = told if isinstance(told, list) else [told]
    found = {provider.roles[one] for one in values if isinstance(one, str) and one in provider.roles}
    return found.pop() if len(found) == 1 and found <= set(_given(provider)) else ""


def _given(provider: Provider) -> tuple[str, ...]:
    """Roles that a provider's table may give: none above a facility for a facility's, and never an administrator's."""
    return tuple(one for one in GRANTABLE if one != "admin" and not (provider.facility and one in OF_PROVINCE))
