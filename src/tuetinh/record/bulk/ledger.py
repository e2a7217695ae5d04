"""The jobs of bulk data, as PostgreSQL keeps them: made, found by who asked, moved on, ended.

A job belongs to the account that asked, with the app and the patient through which it did; for everybody else it does
not exist. What a worker has done is told here in one transaction with what it depends on, so that another worker can go
on from there.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction

from tuetinh.record import granular
from tuetinh.record.asker import SYSTEM, Asker, pack, unpack
from tuetinh.record.errors import NotFound, TooMany
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Row, Step, run

MOST_AT_ONCE = 5  # unfinished jobs of one account
HOURS = 24.0
LETTERS = "rs"  # what exporting a type needs: it lists, and it reads
COLUMNS = (  # JSON as text: the two kinds of connections would read it differently
    "id, kind, asker::text, request, asked::text, state, created, moment, expires, progress, position::text,"
    " files::text, problem"
)

_ADD = """INSERT INTO record.bulk_job (id, kind, asker, request, asked, patients)
VALUES (%s, %s, %s::jsonb, %s, %s::jsonb, %s::text[])"""
_MOVE = """UPDATE record.bulk_job SET moment = %s::timestamptz, progress = %s, position = %s::jsonb, files = %s::jsonb
WHERE id = %s AND state = 'running' RETURNING id"""
_SEE = """INSERT INTO record.bulk_seen (job, patient, type) SELECT %s, unnest(%s::text[]), %s ON CONFLICT DO NOTHING"""
_LOG = """INSERT INTO record.audit (at, account, role, facility, purpose, client, action, type, id, patient)
SELECT now(), %s, %s, %s, %s, %s, %s, string_agg(type, ',' ORDER BY type), '', nullif(patient, '')
FROM record.bulk_seen WHERE job = %s GROUP BY patient"""


Call = Callable[..., Awaitable[Any]]
"""Runs a function on the thread of a job."""


class Cancelled(Exception):
    """The job is no longer wanted: its row is gone."""


@dataclass
class File:
    """A file of a job. kind: `output`, `deleted` or `error`; type: of its resources; whole: nothing is added any more.

    source: the address of the file that an import took it from.
    """

    kind: str
    type: str
    name: str
    count: int = 0
    bytes: int = 0
    whole: bool = False
    source: str = ""


@dataclass
class Job:
    """A job. kind: its operation, without `$`. `asked` and `position` are what its kind of work makes of them."""

    id: str
    kind: str
    asker: Asker
    request: str
    asked: dict[str, Any]
    state: str = "accepted"
    created: datetime | None = None
    moment: datetime | None = None
    expires: datetime | None = None
    progress: str = ""
    position: dict[str, Any] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    problem: str = ""


def lifetime() -> timedelta:
    """How long the files of an ended job are kept: `TUETINH_BULK_HOURS`."""
    return timedelta(hours=float(os.environ.get("TUETINH_BULK_HOURS", HOURS)))


def add(job: Job, patients: Sequence[str] | None) -> None:
    """Keep a new job, in the caller's transaction. Raises TooMany for an account that has enough of them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"bulk/{job.asker.account}"])
        cursor.execute(
            "SELECT count(*) FROM record.bulk_job WHERE asker->>'account' = %s AND state IN ('accepted', 'running')",
            [job.asker.account],
        )
        if cursor.fetchone()[0] >= MOST_AT_ONCE:
            message = f"{MOST_AT_ONCE} jobs of this account are not done yet; wait for them, or delete some"
            raise TooMany(message)
        given = (pack(job.asker), job.request, _json(job.asked), None if patients is None else array(patients))
        cursor.execute(_ADD, [job.id, job.kind, *given])


def find(asker: Asker, id_: str) -> Step[Job]:
    """The job of this id if the asker's account asked for it and it has not expired. Raises NotFound."""
    rows = yield Query(f"SELECT {COLUMNS} FROM record.bulk_job WHERE id = %s", (id_,))
    job = _job(rows[0]) if rows else None
    if job is None or not _owns(asker, job.asker) or (job.expires and job.expires <= datetime.now(UTC)):
        message = "there is no such job: it was never asked for by this account, was deleted, or has expired"
        raise NotFound(message)
    return job


def _owns(asker: Asker, owner: Asker) -> bool:
    return (asker.account, asker.client, asker.patient) == (owner.account, owner.client, owner.patient)


def covers(asker: Asker, owner: Asker, type_: str) -> bool:
    """Whether the scopes with which a file is fetched reach as far as those with which its job was asked for."""
    return all(
        granular.clauses(asker.scopes, letter, type_) in ((), granular.clauses(owner.scopes, letter, type_))
        for letter in LETTERS
    )


def remove(id_: str) -> Step[None]:
    """Forget a job; a worker that is at it finds so at its next turn."""
    yield Query("DELETE FROM record.bulk_job WHERE id = %s RETURNING id", (id_,))


# -- what a worker does, on Django's connection ------------------------------------------------------------------------


def take(id_: str) -> Job | None:
    """The job for a worker to go on with, marked as running; None when it is gone or has ended."""
    with transaction.atomic():
        sql = f"UPDATE record.bulk_job SET state = 'running' WHERE id = %s AND state <> ALL(%s) RETURNING {COLUMNS}"
        rows = run(SYSTEM, _rows(sql, id_, ["done", "failed"]))
    return _job(rows[0]) if rows else None


def patients_of(id_: str) -> list[str] | None:
    """Whose records alone the job is about."""
    rows = run(SYSTEM, _rows("SELECT patients FROM record.bulk_job WHERE id = %s", id_))
    return rows[0][0] if rows else None


def lock(id_: str) -> bool:
    """Be the only one who works at the job, as long as this connection lives; False when another is."""
    return bool(run(SYSTEM, _rows("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", f"bulk/{id_}"))[0][0])


def move(job: Job, seen: Iterable[tuple[str, set[str]]] = ()) -> None:
    """Tell how far the job is. `seen`: of which types whose resources were written since. Raises Cancelled."""
    with transaction.atomic():
        _move(job)
        for type_, patients in seen:
            run(SYSTEM, _rows(_SEE, job.id, array(sorted(patients)), type_))


def finish(job: Job) -> None:
    """The job is done: its files may be fetched, and the access log tells whose records are in them."""
    with transaction.atomic():
        _move(job)
        _end(job, "done", "")


def fail(job: Job, problem: str) -> None:
    """The job has ended without a result; that it did may tell something of whose records were read."""
    with transaction.atomic():
        _end(job, "failed", problem)


def expired() -> list[str]:
    """Forget the jobs whose time is over; their ids."""
    return [row[0] for row in run(SYSTEM, _rows("DELETE FROM record.bulk_job WHERE expires <= now() RETURNING id"))]


def known(ids: Sequence[str]) -> set[str]:
    """Which of these jobs there are."""
    sql = "SELECT id FROM record.bulk_job WHERE id = ANY(%s::text[])"
    return {row[0] for row in run(SYSTEM, _rows(sql, array(ids)))}


def _move(job: Job) -> None:
    moment = job.moment and job.moment.isoformat()
    files = _json([asdict(file) for file in job.files])
    if not run(SYSTEM, _rows(_MOVE, moment, job.progress[:99], _json(job.position), files, job.id)):
        raise Cancelled


def _end(job: Job, state: str, problem: str) -> None:
    who = job.asker
    run(SYSTEM, _rows(_LOG, who.account, who.role, who.facility, who.purpose, who.client, f"${job.kind}", job.id))
    run(SYSTEM, _rows("DELETE FROM record.bulk_seen WHERE job = %s", job.id))
    expires = (datetime.now(UTC) + lifetime()).isoformat()
    sql = "UPDATE record.bulk_job SET state = %s, problem = %s, expires = %s::timestamptz WHERE id = %s"
    run(SYSTEM, _rows(sql, state, problem, expires, job.id))


def _rows(sql: str, *params: Any) -> Step[list[Row]]:
    return (yield Query(sql, params))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _job(row: Row) -> Job:
    id_, kind, who, request, asked, state, created, moment, expires, progress, position, files, problem = row
    asker = unpack(who)
    listed = [File(**file) for file in msgspec.json.decode(files)]
    place = msgspec.json.decode(position)
    job = Job(id_, kind, asker, request, msgspec.json.decode(asked), state, created, moment, expires)
    job.progress, job.position, job.files, job.problem = progress, place, listed, problem
    return job
