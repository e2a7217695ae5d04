"""Pages of the point of care: the form at the bed, and what was measured at the facility."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.care.insurance.api import Stopped, reasons_given, shown
from tuetinh.care.lab import queries
from tuetinh.care.lab.asked import person_of
from tuetinh.care.lab.errors import REFUSALS, BadValue, CriticalOpen
from tuetinh.care.lab.models import Analyser, Tube
from tuetinh.care.lab.poct import actions
from tuetinh.commons.access.api import asker, desk, owner_names
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate

MEASURING = ("doctor", "nurse", "station")


@desk(*MEASURING, "lab")
@require_GET
@never_cache
def measured(request: HttpRequest) -> HttpResponse:
    """What was measured at the points of care of the facility, newest first."""
    me = asker(request)
    page = paginate(request, Tube.objects.filter(facility=me.facility, bedside=True).order_by("-ordered_at", "-id"))
    names = owner_names({tube.collected_by for tube in page.object_list}, ())[0]
    lines, told = queries.lines(me, list(page.object_list)), queries.handed_out(me, list(page.object_list))
    rows = [(line, names.get(line.tube.collected_by, line.tube.collected_by), told[line.tube.number]) for line in lines]
    return render(request, "lab/poct.html", {"rows": rows, "page": page, "at_bench": me.role == "lab"})


@desk(*MEASURING)
@require_http_methods(["GET", "POST"])
@never_cache
def measure(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Measure at the bed of the person of a visit: choose the test, type what the device shows."""
    me = asker(request)
    patient = person_of(me, encounter_id)
    offered = actions.offered()
    chosen = offered.get(request.POST.get("test") or request.GET.get("test", "")) or next(iter(offered.values()))
    typed = {key: str(value)[:200] for key, value in request.POST.items()}
    context = {"wrong": "", "error": "", "critical": False, "stopped": (), "status": 200}
    if request.method == "POST":
        try:
            actions.measure(
                me, encounter_id, chosen.key, typed, device=typed.get("device", ""), lot=typed.get("lot", ""),
                place=typed.get("place", ""), told=typed.get("told", ""), reasons=reasons_given(request.POST),
            )  # fmt: skip
        except Stopped as error:
            context |= {"stopped": shown(me, error.problems), "status": error.status}
        except BadValue as error:
            context |= {"wrong": error.field, "error": str(error), "status": 422}
        except REFUSALS as error:
            context |= {"error": str(error), "critical": isinstance(error, CriticalOpen), "status": 422}
        else:
            messages.success(request, _("Đã ghi kết quả tại chỗ."))
            return redirect(f"{reverse('lab:poct-measure', args=[encounter_id])}?test={chosen.key}")
    mine = list(Tube.objects.filter(encounter=encounter_id, bedside=True).order_by("-id")[:10])
    told = queries.handed_out(me, mine)
    context |= {
        "banner": banner(me, patient), "tests": offered.values(), "chosen": chosen, "typed": typed, "patient": patient,
        "rows": [(analyte, typed.get(analyte.key, "")) for analyte in chosen.analytes],
        "devices": Analyser.objects.filter(facility=me.facility).order_by("name").values_list("name", flat=True)[:50],
        "before": [(line, told[line.tube.number]) for line in queries.lines(me, mine)],
    }  # fmt: skip
    return render(request, "lab/poct_measure.html", context, status=int(str(context["status"])))
