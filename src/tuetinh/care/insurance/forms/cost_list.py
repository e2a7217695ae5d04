"""01/KBCB, the cost list of a visit (QĐ 697/QĐ-BYT 2026, in force from 01/07/2026, in place of QĐ 6556/2018).

It shows the claim as it was sent, else as it would be now: only sections in which something was charged, each under its
own number, apart for each rate of benefit. The layout of the annex is not public; columns are those of QĐ 6556.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tuetinh.care.insurance.claims import open_tables
from tuetinh.care.insurance.errors import NoVisit
from tuetinh.care.insurance.forms.layouts import Column, book, section_of
from tuetinh.care.insurance.forms.writing import dotted
from tuetinh.care.insurance.models import Transmission
from tuetinh.care.insurance.results.comparing import money, sent_file
from tuetinh.care.insurance.rules.desk import RULES
from tuetinh.care.insurance.tables import Row, Tables
from tuetinh.commons.access.api import place_name
from tuetinh.commons.documents.api import in_words, pdf
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

# MA_LOAI_KCB to the kind of list: 01 examination, 02 outpatient, 03 inpatient, 04 day care
KINDS: Final = (
    {"01": "01", "02": "02", "05": "02", "07": "02", "08": "02", "04": "04"}
    | dict.fromkeys(("03", "06", "09"), "03")
    | dict.fromkeys(("11", "12", "13", "14", "15", "16"), "01")
)
ZERO: Final = Decimal(0)
COLUMNS: Final = [
    Column("name", "Nội dung", 34), Column("unit", "ĐVT", 6), Column("SO_LUONG", "Số lượng", 8),
    Column("price", "Đơn giá BV", 11), Column("insured_price", "Đơn giá BH", 11),
    Column("TYLE_TT_DV", "Tỷ lệ TT dịch vụ (%)", 7), Column("THANH_TIEN_BV", "Thành tiền BV", 13),
    Column("TYLE_TT_BH", "Tỷ lệ TT BHYT (%)", 7), Column("THANH_TIEN_BH", "Thành tiền BH", 13),
    Column("T_BHTT", "Quỹ BHYT", 13), Column("T_BNCCT", "Cùng chi trả", 12), Column("T_NGUONKHAC", "Khác", 11),
    Column("T_BNTT", "Người bệnh tự trả", 12),
]  # fmt: skip
SUMMED: Final = ("THANH_TIEN_BV", "THANH_TIEN_BH", "T_BHTT", "T_BNCCT", "T_NGUONKHAC", "T_BNTT")
Sums = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the list: a head (`rate`, `section`) or a thing charged (`row`), or the `total`; sums by field."""

    kind: str
    texts: dict[str, str]
    sums: Sums


@dataclass(frozen=True, slots=True)
class CostList:
    """The list of a visit. summary: table 1; sent: whether it is the claim as the gateway has it."""

    facility: str
    patient: str
    summary: Row
    lines: list[Line]
    sent: bool

    @property
    def total(self) -> Sums:
        """The sums of the whole visit."""
        return self.lines[-1].sums


def cost_list(asker: Asker, encounter_id: str) -> CostList:
    """The cost list of a visit of the asker's facility. Raises NoVisit."""
    found = record.read_many(RULES, "Encounter", [encounter_id]).get(encounter_id)
    if not isinstance(found, r4.Encounter):
        raise NoVisit
    place = (found.serviceProvider.reference or "").rpartition("/")[2] if found.serviceProvider else ""
    if place != asker.facility:
        raise NoVisit
    file = Transmission.objects.filter(
        case__encounter=encounter_id, case__kind="claim", case__state="accepted", outcome="accepted"
    ).order_by("-id").first()  # fmt: skip
    tables = sent_file(file).tables if file else open_tables(RULES, encounter_id)[0]
    patient = (found.subject.reference or "").rpartition("/")[2] if found.subject else ""
    return CostList(place_name("Organization", place), patient, tables["XML1"][0], list_lines(tables), file is not None)


def list_lines(tables: Tables) -> list[Line]:
    """The lines: sections in their order under each rate of benefit, and what all of it comes to."""
    rows = [(table, row) for table in ("XML2", "XML3") for row in tables.get(table) or []]
    rates = sorted({row.get("MUC_HUONG") or "0" for _, row in rows}, key=Decimal, reverse=True)
    found = []
    for rate in rates:
        mine = [(table, row) for table, row in rows if (row.get("MUC_HUONG") or "0") == rate]
        found.append(Line("rate", {"name": f"Mức hưởng {dotted(Decimal(rate))} %"}, _sums(row for _, row in mine)))
        for place, section in enumerate(book().sections):
            inside = [(table, row) for table, row in mine if section_of(table, row) == place]
            if inside:
                head = {"name": f"{section.code}. {section.name}"}
                found += [Line("section", head, _sums(row for _, row in inside)), *(_line(*one) for one in inside)]
    return [*found, Line("total", {"name": "Tổng cộng"}, _sums(row for _, row in rows))]


def as_pdf(found: CostList) -> bytes:
    """The list on A4, lying."""
    one = found.summary
    fund = found.total["T_BHTT"]
    pays = found.total["T_BNCCT"] + found.total["T_BNTT"]
    data = {
        "facility": {"name": found.facility},
        "patient": {"name": one.get("HO_TEN", "")},
        "kind": KINDS.get(one.get("MA_LOAI_KCB", ""), ""),
        "sent": found.sent,
        "facts": [[label, value] for label, value in _facts(one)],
        "columns": [{"label": column.label, "width": column.width} for column in COLUMNS],
        "rows": [{"kind": line.kind, "cells": _cells(line)} for line in found.lines],
        "sums": [
            [label, dotted(amount), in_words(amount.quantize(Decimal(1)))]
            for label, amount in (
                ("Tổng chi phí lần khám bệnh, đợt điều trị", found.total["THANH_TIEN_BV"]),
                ("Quỹ BHYT thanh toán", fund),
                ("Nguồn khác", found.total["T_NGUONKHAC"]),
                ("Người bệnh trả", pays),
            )
        ],
    }
    return pdf("insurance/cost_list.typ", data, "A4")


def as_xlsx(found: CostList) -> bytes:
    """The list as XLSX, amounts as numbers."""
    import openpyxl
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    bold = Font(bold=True)
    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet("01-KBCB")
    sheet.append([found.facility])
    sheet.append(["BẢNG KÊ CHI PHÍ KHÁM BỆNH, CHỮA BỆNH (mẫu 01/KBCB)"])
    for label, value in _facts(found.summary):
        sheet.append([label, value])
    sheet.append([])
    sheet.append([column.label for column in COLUMNS])
    for line in found.lines:
        row = [WriteOnlyCell(sheet, value=_number(line, column)) for column in COLUMNS]
        for cell in row if line.kind != "row" else []:
            cell.font = bold
        sheet.append(row)
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def _number(line: Line, column: Column) -> Decimal | str:
    text = line.texts.get(column.field, "")
    if column.field in line.sums:
        return line.sums[column.field]
    return Decimal(text) if text and column.field not in ("name", "unit") else text


def _line(table: str, row: Row) -> Line:
    name = row.get("TEN_THUOC") or row.get("TEN_VAT_TU") or row.get("TEN_DICH_VU", "")
    if table == "XML2" and row.get("HAM_LUONG"):
        name = f"{name} {row['HAM_LUONG']}"
    price = row.get("DON_GIA") or row.get("DON_GIA_BV", "")
    told = {
        "name": name, "unit": row.get("DON_VI_TINH", ""), "price": price,
        "insured_price": row.get("DON_GIA_BH") or price, "TYLE_TT_DV": row.get("TYLE_TT_DV") or "100",
        "TYLE_TT_BH": row.get("TYLE_TT_BH") or "100", "SO_LUONG": row.get("SO_LUONG", ""),
    }  # fmt: skip
    return Line("row", told, {field: money(row, field) for field in SUMMED})


def _sums(rows: Iterable[Row]) -> Sums:
    known = list(rows)
    return {field: sum((money(row, field) for row in known), ZERO) for field in SUMMED}


def _cells(line: Line) -> list[str]:
    cells = []
    for column in COLUMNS:
        if column.field in line.sums:
            cells.append(dotted(line.sums[column.field]))
        elif column.field in ("name", "unit"):
            cells.append(line.texts.get(column.field, ""))
        else:
            text = line.texts.get(column.field, "")
            cells.append(dotted(Decimal(text)) if text else "")
    return cells


def _facts(one: Row) -> list[tuple[str, str]]:
    """The first part: who, with which card, from when to when, of what."""

    def day(text: str) -> str:
        return f"{text[6:8]}/{text[4:6]}/{text[:4]}" if len(text) >= 8 else ""

    def at(text: str) -> str:
        return f"{text[8:10]}:{text[10:12]} {day(text)}" if len(text) == 12 else day(text)

    begin, end = (day(one.get(name, "").partition(";")[0]) for name in ("GT_THE_TU", "GT_THE_DEN"))
    return [
        ("Họ tên người bệnh", one.get("HO_TEN", "")),
        ("Ngày sinh", day(one.get("NGAY_SINH", ""))),
        ("Giới tính", {"1": "Nam", "2": "Nữ"}.get(one.get("GIOI_TINH", ""), "")),
        ("Mã người bệnh", one.get("MA_BN", "")),
        ("Mã lần khám bệnh", one.get("MA_LK", "")),
        ("Địa chỉ", one.get("DIA_CHI", "")),
        ("Mã thẻ BHYT", one.get("MA_THE_BHYT", "")),
        ("Giá trị thẻ", f"{begin} – {end}" if begin or end else ""),
        ("Nơi ĐKBĐ", one.get("MA_DKBD", "")),
        ("Đối tượng đến khám", one.get("MA_DOITUONG_KCB", "")),
        ("Đến khám lúc", at(one.get("NGAY_VAO", ""))),
        ("Kết thúc lúc", at(one.get("NGAY_RA", ""))),
        ("Số ngày điều trị", one.get("SO_NGAY_DTRI", "")),
        ("Tình trạng ra viện", one.get("MA_LOAI_RV", "")),
        ("Chẩn đoán", one.get("CHAN_DOAN_RV", "")),
        ("Mã bệnh", ";".join(filter(None, (one.get("MA_BENH_CHINH", ""), one.get("MA_BENH_KT", ""))))),
    ]
