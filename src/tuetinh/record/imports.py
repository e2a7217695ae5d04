"""`tuetinh import`: brings FHIR resources of any packaging into the record.

Resources keep their ids, so importing twice changes nothing. An entry of a Bundle that has no id takes the UUID of its
fullUrl, and references to it follow. What is refused is named with every reason; the rest is kept.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec
import psycopg
from django.db import transaction
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tuetinh.record import api, bundles, conditional, contents, r4, store, versioning
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Invalid, Issue, RecordError
from tuetinh.record.import_lock import importing
from tuetinh.record.import_processes import Answer, Helpers, how_many
from tuetinh.record.sources import Document, documents
from tuetinh.record.steps import BROKEN_BY_OTHERS, Step, run
from tuetinh.record.validate import check

BATCH = 500
ATTEMPTS = 5  # to store a batch that others are in the way of
BATCH_BYTES = 8 * 1024 * 1024
UNPACKED = frozenset({"transaction", "batch", "collection", "searchset", "document"})
_UUID = re.compile(r"urn:uuid:([A-Za-z0-9\-]{1,64})")
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]+)"')


class Item(NamedTuple):
    """A resource that is to be stored, and where it came from."""

    place: str
    resource: r4.Resource


@dataclass
class Report:
    """What an import did, by resource type."""

    created: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    same: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def stored(self) -> int:
        """How many resources are in the record now because of, or in agreement with, the import."""
        return sum(self.created.values()) + sum(self.changed.values()) + sum(self.same.values())

    def add(self, other: Report) -> None:
        """Add what another part of the import did."""
        for mine, more in zip(self.kinds, other.kinds, strict=True):
            mine.update(more)

    @property
    def kinds(self) -> tuple[Counter[str], Counter[str], Counter[str], Counter[str]]:
        """What became of resources: created, changed, same, refused."""
        return self.created, self.changed, self.same, self.refused


class Listener(Protocol):
    """Who is told how the import goes."""

    def advanced(self, report: Report, place: str) -> None:
        """Something was stored."""

    def refused(self, place: str, name: str, issues: Sequence[Issue]) -> None:
        """A resource was refused for these reasons."""


def import_paths(paths: list[str], asker: Asker, listener: Listener, processes: int = 1) -> Report:
    """Store all resources found at the paths and say what became of them.

    processes: how many may store when there is much; 1: this one alone, with Django's connection. Raises Broken.
    """
    work = Importer(asker, listener)
    started = time.monotonic()
    run(asker, contents.ready())
    with importing():
        with Helpers(asker, work.hear, processes) as helpers:
            for document in documents(paths):
                if helpers.take(document):
                    continue
                work.take(document)
                if helpers.next:
                    work.flush()
            helpers.settle()
        work.flush()
        api.analyze({*work.report.created, *work.report.changed})
    work.report.seconds = time.monotonic() - started
    return work.report


class Importer:
    """Stores the resources of documents, a batch at a time."""

    def __init__(self, asker: Asker, listener: Listener) -> None:
        self.asker, self.listener, self.report = asker, listener, Report()
        self.batch: dict[tuple[str, str], Item] = {}
        self.size = 0  # bytes in the batch

    def take(self, document: Document) -> None:
        """Take a resource or the resources of a Bundle."""
        if document.error:
            self.refuse(document.place, "", [Issue("error", "not-found", document.error)])
            return
        try:
            if type_of(document.data) == "Bundle" and self._unpack(document):
                return
            self._add(document.place, document.data, None)
        except RecordError as error:
            self.refuse(document.place, type_of(document.data), error.issues)

    def refuse(self, place: str, name: str, issues: Sequence[Issue]) -> None:
        """Say that a resource is not stored."""
        self.report.refused[name.partition("/")[0] or "?"] += 1
        self.listener.refused(place, name, issues)

    def hear(self, answer: Answer) -> None:
        """Take over what another process has done."""
        if answer.report is not None:
            self.report.add(answer.report)
        for one in answer.refused:
            self.listener.refused(*one)
        self.listener.advanced(self.report, answer.place)

    def _add(self, place: str, raw: bytes, id_: str | None) -> None:
        resource, problems = check(raw)
        if resource is None or any(p.severity in ("error", "fatal") for p in problems):
            raise Invalid(problems)
        resource.id = id_ or resource.id or _id_of(raw)
        key = (resource.resourceType, resource.id)
        if key in self.batch:  # the later of two of the same id is the next version
            self.flush()
        self.batch[key] = Item(place, resource)
        self.size += len(raw)
        if len(self.batch) >= BATCH or self.size >= BATCH_BYTES:
            self.flush()

    def _unpack(self, document: Document) -> bool:
        """Take the entries of a Bundle; False when it is to be stored as a Bundle."""
        envelope = bundles.read_bundle(document.data)
        if envelope.type not in UNPACKED or not any(bytes(entry.resource) for entry in envelope.entry):
            return False
        entries = [_Entry(document.place, n, e) for n, e in enumerate(envelope.entry)]
        names: dict[str, str] = {}
        conditions: dict[str, str] = {}
        for entry in entries:
            self._attempt(entry, self._name, names)
        if any(entry.raw for entry in entries if b"?" in entry.raw):
            self.flush()  # conditional references may mean what came just before
        for entry in entries:
            if entry.raw:
                self._attempt(entry, self._add_entry, names, conditions)
        return True

    def _attempt(self, entry: _Entry, action: object, *arguments: object) -> None:
        try:
            action(entry, *arguments)  # type: ignore[operator]
        except RecordError as error:
            issues = [i._replace(expression=i.expression or entry.path) for i in error.issues]
            entry.raw = b""
            self.refuse(entry.place, entry.type, issues)

    def _name(self, entry: _Entry, names: dict[str, str]) -> None:
        """Decide under which id an entry is stored."""
        request = entry.request
        if request and request.method not in ("POST", "PUT"):
            raise RecordError(f"an import does no {request.method[:20]}")
        if not entry.raw:
            return
        entry.id = entry.given_id()
        if request and request.ifNoneExist:
            with transaction.atomic():
                self.flush()
                if found := run(self.asker, conditional.find(self.asker, entry.type, request.ifNoneExist)):
                    entry.id, entry.raw = found.id, b""
                    self.report.same[entry.type] += 1
        entry.name(names)

    def _add_entry(self, entry: _Entry, names: dict[str, str], conditions: dict[str, str]) -> None:
        run(self.asker, bundles.resolve_conditions(self.asker, entry.raw, conditions))
        self._add(entry.place, bundles.rewrite(entry.raw, names, conditions), entry.id)

    def flush(self) -> None:
        """Store what has gathered; when the database refuses the batch, one by one."""
        items, self.batch, self.size = list(self.batch.values()), {}, 0
        if not items:
            return
        try:
            self._store(items)
        except (RecordError, psycopg.DataError, psycopg.IntegrityError):
            for item in items:
                try:
                    self._store([item])
                except RecordError as error:
                    self.refuse(item.place, _name(item), error.issues)
                except (psycopg.DataError, psycopg.IntegrityError) as error:
                    text = f"holds a value that cannot be stored ({type(error).__name__})"
                    self.refuse(item.place, _name(item), [Issue("error", "value", text)])
        self.listener.advanced(self.report, items[-1].place)

    def _store(self, items: Sequence[Item]) -> None:
        def step() -> Step[tuple[list[versioning.Stored], set[tuple[str, str]]]]:
            return (yield from store.put_many(self.asker, [i.resource for i in items], keep_same=True))

        for attempt in range(ATTEMPTS):
            try:
                with transaction.atomic():
                    stored, same = run(self.asker, step())
                break
            except BROKEN_BY_OTHERS:
                if attempt == ATTEMPTS - 1:
                    raise
        for one in stored:
            kind = (
                self.report.same
                if (one.type, one.id) in same
                else self.report.created
                if one.created
                else self.report.changed
            )
            kind[one.type] += 1


class _Entry:
    """An entry of a Bundle that is imported."""

    def __init__(self, place: str, number: int, entry: bundles.Entry) -> None:
        self.path = f"Bundle.entry[{number}]"
        self.place = f"{place} {self.path}"
        self.raw = bytes(entry.resource)
        self.type = type_of(self.raw)
        self.url, self.request = entry.fullUrl or "", entry.request
        self.id = ""

    def given_id(self) -> str:
        """The resource's own id, else that of the request, else the UUID of the fullUrl, else one of its content."""
        try:
            own = msgspec.json.decode(self.raw, type=_Peek).id
        except msgspec.DecodeError:
            own = None
        if own is None and self.request and self.request.method == "PUT":
            own = self.request.url.partition("?")[0].partition("/")[2] or None
        uuid = _UUID.fullmatch(self.url)
        return own or (uuid[1] if uuid else _id_of(self.path.encode() + self.raw))

    def name(self, names: dict[str, str]) -> None:
        """Note what the other entries call this one."""
        target = f"{self.type}/{self.id}"
        if self.url and self.url != target:
            names[self.url] = target


class _Peek(msgspec.Struct):
    id: str | None = None


def _id_of(content: bytes) -> str:
    """An id for a resource that comes without one: the same each time that it is imported."""
    return str(UUID(bytes=blake2b(content, digest_size=16).digest()))


def type_of(raw: bytes) -> str:
    """The type that the JSON seems to have, to name it before it is decoded."""
    try:
        return msgspec.json.decode(raw, type=_PeekType).resourceType or ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _TYPE.search(raw)
        return found[1].decode() if found else ""


class _PeekType(msgspec.Struct):
    resourceType: str | None = None


def _name(item: Item) -> str:
    return f"{item.resource.resourceType}/{item.resource.id}"


class Terminal:
    """Shows an import on a terminal, or as plain lines where there is none."""

    EVERY_SECONDS = 5.0

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.progress: Progress | None = None
        self.last = time.monotonic()
        if self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            self.progress = Progress(*columns, console=self.console, transient=True)
            self.task = self.progress.add_task("…", total=None)
            self.progress.start()

    def advanced(self, report: Report, place: str) -> None:
        """Show how many are stored and where the import is."""
        line = f"{report.stored} stored, {sum(report.refused.values())} refused · {place}"
        if self.progress:
            self.progress.update(self.task, description=line)
        elif time.monotonic() - self.last > self.EVERY_SECONDS:
            self.last = time.monotonic()
            self.console.print(line, markup=False)

    def refused(self, place: str, name: str, issues: Sequence[Issue]) -> None:
        """Name a refused resource with every reason."""
        lines = [f"refused {place}{' ' + name if name else ''}", *_reasons(issues)]
        (self.progress.console if self.progress else self.console).print("\n".join(lines), markup=False)

    def finish(self, report: Report) -> None:
        """Print the summary."""
        if self.progress:
            self.progress.stop()
        out = Console(highlight=False, soft_wrap=True)
        out.print(f"{'type':<32}{'new':>9}{'changed':>9}{'same':>9}{'refused':>9}")
        for type_ in sorted(set().union(*report.kinds)):
            out.print(f"{type_:<32}" + "".join(f"{kind[type_]:>9}" for kind in report.kinds), markup=False)
        out.print(f"{'':<32}" + "".join(f"{sum(kind.values()):>9}" for kind in report.kinds))
        out.print(f"{report.seconds:.1f} s")


def _reasons(issues: Iterable[Issue]) -> Iterator[str]:
    for issue in issues:
        if issue.severity in ("error", "fatal"):
            yield f"    {issue.expression + ': ' if issue.expression else ''}{issue.text}"


def main(arguments: list[str]) -> int:
    """Run the command; 0 when something could be stored, 1 when nothing could."""
    terminal = Terminal()
    try:
        report = import_paths(arguments, SYSTEM, terminal, how_many())
    finally:
        if terminal.progress:
            terminal.progress.stop()
    terminal.finish(report)
    sys.stdout.flush()
    return 0 if report.stored else 1
