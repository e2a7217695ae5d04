"""What the cashier's pages and other modules ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from django.db.models import F, QuerySet
from django.utils import timezone

from tuetinh.care.billing import models
from tuetinh.care.billing.errors import NoBankAccount, NoBill
from tuetinh.care.billing.wire_vietqr import payload
from tuetinh.care.insurance.api import Card, FacilityFacts, Split, SplitLine, line, split, visit_situation
from tuetinh.commons.catalogues.api import drug, service
from tuetinh.commons.documents.api import qr_on_screen
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

if TYPE_CHECKING:
    from collections.abc import Iterable

OWED = {"planned", "billable", "billed"}


@dataclass(frozen=True, slots=True)
class BillLine:
    """A line of a bill as it is shown."""

    item: r4.ChargeItem
    name: str
    unit: str
    money: SplitLine


@dataclass(frozen=True, slots=True)
class Bill:
    """A visit's bill now. due: what the patient owes in all; left: still to pay; state: `open`, `paid`, `empty`."""

    code: str
    encounter: r4.Encounter
    facility: FacilityFacts
    card: Card | None
    lines: list[BillLine]
    split: Split
    paid: Decimal
    payments: list[models.Payment] = field(default_factory=list)

    @property
    def due(self) -> Decimal:
        """What the patient owes in all."""
        return self.split.due

    @property
    def left(self) -> Decimal:
        """What is still to pay; negative when money must be given back."""
        return self.due - self.paid

    @property
    def state(self) -> str:
        """`empty` without charges, `paid` when nothing is left, else `open`."""
        if not self.lines:
            return "empty"
        return "paid" if self.left <= 0 else "open"


def bill(asker: Asker, encounter_id: str) -> Bill:
    """The bill of a visit, worked out from its charges and the card in force. Raises the record's NotFound."""
    encounter = cast(r4.Encounter, record.read(asker, "Encounter", encounter_id))
    charges = charges_of(asker, encounter_id)
    situation, cards, facility = visit_situation(asker, encounter)
    divided = split([line(item) for item in charges], situation)
    row = models.Bill.objects.filter(encounter=encounter_id).first()
    payments = list(row.payments.order_by("id")) if row else []
    lines = [BillLine(item, *_named(item), money) for item, money in zip(charges, divided.lines, strict=True)]
    paid = sum((p.amount for p in payments if p.cancelled is None), Decimal(0))
    return Bill(
        row.code or "" if row else "", encounter, facility, cards[-1] if cards else None, lines, divided, paid, payments
    )


def charges_of(asker: Asker, encounter_id: str) -> list[r4.ChargeItem]:
    """The charges of a visit that count, in the order in which they were made."""
    found: list[r4.ChargeItem] = []
    page = None
    while True:
        result = record.search(asker, "ChargeItem", f"context=Encounter/{encounter_id}&_count=200", page)
        found += cast("list[r4.ChargeItem]", result.resources)
        page = result.next
        if page is None:
            break
    return sorted((c for c in found if c.status in OWED), key=lambda c: (c.enteredDate or "", c.id or ""))


def is_paid(encounter_id: str) -> bool:
    """Whether everything charged so far was paid; a visit without charges owes nothing."""
    row = models.Bill.objects.filter(encounter=encounter_id).only("state").first()
    return row is None or row.state == "paid"


def unpaid(encounter_ids: Iterable[str]) -> dict[str, Decimal]:
    """What is left to pay, by visit; visits that owe nothing are absent. One query, for banners and lists."""
    rows = models.Bill.objects.filter(encounter__in=list(encounter_ids), state="open")
    return {row.encounter: row.due - row.paid for row in rows}


def worklist(facility: str, state: str = "open") -> QuerySet[models.Bill]:
    """Bills of a facility, the newest first. state: `open`, `paid`, or `back` of those of which money is to be given
    back.
    """
    rows = to_give_back(facility) if state == "back" else models.Bill.objects.filter(facility=facility, state=state)
    return rows.order_by("-id")


def to_give_back(facility: str) -> QuerySet[models.Bill]:
    """Bills of a facility of which more was paid than is owed."""
    return models.Bill.objects.filter(facility=facility, paid__gt=F("due"))


def of_person(asker: Asker, patient: str) -> QuerySet[models.Bill]:
    """Bills of a person with their payments, the newest first; nothing of another person for a citizen."""
    rows = models.Bill.objects.filter(patient=patient).exclude(code=None).order_by("-id")
    return rows.prefetch_related("payments") if asker.patient in (None, patient) else rows.none()


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that came or went: kind `taken`, `cancelled` (given back with its receipt) or `returned`."""

    at: datetime
    kind: str
    payment: models.Payment
    amount: Decimal  # negative when it went


@dataclass(frozen=True, slots=True)
class CashDay:
    """A day of the cash book. Sums by method and direction; `drawer` is what must lie in the drawer."""

    day: date
    movements: list[Movement]

    def sum_of(self, method: str, *, out: bool = False) -> Decimal:
        """What came by a method, or went."""
        amounts = (m.amount for m in self.movements if m.payment.method == method and (m.amount < 0) == out)
        return abs(sum(amounts, Decimal(0)))

    @property
    def drawer(self) -> Decimal:
        """Cash taken without cash given back."""
        return self.sum_of("cash") - self.sum_of("cash", out=True)


def cash_day(facility: str, day: date, account: str | None = None) -> CashDay:
    """What a cashier, or with no account the whole facility, took and gave back on a day in Vietnam, in its order.

    A receipt that is cancelled counts twice: as taken on its day, as gone on the day and by the hand of the cancelling.
    """
    start = timezone.make_aware(datetime.combine(day, time()))
    span = (start, start + timedelta(days=1))
    rows = models.Payment.objects.filter(facility=facility).select_related("bill")
    taken = rows.filter(taken__gte=span[0], taken__lt=span[1])
    gone = rows.filter(cancelled__gte=span[0], cancelled__lt=span[1])
    if account is not None:
        taken, gone = taken.filter(taken_by=account), gone.filter(cancelled_by=account)
    found = [Movement(p.taken, "taken" if p.amount > 0 else "returned", p, p.amount) for p in taken]
    found += [Movement(cast(datetime, p.cancelled), "cancelled", p, -p.amount) for p in gone]
    return CashDay(day, sorted(found, key=lambda m: (m.at, m.payment.pk)))


def owned(facility: str, encounter_id: str) -> models.Bill:
    """The bill row of a visit at the facility. Raises NoBill, also for a bill of another facility."""
    row = models.Bill.objects.filter(encounter=encounter_id, facility=facility).first()
    if row is None:
        raise NoBill
    return row


def unmatched(facility: str) -> QuerySet[models.BankTransaction]:
    """Transfers that belong to no bill yet, the newest first."""
    return models.BankTransaction.objects.filter(account=facility, state="unmatched").order_by("-id")


def transfer_code(row: models.Bill, amount: Decimal) -> tuple[str, str]:
    """The VietQR text of a transfer for a bill, and its picture (SVG). Raises NoBankAccount."""
    account = models.BankAccount.objects.filter(facility=row.facility).first()
    if account is None:
        raise NoBankAccount
    text = payload(
        bin_=account.bin,
        account=account.number,
        amount=amount,
        purpose=row.code or "",
        name=account.holder,
        city=account.city,
    )
    return text, qr_on_screen(text)


def _named(item: r4.ChargeItem) -> tuple[str, str]:
    codes = [c.code or "" for c in (item.code.coding if item.code else None) or []]
    text = (item.code.text if item.code else None) or next(iter(codes), "")
    if found := next((d for code in codes if (d := drug(code))), None):
        return text or found.label, found.unit
    known = next((s for code in codes if (s := service(code))), None)
    return text or (known.name if known else ""), (item.quantity.unit if item.quantity else None) or "Lần"
