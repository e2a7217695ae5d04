"""Where older objects lie: a bucket that speaks S3, or a folder. What is read of them comes back for a while.

A file goes only when the store has given it back as it was, and the archive of backups, where there is one, has it too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from django.db import transaction

from tuetinh.care.imaging.archive.elsewhere import days, name_of, opened
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.record.contents import files, sealing
from tuetinh.record.contents.places import Missing

BATCH: Final = 500
YOUNG: Final = 3600.0  # seconds in which a file that came back stays in any case
CHUNK: Final = 1 << 20


def put(digest: bytes, size: int) -> None:
    """Put a content into the store, look at it there, and note that. Raises FileNotFoundError, Unreachable, Spoilt."""
    store = opened()
    if store is None:
        return
    if sealing.wanted():
        files.seal(digest)
    name = name_of(digest)
    with files.path_of(digest).open("rb") as file:
        store.put(name, lambda sink: _pour(iter(lambda: file.read(CHUNK), b""), sink.write))
    if not files.is_content(digest, store.get(name)):
        raise sealing.Spoilt("the store did not give back what it was given")
    ask(
        "INSERT INTO imaging_stored (digest, size, stored_at) VALUES (%s, %s, now()) ON CONFLICT DO NOTHING",
        digest,
        size,
    )


def _pour(chunks: Iterable[bytes], write: object) -> None:
    for chunk in chunks:
        write(chunk)  # type: ignore[operator]


class Copy(NamedTuple):
    """A file of the folder that the store has as well. since: when it came, or came back."""

    since: float
    size: int
    digest: bytes


def let_go() -> int:
    """Take away files that the store has; how many bytes. Raises Unreachable.

    What is read comes back and stays some days, together never more than the cache may hold.
    """
    store = opened()
    if store is None:
        return 0
    age, most = days("TUETINH_IMAGING_CACHE_DAYS", 7), _cache()
    now = time.time()
    copies = sorted(_copies())
    total = sum(copy.size for copy in copies)
    gone = 0
    for copy in copies:
        if copy.since > now - YOUNG or (copy.since > now - age.total_seconds() and total <= most):
            break
        if not files.is_archived(copy.digest):
            continue
        try:
            store.size(name_of(copy.digest))
        except Missing:
            ask("DELETE FROM imaging_stored WHERE digest = %s", copy.digest)  # it is put there again
            continue
        files.forget(copy.digest)
        total -= copy.size
        gone += copy.size
    return gone


def _cache() -> int:
    text = os.environ.get("TUETINH_IMAGING_CACHE_GIB", "").strip()
    return (int(text) if text.isascii() and text.isdigit() else 20) << 30


def _copies() -> Iterator[Copy]:
    batch: list[Path] = []
    for path in files.all_files(files.folder()):
        batch.append(path)
        if len(batch) == BATCH:
            yield from _stored(batch)
            batch = []
    yield from _stored(batch)


def _stored(paths: list[Path]) -> Iterator[Copy]:
    known = {bytes(d) for (d,) in ask(_KNOWN, [bytes.fromhex(path.name) for path in paths])} if paths else set()
    for path in paths:
        if (digest := bytes.fromhex(path.name)) in known and path.exists():
            state = path.stat()
            yield Copy(state.st_mtime, state.st_size, digest)


_KNOWN: Final = "SELECT digest FROM imaging_stored WHERE digest = ANY(%s)"
_UNUSED: Final = """
DELETE FROM imaging_stored s WHERE s.id = ANY(ARRAY(
  SELECT id FROM imaging_stored s WHERE NOT EXISTS (SELECT FROM record.content c WHERE c.digest = s.digest) LIMIT %s))
RETURNING digest"""


def sweep() -> int:
    """Let the store forget what nothing uses any more; how many. Raises Unreachable."""
    store = opened()
    if store is None:
        return 0
    count = 0
    while True:
        with transaction.atomic():
            names = [name_of(bytes(digest)) for (digest,) in ask(_UNUSED, BATCH)]
            store.delete(names)
        count += len(names)
        if len(names) < BATCH:
            return count


class Told(NamedTuple):
    """What the store has: how many contents, their bytes, and since when the newest is there."""

    count: int
    size: int
    newest: datetime | None


def told() -> Told:
    """What the store has, as its table tells."""
    [(count, size, newest)] = ask("SELECT count(*), coalesce(sum(size), 0), max(stored_at) FROM imaging_stored")
    return Told(count, int(size), newest)


def cutoff() -> datetime:
    """What came before this goes into the store."""
    return datetime.now(UTC) - days("TUETINH_IMAGING_STORE_DAYS", 30)
