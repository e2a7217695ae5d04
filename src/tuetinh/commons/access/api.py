"""What other modules may call: who may open a page, who asks, which facility an account works for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tuetinh.commons.access.actions import CITIZENS_DESKS, give_citizen_account
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.oauth.asking import authenticate, bearer_of
from tuetinh.commons.access.oauth.clients import create_client
from tuetinh.commons.access.oauth.configuration import smart_configuration
from tuetinh.commons.access.oauth.cors import AppOrigins
from tuetinh.commons.access.oauth.sample import register_sample
from tuetinh.commons.access.places import Facility, facility, place_name
from tuetinh.commons.access.queries import apps_to_launch, owner_names
from tuetinh.commons.access.roles import ROLES, Role
from tuetinh.commons.access.sight import rules
from tuetinh.commons.access.sight.glass import may_open
from tuetinh.record.asker import Asker

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from tuetinh.commons.access.models import Account

__all__ = [
    "CITIZENS_DESKS",
    "ROLES",
    "AccessError",
    "Account",
    "AppOrigins",
    "Facility",
    "Role",
    "apps_to_launch",
    "asker",
    "asker_of",
    "authenticate",
    "bearer_of",
    "create_client",
    "desk",
    "facility",
    "give_citizen_account",
    "may_open",
    "open_to_all",
    "owner_names",
    "place_name",
    "register_sample",
    "signed_in",
    "smart_configuration",
]

View = TypeVar("View", bound="Callable[..., object]")


def desk(*roles: str) -> Callable[[View], View]:
    """Mark a page as belonging to these roles; `DeskMiddleware` refuses everyone else.

    Raises ValueError for a name that is no role, when the module is imported.
    """
    if not roles or (unknown := set(roles) - set(ROLES)):
        message = f"no such role: {', '.join(sorted(unknown)) if roles else 'none given'}"
        raise ValueError(message)

    def mark(view: View) -> View:
        view.desk_roles = frozenset(roles)  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(view: View) -> View:
    """Mark a page that needs no login: the login page, public verification pages, wall screens."""
    view.desk_roles = None  # type: ignore[attr-defined]
    return view


def signed_in(view: View) -> View:
    """Mark a page of every account, whatever its role, also the outsider's: log out, change the password."""
    return desk(*ROLES)(view)


def asker(request: HttpRequest) -> Asker:
    """Tell the record who asks through this page, with the scopes of the account's desk."""
    cached: Asker | None = getattr(request, "asker", None)
    if cached is None:
        cached = asker_of(request.user)  # type: ignore[arg-type]
        request.asker = cached  # type: ignore[attr-defined]
    return cached


def asker_of(account: Account) -> Asker:
    """Build the asker of an account: what its desk may do, within its own record when it is a citizen's."""
    role = ROLES[account.role]
    asker = Asker(
        account=str(account.pk),
        role=role.name,
        facility=account.facility,
        scopes=role.scopes,
        patient=account.patient or "-" if role.level == "patient" else None,
        practitioner=account.practitioner,
    )
    return rules.now().told(asker)
