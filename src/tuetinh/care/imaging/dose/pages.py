"""The pages of the dose register: sums with their chart, as a page and as XLSX; the doses of one person."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.care.imaging.dose import queries
from tuetinh.care.imaging.dose.charts import Bar, bars
from tuetinh.care.imaging.dose.queries import Asked
from tuetinh.care.imaging.facts import HANOI
from tuetinh.care.imaging.rules.book import Book, in_force
from tuetinh.care.imaging.rules.forms import QUANTITY_NAMES
from tuetinh.care.imaging.rules.kinds import QUANTITIES
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import DayField, paginate
from tuetinh.record.errors import Gone, NotFound

SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST = 50_000  # examinations in one file
BY_NAMES = {"protocol": gettext_lazy("Quy trình"), "machine": gettext_lazy("Máy"), "month": gettext_lazy("Tháng")}
USUAL = {"CT": "dlp", "MG": "agd"}  # the quantity that is looked at first; of others the DAP
SOURCES = {"rdsr": gettext_lazy("Báo cáo liều (RDSR)"), "images": gettext_lazy("Ảnh"), "mpps": "MPPS"}


class AskedForm(forms.Form):
    """Which doses are summed up, and by what."""

    first = DayField(label=gettext_lazy("Từ ngày"))
    last = DayField(label=gettext_lazy("Đến ngày"))
    modality = forms.ChoiceField(label=gettext_lazy("Loại máy"))
    quantity = forms.ChoiceField(
        label=gettext_lazy("Đại lượng"),
        choices=[(key, f"{QUANTITY_NAMES[key]} ({QUANTITIES[key]})") for key in QUANTITIES],
    )
    by = forms.ChoiceField(label=gettext_lazy("Chia theo"), choices=list(BY_NAMES.items()))
    ages = forms.ChoiceField(
        label=gettext_lazy("Tuổi"), required=False,
        choices=[
            ("", gettext_lazy("Tất cả")), ("adult", gettext_lazy("Từ 16 tuổi")),
            ("child", gettext_lazy("Dưới 16 tuổi")),
        ],
    )  # fmt: skip

    def __init__(self, modalities: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["modality"].choices = [(one, one) for one in modalities]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """The first day is not after the last, and both are within five years."""
        data = super().clean() or {}
        first, last = data.get("first"), data.get("last")
        if first and last and not first <= last <= first + timedelta(days=1827):
            self.add_error("last", _("Đến ngày phải sau từ ngày, và không quá năm năm."))
        return data


def _asked(request: HttpRequest, facility: str) -> tuple[AskedForm, Asked | None]:
    """The filled form: the last year by protocol, unless something else was asked; None where it cannot be."""
    known = queries.modalities(facility) or ["CT"]
    today = datetime.now(HANOI).date()
    modality = request.GET.get("modality") or ("CT" if "CT" in known else known[0])
    usual = {
        "first": f"{_year_before(today):%d/%m/%Y}", "last": f"{today:%d/%m/%Y}", "modality": modality, "by": "protocol",
        "quantity": USUAL.get(modality, "dap"),
    }  # fmt: skip
    form = AskedForm(known, usual | {name: value for name, value in request.GET.items() if value})
    return form, Asked(facility, **form.cleaned_data) if form.is_valid() else None


def _year_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=335)).replace(day=1)


@desk("imaging", "admin", at="facility")
@require_GET
@never_cache
def register(request: HttpRequest) -> HttpResponse:
    """Median and 75th percentile by machine, protocol or month, with their chart; and the last examinations."""
    me = asker(request)
    form, asked = _asked(request, me.facility)
    context: dict[str, Any] = {"form": form}
    if asked is None:
        return render(request, "imaging/dose.html", context, status=422)
    book = in_force(me.facility)
    rows = [_row(asked, book, row) for row in queries.sums(asked)[:100]]
    page = paginate(request, queries.doses(asked).select_related("exam"))
    context |= {
        "rows": rows, "by": BY_NAMES[asked.by], "unit": QUANTITIES[asked.quantity], "page": page,
        "name": QUANTITY_NAMES[asked.quantity], "doses": [queries.shown(one, book) for one in page.object_list],
        "chart": bars(_("Trung vị, phân vị 75 và mức tham chiếu"), [_bar(row) for row in rows[:20]]),
        "sources": SOURCES, "may": me.role == "imaging",
    }  # fmt: skip
    return render(request, "imaging/dose.html", context)


def _row(asked: Asked, book: Book, row: dict[str, Any]) -> dict[str, Any]:
    """A sum as the page shows it."""
    key = row["key"]
    label = key.strftime("%m/%Y") if asked.by == "month" else str(key) or _("Không rõ")
    level = queries.level(asked, book, key)
    digits = 2 if asked.quantity == "dap" else 1
    return row | {
        "label": queries.protocol_name(book, label) if asked.by == "protocol" else label, "level": level,
        "median": round(Decimal(str(row["median"])), digits), "p75": round(Decimal(str(row["p75"])), digits),
        "top": round(row["top"], digits), "above": level is not None and row["median"] > level.limit,
    }  # fmt: skip


def _bar(row: dict[str, Any]) -> Bar:
    said = f"{row['median']} / {row['p75']}".replace(".", ",")
    return Bar(
        row["label"], float(row["median"]), float(row["p75"]), said, float(row["level"].limit) if row["level"] else None
    )


@desk("imaging", "admin", at="facility")
@require_GET
@never_cache
def file(request: HttpRequest) -> HttpResponse:
    """The sums, and the examinations one by one without names, as XLSX."""
    import openpyxl

    me = asker(request)
    _form, asked = _asked(request, me.facility)
    if asked is None:
        return HttpResponse(status=422)
    book = in_force(me.facility)
    unit = f"{QUANTITY_NAMES[asked.quantity]} ({QUANTITIES[asked.quantity]})"
    out = openpyxl.Workbook(write_only=True)
    sums = out.create_sheet(_("Tổng hợp"))
    sums.column_dimensions["A"].width = 40
    for line in (place_name("Organization", me.facility), f"{asked.first:%d/%m/%Y} – {asked.last:%d/%m/%Y}", unit):
        sums.append([line])
    _heads(
        sums,
        [
            str(BY_NAMES[asked.by]),
            _("Số ca"),
            _("Trung vị"),
            _("Phân vị 75"),
            _("Lớn nhất"),
            _("Mức tham chiếu"),
            _("Căn cứ"),
        ],
    )
    for row in queries.sums(asked):
        told, level = _row(asked, book, row), queries.level(asked, book, row["key"])
        values = [told["count"], told["median"], told["p75"], told["top"]]
        sums.append([_plain(told["label"]), *values, *((level.limit, _plain(level.source)) if level else ())])
    each = out.create_sheet(_("Từng ca"))
    _heads(each, [
        _("Ngày"), _("Số chỉ định"), _("Máy"), _("Quy trình"), _("Dịch vụ"), _("Tuổi"), unit, _("Mức tham chiếu"),
        _("Trên mức"), _("Nguồn số liệu"),
    ])  # fmt: skip
    for dose in queries.doses(asked).select_related("exam")[:MOST].iterator():
        one = queries.shown(dose, book)
        measured = next(found for found in one.measured if found.quantity == asked.quantity)
        each.append([
            dose.at.astimezone(HANOI).replace(tzinfo=None), dose.exam.accession_number if dose.exam else "",
            _plain(dose.machine), _plain(one.protocol), _plain(dose.description), dose.age, measured.value,
            measured.reference.limit if measured.reference else None, "x" if measured.above else "",
            str(SOURCES[dose.source]),
        ])  # fmt: skip
    content = io.BytesIO()
    out.save(content)
    name = f"lieu-chieu-{asked.modality}-{asked.quantity}-{asked.first:%Y%m%d}-{asked.last:%Y%m%d}.xlsx"
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(content.getvalue(), content_type=SHEET, headers=headers)


def _heads(sheet: Any, words: list[str]) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cells = [WriteOnlyCell(sheet, value=word) for word in words]
    for cell in cells:
        cell.font = Font(bold=True)
    sheet.append(cells)


def _plain(words: str) -> str:
    """Words that a table calculates nothing of."""
    return f"'{words}" if words.startswith(("=", "+", "-", "@")) else words


@desk("imaging", "doctor")
@require_GET
@never_cache
def person(request: HttpRequest, patient_id: str) -> HttpResponse:
    """The doses of a person over time, with what they come to."""
    me = asker(request)
    try:
        who = banner(me, patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    rows, sums = [], {name: Decimal(0) for name in ("dlp", "dap")}
    for one in queries.of_person(me, patient_id):
        for name in sums:
            sums[name] += getattr(one.dose, name) or 0
        rows.append((one, {name: queries.written(value) for name, value in sums.items()}))
    year = datetime.now(HANOI) - timedelta(days=365)
    page = paginate(request, rows[::-1])
    context = {
        "banner": who, "rows": page.object_list, "page": page,
        "sums": rows[-1][1] if rows else {}, "count": len(rows), "sources": SOURCES,
        "lately": sum(one.dose.at >= year for one, _sums in rows),
    }  # fmt: skip
    return render(request, "imaging/dose_person.html", context)
