"""One person's data as a file: asked for and fetched by the citizen, or by the officer who answers a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.commons.access.api import asker, desk, fresh, ward
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import PersonExport, SubjectRequest
from tuetinh.governance.privacy.person_export import actions
from tuetinh.governance.privacy.requests import queries as requests

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

SHOWN = 10


@fresh("take")
@desk("citizen")
@require_http_methods(["GET", "POST"])
@never_cache
def mine(request: HttpRequest) -> HttpResponse:
    """Files of my data that I can fetch; have one made by POST."""
    who, tie = asker(request), ward(request)
    decides = tie is None or tie.decides
    if request.method == "POST":
        if not decides:
            raise Http404
        try:
            actions.ask(who, _by(request), str(who.patient))
        except PrivacyError as error:
            messages.error(request, str(error.message))
        else:
            messages.success(request, _("Đang chuẩn bị. Thường xong trong vài phút; bạn có thể rời trang này."))
        return redirect("privacy:my-exports")
    rows = PersonExport.objects.filter(patient=who.patient, by=_by(request)).order_by("-pk")[:SHOWN]
    return render(request, "privacy/my_exports.html", {"rows": rows, "decides": decides})


@fresh("take")
@desk("citizen")
@require_POST
@never_cache
def take(request: HttpRequest, export_id: int) -> HttpResponseBase:
    """Fetch one of mine, of the record that is open."""
    who, tie = asker(request), ward(request)
    found = PersonExport.objects.filter(pk=export_id, patient=who.patient, by=_by(request)).first()
    if found is None or (tie is not None and not tie.decides):
        raise Http404
    try:
        return _file(actions.take(who, found).open("rb"))
    except PrivacyError as error:
        messages.error(request, str(error.message))
        return redirect("privacy:my-exports")


@fresh("take")
@desk("archivist")
@require_POST
@never_cache
def for_request(request: HttpRequest, request_id: int) -> HttpResponseBase:
    """Have the file made that answers a granted request to see or to have a copy; fetch it once it is there."""
    by = _by(request)
    found = requests.answered_by(by).filter(pk=request_id, kind__in=("view", "copy")).first()
    if found is None:
        raise Http404
    if found.state != SubjectRequest.State.GRANTED:
        messages.error(request, _("Hãy chấp nhận yêu cầu trước."))
        return redirect("privacy:request", request_id)
    me = actions.officer(by, found)
    ready = found.exports.filter(state=PersonExport.State.READY, by=by).order_by("-pk").first()
    try:
        if ready and "take" in request.POST:
            return _file(actions.take(me, ready).open("rb"))
        actions.ask(me, by, found.patient, found)
        messages.success(request, _("Đang chuẩn bị. Thường xong trong vài phút; bạn có thể rời trang này."))
    except PrivacyError as error:
        messages.error(request, str(error.message))
    return redirect("privacy:request", request_id)


def _file(content: object) -> FileResponse:
    answer = FileResponse(content, as_attachment=True, filename="du-lieu-suc-khoe.zip", content_type="application/zip")  # type: ignore[arg-type]
    answer["Cache-Control"] = "private, no-store"
    return answer


def _by(request: HttpRequest) -> Account:
    return cast("Account", request.user)
