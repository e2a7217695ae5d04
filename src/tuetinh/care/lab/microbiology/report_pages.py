"""Pages of what microbiology tells over time: the cumulative antibiogram, the export to WHONET, the breakpoints."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.care.lab.errors import BadTable, LabError
from tuetinh.care.lab.microbiology import breakpoints, cumulative, wire_whonet
from tuetinh.care.lab.microbiology.forms import PeriodForm, TableForm, this_year
from tuetinh.care.lab.microbiology.lists import antibiotics
from tuetinh.care.lab.models import BreakpointTable
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.ui.api import paginate

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LARGEST = 2_000_000  # bytes of a table


def _period(request: HttpRequest) -> PeriodForm:
    """The days that the address asks for; without any, this year."""
    form = PeriodForm(request.GET if "first" in request.GET else this_year())
    form.is_valid()
    return form


@desk("lab", "doctor")
@require_GET
@never_cache
def antibiogram(request: HttpRequest) -> HttpResponse:
    """The cumulative antibiogram of the laboratory in a period, as a table with bars."""
    me, form = asker(request), _period(request)
    found = cumulative.antibiogram(me, me.facility, **form.cleaned_data) if form.is_valid() else None
    rows = [(row, row.cells(found.columns)) for row in found.rows] if found else []
    context = {
        "form": form, "found": found, "rows": rows, "query": request.GET.urlencode(), "whonet": me.role == "lab",
    }  # fmt: skip
    return render(request, "lab/antibiogram.html", context, status=200 if found else 422)


@desk("lab", "doctor")
@require_GET
@never_cache
def antibiogram_xlsx(request: HttpRequest) -> HttpResponse:
    """The same as a workbook."""
    me, form = asker(request), _period(request)
    if not form.is_valid():
        return redirect("lab:antibiogram")
    told = form.cleaned_data
    found = cumulative.antibiogram(me, me.facility, **told)
    return _file(cumulative.xlsx(found, told["first"], told["last"]), XLSX, "khang-sinh-do.xlsx")


@desk("lab")
@require_GET
@never_cache
def whonet(request: HttpRequest, form: str) -> HttpResponse:
    """The isolates of a period for WHONET: `txt` or `sqlite`."""
    me, period = asker(request), _period(request)
    if form not in ("txt", "sqlite"):
        raise Http404
    if not period.is_valid():
        return redirect("lab:antibiogram")
    told = period.cleaned_data
    rows = wire_whonet.rows(me, me.facility, told["first"], told["last"])
    name = f"W{me.facility}-{told['first']:%Y%m%d}-{told['last']:%Y%m%d}.{form}"
    if form == "sqlite":
        return _file(wire_whonet.as_sqlite(rows), "application/vnd.sqlite3", name)
    return _file(wire_whonet.as_text(rows), "text/plain; charset=utf-8", name)


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@desk("admin", "lab")
@require_http_methods(["GET", "POST"])
@never_cache
def tables(request: HttpRequest) -> HttpResponse:
    """The breakpoints in force, and the tables that were taken into use; an administrator adds one by POST."""
    me, status = asker(request), 200
    form = TableForm(initial={"from_day": timezone.localdate(), "year": timezone.localdate().year})
    if request.method == "POST":
        form, status = TableForm(request.POST, request.FILES), 422
        if form.is_valid() and _added(request, form):
            return redirect("lab:breakpoints")
    table = breakpoints.in_force(me.facility, timezone.localdate())
    page = paginate(request, table.breakpoints)
    rows = [
        (one, antibiotics()[one.antibiotic].name, table.words(one, "disk"), table.words(one, "mic"))
        for one in page.object_list
    ]
    kept = BreakpointTable.objects.filter(facility__in={"", me.facility}).defer("rows").order_by("-from_day", "-id")
    context = {
        "table": table, "rows": rows, "page": page, "kept": kept[:50], "form": form, "may": me.role == "admin",
        "columns": ", ".join(breakpoints.COLUMNS),
    }  # fmt: skip
    return render(request, "lab/breakpoints.html", context, status=status)


def _added(request: HttpRequest, form: TableForm) -> bool:
    told: dict[str, Any] = dict(form.cleaned_data)
    file = told.pop("table")
    try:
        if file.size > LARGEST:
            raise BadTable(0, _("Tệp quá lớn."))
        breakpoints.add(asker(request), text=file.read().decode("utf-8"), **told)
    except UnicodeDecodeError:
        form.add_error("table", _("Tệp phải là CSV, bảng mã UTF-8."))
    except LabError as error:
        form.add_error("table", str(error))
    else:
        messages.success(request, _("Bảng điểm gãy được dùng từ ngày đã ghi."))
        return True
    return False
