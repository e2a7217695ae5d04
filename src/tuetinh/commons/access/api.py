"""What other modules may call: who may open a page, who asks, which facility an account works for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.contrib import messages
from django.utils.translation import gettext as _

from tuetinh.commons.access.actions import (
    CITIZENS_DESKS,
    give_citizen_account,
    has_account,
    recover,
    reset_citizen_account,
)
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.kinds import in_words
from tuetinh.commons.access.oauth import asking
from tuetinh.commons.access.oauth.asking import at_desk, authenticate, bearer_of
from tuetinh.commons.access.oauth.clients import create_client
from tuetinh.commons.access.oauth.configuration import smart_configuration
from tuetinh.commons.access.oauth.cors import AppOrigins
from tuetinh.commons.access.oauth.sample import register_sample
from tuetinh.commons.access.places import Facility, facility, place_name
from tuetinh.commons.access.proof import policy
from tuetinh.commons.access.proof.policy import ACTIONS
from tuetinh.commons.access.queries import administrators_by_password, apps_to_launch, owner_names
from tuetinh.commons.access.roles import CATALOGUE, DIRECTORY, ROLES, Role
from tuetinh.commons.access.sight import carers, forbidding, guardianship, papers, rules, wards
from tuetinh.commons.access.sight.ages import agrees as minor_agrees
from tuetinh.commons.access.sight.consents import ENDS_WITH
from tuetinh.commons.access.sight.glass import may_open
from tuetinh.commons.access.sight.relations import INVITATION
from tuetinh.commons.access.sight.wards import Tie
from tuetinh.commons.access.sight.words import ALL_PURPOSES, PURPOSES, RELATIONSHIPS
from tuetinh.commons.access.telling import notices
from tuetinh.commons.access.words import is_username
from tuetinh.commons.ui.api import Place
from tuetinh.record.asker import Asker

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from tuetinh.commons.access.models import Account

__all__ = [
    "ALL_PURPOSES",
    "CATALOGUE",
    "CITIZENS_DESKS",
    "DIRECTORY",
    "ENDS_WITH",
    "INVITATION",
    "PURPOSES",
    "RELATIONSHIPS",
    "ROLES",
    "TOPIC",
    "AccessError",
    "Account",
    "AppOrigins",
    "Facility",
    "Role",
    "Tie",
    "act_for",
    "administrators_by_password",
    "apps_to_launch",
    "asker",
    "asker_of",
    "at_desk",
    "authenticate",
    "bearer_of",
    "carers",
    "create_client",
    "desk",
    "facility",
    "forbidding",
    "forget",
    "fresh",
    "give_citizen_account",
    "guardianship",
    "has_account",
    "in_words",
    "is_username",
    "may_open",
    "minor_agrees",
    "notices",
    "open_to_all",
    "owner_names",
    "papers",
    "place_name",
    "recover",
    "register_sample",
    "reset_citizen_account",
    "rules",
    "signed_in",
    "smart_configuration",
    "ward",
    "wards",
]

TOPIC = "tuetinh_access"  # where the database tells that sessions, tokens, accounts, apps or rules were changed
WARD = "access.ward"  # in the session: whose record a citizen has opened
View = TypeVar("View", bound="Callable[..., object]")


def forget() -> None:
    """Believe nothing longer that this process remembers of who may what: something of it was changed."""
    asking.forget()
    rules.forget()
    policy.forget()


def desk(*roles: str, at: Place = "") -> Callable[[View], View]:
    """Mark a page as belonging to these roles; `DeskMiddleware` refuses everyone else.

    at: `province` for accounts that name no facility, `facility` for those that do, "" for both.
    Raises ValueError for a name that is no role, when the module is imported.
    """
    if not roles or (unknown := set(roles) - set(ROLES)):
        message = f"no such role: {', '.join(sorted(unknown)) if roles else 'none given'}"
        raise ValueError(message)

    def mark(view: View) -> View:
        view.desk_roles = frozenset(roles)  # type: ignore[attr-defined]
        view.desk_at = at  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(view: View) -> View:
    """Mark a page that needs no login: the login page, public verification pages, wall screens."""
    view.desk_roles = None  # type: ignore[attr-defined]
    return view


def signed_in(view: View) -> View:
    """Mark a page of every account, whatever its role, also the outsider's: log out, change the password."""
    return desk(*ROLES)(view)


def fresh(action: str) -> Callable[[View], View]:
    """Mark a page whose POST needs a fresh proof of who one is; how fresh, or whether at all, is the policy's.

    action: `sign`, `open` (an emergency), `rules`, `factors` or `take` (data). Raises ValueError for another one.
    """
    if action not in ACTIONS:
        message = f"nothing asks for a proof by this name: {action}"
        raise ValueError(message)

    def mark(view: View) -> View:
        view.fresh_for = action  # type: ignore[attr-defined]
        return view

    return mark


def asker(request: HttpRequest) -> Asker:
    """Tell the record who asks through this page, with the scopes of the account's desk.

    A citizen who opened somebody else's record asks within that one, as long as they may; `ward` says so.
    """
    cached: Asker | None = getattr(request, "asker", None)
    if cached is None:
        cached = asker_of(request.user)  # type: ignore[arg-type]
        if chosen := request.session.get(WARD):
            found = wards.acting(cached, chosen)
            if found is None:
                del request.session[WARD]
                messages.warning(request, _("Bạn không còn được xem hồ sơ đó. Đây là hồ sơ của bạn."))
            else:
                cached, request.ward = found  # type: ignore[attr-defined]
        request.asker = cached  # type: ignore[attr-defined]
    return cached


def ward(request: HttpRequest) -> Tie | None:
    """The tie by which the citizen's pages are in somebody else's record; None in one's own."""
    asker(request)
    return getattr(request, "ward", None)


def act_for(request: HttpRequest, patient: str) -> bool:
    """Open somebody else's record on the citizen's pages, or one's own again with ""; False when they may not."""
    own = asker_of(request.user)  # type: ignore[arg-type]
    if patient and wards.acting(own, patient) is None:
        return False
    request.session.pop(WARD, None)
    if patient:
        request.session[WARD] = patient
    return True


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
