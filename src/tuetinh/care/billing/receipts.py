"""The receipt of a payment and the day of the cash book, as PDF."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils import timezone

from tuetinh.care.billing.models import Payment
from tuetinh.care.billing.queries import Bill, CashDay, bill
from tuetinh.commons.access.api import place_name
from tuetinh.commons.documents.api import Paper, in_words, pdf
from tuetinh.commons.identity.api import names_of

if TYPE_CHECKING:
    from tuetinh.record.asker import Asker


def receipt(asker: Asker, payment: Payment, paper: Paper, *, cashier: str) -> bytes:
    """Set the receipt on A5 or on the 80 mm roll; a cancelled payment says so across its title."""
    now = bill(asker, payment.bill.encounter)
    money = now.split
    lines = [
        {"name": one.name, "quantity": f"{one.money.line.quantity.normalize():f}", "total": one.money.total,
         "fund": one.money.fund, "pays": one.money.copay + one.money.patient}
        for one in now.lines
    ]  # fmt: skip
    data = {
        "facility": {"name": now.facility.name},
        "patient": {"name": names_of(asker, {payment.bill.patient}).get(payment.bill.patient, ""), "code": now.code},
        "card": now.card.number if now.card else "",
        "number": f"{payment.year}/{payment.number:06d}",
        "lines": lines,
        "total": money.total,
        "fund": money.fund,
        "copay": money.copay,
        "own": money.patient,
        "other": money.other,
        "amount": abs(payment.amount),
        "back": payment.amount < 0,
        "left": _left_then(now, payment),
        "words": in_words(abs(payment.amount)),
        "method": payment.method,
        "taken": payment.taken,
        "cashier": cashier,
        "cancelled": payment.reason if payment.cancelled else "",
        "reason": payment.reason,
    }
    return pdf("billing/receipt.typ", data, paper)


def _left_then(now: Bill, payment: Payment) -> Decimal:
    """What was still owed after this payment, by what is charged now."""
    until = (p.amount for p in now.payments if p.pk <= payment.pk and (p.cancelled is None or p.pk == payment.pk))
    return max(now.due - sum(until, Decimal(0)), Decimal(0))


def day_report(asker: Asker, found: CashDay, *, facility: str, cashier: str) -> bytes:
    """Set a day of the cash book on A4."""
    people = names_of(asker, {m.payment.bill.patient for m in found.movements})
    data = {
        "facility": {"name": place_name("Organization", facility)},
        "day": f"{found.day:%d/%m/%Y}",
        "cashier": cashier,
        "rows": [
            {
                "at": f"{timezone.localtime(m.at):%H:%M}", "number": f"{m.payment.year}/{m.payment.number:06d}",
                "kind": m.kind, "method": m.payment.method, "name": people.get(m.payment.bill.patient, ""),
                "code": m.payment.bill.code or "", "amount": m.amount, "reason": m.payment.reason,
            }
            for m in found.movements
        ],
        "cash_in": found.sum_of("cash"),
        "cash_out": found.sum_of("cash", out=True),
        "transfer_in": found.sum_of("transfer"),
        "transfer_out": found.sum_of("transfer", out=True),
        "drawer": found.drawer,
        "words": in_words(found.drawer),
    }  # fmt: skip
    return pdf("billing/day.typ", data, "A4")
