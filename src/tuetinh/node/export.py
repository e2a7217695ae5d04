"""`tuetinh export`: writes the record as NDJSON, one file a resource type, all of one moment.

Bodies are copied unparsed, some at a time, so memory stays flat, also where they have contents of gigabytes; readers
and writers of a running node wait for nothing. A file appears under its name once it is whole.
"""

from __future__ import annotations

import getpass
import gzip
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tuetinh.node.errors import Refused
from tuetinh.record import contents
from tuetinh.record.errors import RecordError
from tuetinh.record.steps import run
from tuetinh.record.streaming import ROWS, bodies
from tuetinh.record.types import RESOURCE_TYPES

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
TELL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export: types (none: all), changed since an instant, of one patient's compartment, compressed."""

    types: tuple[str, ...] = ()
    since: datetime | None = None
    patient: str = ""
    compress: bool = False

    @property
    def ending(self) -> str:
        """How the names of the files end."""
        return ".ndjson.gz" if self.compress else ".ndjson"


def instant(text: str) -> datetime | None:
    """`YYYY-MM-DD` (its first moment) or an ISO 8601 time, of Việt Nam where it has no zone; None for none.

    Raises Refused for anything else.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r} is no date (YYYY-MM-DD) and no time (YYYY-MM-DDThh:mm:ss+07:00)") from error
    return found if found.tzinfo else found.replace(tzinfo=HANOI)


def export(folder: Path, wanted: Wanted) -> dict[str, int]:
    """Write the current versions and return how many of each type; `manifest.json`, with the moment, is written last.

    Raises Refused for an unknown type or patient; then nothing is written. Raises it also for a content that is lost.
    """
    from django.db import connection, transaction

    from tuetinh.record import audit
    from tuetinh.record.asker import SYSTEM, Asker

    if unknown := set(wanted.types) - set(RESOURCE_TYPES):
        raise Refused(f"unknown resource types: {', '.join(sorted(unknown))}")
    types = wanted.types or tuple(RESOURCE_TYPES)
    counts: dict[str, int] = {}
    run(SYSTEM, contents.ready())
    with transaction.atomic():  # before anything is shown
        by = Asker(account=f"os:{getpass.getuser()}", role="operator", purpose="HSYSADMIN")
        audit.act(by, "export", ",".join(wanted.types) or "*", "", wanted.patient or None)
    with transaction.atomic(), _Told() as told:
        with connection.cursor() as cursor:  # one snapshot for every file
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT now()")
            at = cursor.fetchone()[0]
            if wanted.patient:
                cursor.execute('SELECT 1 FROM record."Patient" WHERE id = %s AND NOT deleted', [wanted.patient])
                if cursor.fetchone() is None:
                    raise Refused(f"there is no Patient/{wanted.patient}")
        folder.mkdir(parents=True, exist_ok=True)
        for type_ in types:
            try:
                count = _write(
                    folder / f"{type_}{wanted.ending}",
                    bodies(SYSTEM, type_, patient=wanted.patient, since=wanted.since),
                    told,
                )
            except RecordError as error:
                raise Refused(str(error)) from error
            if count:
                counts[type_] = count
    for name in {f"{type_}{ending}" for type_ in types for ending in (".ndjson", ".ndjson.gz")}:
        if name not in {f"{type_}{wanted.ending}" for type_ in counts}:
            (folder / name).unlink(missing_ok=True)  # of an earlier export
    asked = {"since": wanted.since and wanted.since.isoformat(), "patient": wanted.patient or None}
    part = folder / "manifest.json.part"
    part.write_text(json.dumps({"at": at.isoformat(), **asked, "counts": counts}, indent=1) + "\n")
    part.rename(folder / "manifest.json")
    return counts


def export_views(folder: Path, files: Sequence[Path], form: str, since: datetime | None) -> dict[str, int]:
    """Write the rows of each ViewDefinition into a file of its name; returns how many rows each file has.

    Raises Refused for a file that holds none, and where the data does not fit it; then its file is not there.
    """
    from tuetinh.record.api import SYSTEM, export_view

    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    for file in files:
        try:
            definition = json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            raise Refused(f"{file} is not read as a ViewDefinition: {error}") from error
        name = definition.get("name") if isinstance(definition, dict) else None
        path = folder / f"{name if isinstance(name, str) and name.isidentifier() else file.stem}.{form}"
        part = path.with_name(path.name + ".part")
        try:
            with part.open("wb") as out:
                counts[path.name] = export_view(SYSTEM, definition, form, out, since.isoformat() if since else None)
        except RecordError as error:
            part.unlink()
            raise Refused(f"{file}: {error}") from error
        part.rename(path)
    return counts


def _write(path: Path, bodies: Iterator[bytes], told: _Told) -> int:
    """Write one file, unless there is nothing to write; returns how many lines."""
    first = next(bodies, None)
    if first is None:
        return 0
    part = path.with_name(path.name + ".part")
    count = 0
    with gzip.open(part, "wb", compresslevel=6) if path.suffix == ".gz" else part.open("wb") as file:
        for body in chain([first], bodies):
            file.writelines(contents.stream(body))
            file.write(b"\n")
            count += 1
            told.wrote(path.name)
    part.rename(path)
    return count


class _Told:
    """Shows on standard error how far the export is: one line that changes, or one line now and then."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._task = self._bar.add_task("…", total=None)
        self._written = 0
        self._last = time.monotonic()

    def __enter__(self) -> _Told:
        self._bar.start()
        return self

    def wrote(self, name: str) -> None:
        """One more resource is in the file."""
        self._written += 1
        if self._written % ROWS:
            return
        line = f"{self._written} written · {name}"
        self._bar.update(self._task, description=line)
        if self._bar.disable and time.monotonic() - self._last > TELL_SECONDS:
            self._last = time.monotonic()
            self._console.print(line, markup=False)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
