"""The moment that an export is of: drawn first, and waited for until nothing of it can come late.

Every transaction that could still store a version of that time must have ended, so that the next export with `_since`
finds all that this one did not.
"""

from __future__ import annotations

import time
from datetime import timedelta

from tuetinh.record import versioning
from tuetinh.record.bulk.ledger import Job
from tuetinh.record.bulk.reading import rows
from tuetinh.record.errors import Unavailable

# A version's time is drawn just before its statement is sent.
SETTLE = timedelta(seconds=0.5)
SETTLE_SECONDS = 300.0
PAUSE_SECONDS = 0.05
WRITING = """SELECT backend_xid::text FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"""


def settled(job: Job, began: float) -> bool:
    """Take the next step of waiting, which the ledger is to be told; True when all is there.

    began: `time.monotonic()` when this worker took the job up. Raises Unavailable after minutes.
    """
    if job.moment is None:
        job.moment = versioning.now()
        job.progress = "waiting for what is being written"
    elif "until" not in job.position:
        if versioning.now() >= job.moment + SETTLE:
            job.position["until"] = [row[0] for row in rows(job.asker, WRITING, [])]
    elif not {row[0] for row in rows(job.asker, WRITING, [])} & set(job.position["until"]):
        return True
    elif time.monotonic() - began > SETTLE_SECONDS:
        raise Unavailable("a transaction of somebody has been open for minutes; try again later")
    time.sleep(PAUSE_SECONDS)
    return False
