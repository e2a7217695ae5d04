"""The cash book: what is owed for a visit, what was paid, what came to the bank. Charges are facts of the record."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class BankAccount(models.Model):
    """Where transfers of a facility go. secret: of the bank's webhook, encrypted with the node's key."""

    facility = models.CharField(max_length=64, primary_key=True)
    bin = models.CharField(max_length=6)
    number = models.CharField(max_length=19)
    holder = models.CharField(max_length=100)
    city = models.CharField(max_length=50, blank=True)
    secret = models.BinaryField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["bin", "number"], name="billing_one_account")]


class Bill(models.Model):
    """One visit's account: the row that payments lock. due: what the patient owes in all, as last worked out."""

    encounter = models.CharField(max_length=64, unique=True)
    facility = models.CharField(max_length=64)
    patient = models.CharField(max_length=64)
    code = models.CharField(max_length=25, unique=True, null=True)
    due = models.DecimalField(max_digits=15, decimal_places=0, default=0)
    paid = models.DecimalField(max_digits=15, decimal_places=0, default=0)
    state = models.CharField(max_length=10, default="open")  # open, paid
    invoice = models.CharField(max_length=64, blank=True)
    opened = models.DateTimeField(auto_now_add=True)
    settled = models.DateTimeField(null=True)
    announced = models.DateTimeField(null=True)  # when the patient was shown the transfer code

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["facility", "state", "-id"]),
            models.Index(fields=["patient", "-id"]),
            models.Index(fields=["facility", "-id"], condition=Q(paid__gt=F("due")), name="billing_to_give_back"),
        ]


class BankTransaction(models.Model):
    """Money that a bank told of, once. state: `matched`, `unmatched` (reason says why), `settled` (by a person)."""

    account = models.ForeignKey(BankAccount, on_delete=models.PROTECT, related_name="transactions")
    transaction = models.CharField(max_length=100)
    amount = models.DecimalField(max_digits=15, decimal_places=2)
    content = models.TextField(blank=True)
    received = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=10, default="unmatched")
    reason = models.CharField(max_length=20, blank=True)
    bill = models.ForeignKey(Bill, on_delete=models.PROTECT, null=True, related_name="transactions")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["account", "transaction"], name="billing_once")]
        indexes: ClassVar = [models.Index(fields=["account", "state", "-id"])]


class Payment(models.Model):
    """Money taken for a bill, or given back when the amount is negative. A cancelled one keeps its number, with who
    cancelled it; reason says why it was cancelled or given back.
    """

    bill = models.ForeignKey(Bill, on_delete=models.PROTECT, related_name="payments")
    facility = models.CharField(max_length=64)
    number = models.IntegerField()
    year = models.SmallIntegerField()
    method = models.CharField(max_length=10)  # cash, transfer
    amount = models.DecimalField(max_digits=15, decimal_places=0)
    taken = models.DateTimeField(auto_now_add=True)
    taken_by = models.CharField(max_length=64)
    reconciliation = models.CharField(max_length=64)
    transaction = models.OneToOneField(BankTransaction, on_delete=models.PROTECT, null=True, related_name="payment")
    cancelled = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "year", "number"], name="billing_receipt")]
        indexes: ClassVar = [models.Index(fields=["facility", "-taken"])]


class ReceiptBook(models.Model):
    """The last receipt number of a facility and year; locked by whoever writes the next."""

    facility = models.CharField(max_length=64)
    year = models.SmallIntegerField()
    last = models.IntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "year"], name="billing_book")]
