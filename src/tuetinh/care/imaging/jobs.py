"""Background work: studies of which nothing came any more are written into the record, doses into the register;
examinations become files to take home; discs are read in; models look at studies.
"""

from __future__ import annotations

from procrastinate.contrib.django import app


@app.periodic(cron="* * * * *")
@app.task(name="imaging.record", queueing_lock="imaging.record", lock="imaging.record", pass_context=False)
def record_studies(timestamp: int = 0) -> None:
    """Write what is due into the record; safe to repeat and to be killed."""
    from tuetinh.care.imaging.archive.recording import record_quiet

    record_quiet()


@app.periodic(cron="* * * * *")
@app.task(name="imaging.dose", queueing_lock="imaging.dose", lock="imaging.dose", pass_context=False)
def read_doses(timestamp: int = 0) -> None:
    """Read the doses of what has come; safe to repeat and to be killed."""
    from tuetinh.care.imaging.dose.reading import read_due

    read_due()


@app.task(name="imaging.package", queue="bulk")
def make_package(package: int) -> None:
    """Make the file of an examination; safe to repeat and to be killed."""
    from tuetinh.care.imaging.handover.actions import make

    make(package)


@app.task(name="imaging.disc", queue="bulk")
def read_disc(disc: int) -> None:
    """Read the ZIP of a disc in; safe to repeat and to be killed."""
    from tuetinh.care.imaging.capture.disc.actions import read_zip

    read_zip(disc)


@app.periodic(cron="37 * * * *")
@app.task(name="imaging.tidy", queueing_lock="imaging.tidy", pass_context=False)
def tidy(timestamp: int = 0) -> None:
    """Take away files whose time is over."""
    from tuetinh.care.imaging.capture import arriving
    from tuetinh.care.imaging.handover import actions as handover

    handover.tidy()
    arriving.tidy()


@app.task(name="imaging.correct", queue="bulk", lock="imaging.correct", retry=5, pass_context=False)
def correct_objects(change: int) -> None:
    """Write the objects of a study as a person has put it right; safe to repeat and to be killed."""
    from tuetinh.care.imaging.archive.correcting import rewrite

    rewrite(change)


@app.task(name="imaging.store-documents", retry=5, pass_context=False)
def store_documents(exam: int) -> None:
    """Store the signed report of an examination and its key images as DICOM; safe to repeat."""
    from tuetinh.care.imaging.reading.documents import store

    store(exam)


@app.periodic(cron="* * * * *")
@app.task(name="imaging.send", queueing_lock="imaging.send", lock="imaging.send", pass_context=False)
def send_pictures(timestamp: int = 0) -> None:
    """Send what is due to the node above; safe to repeat and to be killed."""
    from tuetinh.care.imaging.remote.sending import send_due

    send_due()


@app.periodic(cron="*/5 * * * *")
@app.task(name="imaging.tend", queueing_lock="imaging.tend", lock="imaging.tend", pass_context=False)
def tend_opinions(timestamp: int = 0) -> None:
    """Remind of opinions that are due, and end those that were answered days ago; safe to repeat."""
    from tuetinh.care.imaging.remote.opinions import tend

    tend()


@app.periodic(cron="* * * * *")
@app.task(name="imaging.upkeep", queueing_lock="imaging.upkeep", lock="imaging.upkeep", pass_context=False)
def keep_objects(timestamp: int = 0) -> None:
    """Try, seal, compress, store and look at objects for a while; safe to repeat and to be killed."""
    from tuetinh.care.imaging.archive.upkeep import all_jobs

    all_jobs()


@app.periodic(cron="*/5 * * * *")
@app.task(name="imaging.count", queueing_lock="imaging.count", lock="imaging.count", pass_context=False)
def count_pictures(timestamp: int = 0) -> None:
    """Add up what came for the statistics; safe to repeat and to be killed."""
    from tuetinh.care.imaging.statistics.counting import count

    count()


@app.periodic(cron="* * * * *")
@app.task(name="imaging.ai", queue="bulk", queueing_lock="imaging.ai", pass_context=False)
def look_with_models(timestamp: int = 0) -> None:
    """Let models look at what is due; safe to repeat and to be killed."""
    from tuetinh.care.imaging.ai.work import look_at_due

    look_at_due()
