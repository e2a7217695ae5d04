"""The line of each order, kept by the actions that order, cancel, release and correct, in their transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Test
from tuetinh.care.lab.models import OrderLine, Tube
from tuetinh.care.lab.results.work import Work
from tuetinh.record import r4

NEGATIVE: Final = "Âm tính"
_COUNTED: Final = ("machine", "results", "abnormal", "critical", "judged", "positive", "corrected")


def ordered(tube: Tube, tests: Sequence[Test], orders: Sequence[r4.ServiceRequest]) -> None:
    """Begin the lines of new orders of a tube."""
    OrderLine.objects.bulk_create(_line(tube, what, order) for what, order in zip(tests, orders, strict=True))


def charged(order: r4.ServiceRequest, item: r4.ChargeItem | None) -> None:
    """Note what an order costs the one who pays."""
    price = item.priceOverride.value if item and item.priceOverride else None
    if price:
        OrderLine.objects.filter(pk=order.id).update(fee=price)


def move(orders: Iterable[str], tube: Tube) -> None:
    """Let orders be of another tube."""
    OrderLine.objects.filter(pk__in=list(orders)).update(tube=tube)


def cancel(orders: Iterable[str]) -> None:
    """Note that orders were revoked."""
    OrderLine.objects.filter(pk__in=list(orders)).update(cancelled=True)


def released(work: Work, complete: Collection[str] = ()) -> None:
    """Count the released results of a tube's orders; those that are now complete are done."""
    known = OrderLine.objects.in_bulk(list(work.orders))
    changed = []
    for id_, order in work.orders.items():
        what = facts.ordered_test(order)
        if not what or order.status == "revoked":
            continue
        line = known.get(id_) or _line(work.tube, what, order)
        _count(line, [r for r in work.results.values() if id_ in {facts.id_of(b) for b in r.basedOn or []}])
        if id_ in complete:
            line.done_at = line.done_at or datetime.now(UTC)
        changed.append(line)
    OrderLine.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["order"], update_fields=[*_COUNTED, "done_at"]
    )


def _line(tube: Tube, what: Test, order: r4.ServiceRequest) -> OrderLine:
    at = datetime.fromisoformat(order.authoredOn) if order.authoredOn else tube.ordered_at
    return OrderLine(order=order.id, tube=tube, test=what.code, bench=what.bench.key, ordered_at=at, fee=Decimal(0))


def _count(line: OrderLine, results: Sequence[r4.Observation]) -> None:
    out = [r for r in results if r.status not in ("preliminary", "registered", "entered-in-error")]
    flags = [facts.flag_of(r) for r in out]
    judged = [r.valueString for r in out if (a := facts.analyte_of(r)) and NEGATIVE in a.choices and r.valueString]
    line.machine = next((r.device.display or "" for r in out if r.device), "")
    line.results = len(out)
    line.abnormal = sum(flag in ("L", "H", "LL", "HH", "A") for flag in flags)
    line.critical = sum(flag in facts.CRITICAL for flag in flags)
    line.judged, line.positive = len(judged), sum(said != NEGATIVE for said in judged)
    line.corrected = sum(r.status == "corrected" for r in out)
