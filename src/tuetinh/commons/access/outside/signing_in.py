"""The doors of outside accounts: to the provider, back from it, and there once more before what matters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.contrib.auth.views import RedirectURLMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.commons.access import limits, ways
from tuetinh.commons.access.api import fresh as asks_who
from tuetinh.commons.access.api import open_to_all, signed_in
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Provider
from tuetinh.commons.access.outside import administering, who
from tuetinh.commons.access.proof import attempts, entering, fresh
from tuetinh.commons.access.proof.signing_in import with_own_language

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account
    from tuetinh.commons.access.outside.providers import Claims

GOING = "going"  # in the session: where to go when one is back
LATE = 120  # seconds by which a provider's clock and pages may delay a fresh proof


@open_to_all
@never_cache
@require_POST
def begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider, to come back and be logged in."""
    where = RedirectURLMixin()
    where.request, where.next_page = request, "/"  # type: ignore[attr-defined]
    request.session[GOING] = {"next": where.get_success_url()}
    return _sent(request, _provider(provider_id))


@signed_in
@never_cache
@require_POST
def again(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider, which asks again; what was about to be done is kept meanwhile."""
    path = ways.within(request, request.POST.get(fresh.PATH, "/"))
    carried = fresh.carried(request)
    request.session[GOING] = {"next": path, "carried": carried, "since": int(time.time())}
    return _sent(request, _provider(provider_id), prompt="login", max_age=0)


@asks_who("factors")
@signed_in
@never_cache
@require_POST
def link(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send who is logged in to the provider, to come back as whom the own account is linked with there."""
    provider = _provider(provider_id)
    if not administering.for_account(cast("Account", request.user)).filter(pk=provider.pk).exists():
        raise Http404
    request.session[GOING] = {"next": reverse("access:security"), "link": request.user.pk}
    return _sent(request, provider, prompt="login")


def _sent(request: HttpRequest, provider: Provider, **more: Any) -> HttpResponse:
    from tuetinh.commons.access.outside import providers

    back = request.build_absolute_uri(reverse("access:outside-back", args=[provider.pk]))
    try:
        return providers.begin(request, provider, back, **more)
    except AccessError as error:
        return _refused(request, error)


@open_to_all
@never_cache
@require_GET
def back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Whoever comes back from the provider is logged in, or goes on with what was to be done."""
    from tuetinh.commons.access.outside import providers

    provider = _provider(provider_id)
    going: dict[str, Any] = request.session.pop(GOING, {"next": "/"})
    try:
        attempts.check(request, "")
        needed = [provider.claim, *([provider.role_claim] if provider.role_claim else [])]
        claims, token = providers.finish(request, provider, *needed)
        if "link" in going:
            return _linked(request, provider, claims, going)
        account = who.find(provider, claims)
        if "since" in going:
            return _proved(request, account.pk, claims, going)
    except limits.Slow as slow:
        return limits.answer(request, slow)
    except AccessError as error:
        attempts.failed(request, "")
        return _refused(request, error)
    if account.has_factor and not provider.is_trusted:
        entering.wait(request, account, going["next"])
        request.session[entering.OUTSIDE] = {"provider": provider.pk, "token": token}
        return redirect("access:second")
    if account.last_login is None and account.must_change_password:
        account.set_unusable_password()  # the first password was never used: this person comes from outside
        account.must_change_password = False
        account.save(update_fields=["password", "must_change_password"])
    entering.enter(request, account, "outside")
    request.session[entering.OUTSIDE] = {"provider": provider.pk, "token": token}
    return with_own_language(request, redirect(going["next"]))


def _linked(request: HttpRequest, provider: Provider, claims: Claims, going: dict[str, Any]) -> HttpResponse:
    """Remember who the person is at the provider. Raises AccessError `outside`, `linked`."""
    if request.user.pk != going["link"]:
        raise AccessError("outside")
    administering.link(cast("Account", request.user), provider, claims.get(provider.claim))
    messages.success(request, _("Đã nối tài khoản."))
    return redirect(going["next"])


def _proved(request: HttpRequest, account_id: int, claims: Claims, going: dict[str, Any]) -> HttpResponse:
    """Go on with what was to be done. Raises AccessError `outside` where it is another person, or not asked again."""
    asked = claims.get("auth_time")
    if request.user.pk != account_id or not isinstance(asked, int | float) or asked < going["since"] - LATE:
        raise AccessError("outside")
    request.session["proved"] = int(time.time())
    return render(request, "access/go_on.html", {"path": going["next"], "carried": going["carried"]})


def _provider(provider_id: str) -> Provider:
    provider = Provider.objects.filter(pk=provider_id, is_active=True).first()
    if provider is None:
        raise Http404
    return provider


def _refused(request: HttpRequest, error: AccessError) -> HttpResponse:
    return render(request, "access/outside_refused.html", {"fault": error.message}, status=403)
