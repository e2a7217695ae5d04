"""What the rules remark on a visit, as a part of whatever page it is worked on."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.care.insurance.errors import NoVisit
from tuetinh.care.insurance.rules.desk import findings
from tuetinh.care.insurance.rules.language import MOMENTS
from tuetinh.commons.access.api import asker, desk
from tuetinh.record import api as record
from tuetinh.record.errors import Gone, NotFound


@desk("doctor", "nurse", "lab", "cashier", "station")
@require_GET
@never_cache
def remarks(request: HttpRequest, encounter_id: str, moment: str) -> HttpResponse:
    """What the rules of a moment find in a visit of one's own facility; for HTMX the list alone."""
    me = asker(request)
    try:
        encounter = record.read(me, "Encounter", encounter_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    provider = encounter.serviceProvider.reference if encounter.serviceProvider else ""  # type: ignore[attr-defined]
    if moment not in MOMENTS or (provider or "").rpartition("/")[2] != me.facility:
        raise Http404
    try:
        found = findings(me, encounter_id, moment)
    except NoVisit as error:
        raise Http404 from error
    part = "HX-Request" in request.headers
    context = {"found": found, "moment": moment}
    return render(request, "insurance/findings.html" if part else "insurance/remarks_page.html", context)
