"""Pages of quality control: the controls in use and what they stopped, one control with its chart, a new one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab.actions import HANOI
from tuetinh.care.lab.catalogue import analytes, test
from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.models import Analyser, Control, ControlResult, QualityBlock
from tuetinh.care.lab.quality import actions, queries
from tuetinh.commons.access.api import asker, desk, owner_names, place_name
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.commons.ui.api import DayField, paginate


class ControlForm(forms.Form):
    """A lot of a control as it is taken into use."""

    machine = forms.ChoiceField(label=gettext_lazy("Máy"), required=False)
    analyte = forms.ChoiceField(label=gettext_lazy("Chỉ số"))
    material = forms.CharField(label=gettext_lazy("Vật liệu"), max_length=100)
    level = forms.IntegerField(label=gettext_lazy("Mức"), min_value=1, max_value=9)
    lot = forms.CharField(label=gettext_lazy("Số lô"), max_length=60)
    barcode = forms.CharField(
        label=gettext_lazy("Mã vạch"), max_length=60, required=False,
        help_text=gettext_lazy("Máy gửi kết quả nội kiểm dưới mã này."),
    )  # fmt: skip
    mean = forms.DecimalField(
        label=gettext_lazy("Trung bình"), max_digits=18, decimal_places=6, localize=True, required=False
    )
    sd = forms.DecimalField(label="SD", max_digits=18, decimal_places=6, min_value=0, localize=True, required=False)
    expected = forms.CharField(
        label=gettext_lazy("Kết quả dự kiến (định tính)"), max_length=40, required=False,
        help_text=gettext_lazy("Như Âm tính, Dương tính; xét nghiệm định lượng thì để trống và ghi trung bình, SD."),
    )  # fmt: skip
    expires = DayField(label=gettext_lazy("Hạn dùng"), required=False)

    def __init__(self, facility: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        machines = Analyser.objects.filter(facility=facility).order_by("name").values_list("name", flat=True)
        self.fields["machine"].choices = [("", _("Làm tay")), *((name, name) for name in machines)]  # type: ignore[attr-defined]
        named = sorted((one.name, one.key) for one in analytes().values() if one.numeric or one.choices)
        self.fields["analyte"].choices = [(key, said) for said, key in named]  # type: ignore[attr-defined]


class ValueForm(forms.Form):
    """A measurement of a control: a number, or a word of a qualitative test."""

    value: forms.Field = forms.DecimalField(
        label=gettext_lazy("Kết quả nội kiểm"), max_digits=18, decimal_places=6, localize=True
    )

    def __init__(self, control: Control, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if control.expected and control.analyte in analytes():
            words = [(word, word) for word in analytes()[control.analyte].choices]
            self.fields["value"] = forms.ChoiceField(label=gettext_lazy("Kết quả nội kiểm"), choices=words)


@desk("lab")
@require_GET
@never_cache
def quality(request: HttpRequest) -> HttpResponse:
    """The controls in use with their newest results, and what is stopped."""
    me = asker(request)
    page = paginate(request, queries.controls(me.facility))
    rows = [
        (
            one,
            queries.name(one),
            None if one.last_value is None else ControlResult(control=one, value=one.last_value, text=one.last_text),
        )
        for one in page.object_list
    ]
    stopped = [(block, queries.name(block.result.control)) for block in queries.blocks(me.facility)[:50]]
    return render(request, "lab/quality.html", {"rows": rows, "page": page, "stopped": stopped})


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def new_control(request: HttpRequest) -> HttpResponse:
    """Take a lot of a control into use."""
    me = asker(request)
    form = ControlForm(me.facility, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.open_control(me, **form.cleaned_data)
        except LabError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Đã đưa lô nội kiểm vào dùng."))
            return redirect("lab:control", made.pk)
    return render(request, "lab/new_control.html", {"form": form}, status=422 if form.is_bound else 200)


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def control(request: HttpRequest, control_id: int) -> HttpResponse:
    """One control: its chart and results, and what it stopped; POST keeps a typed result."""
    me, found = asker(request), _control(request, control_id)
    form, status = ValueForm(found), 200
    if request.method == "POST":
        form, status = ValueForm(found, request.POST), 422
        if form.is_valid():
            try:
                made = actions.keep_result(me, control_id, form.cleaned_data["value"])
            except LabError as error:
                form.add_error("value", str(error))
            else:
                if made.broken:
                    told = _("Nội kiểm vi phạm %(rules)s: xét nghiệm bị chặn trên máy này.")
                    messages.error(request, told % {"rules": ", ".join(made.broken)})
                else:
                    messages.success(request, _("Đã ghi kết quả nội kiểm."))
                return redirect("lab:control", control_id)
    results = queries.latest(found)
    block = queries.blocks(me.facility).filter(machine=found.machine, analyte=found.analyte).first()
    past = QualityBlock.objects.filter(
        facility=me.facility, machine=found.machine, analyte=found.analyte, resolved_at__isnull=False
    ).order_by("-since")[:20]
    names = owner_names({one.resolved_by for one in past}, ())[0]
    context = {
        "control": found, "name": queries.name(found), "form": form, "stoppage": block,
        "chart": mark_safe(queries.levey_jennings(found, results)) if results and not found.expected else "",  # noqa: S308 - our own template
        "rows": results[::-1],
        "rerun": bool(block and queries.passed_since(block)),
        "past": [(one, names.get(one.resolved_by, one.resolved_by)) for one in past],
    }  # fmt: skip
    return render(request, "lab/control.html", context, status=status)


@desk("lab")
@require_POST
def resolve(request: HttpRequest, block_id: int) -> HttpResponse:
    """Write what was done about a failed control."""
    me = asker(request)
    block = QualityBlock.objects.filter(pk=block_id, facility=me.facility).select_related("result").first()
    if not block:
        raise Http404
    try:
        actions.resolve(me, block_id, request.POST.get("action", ""))
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã ghi xử lý; xét nghiệm được trả lại từ máy này."))
    return redirect("lab:control", block.result.control_id)


@desk("lab")
@require_GET
@never_cache
def at_risk(request: HttpRequest, block_id: int) -> HttpResponse:
    """What was handed out between the last control that held and the one that stopped its test."""
    block = (
        QualityBlock.objects.filter(pk=block_id, facility=asker(request).facility)
        .select_related("result__control")
        .first()
    )
    if not block:
        raise Http404
    page = paginate(request, queries.at_risk(block))
    rows = [(line, known.name if (known := test(line.test)) else line.test) for line in page.object_list]
    context = {"stoppage": block, "name": queries.name(block.result.control), "page": page, "rows": rows}
    return render(request, "lab/at_risk.html", context)


@desk("lab")
@require_GET
def chart(request: HttpRequest, control_id: int) -> HttpResponse:
    """The Levey–Jennings chart on paper."""
    found = _control(request, control_id)
    if found.expected:
        raise Http404  # words have no chart
    results = queries.latest(found)
    unit = analytes()[found.analyte].shown if found.analyte in analytes() else ""
    data = {
        "facility": {"name": place_name("Organization", found.facility)},
        "name": queries.name(found), "unit": unit, "machine": found.machine or _("Làm tay"),
        "material": found.material, "level": str(found.level), "lot": found.lot,
        "mean": found.target[0], "sd": found.target[1], "printed": datetime.now(HANOI),
        "chart": queries.levey_jennings(found, results),
        "rows": [
            {
                "at": one.at, "value": one.shown, "z": one.score,
                "rules": ", ".join([*one.broken, *one.warned]),
            }
            for one in results
        ],
    }  # fmt: skip
    return respond_pdf(request, pdf("lab/levey.typ", data, "A4"), f"levey-jennings-{control_id}.pdf")


@desk("lab")
@require_POST
def end(request: HttpRequest, control_id: int) -> HttpResponse:
    """Use a lot no longer."""
    _control(request, control_id)
    actions.end_control(asker(request), control_id)
    messages.success(request, _("Đã ngừng lô nội kiểm."))
    return redirect("lab:quality")


def _control(request: HttpRequest, control_id: int) -> Control:
    found = Control.objects.filter(pk=control_id, facility=asker(request).facility).first()
    if not found:
        raise Http404
    return found
