"""A hospital's own catalogue of medicines as XLSX: a row of the names of columns, then a medicine a row.

The names are those of 03/DM (TT 12/2026) or what hospitals write above such columns.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from zipfile import BadZipFile

from tuetinh.care.insurance.errors import BadCatalogue
from tuetinh.commons.catalogues.api import fold

HEAD_WITHIN: Final = 20  # rows in which the names of the columns are looked for
MOST: Final = 50_000  # rows that are read
NAMES: Final = {
    "code": ("ma thuoc", "ma hoat chat", "ma hc", "ma thuoc bhyt", "ma hoat chat bhyt"),
    "name": ("ten hoat chat", "hoat chat"),
    "strength": ("ham luong", "nong do ham luong", "nong do, ham luong"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A row that names a code and what it is of."""

    code: str
    name: str
    strength: str


def read(data: bytes) -> Iterator[Listed]:
    """The rows that say both. Raises BadCatalogue for a file that is no such catalogue."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True, max_row=MOST)
        head = _head(rows)
        for row in rows:
            told = {name: _text(row[place]) if place < len(row) else "" for name, place in head.items()}
            if told["code"] and told["name"]:
                yield Listed(told["code"].upper(), told["name"], told.get("strength", ""))
    except (BadZipFile, KeyError, OSError, ValueError) as error:
        raise BadCatalogue("xlsx") from error


def _head(rows: Iterable[tuple[Any, ...]]) -> dict[str, int]:
    """The place of each column that is looked for."""
    for number, row in enumerate(rows, 1):
        names = [re.sub(r"[\s_]+", " ", fold(_text(cell))).strip() for cell in row]
        found = {what: names.index(name) for what, known in NAMES.items() for name in known if name in names}
        if {"code", "name"} <= found.keys():
            return found
        if number == HEAD_WITHIN:
            break
    raise BadCatalogue("names")


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()
