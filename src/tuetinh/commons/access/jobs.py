"""Background work: forget what has had its time; look for what nobody uses, reviews or ends."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from tuetinh.commons.access import idle, limits
from tuetinh.commons.access.models import Session
from tuetinh.commons.access.proof import policy
from tuetinh.commons.access.sight import glass, relations
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import run


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


@app.periodic(cron="11 2 * * *")
@app.task(name="access.left_open", queueing_lock="access.left_open")
def end_left_open(timestamp: int) -> None:
    """Each night; safe to repeat."""
    del timestamp
    if days := policy.now().open_days:
        with transaction.atomic():
            run(SYSTEM, relations.end_left_open(days))
