"""Rows of views as Arrow record batches and as Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal, DecimalException
from itertools import islice
from types import TracebackType
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tuetinh.record.views.definition import Column, View
from tuetinh.record.views.flatten import Row
from tuetinh.record.views.output import text_of

_BATCH = 5000

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


class Parquet:
    """Rows that are written as Parquet, in groups of some thousand."""

    def __init__(self, view: View, out: IO[bytes]) -> None:
        self._view, self._waiting = view, list[Row]()
        self._writer = pq.ParquetWriter(out, schema(view), compression="zstd")

    def __enter__(self) -> Parquet:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if kind is None:
            self._write()
        self._writer.close()

    def add(self, rows: Iterable[Row]) -> None:
        """Write some more."""
        for row in rows:
            self._waiting.append(row)
            if len(self._waiting) == _BATCH:
                self._write()

    def _write(self) -> None:
        for batch in batches(self._view, self._waiting):
            self._writer.write_batch(batch)
        self._waiting = []


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
        return text_of(value)
    wanted = bool if pa.types.is_boolean(type_) else int
    return value if type(value) is wanted else None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    try:
        return Decimal(value).quantize(_STEP)
    except DecimalException:
        return None
