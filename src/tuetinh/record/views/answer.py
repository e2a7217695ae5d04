"""Runs a query: DuckDB over the rows of its views, with no other files, network, extensions or settings, and an end.

The views are Parquet that Arrow reads as DuckDB wants it, and the result is written as it comes: memory stays flat.
What a query sorts or joins beyond its memory it keeps in a folder while it runs. What fails by the values of rows is
told without the words of DuckDB, which would show them.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tuetinh.record.contents import files
from tuetinh.record.views.output import Text
from tuetinh.record.views.query import Query, QueryError, Table

SECONDS = 20.0  # that a query of one request may take
MOST_BYTES = 2 * 1024**3  # of a result
ROOM = 256 * 1024**2  # bytes that stay free for others
AGAIN = 0.1  # seconds: an interrupt that comes before the statement does not stop it
_OF_SQL = (duckdb.ParserException, duckdb.SyntaxException, duckdb.BinderException, duckdb.CatalogException)
_KIND = re.compile(r"[A-Z][A-Za-z ]{1,40} Error(?=:)")
_LIMITS = (
    "memory_limit = '256MB'",
    "max_temp_directory_size = '2GB'",
    "threads = 1",
    "enable_external_access = false",
    "python_enable_replacements = false",
    "lock_configuration = true",
)


class _Broken(Exception):
    """DuckDB's error while rows come, as Arrow hands it on: an OSError or one of its own."""


def answer(
    query: Query,
    values: dict[str, Any],
    tables: list[Table],
    to: Limited,
    folder: Path,
    *,
    seconds: float,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Write the result.

    folder: in which a folder is made for the time of the query. stop: is asked again and again whether the query is to
    end. Raises QueryError for SQL that fails, takes too long or gives too much.
    """
    interrupted = threading.Event()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="query-", dir=folder) as beside,
            closing(duckdb.connect(":memory:")) as connection,
        ):
            for table in tables:
                connection.register(table.label, ds.dataset([str(path) for path in table.paths], format="parquet"))
            connection.execute("SET temp_directory = ?", [beside])
            for setting in _LIMITS:
                connection.execute(f"SET {setting}")
            _check_one_select(connection, query)
            used = {name: value for name, value in values.items() if f"${name}" in query.sql}
            with _watched(connection, seconds, stop, interrupted):
                to.write(connection.sql(query.sql, params=used or None).to_arrow_reader(1000))
    except (duckdb.Error, _Broken) as error:
        if interrupted.is_set():
            raise QueryError("the query takes too long") from None
        text = str(error).partition("\n")[0][:300]
        if not isinstance(error, _OF_SQL):  # the rest may hold what rows say
            text = found[0] if (found := _KIND.match(text)) else "its values do not fit"
        raise QueryError(f"the query failed: {text}") from None


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
    """Where the first rows of a result are written, or all, in a format of `output.MEDIA`."""

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
        for batch in _batches(reader):
            if self._out.tell() > MOST_BYTES:
                raise QueryError(f"the result is larger than {MOST_BYTES // 1024**2} MiB; ask for less")
            files.room(ROOM)
            yield batch if left is None else batch.slice(0, left)
            if left is not None and (left := left - batch.num_rows) <= 0:
                return


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (OSError, pa.ArrowException) as error:
            raise _Broken(str(error)) from None
        yield batch


@contextmanager
def _watched(
    connection: duckdb.DuckDBPyConnection, seconds: float, stop: Callable[[], bool], interrupted: threading.Event
) -> Iterator[None]:
    """Interrupt the statement that runs meanwhile, as often as it takes, once its time is over or `stop` says so."""
    ended, until = threading.Event(), time.monotonic() + seconds

    def watch() -> None:
        while not ended.wait(AGAIN):
            if stop() or time.monotonic() > until:
                interrupted.set()
                connection.interrupt()

    thread = threading.Thread(target=watch, name="query", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
