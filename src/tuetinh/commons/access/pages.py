"""One's own account, the administrators' list, and refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access import actions, idle, ways
from tuetinh.commons.access.api import desk, fresh, open_to_all, signed_in
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.forms import NewAccountForm, OwnPasswordForm
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.outside.administering import links_of
from tuetinh.commons.access.proof.actions import reset_factors
from tuetinh.commons.access.proof.signing_in import with_language
from tuetinh.commons.access.queries import administered, find_accounts, grantable, locked_usernames, to_review
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.access.words import EVENTS
from tuetinh.commons.ui.api import home_url, paginate
from tuetinh.record.errors import is_away


@signed_in
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Send each role to its desk; a desk without pages, and the outsider, get a page that says so."""
    url = home_url(request.user.role, request.user.facility)  # type: ignore[union-attr]
    if url and url != request.path:
        return redirect(url)
    return render(request, "access/home.html", {"role": ROLES[request.user.role]})  # type: ignore[union-attr]


@open_to_all
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Switch the language of the pages and come back."""
    code = request.POST.get("language", "")
    back = ways.within(request, request.POST.get("next", "/"))
    if code not in dict(settings.LANGUAGES):
        return HttpResponseRedirect(back)
    if request.user.is_authenticated:
        actions.choose_language(request.user, code)
    return with_language(HttpResponseRedirect(back), code)


@signed_in
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password."""
    account = _account(request)
    form = OwnPasswordForm(account, request.POST or None)
    if request.method == "POST" and form.is_valid():
        actions.change_own_password(account, form.cleaned_data["new_password1"])
        update_session_auth_hash(request, account)
        messages.success(request, _("Đã đổi mật khẩu."))
        return redirect("/")
    status = 422 if request.method == "POST" else 200
    return render(request, "access/password.html", {"form": form}, status=status)


@desk("admin")
@require_GET
def accounts(request: HttpRequest) -> HttpResponse:
    """The accounts of the facility, found by name, paged."""
    text, role = request.GET.get("q", "")[:100], request.GET.get("role", "")
    page = paginate(request, find_accounts(_account(request), text, role if role in ROLES else ""))
    locked = locked_usernames([account.username for account in page])
    roles = [(name, ROLES[name].label) for name in ROLES]
    labels = {name: ROLES[name].label for name in ROLES}
    rows = [(account, labels.get(account.role, account.role), account.username in locked) for account in page]
    context = {"page": page, "rows": rows, "q": text, "role": role, "roles": roles}
    return render(request, "access/accounts.html", context | {"waiting": to_review(_account(request)).count()})


@fresh("rules")
@desk("admin")
@never_cache
@require_http_methods(["GET", "POST"])
def new_account(request: HttpRequest) -> HttpResponse:
    """Make an account and show its first password, once."""
    form = NewAccountForm(request.POST or None, by=_account(request))
    if request.method == "POST" and form.is_valid():
        try:
            account, first = actions.create_account(_account(request), **form.cleaned_data)
        except AccessError as error:
            form.add_error("username" if error.code == "taken" else "role", str(error.message))
        else:
            return render(request, "access/first_password.html", {"account": account, "password": first})
    status = 422 if request.method == "POST" else 200
    return render(request, "access/new_account.html", {"form": form}, status=status)


@desk("admin")
@require_GET
def account(request: HttpRequest, account_id: int) -> HttpResponse:
    """One account: what it is, what was done to it and by whom."""
    shown = administered(_account(request)).filter(pk=account_id).first()
    if shown is None:
        return forbidden(request)
    events = shown.events.select_related("by").order_by("-at", "-pk")[:50]
    context = {
        "shown": shown,
        "label": ROLES[shown.role].label,
        "locked": shown.username in locked_usernames([shown.username]),
        "links": links_of(shown),
        "roles": _roles(_account(request), shown),
        "going": idle.going_on(shown),
        "events": [(EVENTS[event.what], event) for event in events],
    }
    return render(request, "access/account.html", context)


def _roles(by: Account, shown: Account) -> list[tuple[str, object]]:
    """Desks that the administrator may give to the account; none where there is no choice."""
    given = grantable(by)
    return [(name, ROLES[name].label) for name in given] if shown.role in given and shown.pk != by.pk else []


@fresh("rules")
@desk("admin")
@require_POST
def place_account(request: HttpRequest, account_id: int) -> HttpResponse:
    """Give the account another desk (`role`), or another place of work (`facility`)."""
    by = _account(request)
    try:
        if "facility" in request.POST:
            changed = actions.move(by, account_id, request.POST["facility"].strip())
        else:
            changed = actions.change_role(by, account_id, request.POST.get("role", ""))
    except AccessError as error:
        if error.code == "not-yours":
            return forbidden(request)
        messages.error(request, str(error.message))
    else:
        messages.success(request, _("Đã đổi nơi làm việc của %(name)s.") % {"name": changed.full_name})
    return redirect("access:account", account_id)


_VERBS: dict[str, Callable[[Account, int], Account]] = {
    "disable": actions.disable,
    "enable": actions.enable,
    "unlock": actions.unlock,
    "reset-factors": reset_factors,
    "keep": partial(actions.keep_for_emergency, kept=True),
    "release": partial(actions.keep_for_emergency, kept=False),
}


@fresh("rules")
@desk("admin")
@never_cache
@require_POST
def change_account(request: HttpRequest, account_id: int, verb: str) -> HttpResponse:
    """Disable, enable, unlock, give a new first password, take lost second factors away, keep for emergencies."""
    by = _account(request)
    try:
        if verb == "reset-password":
            changed, first = actions.reset_password(by, account_id)
            return render(request, "access/first_password.html", {"account": changed, "password": first})
        changed = _VERBS[verb](by, account_id)
    except AccessError as error:
        if error.code == "not-yours":
            return forbidden(request)
        messages.error(request, str(error.message))
        return redirect("access:account", account_id)
    told = {
        "disable": _("Đã khóa tài khoản %(name)s."),
        "enable": _("Đã mở lại tài khoản %(name)s."),
        "unlock": _("Đã mở khóa đăng nhập cho %(name)s."),
        "reset-factors": _("Đã bỏ mọi xác thực hai bước của %(name)s."),
        "keep": _("%(name)s là tài khoản dự phòng khẩn cấp: không tự khóa khi lâu không dùng."),
        "release": _("%(name)s không còn là tài khoản dự phòng khẩn cấp."),
    }
    messages.success(request, told[verb] % {"name": changed.full_name})
    return redirect("access:account", account_id)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say that the page belongs to another desk, and what to do."""
    del exception
    part = request.headers.get("HX-Request") == "true"
    role = ROLES.get(getattr(request.user, "role", ""))
    return render(request, "access/forbidden_part.html" if part else "access/403.html", {"role": role}, status=403)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say that what was sent cannot be read."""
    del exception
    return render(request, "access/400.html", status=400)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say that there is no such page."""
    del exception
    return render(request, "access/404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that the fault is ours; drawn without the shell, which may be what failed. 503 while the database is away."""
    answer = render(request, "access/500.html", status=503 if is_away(sys.exception()) else 500)
    if answer.status_code == 503:
        answer["Retry-After"] = "2"
    return answer


def locked(request: HttpRequest, credentials: dict[str, object] | None = None) -> HttpResponse:
    """Say that the account is locked out from this address after wrong passwords, and for how long."""
    del credentials
    seconds = int(settings.AXES_COOLOFF_TIME * 3600)
    context = {"failure_limit": settings.AXES_FAILURE_LIMIT, "minutes": seconds // 60}
    response = render(request, "access/locked.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that the form has grown too old to be believed."""
    del reason
    return render(request, "access/csrf.html", status=403)


def _account(request: HttpRequest) -> Account:
    """The account behind a page that needs one."""
    return request.user  # type: ignore[return-value]
