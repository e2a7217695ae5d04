"""The administrators' pages of connected systems and apps."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access import actions
from tuetinh.commons.access.api import desk, fresh
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.forms import KeysForm, NewAppForm
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.pages import forbidden
from tuetinh.commons.access.places import place_name
from tuetinh.commons.access.queries import administered_clients
from tuetinh.commons.ui.api import paginate


@desk("admin")
@require_GET
def apps(request: HttpRequest) -> HttpResponse:
    """The connected systems and apps of the facility, paged."""
    page = paginate(request, administered_clients(request.user).order_by("name", "pk"))  # type: ignore[arg-type]
    return render(request, "access/apps.html", {"page": page})


@fresh("rules")
@desk("admin")
@never_cache
@require_http_methods(["GET", "POST"])
def new_app(request: HttpRequest) -> HttpResponse:
    """Register a system or an app and show its secret, once."""
    form = NewAppForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            client, secret = actions.register_client(request.user, **form.cleaned_data)  # type: ignore[arg-type]
        except AccessError as error:
            form.add_error("client_id", str(error.message))
        else:
            return render(request, "access/app_registered.html", {"client": client, "secret": secret})
    status = 422 if request.method == "POST" else 200
    return render(request, "access/new_app.html", {"form": form}, status=status)


@fresh("rules")
@desk("admin")
@never_cache
@require_http_methods(["GET", "POST"])
def app(request: HttpRequest, client_id: str) -> HttpResponse:
    """One system or app: what it may, when it was last used; its keys can be replaced."""
    by: Account = request.user  # type: ignore[assignment]
    shown = administered_clients(by).select_related("registered_by", "confirmed_by").filter(pk=client_id).first()
    if shown is None:
        return forbidden(request)
    by_keys = bool(shown.jwks or shown.jwks_url)
    form = KeysForm(request.POST or None, initial={"jwks_url": shown.jwks_url}) if by_keys else None
    if request.method == "POST" and form is not None and form.is_valid():
        try:
            actions.replace_keys(by, client_id, **form.cleaned_data)
        except AccessError:
            form.add_error("jwks", _("Cần khóa, hoặc địa chỉ của khóa."))
        else:
            messages.success(request, _("Đã thay khóa của %(name)s.") % {"name": shown.name})
            return redirect("access:app", client_id)
    place = place_name("Organization", shown.facility)
    context = {"app": shown, "form": form, "place": place, "scopes": shown.scopes.split()}
    return render(request, "access/app.html", context, status=422 if request.method == "POST" else 200)


@fresh("rules")
@desk("admin")
@never_cache
@require_POST
def change_app(request: HttpRequest, client_id: str, verb: str) -> HttpResponse:
    """Shut a system or an app out, let it in again, confirm it, or give it a new secret, shown once."""
    if verb not in ("disable", "enable", "renew", "confirm"):
        return forbidden(request)
    try:
        if verb == "renew":
            client, secret = actions.renew_secret(request.user, client_id)  # type: ignore[arg-type]
            return render(request, "access/app_registered.html", {"client": client, "secret": secret})
        if verb == "confirm":
            client = actions.confirm_client(request.user, client_id)  # type: ignore[arg-type]
        else:
            client = actions.set_client_active(request.user, client_id, active=verb == "enable")  # type: ignore[arg-type]
    except AccessError:
        return forbidden(request)
    told = {
        "disable": _("Đã khóa %(name)s; mọi quyền truy cập của nó đã hết."),
        "enable": _("Đã mở lại %(name)s."),
        "confirm": _("Đã xác nhận %(name)s; từ nay nó được kết nối."),
    }
    messages.success(request, told[verb] % {"name": client.name})
    return redirect("access:app", client_id)
