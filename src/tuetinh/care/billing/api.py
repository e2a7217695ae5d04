"""What other modules may call of billing: charge a visit, see its bill, know whether it was paid."""

from __future__ import annotations

from tuetinh.care.billing.actions import (
    cancel_charge,
    cancel_payment,
    charge,
    give_back,
    pay_cash,
    receive_transfer,
    request_transfer,
    set_bank_account,
    work_out_again,
)
from tuetinh.care.billing.errors import AlreadyPaid, BillingError, NoBill, NoPrice
from tuetinh.care.billing.queries import Bill, BillLine, bill, is_paid, of_person, unpaid
from tuetinh.care.billing.receipts import receipt

__all__ = [
    "AlreadyPaid",
    "Bill",
    "BillLine",
    "BillingError",
    "NoBill",
    "NoPrice",
    "bill",
    "cancel_charge",
    "cancel_payment",
    "charge",
    "give_back",
    "is_paid",
    "of_person",
    "pay_cash",
    "receipt",
    "receive_transfer",
    "request_transfer",
    "set_bank_account",
    "unpaid",
    "work_out_again",
]
