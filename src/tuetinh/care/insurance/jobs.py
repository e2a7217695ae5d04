"""Background work: a card that could not be looked up is looked up again, less and less often, for two days."""

from __future__ import annotations

from dataclasses import replace

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from tuetinh.care.insurance.errors import GatewayDown
from tuetinh.record.asker import SYSTEM


@app.task(
    name="insurance.ask_again",
    # 20 s, then 2, 4, 8 … s on top: the last of 16 tries is after about 36 hours.
    retry=RetryStrategy(max_attempts=16, exponential_wait=2, retry_exceptions={GatewayDown}),
)
def ask_again(request: str, response: str, number: str = "") -> None:
    """Ask the gateway about a queued question; safe to repeat, an answered question is left alone."""
    from tuetinh.care.insurance.actions import finish_check

    finish_check(replace(SYSTEM, purpose="HPAYMT"), request, response, number)
