"""Rows as NDJSON, JSON, CSV or Parquet, written as they come: memory does not grow with their number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any, BinaryIO

import msgspec

from tuetinh.record.views.definition import View
from tuetinh.record.views.flatten import Row

# The names of `_format` with their media types (SQL on FHIR, Output Format Codes).
MEDIA = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
_encode = msgspec.json.Encoder(decimal_format="number").encode


def write(view: View, rows: Iterable[Row], form: str, out: BinaryIO, *, header: bool = True) -> None:
    """Write the rows in one of the formats of MEDIA. `header` is for CSV."""
    if form == "parquet":
        from tuetinh.record.views import arrow  # thirty megabytes of memory, for those who ask for it

        arrow.write(view, rows, out)
        return
    write_text([column.name for column in view.columns], rows, form, out, header=header)


def write_text(names: Sequence[str], rows: Iterable[Row], form: str, out: BinaryIO, *, header: bool = True) -> None:
    """Write rows of any columns as `json`, `ndjson` or `csv`."""
    match form:
        case "json":
            out.write(b"[")
            for place, row in enumerate(rows):
                out.write((b",\n" if place else b"\n") + _encode(dict(zip(names, row, strict=True))))
            out.write(b"\n]\n")
        case "ndjson":
            for row in rows:
                out.write(_encode(dict(zip(names, row, strict=True))) + b"\n")
        case "csv":
            _csv(names, rows, out, header=header)


def _csv(names: Sequence[str], rows: Iterable[Row], out: BinaryIO, *, header: bool) -> None:
    """RFC 4180: booleans as true and false, collections and objects as JSON, nothing for no value."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    if header:
        writer.writerow(names)
    for row in rows:
        writer.writerow([text_of(value) for value in row])
    text.detach()


def text_of(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case Decimal():
            return f"{value:f}"
        case date() | time():
            return value.isoformat()
    return _encode(value).decode()
