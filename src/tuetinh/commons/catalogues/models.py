"""Price lists: what a code costs at a facility, and from when to when."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class Price(models.Model):
    """An amount in ₫ in force from `valid_from` to `valid_to` (both included; none = until further notice).

    `facility` is the Organization id; empty is the province's list. Two prices of one code and facility never overlap:
    `actions.set_price` sees to it under a lock. No exclusion constraint, as the embedded server lacks btree_gist.
    A medicine's price is that of a product and of the tender that it won: SO_DANG_KY and TT_THAU (QĐ 3176, table 2).
    A day in bed and a supply stand in no catalogue: their name and unit are told here.
    """

    facility = models.CharField(max_length=64, blank=True)
    code = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=[(one, one) for one in ("service", "drug", "bed", "supply")])
    amount = models.DecimalField(max_digits=14, decimal_places=2)
    registration = models.CharField(max_length=255, blank=True)
    tender = models.CharField(max_length=50, blank=True)
    name = models.CharField(max_length=500, blank=True, db_default="")
    unit = models.CharField(max_length=50, blank=True, db_default="")
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["facility", "code", "valid_from"], name="price_once_a_day"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="price_not_negative"),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")), name="price_dates_in_order"
            ),
        ]


class MedicineCode(models.Model):
    """The insurer's code of a medicine (MA_THUOC) as a facility entered it; it goes before that of the formulary."""

    facility = models.CharField(max_length=64)
    medicine = models.CharField(max_length=120)
    code = models.CharField(max_length=50)
    at = models.DateTimeField(auto_now=True)
    account = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["facility", "medicine"], name="medicine_code_once"),
        ]
