"""The page of what the insurer knows of visits elsewhere."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.care.insurance.errors import GatewayDown, GatewayError, NoCard
from tuetinh.care.insurance.past import asking
from tuetinh.care.insurance.tables import Tables
from tuetinh.care.insurance.visited import patient_of, visit_of
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner


@desk("doctor", "station")
@require_GET
@never_cache
def past(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Earlier visits of the person of a visit, wherever they were claimed; with `visit`, the key of one, that one."""
    me, encounter = asker(request), visit_of(request, encounter_id)
    key = request.GET.get("visit", "")
    context: dict[str, Any] = {"encounter": encounter_id, "person": banner(me, patient_of(encounter))}
    try:
        context |= _one(asking.one(me, encounter, key)) if key else {"past": asking.ask(me, encounter)}
    except GatewayDown:
        context |= {"problem": _("Cổng giám định BHYT đang gián đoạn; mở lại trang sau ít phút.")}
    except (GatewayError, NoCard) as error:
        context |= {"problem": str(error)}
    return render(request, "insurance/past_visit.html" if key else "insurance/past.html", context)


def _one(tables: Tables | None) -> dict[str, Any]:
    """What the page of a visit shows: diagnosis, medicines, services and results as they were claimed."""
    if tables is None:
        raise Http404
    # What is empty is not told, and columns have changed their names over the years.
    rows = {name: [defaultdict(str, row) for row in tables[name]] for name in tables}
    row = rows["XML1"][0]
    return {
        "row": row, "where": asking.place_of(row),
        "came": asking.moment(row["NGAY_VAO"]), "left": asking.moment(row["NGAY_RA"]),
        "services": [(one, asking.moment(one["NGAY_YL"])) for one in rows["XML3"]],
        "medicines": rows["XML2"], "results": rows["XML4"], "progress": rows["XML5"],
    }  # fmt: skip
