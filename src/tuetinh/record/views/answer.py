"""Runs a query: DuckDB over the rows of its views, with no files, network, extensions or settings, and an end."""

from __future__ import annotations

import io
import threading
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tuetinh.record.views.arrow import batches, schema
from tuetinh.record.views.output import write_text
from tuetinh.record.views.query import Query, QueryError, Table

SECONDS = 20.0
MEMORY = "256MB"
_CLOSED = ("enable_external_access = false", "python_enable_replacements = false")


def answer(query: Query, values: dict[str, Any], tables: list[Table], form: str, limit: int, *, header: bool) -> bytes:
    """The first rows of the result in a format of `output.MEDIA`. QueryError for SQL that fails or takes too long."""
    connection = duckdb.connect(":memory:")
    try:
        for table in tables:
            arrow = pa.Table.from_batches(batches(table.view, table.rows), schema(table.view))
            connection.register(table.label, arrow)
        for setting in (f"memory_limit = '{MEMORY}'", "threads = 1", *_CLOSED):
            connection.execute(f"SET {setting}")
        connection.execute("SET lock_configuration = true")
        statements = connection.extract_statements(query.sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise QueryError("a query is one SELECT")
        return _written(_executed(connection, query, values, limit), form, header=header)
    except duckdb.Error as error:
        raise QueryError(f"the query failed: {str(error).splitlines()[0][:300]}") from None
    finally:
        connection.close()


def _executed(connection: duckdb.DuckDBPyConnection, query: Query, values: dict[str, Any], limit: int) -> pa.Table:
    """The first rows of the result. What takes too long is interrupted."""
    used = {name: value for name, value in values.items() if f"${name}" in query.sql}
    timer = threading.Timer(SECONDS, connection.interrupt)
    timer.start()
    try:
        reader = connection.sql(query.sql, params=used or None).to_arrow_reader(1000)
        read, number = [], 0
        while number < limit and (batch := next(reader, None)) is not None:
            read.append(batch)
            number += batch.num_rows
        return pa.Table.from_batches(read, reader.schema).slice(0, limit)
    finally:
        timer.cancel()


def _written(result: pa.Table, form: str, *, header: bool) -> bytes:
    out = io.BytesIO()
    if form == "parquet":
        pq.write_table(result, out, compression="zstd")
    else:
        rows = (tuple(row.values()) for batch in result.to_batches(1000) for row in batch.to_pylist())
        write_text(result.column_names, rows, form, out, header=header)
    return out.getvalue()
