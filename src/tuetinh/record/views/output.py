"""Rows as NDJSON, JSON, CSV or Parquet, written as they come: memory does not grow with their number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import date, time
from decimal import Decimal
from types import TracebackType
from typing import IO, Any, BinaryIO, Protocol

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


class Sheet(Protocol):
    """Rows that are being written; what is around them is whole when its context ends."""

    def add(self, rows: Iterable[Row]) -> None:
        """Write some more."""


def write(view: View, rows: Iterable[Row], form: str, out: BinaryIO, *, header: bool = True) -> None:
    """Write the rows in one of the formats of MEDIA. `header` is for CSV."""
    with sheet(view, form, out, header=header) as written:
        written.add(rows)


def sheet(view: View, form: str, out: IO[bytes], *, header: bool = True) -> AbstractContextManager[Sheet]:
    """A sheet of a view's rows in one of the formats of MEDIA. `header` is for CSV."""
    if form == "parquet":
        from tuetinh.record.views import arrow  # thirty megabytes of memory, for those who ask for it

        return arrow.Parquet(view, out)
    return Text([column.name for column in view.columns], form, out, header=header)


class Text:
    """Rows of any columns as `json`, `ndjson` or `csv` (RFC 4180).

    In CSV booleans are true and false, collections and objects JSON, and no value is nothing.
    """

    def __init__(self, names: Sequence[str], form: str, out: IO[bytes], *, header: bool = True) -> None:
        self._names, self._form, self._out, self._header = names, form, out, header
        self._before = b"\n"

    def __enter__(self) -> Text:
        if self._form == "json":
            self._out.write(b"[")
        elif self._form == "csv" and self._header:
            self._out.write(_line(self._names))
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._form == "json":
            self._out.write(b"\n]\n")

    def add(self, rows: Iterable[Row]) -> None:
        """Write some more."""
        for row in rows:
            if self._form == "csv":
                self._out.write(_line([text_of(value) for value in row]))
                continue
            one = _encode(dict(zip(self._names, row, strict=True)))
            self._out.write(one + b"\n" if self._form == "ndjson" else self._before + one)
            self._before = b",\n"


def _line(values: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(values)
    return text.getvalue().encode()


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
