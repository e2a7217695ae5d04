"""The rows of a form, made one at a time of the claims as they were sent: memory does not grow with the month."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from itertools import islice
from tempfile import TemporaryFile
from typing import Any

import msgspec
from django.db.models import OuterRef, Subquery

from tuetinh.care.insurance.forms.layouts import Layout, Period, book, columns_of, group_of, section_of
from tuetinh.care.insurance.models import ClaimCase, Transmission
from tuetinh.care.insurance.results.comparing import money, sent_file
from tuetinh.care.insurance.results.work import bounds
from tuetinh.care.insurance.runs import Progress
from tuetinh.care.insurance.tables import STAYS, Row, Tables
from tuetinh.commons.catalogues.api import codes

ZERO = Decimal(0)
BATCH = 50  # files that are in memory at once
Line = dict[str, Any]
"""A row of a form by field. `kind`: `row`, `group` (its head, with the sums of what follows it), `total`."""


def accepted(facility: str, period: Period) -> Any:
    """The claims of a period that the gateway has, in the order of the ends of their visits."""
    begin, end = bounds(period.months[0])[0], bounds(period.months[-1])[1]
    rows = ClaimCase.objects.filter(
        facility=facility, kind=ClaimCase.Kind.CLAIM, state=ClaimCase.State.ACCEPTED, ended__gte=begin, ended__lt=end
    )
    last = Transmission.objects.filter(case=OuterRef("pk"), outcome="accepted").order_by("-id").values("pk")[:1]
    return rows.annotate(file=Subquery(last)).filter(file__isnull=False).order_by("ended", "id")


def claims(facility: str, period: Period, progress: Progress | None = None) -> Iterator[Tables]:
    """The tables of these claims as they were sent, one after the other."""
    rows = accepted(facility, period).values_list("file", flat=True)
    if progress:
        progress.total(rows.count())
    keys = rows.iterator(chunk_size=2000)
    while part := list(islice(keys, BATCH)):
        files = Transmission.objects.in_bulk(part)
        for key in part:
            yield sent_file(files.pop(key)).tables
            if progress:
                progress.step()


def lines(layout: Layout, tables: Iterable[Tables], site: str) -> Iterator[Line]:
    """The rows of a form and its total, from the tables of claims."""
    if layout.rows == "sums":
        yield from _sums(tables, site)
    elif layout.rows == "items":
        yield from _items(layout, tables)
    elif layout.group:
        yield from _grouped(_claims(layout, tables))
    else:
        yield from _claims(layout, tables)


def _grouped(rows: Iterator[Line]) -> Iterator[Line]:
    """Claims in their groups, each under a head with its sums. They wait in files, so that memory stays flat."""
    groups = book().groups
    with ExitStack() as stack:
        waiting = [stack.enter_context(TemporaryFile("w+b")) for _ in groups]
        sums: list[Line] = [{} for _ in groups]
        total: Line = {}
        for row in rows:
            if row["kind"] == "total":
                total = row
                continue
            place = row["group"]
            waiting[place].write(msgspec.json.encode(row) + b"\n")
            for field, value in row.items():
                if field.startswith("T_"):
                    sums[place][field] = sums[place].get(field, ZERO) + value
        number = 0
        for group, file, mine in zip(groups, waiting, sums, strict=True):
            if not mine and group.code == groups[-1].code:
                continue
            yield {"kind": "group", "STT": group.code, "HO_TEN": group.name} | mine
            file.seek(0)
            for kept in file:
                number += 1
                row = msgspec.json.decode(kept)
                yield row | {name: Decimal(row[name]) for name in row if name.startswith("T_")} | {"STT": number}
        yield total


def _claims(layout: Layout, tables: Iterable[Tables]) -> Iterator[Line]:
    fields = [column.field for column in columns_of(layout)]
    sums = dict.fromkeys((field for field in fields if field.startswith(("T_", "C_"))), ZERO)
    number = 0
    for one in tables:
        summary = one["XML1"][0]
        if layout.inpatient is not None and layout.inpatient != (summary.get("MA_LOAI_KCB") in STAYS):
            continue
        number += 1
        line: Line = {field: summary.get(field, "") for field in fields}
        line |= {field: money(summary, field) for field in fields if field.startswith("T_")}
        line |= _by_section(one) if layout.sections else {}
        line |= {"STT": number, "kind": "row"}
        if layout.group:
            line["group"] = group_of(book().groups, summary.get("MA_LOAI_KCB", ""))
        for field in sums:
            sums[field] += line[field]
        yield line
    yield {"kind": "total", "HO_TEN": "Tổng cộng", "SO_LUOT": number, **sums}


def _by_section(tables: Tables) -> dict[str, Decimal]:
    """The cost of a claim by section (THANH_TIEN_BV)."""
    sections = book().sections
    found = {f"C_{one.code}": ZERO for one in sections}
    for table in ("XML2", "XML3"):
        for row in tables.get(table) or []:
            found[f"C_{sections[section_of(table, row)].code}"] += money(row, "THANH_TIEN_BV")
    return found


def _items(layout: Layout, tables: Iterable[Tables]) -> Iterator[Line]:
    """A line for each thing charged at a price: as many as there are in the catalogues, however long the month is."""
    price = "DON_GIA" if layout.table == "XML2" else "DON_GIA_BH"
    fields = [column.field for column in layout.columns if column.field != "STT"]
    found: dict[tuple[str, ...], Line] = {}
    for one in tables:
        inside = one["XML1"][0].get("MA_LOAI_KCB") in STAYS
        for row in one.get(layout.table) or []:
            if layout.supplies is not None and layout.supplies != bool(row.get("MA_VAT_TU")):
                continue
            if not money(row, "THANH_TIEN_BH"):
                continue  # what the fund is not asked for
            key = (*(row.get(field, "") for field in fields), row.get(price, ""))
            line = found.setdefault(key, _empty(fields, row) | {"DON_GIA": money(row, price)})
            line["SL_NOI_TRU" if inside else "SL_NGOAI_TRU"] += money(row, "SO_LUONG")
            line["THANH_TIEN_BH"] += money(row, "THANH_TIEN_BH")
            line["T_BHTT"] += money(row, "T_BHTT")
    total = {"THANH_TIEN_BH": ZERO, "T_BHTT": ZERO}
    for number, key in enumerate(sorted(found), 1):
        for field in total:
            total[field] += found[key][field]
        yield found[key] | {"STT": number, "kind": "row"}
    yield {"kind": "total", fields[1]: "Tổng cộng", **total}


def _empty(fields: list[str], row: Row) -> Line:
    return {field: row.get(field, "") for field in fields} | dict.fromkeys(
        ("SL_NGOAI_TRU", "SL_NOI_TRU", "THANH_TIEN_BH", "T_BHTT"), ZERO
    )


def _sums(tables: Iterable[Tables], site: str) -> Iterator[Line]:
    """02/BH: how many visits and what they cost, by the groups of 01/BH and the kinds of care in them."""
    amounts = book().amounts
    found: dict[str, Line] = {}
    for one in tables:
        summary = one["XML1"][0]
        line = found.setdefault(summary.get("MA_LOAI_KCB", ""), {"SO_LUOT": 0} | dict.fromkeys(amounts, ZERO))
        line["SO_LUOT"] += 1
        for field in amounts:
            line[field] += money(summary, field)
    groups, kinds = book().groups, codes("MA_LOAI_KCB_1804")
    total = _added(found.values())
    for place, group in enumerate(groups):
        mine = {kind: line for kind, line in sorted(found.items()) if group_of(groups, kind) == place}
        if not mine and group.code == groups[-1].code:
            continue  # no kind of care without a group in the period
        yield {"kind": "group", "STT": group.code, "STT_CHA": "", "CHI_TIEU": group.name, "MA_CSKCB": site} | _added(
            mine.values()
        )
        for kind, line in mine.items():
            yield {"kind": "row", "STT": f"{group.code}.{kind}", "STT_CHA": group.code, "MA_CSKCB": site,
                   "CHI_TIEU": kinds.get(kind, kind)} | line  # fmt: skip
    yield {"kind": "total", "CHI_TIEU": "Tổng cộng", "MA_CSKCB": site} | total


def _added(rows: Iterable[Line]) -> Line:
    known = list(rows)
    amounts = {field: sum((row[field] for row in known), ZERO) for field in book().amounts}
    return {"SO_LUOT": sum(row["SO_LUOT"] for row in known)} | amounts
