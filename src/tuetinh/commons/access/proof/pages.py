"""What a person sees of the own login: second factors, passkeys, recovery codes, open sessions."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from tuetinh.commons.access import sessions
from tuetinh.commons.access.api import fresh, signed_in
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.outside.administering import links_of
from tuetinh.commons.access.proof import actions, codes, passkeys, policy
from tuetinh.commons.access.telling import note_account
from tuetinh.commons.documents.api import qr_on_screen
from tuetinh.record import seals

SECRET = "totp"  # noqa: S105 - in the session: the sealed secret that is being set up


@signed_in
@never_cache
@require_GET
def security(request: HttpRequest) -> HttpResponse:
    """How one logs in: what is set up, and what can be."""
    account = _account(request)
    context = {
        "totp": getattr(account, "totp", None),
        "passkeys": account.passkeys.order_by("at", "pk"),
        "codes_left": account.recovery_codes.count(),
        "needs_factor": policy.needs_factor(account),
        "open_sessions": account.sessions.count(),
        "providers": links_of(account),
    }
    return render(request, "access/security.html", context)


@fresh("factors")
@signed_in
@never_cache
@sensitive_post_parameters()
@require_POST
def totp(request: HttpRequest) -> HttpResponse:
    """Set up one-time codes: show the secret, then take the first `code`."""
    account, fault = _account(request), ""
    if hasattr(account, "totp"):
        return redirect("access:security")
    sealed = request.session.get(SECRET, "")
    known = seals.unseal(codes.PURPOSE, sealed.encode()) if sealed else None
    secret = known.decode() if known else codes.new_secret()
    if known and "code" in request.POST:
        told = actions.add_totp(account, secret, request.POST["code"])
        if told is not None:
            del request.session[SECRET]
            return _set_up(request, told, _("Đã bật mã 6 số."))
        fault = _("Mã chưa đúng. Hãy xem đồng hồ của điện thoại có đúng giờ không, rồi gõ mã đang hiện.")
    if not known:
        request.session[SECRET] = seals.seal(codes.PURPOSE, secret.encode()).decode()
    context = {"secret": secret, "picture": qr_on_screen(codes.address(account, secret)), "fault": fault}
    return render(request, "access/totp.html", context, status=422 if fault else 200)


@fresh("factors")
@signed_in
@require_POST
def remove_totp(request: HttpRequest) -> HttpResponse:
    """Turn one-time codes off."""
    actions.remove_totp(_account(request))
    messages.success(request, _("Đã tắt mã 6 số."))
    return redirect("access:security")


@fresh("factors")
@signed_in
@never_cache
@require_POST
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Ten new recovery codes, shown this once."""
    try:
        told = actions.renew_recovery_codes(_account(request))
    except AccessError as error:
        messages.error(request, str(error.message))
        return redirect("access:security")
    return render(request, "access/recovery_codes.html", {"codes": told})


@fresh("factors")
@signed_in
@never_cache
@require_POST
def new_passkey(request: HttpRequest) -> HttpResponse:
    """Ask for a `name` and the browser's answer (`passkey`), and keep the passkey."""
    account, fault = _account(request), ""
    name = request.POST.get("name", "").strip()[:60]
    if "passkey" in request.POST:
        if name and passkeys.register(request, account, request.POST["passkey"], name):
            return _set_up(request, actions.added(account, "passkey_added"), _("Đã thêm khóa truy cập."))
        fault = _("Hãy đặt tên cho khóa.") if not name else _("Chưa thêm được khóa này. Hãy thử lại.")
    context = {"fault": fault, "name": name, "options": passkeys.registration(request, account)}
    return render(request, "access/new_passkey.html", context, status=422 if fault else 200)


@fresh("factors")
@signed_in
@require_POST
def remove_passkey(request: HttpRequest, passkey_id: int) -> HttpResponse:
    """Take a passkey away."""
    if not actions.remove_passkey(_account(request), passkey_id):
        raise Http404
    messages.success(request, _("Đã bỏ khóa truy cập."))
    return redirect("access:security")


def _set_up(request: HttpRequest, told: list[str], message: str) -> HttpResponse:
    messages.success(request, message)
    if told:
        return render(request, "access/recovery_codes.html", {"codes": told})
    return redirect("access:security")


@signed_in
@never_cache
@require_GET
def own_sessions(request: HttpRequest) -> HttpResponse:
    """Where one is logged in."""
    return render(request, "access/sessions.html", {"rows": sessions.listed(_account(request), _key(request))})


@signed_in
@require_POST
def end_session(request: HttpRequest, handle: str) -> HttpResponse:
    """Log out in one other place, or here."""
    if not sessions.end(_account(request), handle):
        raise Http404
    messages.success(request, _("Đã đăng xuất máy đó."))
    return redirect("access:sessions")


@signed_in
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """Log out everywhere but here."""
    account = _account(request)
    if sessions.end_others(account, _key(request)):
        note_account(account, account, "sessions_ended")
    messages.success(request, _("Đã đăng xuất mọi máy khác."))
    return redirect("access:sessions")


def _account(request: HttpRequest) -> Account:
    return request.user  # type: ignore[return-value]


def _key(request: HttpRequest) -> str | None:
    return request.session.session_key
