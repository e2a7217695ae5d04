"""A form as XLSX, row by row, and as PDF, in parts where it is long."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from tuetinh.care.insurance.forms.filling import Line
from tuetinh.care.insurance.forms.layouts import Column, Layout, columns_of
from tuetinh.commons.documents.api import in_words, pdf

if TYPE_CHECKING:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

PART = 1000  # rows of a PDF: a longer form is several, in one ZIP


def xlsx(layout: Layout, rows: Iterable[Line], *, facility: str, period: str) -> bytes:
    """The form as XLSX; rows go to the file one by one, amounts as numbers."""
    import openpyxl
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    bold, large = Font(bold=True), Font(bold=True, size=14)
    columns = columns_of(layout)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(layout.number.replace("/", "-")[:31])
    for place, column in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(place)].width = column.width
    sheet.freeze_panes = "A6"
    for text, font in ((facility, bold), (layout.number, None), (layout.title, large), (period, None)):
        sheet.append([_cell(sheet, text, font)])
    sheet.append([_cell(sheet, column.label, bold, wrap=True) for column in columns])
    for row in rows:
        font = None if row["kind"] == "row" else bold
        sheet.append([_cell(sheet, _value(row, column), font, money=column.is_money) for column in columns])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def as_pdf(layout: Layout, rows: Iterator[Line], *, facility: str, period: str) -> tuple[bytes, str]:
    """The form as PDF, or as a ZIP of its parts; returns the file and how its name ends."""
    columns = columns_of(layout)
    first, second = list(islice(rows, PART)), list(islice(rows, PART))
    if not second:
        return _part(layout, columns, first, facility=facility, period=period), "pdf"
    with TemporaryFile("w+b") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        number = 0
        while first:
            number += 1
            told = f"{period} · phần {number}"
            part = _part(layout, columns, first, facility=facility, period=told)
            pack.writestr(f"{layout.number.replace('/', '-')} phần {number:02}.pdf", part)
            first, second = second, list(islice(rows, PART))
        pack.close()
        file.seek(0)
        return file.read(), "zip"


def _part(layout: Layout, columns: list[Column], rows: list[Line], *, facility: str, period: str) -> bytes:
    total = next((row for row in rows if row["kind"] == "total"), None)
    asked = total.get("T_BHTT") if total else None
    data = {
        "facility": {"name": facility},
        "title": layout.title,
        "number": layout.number,
        "clause": layout.clause,
        "period": period,
        "columns": [{"label": one.label, "width": one.width, "number": one.is_number} for one in columns],
        "rows": [{"kind": row["kind"], "cells": [written(_value(row, one), one) for one in columns]} for row in rows],
        "asked": "" if asked is None else dotted(asked),
        "words": "" if asked is None else in_words(asked.quantize(Decimal(1))),
        "last": total is not None,
    }
    return pdf("insurance/list.typ", data, "A4")


def _value(row: Line, column: Column) -> Any:
    """What stands in a column; days as people read them."""
    value = row.get(column.field, "")
    if column.field.startswith("NGAY_") and isinstance(value, str) and len(value) >= 8:
        day = f"{value[6:8]}/{value[4:6]}/{value[:4]}"
        return f"{value[8:10]}:{value[10:12]} {day}" if len(value) == 12 and column.field != "NGAY_SINH" else day
    return {"1": "Nam", "2": "Nữ"}.get(value, value) if column.field == "GIOI_TINH" else value


def written(value: Any, column: Column) -> str:
    """A value as a form on paper shows it."""
    if isinstance(value, (Decimal, int)) and column.is_number:
        return dotted(Decimal(value))
    return str(value)


def dotted(amount: Decimal) -> str:
    """1234567.5 → 1.234.567,5; nothing is rounded."""
    whole, _, rest = f"{amount:,f}".partition(".")
    rest = rest.rstrip("0")
    return whole.replace(",", ".") + (f",{rest}" if rest else "")


def _cell(sheet: Any, value: Any, font: Font | None, *, money: bool = False, wrap: bool = False) -> WriteOnlyCell:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment

    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        value = f"'{value}"  # text of people is no formula
    cell = WriteOnlyCell(sheet, value=value)
    if font:
        cell.font = font
    if wrap:
        cell.alignment = Alignment(wrap_text=True, vertical="center")
    if money:
        cell.number_format = "#,##0.##" if isinstance(value, Decimal) and value % 1 else "#,##0"
    return cell
