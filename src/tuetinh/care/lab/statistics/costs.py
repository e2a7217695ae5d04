"""What tests cost: the packs of reagents that were opened or thrown away, shared by the tests that they are for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal

from django.db.models import F, Sum

from tuetinh.care.lab.catalogue import test
from tuetinh.care.lab.models import Reagent, ReagentMove
from tuetinh.care.lab.statistics import queries
from tuetinh.care.lab.statistics.queries import Asked
from tuetinh.care.lab.statistics.summary import HANOI

USED = (ReagentMove.Kind.OPEN, ReagentMove.Kind.DISCARD)


@dataclass(frozen=True, slots=True)
class Spent:
    """A test in a period: how often it was done, what was charged for it, what its reagents cost."""

    test: str
    done: int
    fees: Decimal
    reagents: Decimal

    @property
    def each(self) -> Decimal | str:
        """Reagents of one test, in whole đồng; "" where none was done."""
        return round(self.reagents / self.done) if self.done else ""


def by_test(asked: Asked) -> list[Spent]:
    """The tests of a period, the dearest first. A pack of several tests is shared by how often each was done."""
    whole = queries.tests(replace(asked, bench="", test="", urgent=None), "test")
    done = {row["key"]: row for row in whole}
    counts = {code: int(row["sum_done"]) for code, row in done.items()}
    costs: dict[str, Decimal] = dict.fromkeys(counts, Decimal(0))
    for tests, amount in _spent(asked):
        together = sum(counts.get(code, 0) for code in tests)
        for code in tests:
            part = amount * counts.get(code, 0) / together if together else amount / len(tests)
            costs[code] = costs.get(code, Decimal(0)) + part
    rows = [
        Spent(code, counts.get(code, 0), done[code]["sum_fees"] if code in done else Decimal(0), round(cost, 2))
        for code, cost in costs.items()
        if _wanted(asked, code)
    ]
    return sorted(rows, key=lambda row: (-row.reagents, -row.fees, row.test))


def _spent(asked: Asked) -> list[tuple[list[str], Decimal]]:
    start = datetime.combine(asked.first, time(), HANOI)
    end = datetime.combine(asked.last, time(), HANOI) + timedelta(days=1)
    moves = ReagentMove.objects.filter(kind__in=USED, at__gte=start, at__lt=end, lot__reagent__facility=asked.facility)
    sums = moves.values_list("lot__reagent").annotate(amount=Sum(-F("packs") * F("lot__price")))
    amounts = {pk: Decimal(amount) for pk, amount in sums}
    tests = dict(Reagent.objects.filter(pk__in=amounts).values_list("pk", "tests"))
    return [(tests[pk], amount) for pk, amount in amounts.items() if tests[pk]]


def _wanted(asked: Asked, code: str) -> bool:
    known = test(code)
    return (not asked.test or code == asked.test) and (
        not asked.bench or bool(known and known.bench.key == asked.bench)
    )
