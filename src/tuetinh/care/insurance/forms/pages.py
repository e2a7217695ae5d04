"""The forms of a month or quarter, and the cost list of a visit."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.insurance.errors import InsuranceError, NoForm
from tuetinh.care.insurance.forms import cost_list, making
from tuetinh.care.insurance.forms.filling import accepted
from tuetinh.care.insurance.forms.layouts import Layout, Period, book
from tuetinh.care.insurance.models import Run
from tuetinh.care.insurance.results.pages import act, month_of
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.documents.api import respond_pdf
from tuetinh.record import audit

TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "zip": "application/zip",
}


@desk("cashier")
@require_GET
@never_cache
def forms(request: HttpRequest) -> HttpResponse:
    """The forms of a month (`?month=`) and its quarter: make them, see how far they are, take them."""
    when, here = month_of(request), asker(request).facility
    made = {run.key: run for run in Run.objects.filter(facility=here, kind="form").defer("file").order_by("id")}
    rows = []
    for code, layout in book().forms.items():
        period = _period(layout, when["month"])
        files = [(form, made.get(f"{period.key} {code} {form}")) for form in making.FORMATS]
        rows.append((code, layout, period, layout.last_day(period), files))
    context = when | {
        "rows": rows, "claims": accepted(here, Period(when["month"])).count(), "facility": here, "tab": "forms",
    }  # fmt: skip
    return render(request, "insurance/forms.html", context)


@desk("cashier")
@require_POST
def make(request: HttpRequest) -> HttpResponse:
    """Have a `form` of a `period` made as `format`."""
    told = request.POST
    back = f"{reverse('insurance:forms')}?month={month_of(request, told.get('month', ''))['month']}"

    def work() -> None:
        making.ask(asker(request), told.get("form", ""), told.get("period", ""), told.get("format", ""))

    return act(request, work, _("Đang lập biểu mẫu."), back)


@desk("cashier")
@require_GET
def file(request: HttpRequest, run_id: int) -> HttpResponse:
    """The file of a form that was made."""
    me = asker(request)
    run = Run.objects.filter(pk=run_id, facility=me.facility, kind="form").first()
    try:
        if run is None:
            raise NoForm
        data = making.take(me, run)
    except NoForm as error:
        raise Http404 from error
    return _file(data, run.name)


@desk("cashier")
@require_GET
def cost_list_pdf(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """01/KBCB of a visit as PDF."""
    return respond_pdf(request, _listed(request, encounter_id, cost_list.as_pdf), "01-KBCB")


@desk("cashier")
@require_GET
def cost_list_xlsx(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """01/KBCB of a visit as XLSX."""
    return _file(_listed(request, encounter_id, cost_list.as_xlsx), "01-KBCB.xlsx")


def _listed(request: HttpRequest, encounter_id: str, form: Callable[[cost_list.CostList], bytes]) -> bytes:
    me = asker(request)
    try:
        found = cost_list.cost_list(me, encounter_id)
    except InsuranceError as error:
        raise Http404 from error
    audit.note(me, "print", "Encounter", encounter_id, found.patient)
    return form(found)


def _period(layout: Layout, month: str) -> Period:
    quarter = f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}"
    return Period(quarter if layout.period == "quarter" else month)


def _file(data: bytes, name: str) -> HttpResponse:
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(data, content_type=TYPES[name.rpartition(".")[2]], headers=headers)
