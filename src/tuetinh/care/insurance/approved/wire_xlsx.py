"""Catalogues 01 to 06/DM (TT 12/2026, phụ lục II) as XLSX: a row of the names of columns, then the rows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import msgspec

from tuetinh.care.insurance.errors import BadCatalogue, BadResults
from tuetinh.care.insurance.results.wire import amount

HEAD_WITHIN = 20  # rows in which the names of the columns are looked for


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One catalogue. code: the column by which claims name a row; keys: what tells it from all others."""

    name: str
    code: str
    label: str
    keys: list[str]
    required: list[str]
    columns: list[str]
    price: list[str] = []
    tender: str = ""
    registration: str = ""


@dataclass(frozen=True, slots=True)
class Approved:
    """A row that was read. until: None while it is in force."""

    key: str
    code: str
    name: str
    price: Decimal | None
    tender: str
    registration: str
    since: date
    until: date | None
    row: dict[str, str]


@cache
def catalogues() -> dict[str, Catalogue]:
    """The catalogues by their number."""
    data = Path(__file__).parents[1] / "data" / "approved.json"
    return msgspec.json.decode(data.read_bytes(), type=dict[str, Catalogue])


def read(data: bytes, number: str, site: str) -> Iterator[Approved | str]:
    """Each row of a catalogue, or what is wrong with it; site: MA_CSKCB, whose rows they must be.

    Raises BadCatalogue for a file that is none of this catalogue.
    """
    import openpyxl

    kind = catalogues()[number]
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        place, head = _head(rows, kind)
        for place_, row in enumerate(rows, place + 1):
            told = {name: _text(cell) for name, cell in zip(head, row, strict=False) if name and cell not in (None, "")}
            if told:
                yield _row(told, kind, site, place_)
    except (BadZipFile, KeyError, OSError) as error:
        raise BadCatalogue("xlsx") from error


def _head(rows: Iterator[tuple[Any, ...]], kind: Catalogue) -> tuple[int, list[str]]:
    for place, row in enumerate(rows, 1):
        names = [_text(cell).strip().upper() for cell in row]
        if set(kind.required) <= set(names):
            return place, [name if name in kind.columns else "" for name in names]
        if place == HEAD_WITHIN:
            break
    raise BadCatalogue("head")


def _row(told: dict[str, str], kind: Catalogue, site: str, place: int) -> Approved | str:
    if missing := [name for name in kind.required if not told.get(name)]:
        return str(BadCatalogue("missing", f"#{place} {', '.join(missing)}"))
    if told["MA_CSKCB"] != site:
        return str(BadCatalogue("site", f"#{place} {told['MA_CSKCB']}"))
    try:
        since, until = _day(told["TU_NGAY"]), _day(told.get("DEN_NGAY", ""))
        price = next((amount(told[name]) for name in kind.price if told.get(name)), None)
    except (ValueError, BadResults):
        return str(BadCatalogue("value", f"#{place}"))
    if since is None or (until is not None and until < since):
        return str(BadCatalogue("value", f"#{place}"))
    key = "|".join(told.get(name, "") for name in kind.keys)[:500]
    return Approved(
        key,
        told.get(kind.code, ""),
        told.get(kind.label, ""),
        price,
        told.get(kind.tender, "")[:255],
        told.get(kind.registration, "")[:255],
        since,
        until,
        told,
    )


def _text(cell: Any) -> str:
    if isinstance(cell, datetime):
        return f"{cell:%Y%m%d}"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()


def _day(text: str) -> date | None:
    """yyyymmdd, as the circular writes days, or dd/mm/yyyy. Raises ValueError."""
    if not text:
        return None
    form = "%d/%m/%Y" if "/" in text else "%Y%m%d"
    return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day, no moment
