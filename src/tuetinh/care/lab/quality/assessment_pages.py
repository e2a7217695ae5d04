"""Pages of external assessment, of comparisons of methods, and of measurement uncertainty, with their charts."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.models import Comparison, Proficiency
from tuetinh.care.lab.quality import assessment, methods
from tuetinh.care.lab.quality.drawing import Level, Point, scatter, series
from tuetinh.care.lab.quality.forms import ComparisonForm, ProficiencyForm
from tuetinh.care.lab.quality.reagents import today
from tuetinh.commons.access.api import asker, desk, owner_names, place_name
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.commons.ui.api import paginate

CHARTED = 40  # results of a chart


def named(key: str) -> str:
    """An analyte by name."""
    return analytes()[key].name if key in analytes() else key


def said(value: float, digits: int = 4) -> str:
    """A computed number with a decimal comma."""
    return f"{round(value, 10) + 0:.{digits}g}".replace(".", ",")


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def rounds(request: HttpRequest) -> HttpResponse:
    """What rounds told, with the chart of one analyte; POST keeps more."""
    me = asker(request)
    form, status = ProficiencyForm(me.facility, initial={"on": today()}), 200
    if request.method == "POST":
        form, status = ProficiencyForm(me.facility, request.POST), 422
        if form.is_valid():
            try:
                made = assessment.report(me, **form.cleaned_data)
            except LabError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, _("Đã ghi kết quả ngoại kiểm."))
                return redirect(f"{request.path}?analyte={made.analyte}")
    analyte = request.GET.get("analyte", "")
    analyte = analyte if analyte in analytes() else ""
    page = paginate(request, assessment.rounds(me.facility, analyte))
    names = owner_names({one.acted_by for one in page if one.acted_by}, ())[0]
    context = {
        "page": page, "form": form, "analyte": analyte, "name": named(analyte) if analyte else "",
        "rows": [(one, named(one.analyte), assessment.state(one), names.get(one.acted_by, "")) for one in page],
        "chart": mark_safe(_z_chart(me.facility, analyte)) if analyte else "",  # noqa: S308 - our own template
    }  # fmt: skip
    return render(request, "lab/rounds.html", context, status=status)


def _z_chart(facility: str, analyte: str) -> str:
    """The scores of the last rounds, "" of a test that is told in words."""
    rows = [one for one in assessment.rounds(facility, analyte)[:CHARTED] if not one.expected][::-1]
    points = [
        Point(one.round, float(one.z), assessment.state(one) == "bad", f"{one.scheme} {one.round}: {_z(one)}")
        for one in rows
    ]
    levels = [Level(z, f"{z:+d}" if z else "0", strong=z == 0) for z in (-3, -2, 0, 2, 3)]
    return series(_("Điểm z của %(name)s") % {"name": named(analyte)}, points, levels)


def _z(one: Proficiency) -> str:
    return "" if one.expected else f"{one.z:+.2f}".replace(".", ",")


@desk("lab")
@require_GET
def rounds_chart(request: HttpRequest, analyte: str) -> HttpResponse:
    """The z scores of an analyte on paper."""
    if analyte not in analytes():
        raise Http404
    facility = asker(request).facility
    rows = list(assessment.rounds(facility, analyte)[:CHARTED])
    data = {
        "facility": {"name": place_name("Organization", facility)}, "title": _("NGOẠI KIỂM TRA CHẤT LƯỢNG"),
        "about": named(analyte), "chart": _z_chart(facility, analyte), "chart_name": _("Điểm z (SDI) theo đợt"),
        "heads": [_("Đợt"), _("Mẫu"), _("Máy"), _("Kết quả"), _("Ấn định"), "SD", "z"],
        "rows": [
            [
                f"{one.scheme} {one.round}", one.sample, one.machine or _("Làm tay"),
                *([one.text, one.expected, ""] if one.expected else map(_plain, (one.value, one.assigned, one.sd))),
                _z(one),
            ]
            for one in rows
        ],
    }  # fmt: skip
    return respond_pdf(request, pdf("lab/table.typ", data, "A4"), f"ngoai-kiem-{analyte}.pdf")


def _plain(value: Any) -> str:
    return f"{value.normalize() + 0:f}".replace(".", ",")


@desk("lab")
@require_POST
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """Write what was done about a bad result."""
    try:
        assessment.act(asker(request), pk, request.POST.get("action", ""))
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã ghi xử lý."))
    return redirect("lab:rounds")


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def comparisons(request: HttpRequest) -> HttpResponse:
    """What was compared; POST compares two methods."""
    me, form, status = asker(request), ComparisonForm(initial={"on": today()}), 200
    if request.method == "POST":
        form, status = ComparisonForm(request.POST), 422
        if form.is_valid():
            try:
                made = assessment.compare(me, **form.cleaned_data)
            except LabError as error:
                form.add_error("pairs", str(error))
            else:
                return redirect("lab:comparison", made.pk)
    page = paginate(request, assessment.comparisons(me.facility))
    rows = [(one, named(one.analyte)) for one in page.object_list]
    return render(request, "lab/comparisons.html", {"page": page, "rows": rows, "form": form}, status=status)


def _compared(row: Comparison) -> dict[str, Any]:
    """Both statistics of a comparison with their charts and words."""
    pairs = assessment.measured_pairs(row)
    line, agreement = methods.passing_bablok(pairs), methods.bland_altman(pairs)
    points = [Point("", y, False, f"{said(x)} / {said(y)}", x) for x, y in pairs]  # noqa: FBT003
    apart = [
        Point("", y - x, not agreement.low <= y - x <= agreement.high, f"{said(y - x)}", (x + y) / 2) for x, y in pairs
    ]
    levels = [
        Level(agreement.bias, said(agreement.bias, 3), strong=True), Level(agreement.low, said(agreement.low, 3)),
        Level(agreement.high, said(agreement.high, 3)),
    ]  # fmt: skip
    same, other = _("Hai phương pháp không khác nhau có ý nghĩa."), _("Hai phương pháp khác nhau có ý nghĩa.")
    return {
        "line": line, "agreement": agreement,
        "regression": scatter(
            "Passing–Bablok", points, lines=[(line.slope, line.intercept, True), (1, 0, False)], across=row.first,
            up=row.second,
        ),
        "differences": scatter("Bland–Altman", apart, levels=levels, across=_("Trung bình hai phương pháp"),
            up=_("Hiệu"),
        ),
        "facts": [
            (_("Độ dốc"), f"{said(line.slope)} ({said(line.slope_low)} – {said(line.slope_high)})"),
            (_("Tung độ gốc"), f"{said(line.intercept)} ({said(line.intercept_low)} – {said(line.intercept_high)})"),
            (_("Độ chệch trung bình"), said(agreement.bias)),
            (_("Giới hạn tương đồng 95%"), f"{said(agreement.low)} – {said(agreement.high)}"),
            (_("Số cặp"), str(len(pairs))),
        ],
        "verdict": same if line.equal else other,
    }  # fmt: skip


def _comparison(request: HttpRequest, pk: int) -> Comparison:
    found = Comparison.objects.filter(pk=pk, facility=asker(request).facility).first()
    if not found:
        raise Http404
    return found


@desk("lab")
@require_GET
@never_cache
def comparison(request: HttpRequest, pk: int) -> HttpResponse:
    """One comparison with both charts."""
    row = _comparison(request, pk)
    told = _compared(row)
    for name in ("regression", "differences"):
        told[name] = mark_safe(told[name])  # noqa: S308 - our own templates
    return render(request, "lab/comparison.html", {"row": row, "name": named(row.analyte), **told})


@desk("lab")
@require_GET
def comparison_chart(request: HttpRequest, pk: int) -> HttpResponse:
    """A comparison on paper."""
    row = _comparison(request, pk)
    told = _compared(row)
    data = {
        "facility": {"name": place_name("Organization", row.facility)}, "name": named(row.analyte),
        "first": row.first, "second": row.second, "on": row.on, "facts": [list(one) for one in told["facts"]],
        "verdict": told["verdict"], "regression": told["regression"], "differences": told["differences"],
    }  # fmt: skip
    return respond_pdf(request, pdf("lab/comparison.typ", data, "A4"), f"so-sanh-{pk}.pdf")


@desk("lab")
@require_GET
@never_cache
def uncertainty(request: HttpRequest) -> HttpResponse:
    """The measurement uncertainty of each test that has controls."""
    me = asker(request)
    page = paginate(request, assessment.controlled(me.facility))
    keys = [(row["machine"], row["analyte"]) for row in page.object_list]
    found = assessment.certain_all(me.facility, keys)
    rows = [(row, named(row["analyte"]), found.get((row["machine"], row["analyte"]))) for row in page.object_list]
    return render(request, "lab/uncertainty.html", {"page": page, "rows": rows})
