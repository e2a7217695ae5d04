"""Pages of pictures: attach one to a result, take it back, look at it."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.lab.errors import BadPicture, LabError, NoTube
from tuetinh.care.lab.results import pictures
from tuetinh.commons.access.api import asker, desk
from tuetinh.record.errors import Gone, NotFound


@desk("lab")
@require_POST
def attach(request: HttpRequest, number: str) -> HttpResponse:
    """Attach a picture to a result."""
    file = request.FILES.get("file")
    content = file.read() if file and (file.size or 0) <= pictures.LARGEST else b""
    order, title = request.POST.get("order", ""), request.POST.get("title", "")

    def do() -> object:
        if not content:
            raise BadPicture
        return pictures.attach(asker(request), number, order, title, content)

    return _done(request, number, do, _("Đã đính kèm."))


@desk("lab")
@require_POST
def detach(request: HttpRequest, number: str, picture: str) -> HttpResponse:
    """Take a picture back."""
    reason = request.POST.get("reason", "")
    return _done(
        request, number, lambda: pictures.detach(asker(request), number, picture, reason), _("Đã bỏ hình đính kèm.")
    )


@desk("lab", "doctor", "nurse", "station")
@require_GET
@never_cache
def picture(request: HttpRequest, picture: str) -> HttpResponse:
    """One picture."""
    try:
        kind, content = pictures.content(asker(request), picture)
    except (NotFound, Gone) as error:
        raise Http404 from error
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = "inline"
    if kind == pictures.SVG:  # looked at by itself it is a page of ours: nothing in it may run
        response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def _done(request: HttpRequest, number: str, do: Callable[[], object], told: str) -> HttpResponse:
    try:
        do()
    except NoTube as error:
        raise Http404 from error
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, told)
    return redirect("lab:tube", number)
