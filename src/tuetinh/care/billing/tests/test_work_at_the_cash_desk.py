"""The cashier's pages: who may open them, what they show, how money is taken, and the bank's webhook over HTTP."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal as D
from io import BytesIO
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pypdf import PdfReader

from tuetinh.care.billing.actions import charge, pay_cash, receive_transfer, request_transfer, set_bank_account
from tuetinh.care.billing.models import BankTransaction, Bill, Payment
from tuetinh.care.billing.queries import bill, is_paid
from tuetinh.care.billing.simulator import Simulator, pay
from tuetinh.care.billing.wire_bank import sign
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
TEST = "23.0075.1494"
As = Callable[[str], Client]


@pytest.fixture
def visit(cast_desk: Any) -> Any:
    """A visit that owes 100,000 ₫ of 500,000 ₫."""
    charge(SYSTEM, cast_desk.encounter, TEST, 1, unit_price=D(500_000))
    set_bank_account("12104", "970436", "1026806174", "TTYT Than Uyên", "s3cret")
    return cast_desk


PAGES = ["/billing", "/billing/unmatched", "/billing/{visit}", "/billing/payments/{payment}/receipt.pdf"]
POSTS = [
    "/billing/{visit}/cash",
    "/billing/{visit}/transfer",
    "/billing/payments/{payment}/cancel",
    "/billing/unmatched/1/settle",
]
OTHERS = ["reception", "doctor", "nurse", "lab", "pharmacist", "station", "citizen", "official", "admin", "outsider"]


@pytest.mark.parametrize("role", OTHERS)
def test_no_other_role_opens_the_cash_desk(as_role: As, visit: Any, role: str) -> None:
    payment = pay_cash(SYSTEM, visit.id, D(100_000), facility="12104")
    browser = as_role(role)
    for page in PAGES:
        assert browser.get(page.format(visit=visit.id, payment=payment.pk)).status_code == 403, page
    for page in POSTS:
        assert browser.post(page.format(visit=visit.id, payment=payment.pk), {"reason": "x"}).status_code == 403, page
    assert [p.cancelled for p in Payment.objects.all()] == [None]


def test_nobody_is_sent_to_the_login(as_role: As, visit: Any) -> None:
    answer = as_role("").get(f"/billing/{visit.id}")
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/login")


def test_a_bill_of_another_facility_does_not_exist(as_role: As, visit: Any, cast: Any) -> None:
    cast["cashier"].facility = "12001"
    cast["cashier"].save()
    browser = as_role("cashier")
    assert browser.get(f"/billing/{visit.id}").status_code == 404
    assert browser.post(f"/billing/{visit.id}/cash", {"amount": "100000"}).status_code == 404
    assert visit.id not in browser.get("/billing").content.decode()
    assert not Payment.objects.exists()


def test_the_list_shows_who_owes(as_role: As, visit: Any) -> None:
    text = as_role("cashier").get("/billing").content.decode()
    assert "Lò Thị Pâng" in text
    assert "100.000\xa0₫" in text
    assert Bill.objects.get().code in text


def test_the_list_costs_the_same_for_many(as_role: As, visit: Any) -> None:
    browser = as_role("cashier")

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert browser.get("/billing").status_code == 200
        return len(caught)

    browser.get("/billing")
    one = queries()
    for _ in range(5):
        charge(SYSTEM, record.create(SYSTEM, visit.visit()), TEST, 1, unit_price=D(1000))
    assert queries() == one


def test_the_bill_shows_who_pays_what(as_role: As, visit: Any) -> None:
    text = as_role("cashier").get(f"/billing/{visit.id}").content.decode()
    for part in ("500.000\xa0₫", "400.000\xa0₫", "100.000\xa0₫", "GD4120000000017", f"/events?channel=bill:{visit.id}"):
        assert part in text


def test_cash_is_taken_with_change_and_a_receipt(as_role: As, visit: Any) -> None:
    browser = as_role("cashier")
    answer = browser.post(f"/billing/{visit.id}/cash", {"amount": "100000", "received": "200.000"}, follow=True)
    text = answer.content.decode()
    payment = Payment.objects.get()
    assert "Trả lại khách 100.000 ₫" in text
    assert f"/billing/payments/{payment.pk}/receipt.pdf" in text
    assert is_paid(visit.id)
    for paper in ("", "?paper=80mm"):
        document = browser.get(f"/billing/payments/{payment.pk}/receipt.pdf{paper}")
        words = " ".join(PdfReader(BytesIO(document.content)).pages[0].extract_text().split())
        assert document["Content-Type"] == "application/pdf"
        assert "Một trăm nghìn đồng" in words
        assert "Lò Thị Pâng" in words


@pytest.mark.parametrize(
    ("given", "status"),
    [({"amount": "100000", "received": "50000"}, 422), ({"amount": "100000", "received": "nhiều"}, 422), ({"amount": "abc"}, 422),
     ({}, 422), ({"amount": "1"}, 302)],
)  # fmt: skip
def test_a_wrong_amount_takes_nothing(as_role: As, visit: Any, given: dict[str, str], status: int) -> None:
    assert as_role("cashier").post(f"/billing/{visit.id}/cash", given).status_code == status
    assert not Payment.objects.exists()


def test_the_transfer_code_is_on_the_page(as_role: As, visit: Any) -> None:
    text = as_role("cashier").post(f"/billing/{visit.id}/transfer").content.decode()
    assert "<svg" in text
    assert "00020101021238" in text


def test_a_payment_is_cancelled_with_its_reason(as_role: As, visit: Any) -> None:
    payment = pay_cash(SYSTEM, visit.id, D(100_000), facility="12104")
    browser = as_role("cashier")
    browser.post(f"/billing/payments/{payment.pk}/cancel", {"reason": ""})
    assert is_paid(visit.id)
    text = browser.post(f"/billing/payments/{payment.pk}/cancel", {"reason": "Thu nhầm"}, follow=True).content.decode()
    assert "Thu nhầm" in text
    assert not is_paid(visit.id)


def test_an_unmatched_transfer_is_settled_by_its_code(as_role: As, visit: Any) -> None:
    told = {"id": "FT9", "bin": "970436", "account": "1026806174", "amount": 100000, "content": "vien phi"}
    body = json.dumps(told).encode()
    row = receive_transfer(body, sign(body, "s3cret"))
    browser = as_role("cashier")
    assert "vien phi" in browser.get("/billing/unmatched").content.decode()
    browser.post(f"/billing/unmatched/{row.pk}/settle", {"code": "nothing"})
    assert not is_paid(visit.id)
    browser.post(f"/billing/unmatched/{row.pk}/settle", {"code": bill(SYSTEM, visit.id).code})
    assert is_paid(visit.id)


def test_the_webhook_answers_the_bank(visit: Any, client: Client) -> None:
    told = {
        "id": "FT1",
        "bin": "970436",
        "account": "1026806174",
        "amount": 100000,
        "content": bill(SYSTEM, visit.id).code,
    }
    body = json.dumps(told).encode()

    def post(signature: str, content: bytes = body) -> Any:
        return client.post(
            "/billing/webhooks/bank", content, content_type="application/json", headers={"X-Signature": signature}
        )

    assert post("").status_code == 401
    assert post(sign(body, "wrong")).status_code == 401
    assert post(sign(b"{}", "s3cret"), b"{}").status_code == 400
    assert post("", b"x" * 70_000).status_code == 413
    assert client.get("/billing/webhooks/bank").status_code == 405
    assert not BankTransaction.objects.exists()
    for _ in range(2):
        answer = post(sign(body, "s3cret"))
        assert (answer.status_code, answer.json()["state"]) == (200, "matched")
    assert Payment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_simulated_bank_pays_over_real_sockets(visit: Any, live_server: Any, over_a_socket: Any) -> None:
    text, _, _ = request_transfer(SYSTEM, visit.id, facility="12104")
    bank = over_a_socket(Simulator(lambda bin_, number: "s3cret"))
    answer = httpx.post(f"{bank}/pay", json={"qr": text, "node": live_server.url, "id": "FT7"}, trust_env=False).json()
    assert (answer["status"], answer["answer"]["state"]) == (200, "matched")
    assert is_paid(visit.id)
    assert pay(text, secret="s3cret", node=live_server.url, id_="FT7")["answer"]["state"] == "matched"
    assert pay(text, secret="s3cret", node=live_server.url)["answer"]["reason"] == "already-paid"
    assert pay(text, secret="guess", node=live_server.url)["status"] == 401
    assert httpx.post(f"{bank}/pay", json={"qr": "x"}, trust_env=False).status_code == 400
    assert Payment.objects.count() == 1
