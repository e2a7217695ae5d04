"""The pages of records that are opened in an emergency: open one, and review what was opened."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access import ways
from tuetinh.commons.access.api import asker, desk, fresh
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.pages import forbidden
from tuetinh.commons.access.places import place_name
from tuetinh.commons.access.queries import opened
from tuetinh.commons.access.sight import glass, rules
from tuetinh.commons.access.sight.administering import RULED
from tuetinh.commons.ui.api import paginate
from tuetinh.record import api as record
from tuetinh.record.errors import RecordError

OPENERS = tuple(role for role in RULED if role not in ("admin", "official"))


@fresh("open")
@desk(*OPENERS)
@never_cache
@require_http_methods(["GET", "POST"])
def open_record(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Say why, and see the record for some hours. `next`: the page that is wanted then."""
    by = _by(request)
    if not glass.may_open(by):
        return forbidden(request)
    try:
        record.read(asker(request), "Patient", patient_id)
    except RecordError as error:
        raise Http404 from error
    given = (request.POST if request.method == "POST" else request.GET).get("next", "")
    wanted = ways.within(request, given, reverse("identity:person", args=[patient_id]))
    hours, fault = rules.now().of(by.role, by.facility).glass_hours, ""
    if request.method == "POST":
        try:
            glass.open_record(by, patient_id, request.POST.get("reason", "")[:500])
        except AccessError as error:
            fault = str(error.message)
        else:
            messages.warning(request, _("Hồ sơ đã mở. Người bệnh và người xem xét đã được báo."))
            return redirect(wanted)
    context = {
        "patient": patient_id,
        "hours": hours,
        "fault": fault,
        "reason": request.POST.get("reason", "")[:500],
        "next": wanted,
    }
    return render(request, "access/open_record.html", context, status=422 if fault else 200)


@desk("admin")
@require_GET
@never_cache
def glasses(request: HttpRequest) -> HttpResponse:
    """What was opened: what waits for a review first, the most urgent on top."""
    by = _by(request)
    rows = opened(by).select_related("account", "reviewed_by").order_by("verdict", "due", "pk")
    page = paginate(request, rows)
    shown = [(one, place_name("Organization", one.facility), one.due < timezone.now()) for one in page]
    context = {"page": page, "rows": shown, "channel": f"glass:{by.facility}"}
    return render(request, "access/glasses.html", context)


@desk("admin")
@require_POST
def review(request: HttpRequest, glass_id: int) -> HttpResponse:
    """Say whether it was right."""
    try:
        glass.review(_by(request), glass_id, request.POST.get("verdict", ""), request.POST.get("note", "")[:500])
    except AccessError as error:
        messages.error(request, str(error.message))
    else:
        messages.success(request, _("Đã ghi kết quả xem xét."))
    return redirect("access:glasses")


def _by(request: HttpRequest) -> Account:
    return request.user  # type: ignore[return-value]
