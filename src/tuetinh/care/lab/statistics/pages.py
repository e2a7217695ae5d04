"""The page of statistics: one table with its chart, as a page, as XLSX and on paper."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
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

from tuetinh.care.lab.catalogue import benches, tests
from tuetinh.care.lab.statistics import tables
from tuetinh.care.lab.statistics.queries import Asked
from tuetinh.care.lab.statistics.summary import HANOI, counted_at
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.commons.ui.api import SHEET, DayField, bars, paginate, workbook

PER_PAGE = 31  # a month of days


class AskedForm(forms.Form):
    """Which orders are counted, and by what."""

    first = DayField(label=gettext_lazy("Từ ngày"))
    last = DayField(label=gettext_lazy("Đến ngày"))
    by = forms.ChoiceField(label=gettext_lazy("Chia theo"))
    bench = forms.ChoiceField(label=gettext_lazy("Bàn"), required=False)
    test = forms.ChoiceField(label=gettext_lazy("Xét nghiệm"), required=False)
    urgent = forms.ChoiceField(
        label=gettext_lazy("Mức ưu tiên"), required=False,
        choices=[("", gettext_lazy("Tất cả")), ("yes", gettext_lazy("Cấp cứu")), ("no", gettext_lazy("Thường"))],
    )  # fmt: skip

    def __init__(self, kind: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        everything = ("", _("Tất cả"))
        self.fields["by"].choices = [(key, tables.BY[key]) for key in tables.KINDS[kind].by]  # type: ignore[attr-defined]
        self.fields["bench"].choices = [everything, *((key, one.name) for key, one in benches().items())]  # type: ignore[attr-defined]
        named = sorted((one.name, one.code) for one in tests())
        self.fields["test"].choices = [everything, *((code, name) for name, code in named)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """The first day is not after the last, and both are within three years."""
        data = super().clean() or {}
        first, last = data.get("first"), data.get("last")
        if first and last and not first <= last <= first + timedelta(days=1096):
            self.add_error("last", _("Đến ngày phải sau từ ngày, và không quá ba năm."))
        return data

    def asked(self, facility: str) -> Asked:
        """What was asked, of a laboratory."""
        data = self.cleaned_data
        urgent = {"yes": True, "no": False}.get(data["urgent"])
        return Asked(facility, data["first"], data["last"], data["bench"], data["test"], urgent)


def _asked(request: HttpRequest) -> tuple[str, AskedForm]:
    """The kind of table and the filled form: this month by day, unless something else was asked."""
    kind = request.GET.get("kind", "tests")
    kind = kind if kind in tables.KINDS else "tests"
    today = datetime.now(HANOI).date()
    usual = {"first": today.replace(day=1), "last": today, "by": tables.KINDS[kind].by[0]}
    told = {name: value for name, value in request.GET.items() if value}
    if told.get("by") not in tables.KINDS[kind].by:
        told["by"] = tables.KINDS[kind].by[0]
    return kind, AskedForm(kind, {name: _written(value) for name, value in usual.items()} | told)


def _written(value: date | str) -> str:
    return value.strftime("%d/%m/%Y") if isinstance(value, date) else value


@desk("lab", "admin", at="facility")
@require_GET
@never_cache
def statistics(request: HttpRequest) -> HttpResponse:
    """One table of a period with its chart, paged."""
    kind, form = _asked(request)
    context: dict[str, Any] = {"form": form, "kind": kind, "kinds": tables.KINDS.items()}
    if not form.is_valid():
        return render(request, "lab/statistics.html", context, status=422)
    me = asker(request)
    table = tables.table(form.asked(me.facility), kind, form.cleaned_data["by"])
    page = paginate(request, table.rows, PER_PAGE)
    rows = list(page.object_list)
    query = request.GET.copy()
    for name in ("kind", "by", "page"):
        query.pop(name, None)
    context |= {
        "table": table, "page": page, "rows": table.lines(rows), "counted": counted_at(me.facility),
        "chart": mark_safe(bars(table.chart, table.bars(rows), standing=table.standing)),  # noqa: S308 - our own template
        "kept": query.urlencode(),
    }  # fmt: skip
    return render(request, "lab/statistics.html", context)


@desk("lab", "admin", at="facility")
@require_GET
@never_cache
def statistics_file(request: HttpRequest, form: str) -> HttpResponse:
    """The whole table as XLSX or PDF."""
    kind, asked = _asked(request)
    if not asked.is_valid():
        return HttpResponse(status=422)
    me = asker(request)
    table = tables.table(asked.asked(me.facility), kind, asked.cleaned_data["by"])
    title, facility = str(tables.KINDS[kind].name), place_name("Organization", me.facility)
    period = f"{asked.cleaned_data['first']:%d/%m/%Y} – {asked.cleaned_data['last']:%d/%m/%Y}"
    name = f"xet-nghiem-{kind}-{asked.cleaned_data['first']:%Y%m%d}-{asked.cleaned_data['last']:%Y%m%d}.{form}"
    rows = list(table.rows)
    lines = [*table.lines(rows), [_("Cộng"), *table.total]]
    if form == "pdf":
        data = {
            "facility": {"name": facility}, "title": title.upper(), "about": period,
            "chart": bars(table.chart, table.bars(rows[:PER_PAGE]), standing=table.standing),
            "chart_name": table.chart, "heads": table.heads,
            "rows": [[_shown(cell) for cell in line] for line in lines],
        }  # fmt: skip
        return respond_pdf(request, pdf("lab/table.typ", data, "A4"), name)
    content = workbook(title, [facility, title, period], table.heads, lines)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(content, content_type=SHEET, headers=headers)


def _shown(cell: Any) -> str:
    return f"{cell:,.0f}".replace(",", ".") if isinstance(cell, (int, Decimal)) else str(cell)
