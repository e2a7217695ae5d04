"""Takes a job up where it stands, and works at it until it is done, not wanted any more, or the worker leaves.

A job has one worker at a time, which an advisory lock of its connection tells: when the worker dies, so does the lock.
Between two turns the worker may leave; what was told of a turn is never done again.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError, connection

from tuetinh.record.bulk import files, ledger
from tuetinh.record.bulk.export import Export
from tuetinh.record.bulk.importing import Import
from tuetinh.record.bulk.ledger import Call, Cancelled, Job
from tuetinh.record.bulk.queries import Queries
from tuetinh.record.bulk.tables import Tables
from tuetinh.record.errors import RecordError

_KINDS = {"export": Export, "import": Import, "viewdefinition-export": Tables, "sqlquery-export": Queries}
_DATABASE = (psycopg.OperationalError, psycopg.InterfaceError, OperationalError, InterfaceError)
log = logging.getLogger(__name__)


class Busy(Exception):
    """Another worker is at the job."""


async def work(id_: str) -> None:
    """Work at a job. Raises Busy, and errors of the database, after which it is to be tried again."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, "bulk") as thread:  # one, whose connection Django keeps

        def call(function: Callable[..., Any], *arguments: Any) -> Awaitable[Any]:
            return loop.run_in_executor(thread, function, *arguments)

        try:
            job = await call(_taken, id_)
            if job is not None:
                await _work(job, call)
        finally:
            await asyncio.shield(call(_leave))


def _taken(id_: str) -> Job | None:
    if not ledger.lock(id_):
        raise Busy
    return ledger.take(id_)


def _leave() -> None:
    """Close this thread's connection, and with it give the lock back."""
    connection.close()


async def _work(job: Job, call: Call) -> None:
    work: Export | Import | Tables | None = None
    try:
        work = await call(_KINDS[job.kind], job)
        await work.go_on(call)
    except Cancelled:
        await call(files.remove, job.id)
    except _DATABASE:
        raise
    except RecordError as error:
        await call(_failed, job, "; ".join(issue.text for issue in error.issues))
    except OSError as error:
        await call(_failed, job, _told(error))
    except Exception as error:
        trace = "".join(traceback.format_tb(error.__traceback__))  # its text may hold health data
        log.error("job %s failed: %s\n%s", job.id, type(error).__name__, trace)
        await call(_failed, job, "the server failed; the fault is in its log")
    finally:
        if work is not None:
            await call(work.close)


def _failed(job: Job, problem: str) -> None:
    ledger.fail(job, problem)
    files.remove(job.id)


def _told(error: OSError) -> str:
    """What a fault of the data folder means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk of the server is full; its files could not be written"
    if isinstance(error, FileNotFoundError):
        return "files of this job are gone from the server"
    return f"the files of this job could not be written: {error.strerror}"


def tidy() -> None:
    """Take away the files of jobs that have expired or are not known."""
    for id_ in ledger.expired():
        files.remove(id_)
    if names := files.forgotten():
        for id_ in set(names) - ledger.known(names):
            files.remove(id_)
