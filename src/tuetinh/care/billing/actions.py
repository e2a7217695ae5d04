"""What the desks do with money: charge, take cash, book what the bank says, cancel. One transaction each."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, cast

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from tuetinh.care.billing import facts
from tuetinh.care.billing.errors import (
    AlreadyPaid,
    BadSignature,
    NoBill,
    NoPayment,
    NoPrice,
    NoReason,
    WrongAmount,
)
from tuetinh.care.billing.models import BankAccount, BankTransaction, Bill, Payment, ReceiptBook
from tuetinh.care.billing.queries import Bill as BillNow
from tuetinh.care.billing.queries import bill, charges_of, transfer_code
from tuetinh.care.billing.wire_bank import Transfer, read, verify
from tuetinh.care.insurance.api import (
    SUPPLIES,
    announce_visit,
    claim_is_changed,
    claim_is_paid,
    facility_of,
    line,
    split,
    stop,
    visit_situation,
)
from tuetinh.commons.catalogues.api import PriceRow, drug, drug_code, listed, service, service_code
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4, seals
from tuetinh.record.asker import SYSTEM, Asker

PURPOSE = "bank"  # of what is sealed
NAMESPACE = uuid.UUID("6f2b5a3e-6d1c-4a5e-9e3f-3c1f1d8f6b10")
CODE = re.compile(r"[0-9]{2}[0-9A-Z]{3}B\d{9}")
# Work of the house that no desk's role may do by itself: invoices, receipts.
BOOKS = replace(SYSTEM, purpose="HPAYMT")
CORRECTED: Final = timedelta(days=366)  # how long a bill that was paid follows what comes of the insurance


def charge(
    asker: Asker,
    encounter: r4.Encounter,
    code: str,
    quantity: Decimal | int = 1,
    *,
    source_reference: r4.Reference | str | None = None,
    display: str | None = None,
    unit_price: Decimal | None = None,
    at: datetime | None = None,
    share: Decimal | None = None,
) -> r4.ChargeItem:
    """Charge a service, medicine, supply or day in bed to a visit at the facility's price of the day.

    source_reference: the order or dispense behind it; charged twice for one source, the first charge stands.
    unit_price: instead of the price list's; at: when it was given, now when left out; share: percent of the price that
    a repeated or shared service costs (TYLE_TT_DV). Raises NoPrice.
    """
    when = timezone.localtime(at)
    with transaction.atomic():
        row, new = _open_bill(asker, encounter)
        if new or encounter.classHistory:  # an inpatient is announced once more
            announce_visit(BOOKS, encounter)
        item = _charge_item(encounter, row, code, Decimal(quantity), source_reference, display, unit_price, when)
        item.factorOverride = None if share is None else share / 100
        known = record.read_many(BOOKS, "ChargeItem", [cast(str, item.id)])
        if known:
            return cast(r4.ChargeItem, next(iter(known.values())))
        stored = record.create(asker, item)
        _refresh(row, encounter)
        claim_is_changed(row.encounter, _("Chi phí thay đổi sau khi gửi: gửi lại."))
    return stored


def cancel_charge(asker: Asker, charge_id: str) -> None:
    """Take a charge back, as when an order is cancelled; the line stays in history."""
    with transaction.atomic():
        item = cast(r4.ChargeItem, record.read(asker, "ChargeItem", charge_id))
        encounter_id = (item.context.reference or "").rpartition("/")[2] if item.context else ""
        row = _locked(encounter_id)
        if item.status == "aborted":
            return
        item.status = "aborted"
        record.update(asker, item)
        _refresh(row, cast(r4.Encounter, record.read(BOOKS, "Encounter", encounter_id)))
        claim_is_changed(encounter_id, _("Chi phí thay đổi sau khi gửi: gửi lại."))


def pay_cash(
    asker: Asker,
    encounter_id: str,
    amount: Decimal,
    *,
    facility: str,
    part: Decimal | None = None,
    reasons: Mapping[str, str] | None = None,
) -> Payment:
    """Take cash. amount: what the cashier was shown as left to pay; part: take only so much of it, the rest stays owed.

    Raises NoBill, AlreadyPaid, WrongAmount when something else is left now or the part is none of it, and insurance's
    Stopped. reasons: why to go on against what stopped it before.
    """
    taken = amount if part is None else part
    with transaction.atomic():
        row = _locked(encounter_id, facility)
        now = _still_due(row)
        if now.left != amount or not 0 < taken <= amount:
            raise WrongAmount
        stop(asker, encounter_id, "pay", reasons=reasons)
        return _book(row, now, taken, "cash", by=asker.account)


def give_back(asker: Asker, encounter_id: str, amount: Decimal, reason: str, *, facility: str) -> Payment:
    """Give back in cash what was paid beyond what is owed, as after a charge was taken back; it is a paper of its own.

    amount: what the cashier was shown as too much. Raises NoReason, NoBill, WrongAmount.
    """
    if not reason.strip():
        raise NoReason
    with transaction.atomic():
        row = _locked(encounter_id, facility)
        now = bill(BOOKS, row.encounter)
        if now.left != -amount or amount <= 0:
            raise WrongAmount
        return _book(row, now, -amount, "cash", by=asker.account, reason=reason.strip()[:300])


def request_transfer(asker: Asker, encounter_id: str, *, facility: str) -> tuple[str, str, Decimal]:
    """Show the transfer code of what is left: VietQR text, SVG, amount. Raises NoBill, AlreadyPaid, NoBankAccount."""
    with transaction.atomic():
        row = _locked(encounter_id, facility)
        left = _still_due(row).left
        text, svg = transfer_code(row, left)
        row.announced = timezone.now()
        row.save(update_fields=["announced"])
    return text, svg, left


def receive_transfer(body: bytes, signature: str) -> BankTransaction:
    """Book what the bank's webhook says, once, however often it arrives. Raises BadTransfer or BadSignature.

    A transfer that fits no bill, or not its amount, is kept as unmatched for a person to settle.
    """
    told = read(body)
    account = BankAccount.objects.filter(bin=told.bin, number=told.account).first()
    if account is None:
        raise BadSignature  # nobody's account: nothing tells whether the sender knows a secret
    verify(body, signature, secret_of(account))
    with transaction.atomic():
        values = {"amount": told.amount, "content": told.content[:1000]}
        row, new = BankTransaction.objects.get_or_create(account=account, transaction=told.id, defaults=values)
        if new:
            _match(row, told)
    return row


def cancel_payment(asker: Asker, payment_id: int, reason: str, *, facility: str) -> Payment:
    """Cancel a payment, given back in cash or by transfer, and owe it again. Raises NoPayment, NoReason."""
    if not reason.strip():
        raise NoReason
    with transaction.atomic():
        found = Payment.objects.filter(pk=payment_id, facility=facility, amount__gt=0).select_related("bill").first()
        if found is None:
            raise NoPayment
        row = _locked(found.bill.encounter, facility)
        payment = Payment.objects.select_for_update().get(pk=payment_id)
        if payment.cancelled is not None:
            raise NoPayment
        payment.cancelled, payment.cancelled_by, payment.reason = timezone.now(), asker.account, reason.strip()[:300]
        payment.save(update_fields=["cancelled", "cancelled_by", "reason"])
        fact = cast(r4.PaymentReconciliation, record.read(BOOKS, "PaymentReconciliation", payment.reconciliation))
        fact.status, fact.disposition = "cancelled", payment.reason
        record.update(BOOKS, fact)
        _refresh(row, cast(r4.Encounter, record.read(BOOKS, "Encounter", row.encounter)))
        _write_invoice(row, bill(BOOKS, row.encounter))
    return payment


def insurance_changed(patient: str, *, settled: bool) -> None:
    """Work out the open bills of a person again: a card came, or a paper. Inside the transaction.

    settled: also those that were paid in the last year, as what was paid may be too much now.
    """
    rows = Bill.objects.select_for_update().filter(patient=patient).order_by("id")
    which = Q(state="open") | Q(settled__gte=timezone.now() - CORRECTED) if settled else Q(state="open")
    found = list(rows.filter(which))
    visits = record.read_many(BOOKS, "Encounter", [row.encounter for row in found]) if found else {}
    for row in found:
        if row.encounter in visits:
            _work_out_again(row, cast(r4.Encounter, visits[row.encounter]))


def work_out_again(encounter_id: str) -> None:
    """Work out the bill of a visit again, as when its kind or its end was told. Inside the transaction.

    What was paid too much is then to be given back, what is missing to be taken, and the invoice says who pays what.
    """
    row = Bill.objects.select_for_update().filter(encounter=encounter_id).first()
    if row is not None:
        _work_out_again(row, cast(r4.Encounter, record.read(BOOKS, "Encounter", encounter_id)))


def settle_unmatched(asker: Asker, transaction_id: int, encounter_id: str, *, facility: str) -> Payment:
    """Give an unmatched transfer to a bill that owes as much or more.

    Raises NoBill, AlreadyPaid, WrongAmount, NoPayment.
    """
    with transaction.atomic():
        row = _locked(encounter_id, facility)
        told = (
            BankTransaction.objects.select_for_update()
            .filter(pk=transaction_id, account=facility, state="unmatched")
            .first()
        )
        if told is None:
            raise NoPayment
        now = _still_due(row)
        if told.amount > now.left:
            raise WrongAmount
        told.state, told.bill = "settled", row
        told.save(update_fields=["state", "bill"])
        return _book(row, now, told.amount, "transfer", by=asker.account, told=told)


def secret_of(account: BankAccount) -> str:
    """What the bank signs with. Raises BadSignature where it was sealed by another node's key."""
    secret = seals.unseal(PURPOSE, account.secret)
    if secret is None:
        raise BadSignature
    return secret.decode()


def set_bank_account(facility: str, bin_: str, number: str, holder: str, secret: str, *, city: str = "") -> None:
    """Say where the transfers of a facility go, and the secret that its bank signs with."""
    values = {
        "bin": bin_,
        "number": number,
        "holder": holder,
        "city": city,
        "secret": seals.seal(PURPOSE, secret.encode()),
    }
    BankAccount.objects.update_or_create(facility=facility, defaults=values)


# Inside a transaction ----------------------------------------------------------------------------------------------


def _charge_item(  # noqa: PLR0917
    encounter: r4.Encounter,
    row: Bill,
    code: str,
    quantity: Decimal,
    source: r4.Reference | str | None,
    display: str | None,
    unit_price: Decimal | None,
    at: datetime,
) -> r4.ChargeItem:
    medicine, technique = drug(code), service(code)
    entry = listed(row.facility, code, at.date())
    if unit_price is not None:
        entry = PriceRow(code, "service", unit_price)
    if entry is None or quantity <= 0:
        raise NoPrice
    if medicine:
        concept = drug_code(medicine)
    elif technique:
        concept = service_code(technique)
    else:
        system = SUPPLIES if entry.kind == "supply" else None
        concept = r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)], text=entry.name or None)
    concept.text = display or concept.text
    reference = r4.Reference(reference=source) if isinstance(source, str) else source
    behind = f"{reference.reference}|{code}" if reference else ""
    id_ = str(uuid.uuid5(NAMESPACE, behind)) if behind else record.new_id()
    return facts.charge_item(
        encounter, concept, quantity, entry,
        id_=id_, now=at.isoformat(timespec="seconds"), source=reference,
        unit=medicine.unit if medicine else entry.unit or "Lần",
    )  # fmt: skip


def _open_bill(asker: Asker, encounter: r4.Encounter) -> tuple[Bill, bool]:
    """The locked bill of a visit, opened with its number when this is its first charge; whether it is."""
    provider = encounter.serviceProvider.reference if encounter.serviceProvider else ""
    facility = (provider or "").rpartition("/")[2] or asker.facility
    patient = (encounter.subject.reference or "").rpartition("/")[2] if encounter.subject else ""
    values = {"facility": facility, "patient": patient}
    row, new = Bill.objects.get_or_create(encounter=cast(str, encounter.id), defaults=values)
    row = Bill.objects.select_for_update().get(pk=row.pk)
    if row.code is None:
        row.code = f"{facility_of(BOOKS, encounter).code:0>5.5}B{row.pk:09d}"
        row.save(update_fields=["code"])
    return row, new


def _locked(encounter_id: str, facility: str | None = None) -> Bill:
    rows = Bill.objects.select_for_update().filter(encounter=encounter_id)
    row = (rows if facility is None else rows.filter(facility=facility)).first()
    if row is None:
        raise NoBill
    return row


def _still_due(row: Bill) -> BillNow:
    now = bill(BOOKS, row.encounter)
    if now.left <= 0:
        raise AlreadyPaid
    return now


def _refresh(row: Bill, encounter: r4.Encounter) -> None:
    """Work out again what is owed, and tell the open pages."""
    situation, _, _ = visit_situation(BOOKS, encounter)
    row.due = split([line(item) for item in charges_of(BOOKS, row.encounter)], situation).due
    row.paid = sum((p.amount for p in row.payments.filter(cancelled=None)), Decimal(0))
    row.state = "paid" if row.paid >= row.due else "open"
    row.settled = (row.settled or timezone.now()) if row.state == "paid" else None
    row.save(update_fields=["due", "paid", "state", "settled"])
    publish(f"bill:{row.encounter}")
    publish(f"bills:{row.facility}")


def _work_out_again(row: Bill, encounter: r4.Encounter) -> None:
    before, state = row.due, row.state
    _refresh(row, encounter)
    if row.due != before:
        if row.invoice:
            _write_invoice(row, bill(BOOKS, row.encounter))
        claim_is_changed(row.encounter, _("Mức hưởng thay đổi sau khi gửi: gửi lại."))
    if state == "open" and row.state == "paid":  # nothing is due any more
        claim_is_paid(row.encounter)


def _book(
    row: Bill,
    now: BillNow,
    amount: Decimal,
    method: str,
    *,
    by: str,
    told: BankTransaction | None = None,
    reason: str = "",
) -> Payment:
    """Write the next paper of the receipt book: money taken, or given back when the amount is negative."""
    moment = timezone.localtime()
    book, _ = ReceiptBook.objects.get_or_create(facility=row.facility, year=moment.year)
    book = ReceiptBook.objects.select_for_update().get(pk=book.pk)
    book.last += 1
    book.save(update_fields=["last"])
    row.invoice = row.invoice or record.new_id()
    fact = facts.reconciliation(
        id_=record.new_id(), receipt=f"{row.facility}/{moment.year}/{book.last:06d}", amount=amount,
        invoice=row.invoice,
        now=_now(), facility=row.facility, method=method, transaction=told.transaction if told else "", reason=reason,
    )  # fmt: skip
    payment = Payment.objects.create(
        bill=row, facility=row.facility, number=book.last, year=moment.year, method=method, amount=amount, taken_by=by,
        reconciliation=cast(str, fact.id), transaction=told, reason=reason,
    )  # fmt: skip
    row.due, row.paid = now.due, now.paid + amount
    row.state = "paid" if row.paid >= row.due else "open"
    row.settled = timezone.now() if row.state == "paid" else None
    row.save(update_fields=["due", "paid", "state", "settled", "invoice"])
    if row.state == "paid":
        claim_is_paid(row.encounter)
    _write_invoice(row, now)
    record.create(BOOKS, fact)
    for item in (one.item for one in now.lines):
        if item.status != "billed":
            item.status = "billed"
            record.update(BOOKS, item)
    publish(f"bill:{row.encounter}")
    publish(f"bills:{row.facility}")
    publish(f"visit:{row.encounter}")
    return payment


def _write_invoice(row: Bill, now: BillNow) -> None:
    fact = facts.invoice(
        [one.item for one in now.lines], now.split, id_=row.invoice, code=row.code or "", encounter=now.encounter,
        now=_now(), balanced=row.state == "paid",
    )  # fmt: skip
    known = record.read_many(BOOKS, "Invoice", [row.invoice])
    (record.update if known else record.create)(BOOKS, fact)


def _match(row: BankTransaction, told: Transfer) -> None:
    """Find the bill that the payer's words name; banks drop blanks and change case."""
    found = CODE.search(re.sub(r"[^0-9A-Z]", "", told.content.upper()))
    owed = (
        Bill.objects.select_for_update().filter(code=found[0], facility=row.account.facility).first() if found else None
    )
    reason = "unknown-bill"
    if owed is not None:
        now = bill(BOOKS, owed.encounter)
        row.bill = owed
        if now.left <= 0:
            reason = "already-paid"
        elif now.left != told.amount:
            reason = "wrong-amount"
        else:
            row.state, row.reason = "matched", ""
            row.save(update_fields=["state", "reason", "bill"])
            _book(owed, now, now.left, "transfer", by="bank", told=row)
            return
    row.reason = reason
    row.save(update_fields=["reason", "bill"])
    publish(f"bills:{row.account.facility}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
