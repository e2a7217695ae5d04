"""Background work: studies of which nothing came any more are written into the record, also after a kill."""

from __future__ import annotations

from procrastinate.contrib.django import app


@app.periodic(cron="* * * * *")
@app.task(name="imaging.record", queueing_lock="imaging.record", lock="imaging.record", pass_context=False)
def record_studies(timestamp: int = 0) -> None:
    """Write what is due into the record; safe to repeat and to be killed."""
    from tuetinh.care.imaging.archive.recording import record_quiet

    record_quiet()
