"""The doors: login by password, its second step, login by passkey, logout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import LoginView, LogoutView, RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from tuetinh.commons.access import actions, limits
from tuetinh.commons.access.api import open_to_all
from tuetinh.commons.access.forms import LoginForm
from tuetinh.commons.access.models import Account, Provider
from tuetinh.commons.access.proof import attempts, entering, noting, passkeys

if TYPE_CHECKING:
    from django.contrib.auth.forms import AuthenticationForm


@method_decorator(never_cache, name="dispatch")
class Login(LoginView):
    """User name and password; the session and its CSRF token change with every login."""

    template_name = "access/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Look at the password, unless the account or the address has to wait."""
        try:
            attempts.check(request, request.POST.get("username", ""))
        except limits.Slow as slow:
            return limits.answer(request, slow)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Count what was wrong; a field that was left empty is not."""
        if form.cleaned_data.get("username") and form.cleaned_data.get("password"):
            attempts.failed(self.request, form.cleaned_data["username"])
            noting.turned_away_by_name(form.cleaned_data["username"], "password")
        return super().form_invalid(form)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Let the person in, or ask for the second step."""
        account: Account = form.get_user()
        if account.has_factor:
            entering.wait(self.request, account, self.get_success_url())
            return redirect("access:second")
        entering.enter(self.request, account, "password")
        return with_own_language(self.request, HttpResponseRedirect(self.get_success_url()))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The providers of outside accounts, beside the form."""
        known = Provider.objects.filter(is_active=True).order_by("name", "pk")
        return super().get_context_data(providers=known, **kwargs)


class Logout(LogoutView):
    """Ends the session; the next person at this machine starts in Vietnamese."""

    next_page = "/login"

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Log out, also at the provider where the person came from outside."""
        if request.user.is_authenticated:
            noting.left(request.user)
        came = request.session.get(entering.OUTSIDE, {})
        provider = Provider.objects.filter(pk=came.get("provider", "")).first()
        response = super().post(request, *args, **kwargs)
        if provider:
            from tuetinh.commons.access.outside import providers

            back = request.build_absolute_uri(self.next_page)
            response = redirect(providers.logout_url(provider, came["token"], back) or self.next_page)
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
        return response


login = open_to_all(Login.as_view())
logout = open_to_all(Logout.as_view())


@open_to_all
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def second(request: HttpRequest) -> HttpResponse:
    """The second step: a code of the app, a recovery code, or a passkey."""
    found = entering.waiting(request)
    if found is None:
        messages.info(request, _("Đã quá lâu. Hãy đăng nhập lại."))
        return redirect("access:login")
    account, url = found
    fault = ""
    if request.method == "POST":
        try:
            way = entering.second(request, account, request.POST.get("code", ""), request.POST.get("passkey", ""))
        except limits.Slow as slow:
            return limits.answer(request, slow)
        if way:
            entering.enter(request, account, way)
            return with_own_language(request, HttpResponseRedirect(url))
        fault = _("Mã chưa đúng hoặc đã dùng. Hãy gõ mã đang hiện trong ứng dụng.")
    context = {
        "fault": fault,
        "with_codes": hasattr(account, "totp"),
        "options": passkeys.question(request, account) if account.passkeys.exists() else None,
    }
    return render(request, "access/second.html", context, status=422 if fault else 200)


@open_to_all
@never_cache
@require_http_methods(["GET", "POST"])
def passkey(request: HttpRequest) -> HttpResponse:
    """Login by passkey alone, which itself makes sure of the person (user verification)."""
    if request.user.is_authenticated:
        return redirect("/")
    where = RedirectURLMixin()
    where.request, where.next_page = request, "/"  # type: ignore[attr-defined]
    fault = ""
    if request.method == "POST":
        try:
            attempts.check(request, "")
        except limits.Slow as slow:
            return limits.answer(request, slow)
        account = passkeys.prove(request, request.POST.get("passkey", ""))
        if account is not None:
            entering.enter(request, account, "passkey")
            return with_own_language(request, HttpResponseRedirect(where.get_success_url()))
        attempts.failed(request, "")
        noting.turned_away(None, "passkey")
        fault = _("Khóa này chưa được thêm vào tài khoản nào, hoặc chưa xác nhận được. Hãy thử lại.")
    context = {"fault": fault, "options": passkeys.question(request), "next": where.get_redirect_url()}
    return render(request, "access/passkey.html", context, status=422 if fault else 200)


def with_own_language(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Answer in the language chosen at this door, else in the one chosen last time."""
    account: Account = request.user  # type: ignore[assignment]
    chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
    if chosen in dict(settings.LANGUAGES) and chosen != account.language:
        actions.choose_language(account, chosen)
        return response
    return with_language(response, account.language)


def with_language(response: HttpResponse, code: str) -> HttpResponse:
    """Keep the chosen language in the browser for a year."""
    response.set_cookie(settings.LANGUAGE_COOKIE_NAME, code, max_age=365 * 86400, httponly=True, samesite="Lax")
    return response
