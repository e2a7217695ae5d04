"""Keeps the files of large contents: sweeps away what nobody uses, and looks whether all are there and right."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from django.db import DatabaseError, connection, transaction

from tuetinh.record import contents
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files, stand_ins
from tuetinh.record.steps import enter, run

SECONDS = 3600.0
ROWS = 1000
NAMED = 5  # of those that are wrong

log = logging.getLogger(__name__)


async def keep(stop: asyncio.Event) -> None:
    """Sweep at the start of a node and every hour, until told to stop."""
    while not stop.is_set():
        await asyncio.to_thread(_look)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SECONDS)


def _look() -> None:
    try:
        if gone := sweep():
            log.info("%d files that no resource uses were swept away", gone)
    except (DatabaseError, OSError) as error:
        log.warning("files were not swept: %s", type(error).__name__)
    except files.NotOurs:
        log.error("the folder of files belongs to another database than this one; nothing in it is swept away")
    finally:
        connection.close()


def sweep() -> int:
    """Take away files that no resource uses; returns how many."""
    run(SYSTEM, contents.ready())
    return files.sweep(stand_ins.owner(), _used)


def _used(digests: list[bytes]) -> Iterator[bytes]:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT digest FROM record.content WHERE digest = ANY(%s)", [digests])
        yield from (bytes(digest) for (digest,) in cursor.fetchall())


def examine(*, hashed: bool) -> tuple[bool, str]:
    """Whether every content that a resource uses is there and right, and what was found.

    hashed: each byte is read; else presence and size are looked at.
    """
    count = size = away = 0
    wrong: list[str] = []
    enter(SYSTEM)
    with transaction.atomic(), connection.connection.cursor(name="contents") as rows:
        rows.itersize = ROWS
        rows.execute("SELECT digest, size, min(type || '/' || id) FROM record.content GROUP BY 1, 2 ORDER BY 1")
        for digest, length, user in rows:
            count, size = count + 1, size + length
            fault = files.fault(contents.Content(bytes(digest), length), hashed=hashed)
            if fault == "away":
                away += 1
            elif fault:
                wrong.append(f"{user} ({digest.hex()[:16]}…: {fault})")
    told = f"{count} files, {size / 2**20:,.1f} MiB{', each byte read' if hashed else ''}"
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        told += f"; wrong: {', '.join(wrong[:NAMED])}{more}; bring them back from a backup"
    if away:
        told += f"; {away} lie in a store that does not answer"
    return not wrong and not away, told
