"""The work of `$import`: file by file, each fetched as a whole, then stored some hundred lines a turn.

A resource keeps its id, or gets one of its content where it has none, so that a line which is read twice changes
nothing the second time. What is refused is told line by line in an NDJSON of OperationOutcomes; the rest is kept.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from io import BufferedIOBase
from pathlib import Path
from typing import IO

import msgspec

from tuetinh.record import api, contents, versioning
from tuetinh.record.bulk import fetching, files, ledger
from tuetinh.record.bulk.ledger import Call, File, Job
from tuetinh.record.errors import Issue, RecordError, outcome
from tuetinh.record.imports import Importer, Report, type_of
from tuetinh.record.sources import Document
from tuetinh.record.steps import run

LINE_BYTES = 16 * 1024 * 1024  # as much as a body at the door, without large contents
NO_LINE = 2 * 1024**3  # bytes without the end of a line, after which a file is none of lines
TURN_LINES = 500
TURN_BYTES = 8 * 1024 * 1024
CHUNK = 256 * 1024
MANIFEST_BYTES = 16 * 1024 * 1024
BOM = b"\xef\xbb\xbf"


class Import:
    """An import that stands where its job says. What it does is called on one thread, with Django's connection.

    asked: `inputs`, the addresses (`url`) and what they are said to hold (`type`, "" for anything), and `manifest`, the
    address of a manifest that lists them, or "".
    """

    def __init__(self, job: Job) -> None:
        self.job, self.place = job, job.position
        if "input" not in self.place:
            self.place |= {"inputs": job.asked["inputs"], "input": 0, "types": []}
            self._begin_input()
        run(job.asker, contents.ready())
        self._importer = Importer(job.asker, self)
        self._source: BufferedIOBase | None = None
        self._errors: IO[bytes] | None = None
        self._lines: Iterator[tuple[int, bytes | None]] | None = None

    async def go_on(self, call: Call) -> None:
        """Fetch and store file after file. `call` runs a function on the job's thread."""
        if self.job.moment is None:
            await self._read_manifest(call)
        while self.place["input"] < len(self.place["inputs"]):
            if not self.place["fetched"]:
                await self._fetch(call)
            while await call(self._turn):
                pass
        await call(self._finish)

    def close(self) -> None:
        """Let the open files go; what was not told is done again by who goes on."""
        for file in (self._source, self._errors):
            if file is not None:
                file.close()
        self._source = self._errors = self._lines = None

    # -- what the importer tells --------------------------------------------------------------------------------------

    def advanced(self, report: Report, place: str) -> None:
        """Something was stored, of which the ledger is told at the end of a turn."""

    def refused(self, place: str, name: str, issues: Sequence[Issue]) -> None:
        """Write down why a line is not kept."""
        lead = f"{place}: {name}: " if name else f"{place}: "
        line = outcome([issue._replace(text=lead + issue.text) for issue in issues]) + b"\n"
        file = self._error_file()
        if self._errors is None:
            self._errors = files.opened(self.job.id, file.name, file.bytes)
        self._errors.write(line)
        file.count += 1
        file.bytes += len(line)

    # -- fetching -----------------------------------------------------------------------------------------------------

    async def _read_manifest(self, call: Call) -> None:
        """Note the time, and the files of a manifest where one is imported."""
        if url := self.job.asked["manifest"]:
            file = await call(files.opened, self.job.id, "manifest", 0)
            try:
                await fetching.fetch(url, file, call, most=MANIFEST_BYTES)
                self.place["inputs"] = await call(_listed, file)
            finally:
                await call(file.close)
        self.job.moment = versioning.now()
        await call(ledger.move, self.job)

    async def _fetch(self, call: Call) -> None:
        """Bring the file whose turn it is; one that cannot be brought is told, and has no lines."""
        url = self.place["inputs"][self.place["input"]]["url"]
        self.job.progress = f"fetching file {self.place['input'] + 1} of {len(self.place['inputs'])}"
        await call(ledger.move, self.job)
        file = await call(files.opened, self.job.id, self._name(), 0)
        try:
            await fetching.fetch(url, file, call)
        except RecordError as error:
            await call(file.truncate, 0)
            await call(self.refused, "file", "", error.issues)
        finally:
            await call(file.close)
        self.place["fetched"] = True
        await call(self._tell)

    def _name(self) -> str:
        return f"input-{self.place['input'] + 1}"

    # -- storing ------------------------------------------------------------------------------------------------------

    def _turn(self) -> bool:
        """Store some lines and tell the ledger; False when the file is at its end."""
        if self._lines is None:
            path = files.folder(self.job.id) / (self._name() + files.PART)
            self._source = opened(path)
            self._lines = lines(self._source, self.place["read"])
        size = 0
        try:
            for count, (read, line) in enumerate(self._lines, 1):
                size += read - self.place["read"]
                self.place["read"] = read
                self.place["line"] += 1
                self._take(f"line {self.place['line']}", line)
                if count == TURN_LINES or size >= TURN_BYTES:
                    self._tell()
                    return True
        except (EOFError, zlib.error, gzip.BadGzipFile, _NoLines) as error:
            self._importer.flush()
            self.refused(f"after line {self.place['line']}", "", [Issue("fatal", "structure", _why(error))])
        self._end_input()
        return False

    def _take(self, place: str, line: bytes | None) -> None:
        if line is None:
            text = f"is longer than {LINE_BYTES} bytes"
            self.refused(place, "", [Issue("error", "too-long", text)])
            return
        text_ = line.removeprefix(BOM).strip()
        if not text_:
            return
        said = self.place["inputs"][self.place["input"]].get("type", "")
        found = type_of(text_)
        if said and found and found != said:
            text = f"a {found[:80]} where the kick-off says {said}"
            self.refused(place, "", [Issue("error", "invalid", text)])
            return
        self._importer.take(Document(place, text_))

    def _tell(self) -> None:
        """Store what has gathered, make what was refused safe, and tell how far it is."""
        self._importer.flush()
        report, self._importer.report = self._importer.report, Report()
        self.place["stored"] += report.stored
        self.place["types"] = sorted({*self.place["types"], *report.created, *report.changed})
        if self._errors is not None:
            files.keep(self._errors)
        number, among = self.place["input"] + 1, len(self.place["inputs"])
        self.job.progress = f"file {number} of {among}, line {self.place['line']}; {self.place['stored']} kept of it"
        ledger.move(self.job)

    # -- files --------------------------------------------------------------------------------------------------------

    def _begin_input(self) -> None:
        self.place |= {"fetched": False, "read": 0, "line": 0, "stored": 0}

    def _error_file(self) -> File:
        """The file of what was refused of the input whose turn it is."""
        name = f"errors-{self.place['input'] + 1}.ndjson"
        if not self.job.files or self.job.files[-1].name != name:
            source = self.place["inputs"][self.place["input"]]["url"]
            self.job.files.append(File("error", "OperationOutcome", name, source=source))
        return self.job.files[-1]

    def _end_input(self) -> None:
        """Name the errors, sum up, and let the fetched file go."""
        self._tell()
        self._close_errors()
        source = self.place["inputs"][self.place["input"]]
        stored = self.place["stored"]
        self.job.files.append(File("output", source.get("type", ""), "", stored, whole=True, source=source["url"]))
        fetched = files.folder(self.job.id) / (self._name() + files.PART)
        self.place["input"] += 1
        self._begin_input()
        ledger.move(self.job)
        self.close()
        fetched.unlink(missing_ok=True)

    def _close_errors(self) -> None:
        last = self.job.files[-1] if self.job.files else None
        if last is not None and not last.whole:
            with self._errors or files.opened(self.job.id, last.name, last.bytes) as file:
                files.keep(file)
            files.name_it(self.job.id, last.name)
            last.whole = True

    def _finish(self) -> None:
        api.analyze(self.place["types"])
        ledger.finish(self.job)


def _listed(file: IO[bytes]) -> list[dict[str, str]]:
    """The output files of a manifest. Raises NotFetched for what is none."""
    file.seek(0)
    try:
        found = msgspec.json.decode(file.read(), type=_Manifest).output
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise fetching.NotFetched("what is at exportUrl is no manifest of bulk data") from error
    return [{"type": each.type, "url": each.url} for each in found]


class _Output(msgspec.Struct):
    url: str
    type: str = ""


class _Manifest(msgspec.Struct):
    output: list[_Output]


# -- lines ------------------------------------------------------------------------------------------------------------


class _NoLines(ValueError):
    """What was read has no lines."""


def _why(error: Exception) -> str:
    if isinstance(error, _NoLines):
        return str(error)
    return "the file is no whole gzip; what came before is kept"


def opened(path: Path) -> BufferedIOBase:
    """A file to read, unpacked as it is read when it is a gzip."""
    file = path.open("rb")
    if file.read(2) != b"\x1f\x8b":
        file.seek(0)
        return file
    file.close()
    return gzip.GzipFile(path)


def lines(file: BufferedIOBase, start: int) -> Iterator[tuple[int, bytes | None]]:
    """Lines from a position, each with the position after it; None for one that is too long.

    Memory stays within LINE_BYTES and a chunk, whatever the file holds or unpacks to: large contents go to files.
    """
    file.seek(start)
    size, read = 0, start
    with ExitStack() as stack:

        def begun() -> contents.Shortening:
            return stack.enter_context(closing(contents.Shortening(LINE_BYTES)))

        line = begun()
        while chunk := file.read1(CHUNK):  # what could be unpacked before a fault is not lost
            *whole, rest = chunk.split(b"\n")
            for piece in whole:
                line.feed(piece)
                read += size + len(piece) + 1
                yield read, _ended(line)
                stack.close()
                line, size = begun(), 0
            line.feed(rest)
            size += len(rest)
            if size > NO_LINE:
                raise _NoLines(f"there is no end of a line in {NO_LINE} bytes")
        if size:
            yield read + size, _ended(line)


def _ended(line: contents.Shortening) -> bytes | None:
    whole = line.end()
    return None if line.is_over else whole
