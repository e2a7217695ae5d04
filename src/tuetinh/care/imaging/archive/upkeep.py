"""The jobs that go through all objects by and by: try, seal, compress, store, look. Each may be killed at any moment.

Every minute each of them has a few seconds, so that none takes the machine; a round ends with the last object.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tuetinh.care.imaging.archive import stores
from tuetinh.care.imaging.archive.elsewhere import address, days
from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.archive.models import Upkeep
from tuetinh.record.contents import Content, NoSpace, files, sealing
from tuetinh.record.contents.places import NoPlace, Unreachable
from tuetinh.record.steps import Row

log = logging.getLogger(__name__)
SECONDS: Final = 12.0  # that each job has in a minute
BATCH: Final = 100
Do = Callable[[Row], int | None]


class BadSetting(Exception):
    """A job cannot do what it is told to."""


@dataclass(frozen=True)
class Job:
    """One of them. wanted: whether it is switched on; rows: the statement for the next objects (id, digest, size, …)
    after a cursor, and its parameters between that and the number of rows; do: what is done with one: how many bytes
    it concerned, None where nothing was to be done; pause: from the end of a round to the next; after: at the end;
    again: whether a round begins with the first object, or with those that have come since.
    """

    name: str
    wanted: Callable[[], bool]
    rows: Callable[[], tuple[str, tuple[Any, ...]]]
    do: Do
    pause: Callable[[], timedelta]
    after: Callable[[], object] = bool
    again: bool = True


def go_on(job: Job, seconds: float = SECONDS) -> None:
    """Go on with a job for so long."""
    if not job.wanted():
        return
    state, _ = Upkeep.objects.get_or_create(job=job.name)
    now = datetime.now(UTC)
    if not state.cursor and state.ended_at and state.ended_at > now - job.pause():
        return
    if not state.cursor:
        state.began_at, state.seen, state.done, state.saved = now, 0, 0, 0
    try:
        state.fault = ""
        _work(job, state, time.monotonic() + seconds)
    except (Unreachable, NoPlace, files.Away, NoSpace, BadSetting) as error:
        state.fault = str(error)[:300]
        log.warning("imaging: %s goes on later: %s", job.name, error)
    state.told_at = datetime.now(UTC)
    state.save()


def _work(job: Job, state: Upkeep, until: float) -> None:
    sql, params = job.rows()
    while time.monotonic() < until:
        rows = ask(sql, state.cursor, *params, BATCH)
        if not rows:
            job.after()
            state.cursor, state.ended_at = 0 if job.again else state.cursor, datetime.now(UTC)
            return
        for row in rows:
            if time.monotonic() >= until:
                return
            try:
                done = job.do(row)
            except (FileNotFoundError, sealing.Spoilt):  # looking finds it
                done = None
            state.cursor, state.seen = row[0], state.seen + 1
            if done is not None:
                state.done, state.saved = state.done + 1, state.saved + done
            Upkeep.objects.filter(job=job.name).update(
                cursor=state.cursor, seen=state.seen, done=state.done, saved=state.saved, began_at=state.began_at
            )


_ALL: Final = "SELECT id, digest, size FROM imaging_instance WHERE id > %s ORDER BY id LIMIT %s"
_TO_STORE: Final = """
SELECT i.id, i.digest, i.size FROM imaging_instance i WHERE i.id > %s AND i.received_at < %s
  AND NOT EXISTS (SELECT FROM imaging_stored s WHERE s.digest = i.digest) ORDER BY i.id LIMIT %s"""


def _compresses() -> bool:
    return bool(os.environ.get("TUETINH_IMAGING_COMPRESS_DAYS", "").strip())


def _to_compress() -> tuple[str, tuple[Any, ...]]:
    from tuetinh.care.imaging.archive import compressing  # with what decodes pictures, for those who compress

    try:
        compressing.syntax()
    except compressing.NoSuchSyntax as error:
        raise BadSetting(str(error)) from error
    return compressing.candidates()


def _compress(row: Row) -> int | None:
    from tuetinh.care.imaging.archive import compressing

    return compressing.compress(row[0], bytes(row[1]), row[2])


def _to_try() -> tuple[str, tuple[Any, ...]]:
    from tuetinh.care.imaging.archive import trying  # with what decodes pictures, for those who keep objects

    return trying.candidates()


def _try(row: Row) -> int | None:
    from tuetinh.care.imaging.archive import trying

    return trying.look(row)


def _try_again() -> None:
    from tuetinh.care.imaging.archive import trying

    trying.look_again()


def _seal(row: Row) -> int | None:
    digest = bytes(row[1])
    if not files.path_of(digest).exists():  # in the store: sealed there, or brought back some day
        return None
    return row[2] if files.seal(digest) else None


def _store(row: Row) -> int:
    stores.put(bytes(row[1]), row[2])
    return int(row[2])


def _tidy() -> None:
    stores.let_go()
    stores.sweep()


def look(row: Row) -> int:
    """Read an object again, slowly, and note when it is not what was kept. Raises files.Away."""
    began = time.monotonic()
    instance, digest, size = row[0], bytes(row[1]), row[2]
    fault = files.fault(Content(digest, size), fetched=True)
    if fault == "away":
        raise files.Away("older pictures lie in a store that does not answer")
    if fault:
        ask(_FOUND, fault, instance, digest)
    else:
        ask("UPDATE imaging_finding SET mended_at = now() WHERE digest = %s AND mended_at IS NULL", digest)
    time.sleep(max(0.0, size / _speed() - (time.monotonic() - began)))
    return int(size)


_FOUND: Final = """
INSERT INTO imaging_finding (instance_id, sop_instance_uid, digest, fault, found_at)
SELECT id, sop_instance_uid, digest, %s, now() FROM imaging_instance WHERE id = %s AND digest = %s
ON CONFLICT DO NOTHING"""


def _speed() -> float:
    text = os.environ.get("TUETINH_IMAGING_LOOK_MIB", "").strip()
    return (int(text) if text.isascii() and text.isdigit() and int(text) else 8) * 2**20


def _day() -> timedelta:
    return timedelta(days=1)


def _at_once() -> timedelta:
    return timedelta(0)


JOBS: Final = {
    job.name: job
    for job in (
        Job("try", lambda: True, _to_try, _try, _at_once, _try_again, again=False),
        Job("seal", sealing.wanted, lambda: (_ALL, ()), _seal, _day),
        Job("compress", _compresses, _to_compress, _compress, _day),
        Job("store", lambda: bool(address()), lambda: (_TO_STORE, (stores.cutoff(),)), _store, _day, _tidy),
        Job("look", lambda: True, lambda: (_ALL, ()), look, lambda: days("TUETINH_IMAGING_LOOK_DAYS", 30)),
    )
}


def all_jobs() -> None:
    """Go on with every job."""
    for job in JOBS.values():
        go_on(job)
