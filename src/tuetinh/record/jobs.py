"""Background work of the record: jobs of bulk data, and the end of their files."""

from __future__ import annotations

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from tuetinh.record.bulk import running

QUEUE = "bulk"  # of its own, so that work of hours keeps nothing else waiting


# A worker that leaves, or whose database does, leaves the job to the next one.
@app.task(name="record.bulk", queue=QUEUE, retry=RetryStrategy(wait=2))
async def bulk(job: str) -> None:
    """Go on with a job of bulk data; safe to repeat, what has ended is left alone."""
    await running.work(job)


@app.periodic(cron="*/5 * * * *")
@app.task(name="record.tidy_bulk", queueing_lock="record.tidy_bulk")
def tidy_bulk(timestamp: int) -> None:
    """Take away files whose time is over."""
    running.tidy()
