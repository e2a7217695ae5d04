"""Runs a query: DuckDB over the rows of its views, with no files, network, extensions or settings, and an end.

The views are Parquet that Arrow reads as DuckDB wants it, and the result is written as it comes: memory stays flat.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tuetinh.record.views.output import Text
from tuetinh.record.views.query import Query, QueryError, Table

SECONDS = 20.0
MEMORY = "256MB"
_CLOSED = ("enable_external_access = false", "python_enable_replacements = false")


def answer(
    query: Query,
    values: dict[str, Any],
    tables: list[Table],
    form: str,
    out: IO[bytes],
    *,
    limit: int | None,
    header: bool,
    seconds: float = SECONDS,
    begun: Callable[[Callable[[], None]], None] = lambda _: None,
) -> None:
    """Write the result, or its first rows, in a format of `output.MEDIA`.

    begun: is told what interrupts the query. Raises QueryError for SQL that fails or takes too long.
    """
    connection = duckdb.connect(":memory:")
    try:
        begun(connection.interrupt)
        for table in tables:
            connection.register(table.label, ds.dataset([str(path) for path in table.paths], format="parquet"))
        for setting in (f"memory_limit = '{MEMORY}'", "threads = 1", *_CLOSED):
            connection.execute(f"SET {setting}")
        connection.execute("SET lock_configuration = true")
        _check_one_select(connection, query)
        _execute(connection, query, values, Limited(form, out, limit, header=header), seconds)
    except duckdb.Error as error:
        raise QueryError(f"the query failed: {str(error).splitlines()[0][:300]}") from None
    finally:
        connection.close()


def check(query: Query) -> None:
    """Raise QueryError for what is not one SELECT; what it asks for is looked at when it runs."""
    connection = duckdb.connect(":memory:")
    try:
        _check_one_select(connection, query)
    except duckdb.Error as error:
        raise QueryError(f"the query cannot be read: {str(error).splitlines()[0][:300]}") from None
    finally:
        connection.close()


def _check_one_select(connection: duckdb.DuckDBPyConnection, query: Query) -> None:
    statements = connection.extract_statements(query.sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("a query is one SELECT")


class Limited:
    """Where the first rows of a result are written, or all."""

    def __init__(self, form: str, out: IO[bytes], limit: int | None, *, header: bool) -> None:
        self._form, self._out, self._limit, self._header = form, out, limit, header

    def write(self, reader: pa.RecordBatchReader) -> None:
        """Write what a query gives, batch by batch."""
        if self._form == "parquet":
            with pq.ParquetWriter(self._out, reader.schema, compression="zstd") as writer:
                for batch in self._first(reader):
                    writer.write_batch(batch)
            return
        with Text(reader.schema.names, self._form, self._out, header=self._header) as text:
            for batch in self._first(reader):
                text.add(tuple(row.values()) for row in batch.to_pylist())

    def _first(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        left = self._limit
        for batch in reader:
            yield batch if left is None else batch.slice(0, left)
            if left is not None and (left := left - batch.num_rows) <= 0:
                return


def _execute(
    connection: duckdb.DuckDBPyConnection, query: Query, values: dict[str, Any], to: Limited, seconds: float
) -> None:
    """Run a query. What takes too long is interrupted."""
    used = {name: value for name, value in values.items() if f"${name}" in query.sql}
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        to.write(connection.sql(query.sql, params=used or None).to_arrow_reader(1000))
    finally:
        timer.cancel()
