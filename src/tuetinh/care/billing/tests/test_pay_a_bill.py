"""Charges, cash, transfers, cancellations: what is owed, what was paid, and that nothing is paid twice."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

import json
import threading
import time
from decimal import Decimal as D
from typing import Any, cast

import pytest
from django.db import connections
from django.utils import timezone

from tuetinh.care.billing import errors
from tuetinh.care.billing.actions import (
    cancel_charge,
    cancel_payment,
    charge,
    pay_cash,
    receive_transfer,
    request_transfer,
    settle_unmatched,
)
from tuetinh.care.billing.models import BankAccount, BankTransaction, Bill, Payment
from tuetinh.care.billing.queries import bill, is_paid, unpaid
from tuetinh.care.billing.wire_bank import sign
from tuetinh.care.billing.wire_vietqr import fields, objects
from tuetinh.care.insurance.models import ClaimCase
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

EXAM, TEST = "K01.1897", "23.0075.1494"


def charged(desk: Any, amount: int = 500_000) -> None:
    charge(SYSTEM, desk.encounter, TEST, 1, unit_price=D(amount), source_reference="ServiceRequest/1")


def webhook(content: str, amount: int, id_: str = "FT1", secret: str = "s3cret", **more: Any) -> tuple[bytes, str]:
    told = {"id": id_, "bin": "970436", "account": "1026806174", "amount": amount, "content": content} | more
    body = json.dumps(told).encode()
    return body, sign(body, secret)


def test_what_costs_more_or_less_after_the_claim_was_taken_sends_it_again(desk: Any) -> None:
    charged(desk)
    now = timezone.now()
    claims = ClaimCase.objects.filter(kind="claim")
    claims.create(encounter=desk.id, facility="12001", patient="p", state="accepted", ended=now, due=now, by=now.date())
    item = charge(SYSTEM, desk.encounter, EXAM, 1, unit_price=D(45_000), source_reference="ServiceRequest/2")
    assert claims.get().state == "waiting"
    claims.update(state="accepted", changed="")
    charge(SYSTEM, desk.encounter, EXAM, 1, unit_price=D(45_000), source_reference="ServiceRequest/2")
    assert claims.get().state == "accepted"  # charged once for one source
    cancel_charge(SYSTEM, str(item.id))
    assert claims.get().state == "waiting"


def test_a_charge_is_a_fact_and_a_debt(desk: Any) -> None:
    charged(desk)
    now = bill(SYSTEM, desk.id)
    assert (now.due, now.left, now.state, now.split.fund, now.split.copay) == (
        D(100000),
        D(100000),
        "open",
        D(400000),
        D(100000),
    )
    assert (unpaid([desk.id]), is_paid(desk.id)) == ({desk.id: D(100000)}, False)
    item = now.lines[0].item
    assert (item.status, item.priceOverride and item.priceOverride.value) == ("billable", D(500000))
    assert now.code == f"12001B{Bill.objects.get().pk:09d}"


def test_the_same_order_is_charged_once(desk: Any) -> None:
    charged(desk)
    charged(desk)
    assert len(bill(SYSTEM, desk.id).lines) == 1


def test_a_code_without_price_is_refused(desk: Any) -> None:
    with pytest.raises(errors.NoPrice):
        charge(SYSTEM, desk.encounter, "no-such-code")
    assert record.search(SYSTEM, "ChargeItem", f"context=Encounter/{desk.id}").resources == []
    assert not Bill.objects.exists()


def test_cash_settles_the_bill(desk: Any) -> None:
    charged(desk)
    payment = pay_cash(SYSTEM, desk.id, D(100000), facility="12001")
    now = bill(SYSTEM, desk.id)
    assert (now.state, now.left, is_paid(desk.id), payment.number) == ("paid", D(0), True, 1)
    assert now.lines[0].item.status == "billed"
    invoice = cast(r4.Invoice, record.read(SYSTEM, "Invoice", Bill.objects.get().invoice))
    assert invoice.status == "balanced"
    assert invoice.totalNet is not None
    assert invoice.totalGross is not None
    assert (invoice.totalNet.value, invoice.totalGross.value) == (D(100000), D(500000))
    fact = cast(r4.PaymentReconciliation, record.read(SYSTEM, "PaymentReconciliation", payment.reconciliation))
    assert (fact.outcome, fact.paymentAmount and fact.paymentAmount.value) == ("complete", D(100000))


def test_a_paid_bill_takes_no_more(desk: Any) -> None:
    charged(desk)
    pay_cash(SYSTEM, desk.id, D(100000), facility="12001")
    with pytest.raises(errors.AlreadyPaid):
        pay_cash(SYSTEM, desk.id, D(100000), facility="12001")
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    ("amount", "facility", "error"), [(1, "12001", errors.WrongAmount), (100000, "12002", errors.NoBill)]
)
def test_a_wrong_amount_or_another_facility_changes_nothing(desk: Any, amount: int, facility: str, error: type) -> None:
    charged(desk)
    with pytest.raises(error):
        pay_cash(SYSTEM, desk.id, D(amount), facility=facility)
    assert (Payment.objects.count(), bill(SYSTEM, desk.id).left) == (0, D(100000))


def test_a_further_charge_opens_the_bill_again(desk: Any) -> None:
    charged(desk)
    pay_cash(SYSTEM, desk.id, D(100000), facility="12001")
    charge(SYSTEM, desk.encounter, EXAM, 1, unit_price=D(50000))
    now = bill(SYSTEM, desk.id)
    assert (now.left, now.state, is_paid(desk.id)) == (D(10000), "open", False)
    assert pay_cash(SYSTEM, desk.id, D(10000), facility="12001").number == 2


def test_a_cancelled_charge_is_owed_no_more(desk: Any) -> None:
    charged(desk)
    item = bill(SYSTEM, desk.id).lines[0].item
    cancel_charge(SYSTEM, str(item.id))
    assert (bill(SYSTEM, desk.id).state, is_paid(desk.id)) == ("empty", True)


def test_a_cancelled_payment_is_owed_again_and_keeps_its_number(desk: Any) -> None:
    charged(desk)
    payment = pay_cash(SYSTEM, desk.id, D(100000), facility="12001")
    with pytest.raises(errors.NoReason):
        cancel_payment(SYSTEM, payment.pk, " ", facility="12001")
    with pytest.raises(errors.NoPayment):
        cancel_payment(SYSTEM, payment.pk, "Nhầm", facility="12002")
    assert is_paid(desk.id)
    cancel_payment(SYSTEM, payment.pk, "Thu nhầm người", facility="12001")
    fact = cast(r4.PaymentReconciliation, record.read(SYSTEM, "PaymentReconciliation", payment.reconciliation))
    assert (fact.status, fact.disposition, is_paid(desk.id)) == ("cancelled", "Thu nhầm người", False)
    with pytest.raises(errors.NoPayment):
        cancel_payment(SYSTEM, payment.pk, "Lần nữa", facility="12001")
    assert pay_cash(SYSTEM, desk.id, D(100000), facility="12001").number == 2


def test_a_transfer_code_names_amount_account_and_bill(desk: Any, bank: None) -> None:
    charged(desk)
    text, svg, amount = request_transfer(SYSTEM, desk.id, facility="12001")
    found = fields(text)
    assert (found["54"], amount, svg[:4]) == ("100000", D(100000), "<svg")
    assert objects(found["62"])["08"] == bill(SYSTEM, desk.id).code


def test_a_facility_without_account_shows_no_code(desk: Any) -> None:
    charged(desk)
    with pytest.raises(errors.NoBankAccount):
        request_transfer(SYSTEM, desk.id, facility="12001")


def test_the_banks_word_settles_the_bill_once(desk: Any, bank: None) -> None:
    charged(desk)
    body, signature = webhook(
        f"tt vien phi {bill(SYSTEM, desk.id).code[:8]} {bill(SYSTEM, desk.id).code[8:]} FT26", 100000
    )
    for _ in range(3):
        assert receive_transfer(body, signature).state == "matched"
    payment = Payment.objects.get()
    assert (payment.method, payment.amount, payment.taken_by, is_paid(desk.id)) == ("transfer", D(100000), "bank", True)


@pytest.mark.parametrize(
    "attack",
    [
        lambda body, signature: (body.replace(b"100000", b"100001"), signature),
        lambda body, signature: (body, signature[:-1] + ("0" if signature[-1] != "0" else "1")),
        lambda body, signature: (body, ""),
        lambda body, signature: (body, sign(body, "guess")),
        lambda body, signature: (body, sign(body, "s3cret", at=time.time() - 400)),
        lambda body, signature: (body.replace(b"1026806174", b"9999999999"), signature),
    ],
)
def test_a_forged_word_changes_nothing(desk: Any, bank: None, attack: Any) -> None:
    charged(desk)
    with pytest.raises(errors.BadSignature):
        receive_transfer(*attack(*webhook(bill(SYSTEM, desk.id).code, 100000)))
    assert (BankTransaction.objects.count(), Payment.objects.count(), is_paid(desk.id)) == (0, 0, False)


@pytest.mark.parametrize(
    ("content", "amount", "reason"), [("", 100000, "unknown-bill"), ("12001B999999999", 100000, "unknown-bill"), (None, 99000, "wrong-amount")]
)  # fmt: skip
def test_what_does_not_fit_is_kept_for_a_person(
    desk: Any, bank: None, content: str | None, amount: int, reason: str
) -> None:
    charged(desk)
    code = bill(SYSTEM, desk.id).code
    told = receive_transfer(*webhook(code if content is None else content, amount))
    assert (told.state, told.reason, Payment.objects.count(), is_paid(desk.id)) == ("unmatched", reason, 0, False)


def test_a_second_transfer_for_a_paid_bill_is_not_lost(desk: Any, bank: None) -> None:
    charged(desk)
    code = bill(SYSTEM, desk.id).code
    receive_transfer(*webhook(code, 100000))
    told = receive_transfer(*webhook(code, 100000, id_="FT2"))
    assert (told.state, told.reason, told.amount, Payment.objects.count()) == (
        "unmatched",
        "already-paid",
        D(100000),
        1,
    )


def test_a_person_settles_an_unmatched_transfer(desk: Any, bank: None) -> None:
    charged(desk)
    told = receive_transfer(*webhook("khong ghi gi", 100000))
    settle_unmatched(SYSTEM, told.pk, desk.id, facility="12001")
    assert (is_paid(desk.id), BankTransaction.objects.get().state) == (True, "settled")
    with pytest.raises(errors.NoPayment):
        settle_unmatched(SYSTEM, told.pk, desk.id, facility="12001")


def test_the_banks_secret_is_not_kept_in_clear(bank: None) -> None:
    assert b"s3cret" not in bytes(BankAccount.objects.get().secret)


@pytest.mark.django_db(transaction=True)
def test_of_many_payments_at_once_exactly_one_wins(desk: Any) -> None:
    charged(desk)
    outcomes: list[str] = []
    together = threading.Barrier(4)

    def pay() -> None:
        together.wait()
        try:
            pay_cash(SYSTEM, desk.id, D(100000), facility="12001")
            outcomes.append("paid")
        except errors.AlreadyPaid:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=pay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["paid", "refused", "refused", "refused"]
    assert Payment.objects.count() == 1
