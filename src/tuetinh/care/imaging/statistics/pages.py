"""The page of statistics: one table with its chart, and as XLSX."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.care.imaging.statistics import tables
from tuetinh.care.imaging.statistics.tables import HANOI, KINDS, Asked
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.ui.api import SHEET, DayField, bars, paginate, workbook

PER_PAGE = 31  # a month of days
LONGEST = timedelta(days=1096)


class AskedForm(forms.Form):
    """Which days are counted, and by what."""

    first = DayField(label=gettext_lazy("Từ ngày"))
    last = DayField(label=gettext_lazy("Đến ngày"))
    by = forms.ChoiceField(label=gettext_lazy("Chia theo"))

    def __init__(self, kind: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["by"].choices = [(key, tables.BY[key]) for key in KINDS[kind].by]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """The first day is not after the last, and both are within three years."""
        data = super().clean() or {}
        first, last = data.get("first"), data.get("last")
        if first and last and not first <= last <= first + LONGEST:
            self.add_error("last", _("Đến ngày phải sau từ ngày, và không quá ba năm."))
        return data


def _asked(request: HttpRequest) -> tuple[str, AskedForm]:
    """The kind of table and the filled form: this month by day, unless something else was asked."""
    kind = request.GET.get("kind", "exams")
    kind = kind if kind in KINDS else "exams"
    today = datetime.now(HANOI).date()
    usual = {"first": _written(today.replace(day=1)), "last": _written(today), "by": KINDS[kind].by[0]}
    told = {name: value for name, value in request.GET.items() if value}
    if told.get("by") not in KINDS[kind].by:
        told["by"] = KINDS[kind].by[0]
    return kind, AskedForm(kind, usual | told)


def _written(value: date) -> str:
    return f"{value:%d/%m/%Y}"


def _table(request: HttpRequest, kind: str, form: AskedForm) -> tables.Table:
    told = form.cleaned_data
    return tables.table(Asked(asker(request).facility, told["first"], told["last"]), kind, told["by"])


@desk("imaging", "admin", at="facility")
@require_GET
@never_cache
def statistics(request: HttpRequest) -> HttpResponse:
    """One table of a period with its chart, paged."""
    kind, form = _asked(request)
    context: dict[str, Any] = {"form": form, "kind": kind, "kinds": KINDS.items()}
    if not form.is_valid():
        return render(request, "imaging/statistics.html", context, status=422)
    table = _table(request, kind, form)
    page = paginate(request, table.rows, PER_PAGE)
    rows = list(page.object_list)
    query = request.GET.copy()
    for name in ("kind", "by", "page"):
        query.pop(name, None)
    name = str(KINDS[kind].chart)
    context |= {
        "table": table, "page": page, "rows": table.lines(rows), "kept": query.urlencode(), "name": name,
        "chart": mark_safe(bars(name, table.bars(rows), standing=table.standing)),  # noqa: S308 - our own template
    }  # fmt: skip
    return render(request, "imaging/statistics.html", context)


@desk("imaging", "admin", at="facility")
@require_GET
@never_cache
def statistics_file(request: HttpRequest) -> HttpResponse:
    """The whole table as XLSX."""
    kind, form = _asked(request)
    if not form.is_valid():
        return HttpResponse(status=422)
    table, told = _table(request, kind, form), form.cleaned_data
    title = str(KINDS[kind].name)
    above = [
        place_name("Organization", asker(request).facility),
        title,
        f"{_written(told['first'])} – {_written(told['last'])}",
    ]
    content = workbook(title, above, table.heads, [*table.lines(table.rows), [_("Cộng"), *table.total]])
    name = f"chan-doan-hinh-anh-{kind}-{told['first']:%Y%m%d}-{told['last']:%Y%m%d}.xlsx"
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return HttpResponse(content, content_type=SHEET, headers=headers)
