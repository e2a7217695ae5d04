"""Background work: a card that could not be looked up is looked up again, less and less often, for two days; claims are
sent as they become due, and what the gateway finds wrong with them later is fetched; so are results of the review.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from tuetinh.care.insurance.errors import GatewayDown
from tuetinh.record.asker import SYSTEM

SECONDS = 40.0  # of sending a minute


@app.task(
    name="insurance.ask_again",
    # 20 s, then 2, 4, 8 … s on top: the last of 16 tries is after about 36 hours.
    retry=RetryStrategy(max_attempts=16, exponential_wait=2, retry_exceptions={GatewayDown}),
)
def ask_again(request: str, response: str, number: str = "") -> None:
    """Ask the gateway about a queued question; safe to repeat, an answered question is left alone."""
    from tuetinh.care.insurance.actions import finish_check

    finish_check(replace(SYSTEM, purpose="HPAYMT"), request, response, number)


@app.periodic(cron="* * * * *")
@app.task(name="insurance.send", queueing_lock="insurance.send", lock="insurance.send", pass_context=False)
def send(timestamp: int = 0) -> None:
    """Send what is due; safe to repeat, and to be killed at any moment."""
    from tuetinh.care.insurance.sending.send import look_after, send_due

    send_due(SECONDS)
    look_after(SECONDS / 4)


@app.task(name="insurance.run", queue="bulk")
def run(run: int) -> None:
    """Carry out work that a person started; safe to repeat and to be killed."""
    from tuetinh.care.insurance.runs import carry_out

    carry_out(run)


@app.periodic(cron="20 5 * * *")
@app.task(name="insurance.results", queueing_lock="insurance.results", pass_context=False)
def ask_for_results(timestamp: int = 0) -> None:
    """Ask the gateway for the results of every facility that has an account; take old files away."""
    from tuetinh.care.insurance.errors import AlreadyRunning
    from tuetinh.care.insurance.models import GatewayAccount
    from tuetinh.care.insurance.runs import start, tidy

    tidy()
    for facility in GatewayAccount.objects.values_list("facility", flat=True):
        with suppress(AlreadyRunning):
            start(SYSTEM, "fetch", facility=facility)


@app.periodic(cron="40 4 * * *")
@app.task(name="insurance.forgotten", queueing_lock="insurance.forgotten", queue="bulk", pass_context=False)
def queue_forgotten(timestamp: int = 0) -> None:
    """Queue what never came into the queue of a facility that sends; safe to repeat."""
    from tuetinh.care.insurance.models import GatewayAccount
    from tuetinh.care.insurance.sending.queue import queue_forgotten as of_facility

    for facility in GatewayAccount.objects.values_list("facility", flat=True):
        of_facility(facility)


@app.task(name="insurance.take_in", queue="bulk")
def take_in(run: int) -> None:
    """Take in a claim file that was brought through a page; safe to repeat, and to be killed at any moment."""
    from tuetinh.care.insurance.intake.actions import take_in as take

    take(run)
