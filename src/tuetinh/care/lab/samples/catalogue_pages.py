"""The directory of tests: what can be ordered, of which tube, on which bench, within what time, for how much."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from tuetinh.care.lab.catalogue import benches, search_tests, tests
from tuetinh.care.lab.samples import orders
from tuetinh.care.lab.samples.plan import containers
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.catalogues.api import prices
from tuetinh.commons.ui.api import paginate


@desk("lab", "admin", "doctor", "nurse", "station")
@require_GET
def directory(request: HttpRequest) -> HttpResponse:
    """The tests, of a `bench` or with a scrap `q` of a name, a key or an analyte."""
    scrap, bench = request.GET.get("q", "").strip(), request.GET.get("bench", "")
    found = search_tests(scrap, len(tests())) if scrap else sorted(tests(), key=lambda one: one.name)
    page = paginate(request, [one for one in found if not bench or one.bench.key == bench])
    facility = asker(request).facility
    costs = prices(facility, [one.code for one in page.object_list], timezone.localdate())
    reasons = orders.paused(facility)
    rows = [
        (one, containers().get(one.specimen), costs.get(one.code), reasons.get(one.code, ""))
        for one in page.object_list
    ]
    context = {"rows": rows, "page": page, "q": scrap, "bench": bench, "benches": benches().values()}
    return render(request, "lab/directory.html", context)
