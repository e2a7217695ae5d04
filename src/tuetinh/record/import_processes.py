"""A long import in several processes: one reads, the others store.

A resource goes to a process by its type and id, so that its versions keep their order. What may depend on what came
before it, a Bundle, waits until all of that is stored.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NamedTuple, Self
from zlib import crc32

import msgspec

from tuetinh.record.asker import Asker
from tuetinh.record.errors import Issue
from tuetinh.record.sources import Document

if TYPE_CHECKING:
    from tuetinh.record.imports import Report

WORTH_IT = 4_000  # resources that one process stores while others would still be starting
CHUNK = 500  # documents that are sent at once
CHUNK_BYTES = 8 * 1024 * 1024
AHEAD = 2  # chunks that a process has been sent and has not answered
MOST = 4
LEAVE_SECONDS = 10
ENDED = "a process of the import was ended"


class Broken(ConnectionError):
    """A process could not go on. What it had told of is stored; importing the same again stores the rest."""


class Refusal(NamedTuple):
    """A resource that a process has refused."""

    place: str
    name: str
    issues: Sequence[Issue]


class Answer(NamedTuple):
    """What became of a chunk. failure: ends the import."""

    report: Report | None
    refused: list[Refusal]
    place: str
    failure: str = ""


class Head(msgspec.Struct):
    """What says to which process a resource goes."""

    resourceType: str = ""
    id: str = ""


def head_of(document: Document) -> Head | None:
    """Type and id of a resource that can be stored by any process; None for a Bundle, and for what is broken."""
    try:
        head = msgspec.json.decode(document.data, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return head if head.resourceType and head.resourceType != "Bundle" and not document.error else None


def how_many() -> int:
    """How many processes suit this machine; 1 where all is to be done in order."""
    if os.environ.get("TUETINH_REFERENCES") == "strict":  # targets come before what refers to them
        return 1
    return min(MOST, len(os.sched_getaffinity(0)))


class Helpers:
    """The processes of one import; none before there is enough to store."""

    def __init__(self, asker: Asker, tell: Callable[[Answer], None], most: int) -> None:
        self._asker, self._tell, self._seen, self._most = asker, tell, 0, most
        self._all: list[_Helper] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._all:
            one.close()

    def take(self, document: Document) -> bool:
        """Give a document to the process that stores it; False when it is the caller's, now and in this place."""
        head = head_of(document) if self._most > 1 else None
        if head is None:
            self.settle()
            return False
        self._seen += 1
        if self._seen <= WORTH_IT:
            return False
        if not self._all:
            self._all = [_Helper(self._asker, self._tell) for _ in range(self._most)]
        key = f"{head.resourceType}/{head.id}".encode() if head.id else document.data
        self._all[crc32(key) % self._most].add(document)
        return True

    @property
    def next(self) -> bool:
        """Whether other processes may store what comes next."""
        return self._seen >= WORTH_IT

    def settle(self) -> None:
        """Wait until all that was given to processes is stored."""
        for one in self._all:
            one.send()
        for one in self._all:
            one.settle()


class _Helper:
    """A process that stores, as its parent sees it."""

    def __init__(self, asker: Asker, tell: Callable[[Answer], None]) -> None:
        self._tell = tell
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_store_all, args=(theirs, asker), daemon=True)
        self._process.start()
        theirs.close()
        self._gathered: list[Document] = []
        self._size = self._sent = 0

    def add(self, document: Document) -> None:
        """Give it a document; waits while the process has enough to do."""
        self._gathered.append(document)
        self._size += len(document.data)
        if len(self._gathered) >= CHUNK or self._size >= CHUNK_BYTES:
            self.send()

    def send(self) -> None:
        """Send what has gathered."""
        if self._gathered:
            while self._sent >= AHEAD:
                self._receive()
            try:
                self._pipe.send(self._gathered)
            except ConnectionError:
                raise Broken(ENDED) from None
            self._gathered, self._size, self._sent = [], 0, self._sent + 1

    def settle(self) -> None:
        """Wait until all that it was sent is stored."""
        while self._sent:
            self._receive()

    def close(self) -> None:
        """Let the process end with what it has begun."""
        self._pipe.close()
        self._process.join(LEAVE_SECONDS)
        if self._process.is_alive():
            self._process.kill()

    def _receive(self) -> None:
        try:
            answer: Answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise Broken(ENDED) from None
        if answer.failure:
            raise Broken(f"a process of the import failed: {answer.failure}")
        self._sent -= 1
        self._tell(answer)


def _store_all(pipe: Connection, asker: Asker) -> None:
    """The life of a process: store chunk after chunk, until the parent closes its end or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's, who then closes the pipe
    import django

    django.setup()
    from tuetinh.record import contents, memory
    from tuetinh.record.imports import Importer
    from tuetinh.record.steps import run

    memory.settle()
    chunks: queue.SimpleQueue[list[Document] | None] = queue.SimpleQueue()
    threading.Thread(target=_receive_all, args=(pipe, chunks), daemon=True).start()
    told = _Told()
    try:
        run(asker, contents.ready())
        while (chunk := chunks.get()) is not None:
            importer = Importer(asker, told)
            for document in chunk:
                importer.take(document)
            importer.flush()
            pipe.send(Answer(importer.report, told.all(), chunk[-1].place))
    except (BrokenPipeError, ConnectionResetError):
        pass  # nobody waits for it any more
    except Exception as error:
        pipe.send(Answer(None, [], "", type(error).__name__))
        raise


def _receive_all(pipe: Connection, chunks: queue.SimpleQueue[list[Document] | None]) -> None:
    """Take chunks off the pipe at once, so that the parent never waits for one that waits for the parent."""
    try:
        while True:
            chunks.put(pipe.recv())
    except (EOFError, OSError):
        chunks.put(None)


class _Told:
    """Keeps refusals for the parent."""

    def __init__(self) -> None:
        self._refused: list[Refusal] = []

    def advanced(self, report: Report, place: str) -> None:
        """The parent tells."""

    def refused(self, place: str, name: str, issues: Sequence[Issue]) -> None:
        """Keep a refusal."""
        self._refused.append(Refusal(place, name, issues))

    def all(self) -> list[Refusal]:
        """What was refused since the last call."""
        refused, self._refused = self._refused, []
        return refused
