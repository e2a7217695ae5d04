"""Background work: people who were registered or changed are compared with the others, a few at a time."""

from __future__ import annotations

import time

from procrastinate.contrib.django import app

SECONDS = 45.0  # of work a minute
MANY = 20_000  # people who changed: it is faster to compare everyone at once


@app.periodic(cron="* * * * *")
@app.task(name="identity.compare", queueing_lock="identity.compare", pass_context=False)
def compare(timestamp: int = 0) -> None:
    """Fill the queue of the records office; safe to repeat, each person is taken once after a change.

    During a long import people wait for its end, when all of them can be compared at once.
    """
    from tuetinh.commons.identity.review import compare_all, compare_due, waiting
    from tuetinh.record.api import is_importing

    if is_importing():
        return
    if waiting() > MANY:
        compare_all()
        return
    until = time.monotonic() + SECONDS
    while compare_due() and time.monotonic() < until and not is_importing():
        pass
