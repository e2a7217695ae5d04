"""Background work: forget sessions, allowances and proofs whose time is over; look for what nobody uses or reviews."""

from __future__ import annotations

from django.utils import timezone
from procrastinate.contrib.django import app

from tuetinh.commons.access import idle, limits
from tuetinh.commons.access.models import Session
from tuetinh.commons.access.sight import glass


@app.periodic(cron="17 * * * *")
@app.task(name="access.tidy", queueing_lock="access.tidy")
def tidy(timestamp: int) -> None:
    """Each hour; safe to repeat."""
    del timestamp
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
    limits.tidy()


@app.periodic(cron="*/10 * * * *")
@app.task(name="access.glass", queueing_lock="access.glass")
def look_for_late_reviews(timestamp: int) -> None:
    """Each ten minutes; safe to repeat."""
    del timestamp
    glass.tell_of_late()


@app.periodic(cron="41 1 * * *")
@app.task(name="access.idle", queueing_lock="access.idle")
def look_for_idle(timestamp: int) -> None:
    """Each night; safe to repeat."""
    del timestamp
    idle.tell()
    idle.disable()
