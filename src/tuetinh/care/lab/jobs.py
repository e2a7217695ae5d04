"""Background work: standing orders become due; what was done is counted, today often, late results each night."""

from __future__ import annotations

from procrastinate.contrib.django import app


@app.periodic(cron="*/10 * * * *")
@app.task(name="lab.count", queueing_lock="lab.count", lock="lab.count", pass_context=False)
def count(timestamp: int = 0) -> None:
    """Count yesterday and today; safe to repeat."""
    from tuetinh.care.lab.statistics.summary import count_recent

    count_recent(2)


@app.periodic(cron="40 2 * * *")
@app.task(name="lab.count_again", queueing_lock="lab.count_again", lock="lab.count", pass_context=False)
def count_again(timestamp: int = 0) -> None:
    """Count the last month anew; safe to repeat."""
    from tuetinh.care.lab.statistics.summary import AGAIN, count_recent

    count_recent(AGAIN)


@app.periodic(cron="*/5 * * * *")
@app.task(name="lab.standing", queueing_lock="lab.standing", lock="lab.standing", pass_context=False)
def order_standing(timestamp: int = 0) -> None:
    """Order what is to be ordered every day at its hour; safe to repeat, each is made once a day."""
    from tuetinh.care.lab.samples.standing import make_due

    make_due()
