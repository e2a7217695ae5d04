"""Parts, mixed ways to pay, money given back, and the day's book: every đồng is on paper and adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from io import BytesIO
from typing import Any, cast

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from tuetinh.care.billing import errors
from tuetinh.care.billing.actions import (
    cancel_charge,
    cancel_payment,
    charge,
    give_back,
    pay_cash,
    receive_transfer,
    request_transfer,
    settle_unmatched,
)
from tuetinh.care.billing.models import BankTransaction, Bill, Payment
from tuetinh.care.billing.queries import bill, cash_day, is_paid
from tuetinh.care.billing.wire_bank import sign
from tuetinh.care.billing.wire_vietqr import crc, fields, payload
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

FACILITY = "12001"


def charged(desk: Any) -> None:
    """500,000 ₫, of which the patient owes 100,000 ₫."""
    charge(SYSTEM, desk.encounter, "23.0075.1494", 1, unit_price=D(500_000), source_reference="ServiceRequest/1")


def webhook(content: str, amount: int) -> tuple[bytes, str]:
    told = {"id": "FT1", "bin": "970436", "account": "1026806174", "amount": amount, "content": content}
    body = json.dumps(told).encode()
    return body, sign(body, "s3cret")


def of(desk: Any) -> tuple[str, D, D]:
    now = bill(SYSTEM, desk.id)
    return now.state, now.paid, now.left


def test_a_part_is_taken_and_the_rest_stays_owed(desk: Any) -> None:
    charged(desk)
    first = pay_cash(SYSTEM, desk.id, D(100000), facility=FACILITY, part=D(40000))
    assert (first.number, first.amount, of(desk), is_paid(desk.id)) == (
        1,
        D(40000),
        ("open", D(40000), D(60000)),
        False,
    )
    invoice = cast(r4.Invoice, record.read(SYSTEM, "Invoice", Bill.objects.get().invoice))
    assert invoice.status == "issued"
    second = pay_cash(SYSTEM, desk.id, D(60000), facility=FACILITY)
    assert (second.number, second.amount, of(desk)) == (2, D(60000), ("paid", D(100000), D(0)))
    invoice = cast(r4.Invoice, record.read(SYSTEM, "Invoice", Bill.objects.get().invoice))
    assert invoice.status == "balanced"


@pytest.mark.parametrize(("left", "part"), [(100000, 0), (100000, -1), (100000, 100001), (60000, 10000)])
def test_what_is_no_part_takes_nothing(desk: Any, left: int, part: int) -> None:
    charged(desk)
    with pytest.raises(errors.WrongAmount):
        pay_cash(SYSTEM, desk.id, D(left), facility=FACILITY, part=D(part))
    assert (Payment.objects.count(), of(desk)) == (0, ("open", D(0), D(100000)))


def test_cash_and_transfer_settle_a_bill_together(desk: Any, bank: None) -> None:
    charged(desk)
    pay_cash(SYSTEM, desk.id, D(100000), facility=FACILITY, part=D(30000))
    text, _, left = request_transfer(SYSTEM, desk.id, facility=FACILITY)
    assert (left, fields(text)["54"]) == (D(70000), "70000")
    told = receive_transfer(*webhook(bill(SYSTEM, desk.id).code, 70000))
    assert (told.state, of(desk)) == ("matched", ("paid", D(100000), D(0)))
    assert list(Payment.objects.order_by("id").values_list("method", "amount")) == [
        ("cash", D(30000)),
        ("transfer", D(70000)),
    ]


def test_a_transfer_shown_before_a_part_was_paid_is_kept_for_a_person(desk: Any, bank: None) -> None:
    charged(desk)
    request_transfer(SYSTEM, desk.id, facility=FACILITY)
    pay_cash(SYSTEM, desk.id, D(100000), facility=FACILITY, part=D(30000))
    told = receive_transfer(*webhook(bill(SYSTEM, desk.id).code, 100000))
    assert (told.state, told.reason, of(desk)) == ("unmatched", "wrong-amount", ("open", D(30000), D(70000)))
    with pytest.raises(errors.WrongAmount):
        settle_unmatched(SYSTEM, told.pk, desk.id, facility=FACILITY)
    assert Payment.objects.count() == 1


def test_a_smaller_transfer_may_be_given_to_a_bill_as_a_part(desk: Any, bank: None) -> None:
    charged(desk)
    told = receive_transfer(*webhook(bill(SYSTEM, desk.id).code, 25000))
    settle_unmatched(SYSTEM, told.pk, desk.id, facility=FACILITY)
    assert of(desk) == ("open", D(25000), D(75000))


def test_a_late_transfer_after_cash_is_not_lost_and_changes_nothing(desk: Any, bank: None) -> None:
    charged(desk)
    request_transfer(SYSTEM, desk.id, facility=FACILITY)
    pay_cash(SYSTEM, desk.id, D(100000), facility=FACILITY)
    for _ in range(2):
        told = receive_transfer(*webhook(bill(SYSTEM, desk.id).code, 100000))
        assert (told.state, told.reason) == ("unmatched", "already-paid")
    assert (BankTransaction.objects.count(), Payment.objects.count(), of(desk)) == (1, 1, ("paid", D(100000), D(0)))


def test_the_banks_number_told_again_with_another_amount_changes_nothing(desk: Any, bank: None) -> None:
    charged(desk)
    code = bill(SYSTEM, desk.id).code
    receive_transfer(*webhook(code, 1))
    told = receive_transfer(*webhook(code, 100000))
    assert (told.amount, told.state, Payment.objects.count()) == (D(1), "unmatched", 0)


def overpaid(desk: Any) -> None:
    charged(desk)
    pay_cash(SYSTEM, desk.id, D(100000), facility=FACILITY)
    cancel_charge(SYSTEM, str(bill(SYSTEM, desk.id).lines[0].item.id))


def test_a_receipt_can_be_cancelled_when_nothing_is_charged_any_more(desk: Any) -> None:
    overpaid(desk)
    cancel_payment(SYSTEM, Payment.objects.get().pk, "Hủy chỉ định", facility=FACILITY)
    assert of(desk) == ("empty", D(0), D(0))


def test_what_was_paid_too_much_is_given_back_on_a_paper_of_its_own(desk: Any) -> None:
    overpaid(desk)
    assert bill(SYSTEM, desk.id).left == D(-100000)
    paper = give_back(SYSTEM, desk.id, D(100000), "Hủy xét nghiệm", facility=FACILITY)
    assert (paper.number, paper.amount, paper.reason, bill(SYSTEM, desk.id).left) == (
        2,
        D(-100000),
        "Hủy xét nghiệm",
        D(0),
    )
    fact = cast(r4.PaymentReconciliation, record.read(SYSTEM, "PaymentReconciliation", paper.reconciliation))
    assert (fact.paymentAmount and fact.paymentAmount.value, fact.disposition) == (D(-100000), "Hủy xét nghiệm")
    with pytest.raises(errors.NoPayment):
        cancel_payment(SYSTEM, paper.pk, "Nhầm", facility=FACILITY)
    with pytest.raises(errors.WrongAmount):
        give_back(SYSTEM, desk.id, D(100000), "Lần nữa", facility=FACILITY)
    assert Payment.objects.count() == 2


@pytest.mark.parametrize(
    ("amount", "reason", "facility", "error"),
    [
        (100000, " ", FACILITY, errors.NoReason),
        (99999, "Nhầm", FACILITY, errors.WrongAmount),
        (-100000, "Nhầm", FACILITY, errors.WrongAmount),
        (100000, "Nhầm", "12002", errors.NoBill),
    ],
)
def test_what_is_no_giving_back_changes_nothing(
    desk: Any, amount: int, reason: str, facility: str, error: type[Exception]
) -> None:
    overpaid(desk)
    with pytest.raises(error):
        give_back(SYSTEM, desk.id, D(amount), reason, facility=facility)
    assert (Payment.objects.count(), bill(SYSTEM, desk.id).left) == (1, D(-100000))


def test_the_day_adds_up_by_cashier_and_for_the_facility(desk: Any, bank: None) -> None:
    an, binh = replace(SYSTEM, account="an"), replace(SYSTEM, account="binh")
    charged(desk)
    first = pay_cash(an, desk.id, D(100000), facility=FACILITY, part=D(40000))
    pay_cash(binh, desk.id, D(60000), facility=FACILITY, part=D(10000))
    receive_transfer(*webhook(bill(SYSTEM, desk.id).code, 50000))
    cancel_payment(binh, first.pk, "Thu nhầm", facility=FACILITY)
    today = timezone.localdate()

    def sums(account: str | None) -> tuple[D, D, D, D]:
        found = cash_day(FACILITY, today, account)
        return found.sum_of("cash"), found.sum_of("cash", out=True), found.sum_of("transfer"), found.drawer

    assert sums("an") == (D(40000), D(0), D(0), D(40000))
    assert sums("binh") == (D(10000), D(40000), D(0), D(-30000))
    assert sums(None) == (D(50000), D(40000), D(50000), D(10000))
    assert [m.kind for m in cash_day(FACILITY, today).movements] == ["taken", "taken", "taken", "cancelled"]
    assert cash_day(FACILITY, today - timedelta(days=1)).movements == []
    assert cash_day("12002", today).movements == []


def test_the_day_is_a_page_and_a_paper(as_role: Any, cast_desk: Any) -> None:
    charged(cast_desk)
    browser = as_role("cashier")
    at = f"/billing/{cast_desk.id}"
    wrong = browser.post(f"{at}/cash", {"amount": "100000", "part": "100001"})
    assert (wrong.status_code, Payment.objects.count()) == (422, 0)
    answer = browser.post(f"{at}/cash", {"amount": "100000", "part": "30.000", "received": "50.000"}, follow=True)
    assert "Trả lại khách 20.000 ₫" in answer.content.decode()
    answer = browser.post(f"{at}/cash", {"amount": "70000", "part": "10000"}, follow=True)
    assert "Còn phải thu 60.000 ₫" in answer.content.decode()
    text = browser.get("/billing/day").content.decode()
    assert "40.000\xa0₫" in text and "Lò Thị Pâng" in text
    for question in ("?day=x&who=y", "?day=9999-99-99", "?who=all"):
        assert browser.get(f"/billing/day{question}").status_code == 200
    document = browser.get(f"/billing/day.pdf?day={timezone.localdate():%Y-%m-%d}&who=me")
    words = " ".join(PdfReader(BytesIO(document.content)).pages[0].extract_text().split())
    assert "BẢNG KÊ THU VIỆN PHÍ TRONG NGÀY" in words and "Bốn mươi nghìn đồng" in words
    receipt = browser.get(f"/billing/payments/{Payment.objects.latest('id').pk}/receipt.pdf")
    words = " ".join(PdfReader(BytesIO(receipt.content)).pages[0].extract_text().split())
    assert "Còn phải thu" in words and "60.000 ₫" in words


def test_giving_back_by_its_page(as_role: Any, cast_desk: Any) -> None:
    charged(cast_desk)
    pay_cash(SYSTEM, cast_desk.id, D(100000), facility="12104")
    cancel_charge(SYSTEM, str(bill(SYSTEM, cast_desk.id).lines[0].item.id))
    browser = as_role("cashier")
    at = f"/billing/{cast_desk.id}"
    assert 'name="amount" value="100000"' in browser.get(at).content.decode()
    browser.post(f"{at}/back", {"amount": "100000", "reason": ""})
    assert Payment.objects.count() == 1
    answer = browser.post(f"{at}/back", {"amount": "100000", "reason": "Hủy chỉ định"}, follow=True)
    assert "Đã hoàn tiền." in answer.content.decode()
    paper = Payment.objects.latest("id")
    receipt = browser.get(f"/billing/payments/{paper.pk}/receipt.pdf")
    words = " ".join(PdfReader(BytesIO(receipt.content)).pages[0].extract_text().split())
    assert "PHIẾU HOÀN TIỀN VIỆN PHÍ" in words and "Một trăm nghìn đồng" in words and "Hủy chỉ định" in words


def crc_by_the_book(data: bytes) -> int:
    """CRC-16/CCITT-FALSE by long division, bit for bit: another way than the product's."""
    rest = int.from_bytes(data + b"\0\0") ^ (0xFFFF << 8 * len(data))
    for place in range(8 * len(data) + 15, 15, -1):
        if rest >> place & 1:
            rest ^= 0x11021 << place - 16
    return rest


@given(st.integers(1, 9_999_999_999_999), st.text(max_size=25))
def test_the_checksum_agrees_with_another_implementation(amount: int, name: str) -> None:
    text = payload(bin_="970436", account="1026806174", amount=D(amount), purpose="12001B000000017", name=name)
    assert int(text[-4:], 16) == crc_by_the_book(text[:-4].encode()) == crc(text[:-4])
    assert crc_by_the_book(b"123456789") == 0x29B1
