"""What one validation may cost, whatever the resource and the profiles are made of."""

from __future__ import annotations

from time import monotonic

from tuetinh.record.errors import RecordError

WORK = 500_000  # elements looked at, again for each rule
SECONDS = 10.0
STEPS = 200_000  # of one FHIRPath expression


class TooCostly(RecordError):
    """The validation was stopped."""

    status = 422
    code = "too-costly"


class Budget:
    """Counts work and time."""

    def __init__(self) -> None:
        self.left = WORK
        self.until = monotonic() + SECONDS

    def spend(self) -> None:
        """Count one element. Raises TooCostly."""
        self.left -= 1
        if self.left < 0 or monotonic() > self.until:
            message = "the resource and its profiles take too much time to validate"
            raise TooCostly(message)
