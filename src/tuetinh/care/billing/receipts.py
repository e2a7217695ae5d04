"""The receipt of a payment as PDF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuetinh.care.billing.amounts import in_words
from tuetinh.care.billing.models import Payment
from tuetinh.care.billing.queries import bill, names
from tuetinh.commons.documents.api import Paper, pdf

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
        "patient": {"name": names(asker, [payment.bill]).get(payment.bill.patient, ""), "code": now.code},
        "card": now.card.number if now.card else "",
        "number": f"{payment.year}/{payment.number:06d}",
        "lines": lines,
        "total": money.total,
        "fund": money.fund,
        "copay": money.copay,
        "own": money.patient,
        "other": money.other,
        "amount": payment.amount,
        "words": in_words(payment.amount),
        "method": payment.method,
        "taken": payment.taken,
        "cashier": cashier,
        "cancelled": payment.reason if payment.cancelled else "",
    }
    return pdf("billing/receipt.typ", data, paper)
