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
from tuetinh.commons.access.forms import NewAppForm
from tuetinh.commons.access.pages import forbidden
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
@require_POST
def change_app(request: HttpRequest, client_id: str, verb: str) -> HttpResponse:
    """Shut a system or an app out, or let it in again."""
    if verb not in ("disable", "enable"):
        return forbidden(request)
    try:
        client = actions.set_client_active(request.user, client_id, active=verb == "enable")  # type: ignore[arg-type]
    except AccessError:
        return forbidden(request)
    told = {"disable": _("Đã khóa %(name)s; mọi quyền truy cập của nó đã hết."), "enable": _("Đã mở lại %(name)s.")}
    messages.success(request, told[verb] % {"name": client.name})
    return redirect("access:apps")
