"""The work of `$viewdefinition-export`: view by view, in files of at most so many rows.

A file counts when it is whole. One that was being written when its worker left is written anew by the next worker, from
the key at which it began: no format but NDJSON could be gone on with in the middle.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

from tuetinh.record import contents
from tuetinh.record.bulk import files, ledger, settling
from tuetinh.record.bulk.ledger import Call, File, Job
from tuetinh.record.steps import run
from tuetinh.record.views import View, read, source
from tuetinh.record.views.output import Sheet, sheet

TURN_SECONDS = 0.5
FILE_ROWS = 1_000_000


class Tables:
    """An export of views that stands where its job says; called on one thread, with Django's connection."""

    kind = "output"

    def __init__(self, job: Job) -> None:
        self.job, self.place, self.form = job, job.position, job.asked["form"]
        job.files = [file for file in job.files if file.whole]
        self._views = [(each["name"], read(each["view"])) for each in job.asked["views"]]
        self._patients = ledger.patients_of(job.id)
        self._began = time.monotonic()
        self._open = ExitStack()
        self._sheet: Sheet | None = None
        self._after = 0
        run(job.asker, contents.ready())

    async def go_on(self, call: Call) -> None:
        """Work until all is done. `call` runs a function on the job's thread."""
        while await call(self._turn):
            pass

    def close(self) -> None:
        """Let the open file go; who goes on writes it anew."""
        with suppress(OSError):
            self._open.close()

    def _turn(self) -> bool:
        """Do some of the work and tell the ledger; False when all is done."""
        if "view" not in self.place:
            if settling.settled(self.job, self._began):
                self.place |= {"view": 0, "after": 0}
            ledger.move(self.job)
            return True
        if self.place["view"] == len(self._views):
            return self._all_written()
        name, view = self._views[self.place["view"]]
        seen: set[str] = set()
        began = time.monotonic()
        while self._page(name, view, seen) and time.monotonic() - began < TURN_SECONDS:
            pass
        count = sum(file.count for file in self.job.files)
        self.job.progress = f"{name[:40]}: view {self.place['view'] + 1} of {len(self._views)}; {count} rows written"
        ledger.move(self.job, [(view.resource, seen)] if seen else ())
        return True

    def _all_written(self) -> bool:
        """What comes after the last view; False when nothing does."""
        ledger.finish(self.job)
        return False

    def _page(self, name: str, view: View, seen: set[str]) -> bool:
        """Write the next rows of a view, and note whose they are; False when a file was ended."""
        if self._sheet is None:
            self._sheet = self._begin(name, view)
        ask = source.Ask(self.job.asker, view, self._patients, self.job.asked["since"] or None)
        found, last = run(self.job.asker, source.page(ask, self._after))
        self._sheet.add([each.row for each in found])
        self.job.files[-1].count += len(found)
        seen.update(each.patient or "" for each in found)
        self._after = last or 0
        if last is not None and self.job.files[-1].count < FILE_ROWS:
            return True
        self._end()
        self.place |= {"view": self.place["view"] + (last is None), "after": self._after}
        return False

    def _begin(self, name: str, view: View) -> Sheet:
        number = 1 + sum(1 for file in self.job.files if part_of(file) == name)
        current = File(self.kind, view.resource, f"{name}.part{number}.{self.form}")
        self.job.files.append(current)
        self._after = self.place["after"]
        file = self._open.enter_context(files.opened(self.job.id, current.name, 0))
        self._open.callback(lambda: setattr(current, "bytes", files.keep(file)))
        return self._open.enter_context(sheet(view, self.form, file, header=self.job.asked["header"]))

    def _end(self) -> None:
        """Make the file safe, and name it."""
        self._open.close()
        self._sheet = None
        files.name_it(self.job.id, self.job.files[-1].name)
        self.job.files[-1].whole = True


def part_of(file: File) -> str:
    """The name of the view that a file is a part of."""
    return file.name.rsplit(".", 2)[0]
