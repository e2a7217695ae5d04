"""A desk records who is somebody's parent or guardian, from papers that it has seen; the law gives them the right."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.commons.access import api as access
from tuetinh.commons.identity import queries
from tuetinh.record.errors import Gone, NotFound


@access.desk(*access.CITIZENS_DESKS)
@never_cache
@require_http_methods(["GET", "POST"])
def guardians(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Who may open the person's record by law. By POST: `q` looks for somebody, `carer` with `code` records them,
    `end` ends a record.
    """
    asker = access.asker(request)
    try:
        banner = queries.banner(asker, patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    typed, fault = request.POST.get("q", "").strip(), ""
    try:
        if carer := request.POST.get("carer", ""):
            code, agreed = request.POST.get("code", ""), bool(request.POST.get("agreed"))
            access.carers.link(asker, patient_id, carer, code, agreed=agreed)
            messages.success(request, _("Đã ghi. Người này mở được hồ sơ từ tài khoản người dân của mình."))
            return redirect("identity:guardians", patient_id)
        if tie := request.POST.get("end", ""):
            access.carers.unlink(asker, patient_id, tie)
            messages.success(request, _("Đã thôi. Có hiệu lực ngay."))
            return redirect("identity:guardians", patient_id)
    except access.AccessError as error:
        fault = str(error.message)
    held = [one for one in access.wards.of_ward(patient_id) if one.by_law]
    context = {
        "person": banner,
        "held": [(one, access.RELATIONSHIPS.get(one.code, one.code)) for one in held],
        "q": typed,
        "hits": [hit for hit in queries.find_people(asker, typed) if hit.id != patient_id] if typed else [],
        "codes": [(code, access.RELATIONSHIPS[code]) for code in access.wards.BY_LAW],
        "fault": fault,
        "agrees": access.minor_agrees(),
    }
    return render(request, "identity/guardians.html", context, status=422 if fault else 200)
