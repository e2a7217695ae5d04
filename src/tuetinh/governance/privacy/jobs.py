"""Background work of data protection; each of it is safe to repeat and to be killed."""

from __future__ import annotations

from procrastinate.contrib.django import app


@app.task(name="privacy.gather")
def gather(trace: int) -> None:
    """Find whom a trace of a breach concerns."""
    from tuetinh.governance.privacy.breaches.actions import gather as find

    find(trace)


@app.task(name="privacy.tell")
def tell(breach: int) -> None:
    """Tell those whom a breach concerns."""
    from tuetinh.governance.privacy.breaches.actions import tell_people

    tell_people(breach)


@app.task(name="privacy.export_person", queue="bulk")
def export_person(export: int) -> None:
    """Make the file of one person's data."""
    from tuetinh.governance.privacy.person_export.actions import make

    make(export)


@app.task(name="privacy.deidentify", queue="bulk")
def deidentify(export: int) -> None:
    """Make the file of an approved de-identified export."""
    from tuetinh.governance.privacy.deidentify.actions import make

    make(export)


@app.task(name="privacy.destroy", queue="bulk")
def destroy(destruction: int) -> None:
    """Destroy what a confirmed decision names."""
    from tuetinh.governance.privacy.retention.actions import carry_out

    carry_out(destruction)


@app.periodic(cron="23 * * * *")
@app.task(name="privacy.tidy", queueing_lock="privacy.tidy")
def tidy(timestamp: int) -> None:
    """Take away files whose time is over."""
    from tuetinh.governance.privacy.deidentify import actions as deidentify_
    from tuetinh.governance.privacy.person_export import actions as person_export

    del timestamp
    person_export.tidy()
    deidentify_.tidy()
