"""The work of `$sqlquery-export`: the rows of all views as Parquet, then query by query a file of its result.

The rows of the views are for the queries alone: they are given to nobody, and go when the export is done.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from tuetinh.record import r4
from tuetinh.record.bulk import files, ledger
from tuetinh.record.bulk.ledger import Call, File, Job
from tuetinh.record.bulk.tables import Tables, part_of
from tuetinh.record.errors import Unprocessable
from tuetinh.record.views.query import QueryError, Table
from tuetinh.record.views.query import read as read_query

SECONDS = 600.0  # that a query may take


class Queries(Tables):
    """An export of queries that stands where its job says; called on one thread, with Django's connection."""

    kind = "table"

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.form = "parquet"
        self._leaving = threading.Event()

    async def go_on(self, call: Call) -> None:
        """Work until all is done; who leaves does not wait for a long query."""
        try:
            await super().go_on(call)
        except asyncio.CancelledError:
            self._leaving.set()
            raise

    def _all_written(self) -> bool:
        """The next query; False when all have been run."""
        queries, number = self.job.asked["queries"], self.place.setdefault("query", 0)
        if number == len(queries):
            tables = [file for file in self.job.files if file.kind == self.kind]
            self.job.files = [file for file in self.job.files if file.kind != self.kind]
            ledger.finish(self.job)
            for file in tables:
                (files.folder(self.job.id) / file.name).unlink(missing_ok=True)
            return False
        self.job.progress = f"{queries[number]['name'][:40]}: query {number + 1} of {len(queries)}"
        ledger.move(self.job)
        self._run(queries[number])
        self.place["query"] = number + 1
        ledger.move(self.job)
        return True

    def _run(self, asked: dict[str, Any]) -> None:
        """Write the result of a query into a file of its name. Raises Unprocessable."""
        from tuetinh.record.views.answer import Limited, answer  # DuckDB and Arrow take memory, for those who ask

        library = r4.decode(asked["library"])
        parameters = r4.decode(asked["parameters"]) if asked["parameters"] else None
        if not isinstance(library, r4.Library) or not isinstance(parameters, r4.Parameters | None):
            raise AssertionError  # they were kept as such
        query = read_query(library)
        form = self.job.asked["form"]
        made = File("output", "", f"{asked['name']}.part1.{form}")
        folder = files.folder(self.job.id)
        with files.opened(self.job.id, made.name, 0) as out:
            try:
                answer(
                    query,
                    query.bound(parameters),
                    [Table(label, self._paths(view)) for label, view in asked["tables"].items()],
                    Limited(form, out, None, header=self.job.asked["header"]),
                    folder,
                    seconds=SECONDS,
                    stop=lambda: self._leaving.is_set() or not folder.exists(),
                )
            except QueryError as error:
                raise Unprocessable(f"{asked['name']}: {error}") from None
            made.bytes = files.keep(out)
        files.name_it(self.job.id, made.name)
        made.whole = True
        self.job.files.append(made)

    def _paths(self, view: str) -> tuple[Path, ...]:
        folder = files.folder(self.job.id)
        return tuple(folder / file.name for file in self.job.files if part_of(file) == view)
