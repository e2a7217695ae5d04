"""Rows as NDJSON, JSON, CSV or Parquet, written as they come: memory does not grow with their number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, time
from decimal import Decimal, DecimalException
from itertools import islice
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tuetinh.record.views.definition import Column, View
from tuetinh.record.views.flatten import Row

# The names of `_format` with their media types (SQL on FHIR, Output Format Codes).
MEDIA = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
_BATCH = 5000
_encode = msgspec.json.Encoder(decimal_format="number").encode

# FHIR decimals carry about 18 digits; ten behind the point are more than any measurement has.
_DECIMAL = pa.decimal128(38, 10)
_STEP = Decimal("1e-10")
_ARROW = {
    "boolean": pa.bool_(),
    "decimal": _DECIMAL,
    "integer": pa.int64(),
    "positiveInt": pa.int64(),
    "unsignedInt": pa.int64(),
}


def write(view: View, rows: Iterable[Row], form: str, out: BinaryIO, *, header: bool = True) -> None:
    """Write the rows in one of the formats of MEDIA. `header` is for CSV."""
    if form == "parquet":
        with pq.ParquetWriter(out, schema(view), compression="zstd") as writer:
            for batch in batches(view, rows):
                writer.write_batch(batch)
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
        writer.writerow([_text(value) for value in row])
    text.detach()


def _text(value: Any) -> str:
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


def schema(view: View) -> pa.Schema:
    """The Arrow types of the columns by their FHIR types; dates and times, which may be partial, stay text."""
    return pa.schema([(column.name, _arrow(column)) for column in view.columns])


def _arrow(column: Column) -> pa.DataType:
    one = _ARROW.get(column.type.rpartition("/")[2], pa.string())
    return pa.list_(one) if column.collection else one


def batches(view: View, rows: Iterable[Row]) -> Iterator[pa.RecordBatch]:
    """The rows as Arrow record batches."""
    shape = schema(view)
    waiting = iter(rows)
    while chunk := list(islice(waiting, _BATCH)):
        columns = [
            pa.array([_fitted(value, field.type) for value in values], type=field.type)
            for values, field in zip(zip(*chunk, strict=True), shape, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=shape)


def _fitted(value: Any, type_: pa.DataType) -> Any:
    """The value as its column holds it; what does not fit there is none."""
    if value is None:
        return None
    if pa.types.is_list(type_):
        return [_fitted(each, type_.value_type) for each in value]
    if type_ == _DECIMAL:
        return _decimal(value)
    if pa.types.is_string(type_):
        return _text(value)
    wanted = bool if pa.types.is_boolean(type_) else int
    return value if type(value) is wanted else None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    try:
        return Decimal(value).quantize(_STEP)
    except DecimalException:
        return None
