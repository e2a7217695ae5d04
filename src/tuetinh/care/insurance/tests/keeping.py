"""The simulated gateway's memory for a test, and a visit put into the queue."""

from __future__ import annotations

from datetime import date

from tuetinh.care.insurance.models import ClaimCase
from tuetinh.care.insurance.sending import queue
from tuetinh.care.insurance.simulator_claims import Receipt
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM


class Memory:
    """A ledger of this process."""

    def __init__(self) -> None:
        self.taken: list[Receipt] = []

    def add(self, receipt: Receipt) -> None:
        self.taken.append(receipt)

    def of_day(self, facility: str, day: date) -> list[Receipt]:
        return [one for one in self.taken if one.facility == facility and one.received.date() == day]

    def of_month(self, facility: str, month: date) -> list[Receipt]:
        same = month.year, month.month
        mine = (one for one in self.taken if one.facility == facility)
        return [one for one in mine if (one.received.year, one.received.month) == same]

    def find(self, facility: str, transaction: str) -> Receipt | None:
        return next((one for one in self.taken if (one.facility, one.transaction) == (facility, transaction)), None)

    def of_person(self, person: str) -> list[Receipt]:
        return [one for one in reversed(self.taken) if one.person == person]

    def numbered(self, number: int) -> Receipt | None:
        return next((one for one in self.taken if one.number == number), None)


def queued(visit: str, *, card: str = "", paid: bool = True) -> ClaimCase:
    """The claim of the visit, in the queue."""
    if card:
        for coverage in record.search(SYSTEM, "Coverage", "_count=10").resources:
            assert isinstance(coverage, r4.Coverage)
            coverage.subscriberId = card
            coverage.identifier = None
            record.update(SYSTEM, coverage)
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    queue.queue_claim(SYSTEM, encounter, paid=paid)
    return ClaimCase.objects.get(encounter=visit, kind="claim")
