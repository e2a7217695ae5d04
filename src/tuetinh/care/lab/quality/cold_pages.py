"""Pages of fridges: all of them with their alarms, one with its chart, and the chart on paper."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab.actions import HANOI
from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.models import Fridge, Temperature
from tuetinh.care.lab.quality import cold
from tuetinh.care.lab.quality.drawing import Level, Point, series
from tuetinh.care.lab.quality.forms import FridgeForm, TemperatureForm
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.commons.ui.api import paginate


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def fridges(request: HttpRequest) -> HttpResponse:
    """The fridges with their newest readings; POST adds one."""
    me, form, status = asker(request), FridgeForm(), 200
    if request.method == "POST":
        form, status = FridgeForm(request.POST), 422
        if form.is_valid():
            try:
                made = cold.keep_fridge(me, None, **form.cleaned_data)
            except LabError as error:
                form.add_error(None, str(error))
            else:
                return redirect("lab:fridge", made.pk)
    page = paginate(request, cold.fridges(me.facility))
    rows = [(one, one.last_outside, cold.is_silent(one)) for one in page.object_list]
    return render(request, "lab/fridges.html", {"page": page, "rows": rows, "form": form}, status=status)


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def fridge(request: HttpRequest, fridge_id: int) -> HttpResponse:
    """One fridge: its chart and readings; POST keeps a typed one."""
    found, form, status = _fridge(request, fridge_id), TemperatureForm(), 200
    if request.method == "POST":
        form, status = TemperatureForm(request.POST), 422
        if form.is_valid():
            try:
                made = cold.read(asker(request), fridge_id, form.cleaned_data["value"])
            except LabError as error:
                form.add_error("value", str(error))
            else:
                if made.outside:
                    messages.error(request, _("Ngoài giới hạn: kiểm tra tủ và ghi cách xử lý."))
                else:
                    messages.success(request, _("Đã ghi nhiệt độ."))
                return redirect("lab:fridge", fridge_id)
    rows = cold.latest(found)
    context = {
        "fridge": found, "form": form, "rows": rows[::-1],
        "chart": mark_safe(_chart(found, rows)),  # noqa: S308 - our own template
    }  # fmt: skip
    return render(request, "lab/fridge.html", context, status=status)


def _chart(found: Fridge, rows: list[Temperature]) -> str:
    points = [
        Point(
            f"{one.at.astimezone(HANOI):%d/%m %H:%M}", float(one.value), one.outside,
            f"{one.at.astimezone(HANOI):%H:%M %d/%m/%Y}: {_degrees(one)}",
        )
        for one in rows
    ]  # fmt: skip
    levels = [Level(float(limit), f"{limit} °C".replace(".", ",")) for limit in (found.low, found.high)]
    return series(_("Nhiệt độ của %(name)s") % {"name": found.name}, points, levels)


def _degrees(one: Temperature) -> str:
    return f"{one.value} °C".replace(".", ",")


@desk("lab")
@require_GET
def fridge_chart(request: HttpRequest, fridge_id: int) -> HttpResponse:
    """The readings of a fridge on paper."""
    found = _fridge(request, fridge_id)
    rows = cold.latest(found)
    data = {
        "facility": {"name": place_name("Organization", found.facility)}, "title": _("THEO DÕI NHIỆT ĐỘ"),
        "about": found.name, "chart": _chart(found, rows), "chart_name": _("Nhiệt độ, °C"),
        "heads": [_("Lúc"), _("Nhiệt độ"), _("Xử lý")],
        "rows": [[f"{one.at.astimezone(HANOI):%H:%M %d/%m/%Y}", _degrees(one), one.action] for one in rows],
    }  # fmt: skip
    return respond_pdf(request, pdf("lab/table.typ", data, "A4"), f"nhiet-do-{fridge_id}.pdf")


@desk("lab")
@require_POST
def act(request: HttpRequest, reading_id: int) -> HttpResponse:
    """Write what was done about a reading outside the limits."""
    row = Temperature.objects.filter(pk=reading_id, fridge__facility=asker(request).facility).first()
    if not row:
        raise Http404
    try:
        cold.act(asker(request), reading_id, request.POST.get("action", ""))
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã ghi xử lý."))
    return redirect("lab:fridge", row.fridge_id)


def _fridge(request: HttpRequest, fridge_id: int) -> Fridge:
    found = Fridge.objects.filter(pk=fridge_id, facility=asker(request).facility).first()
    if not found:
        raise Http404
    return found
