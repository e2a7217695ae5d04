"""A desk tells the records office: one person has two records, or one record was merged of two people."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.commons.access import api as access
from tuetinh.commons.identity import merging, queries, review
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.errors import Gone, NotFound

DESKS = ("reception", "station", "nurse", "doctor")
REASON = 200  # characters


@access.desk(*DESKS)
@never_cache
@require_http_methods(["GET", "POST"])
def report(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Who may be the same person, and what was merged into this record; tell of either by POST.

    `q` looks for the other record, `other` tells of it; `merge` with a `reason` tells of a wrong merge.
    """
    asker = access.asker(request)
    try:
        banner = queries.banner(asker, patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    typed, fault = request.POST.get("q", "").strip(), ""
    if other := request.POST.get("other", ""):
        if other == patient_id or not record.read_many(asker, "Patient", [other]):
            raise Http404
        review.tell(patient_id, other)
        return _told(request, patient_id)
    if merge := request.POST.get("merge", ""):
        if merge not in {one.id for one in merging.parts(patient_id)}:
            raise Http404
        if reason := request.POST.get("reason", "").strip()[:REASON]:
            review.doubt(merge, asker.account, reason)
            return _told(request, patient_id)
        fault = merge
    parts = merging.parts(patient_id)
    people = cast("dict[str, r4.Patient]", record.read_many(asker, "Patient", [one.source for one in parts]))
    context = {
        "person": banner,
        "q": typed,
        "hits": [hit for hit in queries.find_people(asker, typed) if hit.id != patient_id] if typed else [],
        "alike": queries.alike(asker, patient_id),
        "parts": [(one, people.get(one.source)) for one in parts],
        "fault": fault,
    }
    return render(request, "identity/report.html", context, status=422 if fault else 200)


def _told(request: HttpRequest, patient_id: str) -> HttpResponse:
    messages.success(request, _("Đã báo phòng lưu trữ hồ sơ."))
    return redirect("identity:person", patient_id)
