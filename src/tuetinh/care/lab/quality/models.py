"""What keeps a laboratory able to measure: reagents, upkeep of machines, comparisons with others, cold, documents."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q


class Reagent(models.Model):
    """A reagent, calibrator or consumable. tests: service codes that it is for.

    open_days: for which it is stable once opened, 0 not known; low: packs below which it is to be ordered.
    """

    facility = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    maker = models.CharField(max_length=100, blank=True)
    tests = models.JSONField(default=list)
    per_pack = models.PositiveIntegerField(default=0)  # tests that a pack is for
    open_days = models.PositiveIntegerField(default=0)
    low = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "name"], name="lab_reagent_once")]


class ReagentLot(models.Model):
    """Packs of one lot. price: of a pack, in đồng."""

    reagent = models.ForeignKey(Reagent, on_delete=models.PROTECT, related_name="lots")
    lot = models.CharField(max_length=60)
    expires = models.DateField()
    price = models.DecimalField(max_digits=15, decimal_places=2, default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["reagent", "lot"], name="lab_reagent_lot_once")]


class ReagentMove(models.Model):
    """Packs that came, were opened or thrown away; never altered but for the end of an opened one.

    packs: with its sign, so that their sum is what is there. machine: where a pack was opened, "" by hand.
    """

    class Kind(models.TextChoices):
        """What happened."""

        RECEIVE = "receive"
        OPEN = "open"
        DISCARD = "discard"

    lot = models.ForeignKey(ReagentLot, on_delete=models.PROTECT, related_name="moves")
    kind = models.CharField(max_length=10, choices=Kind)
    packs = models.IntegerField()
    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    machine = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True)  # of an opened pack
    finished_by = models.CharField(max_length=150, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["lot", "at"], name="lab_reagent_move_lot"),
            models.Index(
                fields=["lot"], name="lab_reagent_move_open", condition=Q(kind="open", finished_at__isnull=True)
            ),
        ]


class Upkeep(models.Model):
    """What is done to a machine again and again: calibration or maintenance, every so many days."""

    class Kind(models.TextChoices):
        """What is done."""

        CALIBRATION = "calibration"
        MAINTENANCE = "maintenance"

    facility = models.CharField(max_length=64)
    machine = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, choices=Kind)
    title = models.CharField(max_length=200)
    every_days = models.PositiveIntegerField()
    due_on = models.DateField()
    ended = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facility", "machine", "kind", "title"], name="lab_upkeep_once", condition=Q(ended__isnull=True)
            ),
        ]


class UpkeepDone(models.Model):
    """That it was done, never altered. passed: whether the machine may go on; paper: number of a certificate."""

    upkeep = models.ForeignKey(Upkeep, on_delete=models.PROTECT, related_name="log")
    on = models.DateField()
    by = models.CharField(max_length=200)  # who did it: a technician, or an engineer from outside
    passed = models.BooleanField()
    note = models.CharField(max_length=1000, blank=True)
    paper = models.CharField(max_length=100, blank=True)
    at = models.DateTimeField()
    account = models.CharField(max_length=150)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["upkeep", "-on", "-id"], name="lab_upkeep_done_on")]


class Proficiency(models.Model):
    """One sample of a round of external quality assessment: what was measured, and what should have been.

    assigned, sd: the assigned value and the standard deviation for proficiency assessment (ISO 13528). text, expected:
    of a qualitative test, the word that was told and the one that should have been, instead of numbers.
    """

    facility = models.CharField(max_length=64)
    scheme = models.CharField(max_length=100)
    round = models.CharField(max_length=60)
    sample = models.CharField(max_length=60)
    analyte = models.CharField(max_length=20)
    machine = models.CharField(max_length=200, blank=True)
    on = models.DateField()
    value = models.DecimalField(max_digits=18, decimal_places=6)
    assigned = models.DecimalField(max_digits=18, decimal_places=6)
    sd = models.DecimalField(max_digits=18, decimal_places=6)
    text = models.CharField(max_length=40, blank=True, db_default="")
    expected = models.CharField(max_length=40, blank=True, db_default="")
    account = models.CharField(max_length=150)
    at = models.DateTimeField()
    action = models.CharField(max_length=1000, blank=True)  # what was done about a bad one
    acted_at = models.DateTimeField(null=True)
    acted_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facility", "scheme", "round", "sample", "analyte", "machine"], name="lab_proficiency_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["facility", "-on"], name="lab_proficiency_on")]

    @property
    def z(self) -> Decimal:
        """The z score (ISO 13528, 9.4), also called SDI."""
        return round((self.value - self.assigned) / self.sd, 2)


class Comparison(models.Model):
    """Two methods that measured the same samples. pairs: of numbers as text, the older method first."""

    facility = models.CharField(max_length=64)
    analyte = models.CharField(max_length=20)
    first = models.CharField(max_length=200)
    second = models.CharField(max_length=200)
    pairs = models.JSONField()
    on = models.DateField()
    account = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "-on", "-id"], name="lab_comparison_on")]


class Fridge(models.Model):
    """A fridge, freezer or room that is to keep its temperature. code: what its sensor sends as the sample's number."""

    facility = models.CharField(max_length=64)
    name = models.CharField(max_length=100)
    code = models.CharField(max_length=60, blank=True)
    low = models.DecimalField(max_digits=5, decimal_places=1)
    high = models.DecimalField(max_digits=5, decimal_places=1)
    silent_hours = models.PositiveIntegerField(default=12)  # without a reading, after which it is told
    ended = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "name"], name="lab_fridge_once")]


class Temperature(models.Model):
    """One reading, never altered. account "": of a sensor; action: what was done about one outside the limits.

    outside: of the limits that its fridge had then.
    """

    fridge = models.ForeignKey(Fridge, on_delete=models.PROTECT, related_name="readings")
    at = models.DateTimeField()
    value = models.DecimalField(max_digits=5, decimal_places=1)
    outside = models.BooleanField(default=False, db_default=False)
    account = models.CharField(max_length=150, blank=True)
    action = models.CharField(max_length=500, blank=True)
    acted_at = models.DateTimeField(null=True)
    acted_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["fridge", "at"], name="lab_temperature_once")]
        indexes: ClassVar = [
            models.Index(
                fields=["fridge"], name="lab_temperature_open", condition=Q(outside=True, acted_at__isnull=True)
            ),
        ]


class Procedure(models.Model):
    """A document of the quality system (ISO 15189:2022, 8.3): its number, version, and when its review is due."""

    facility = models.CharField(max_length=64)
    number = models.CharField(max_length=40)
    title = models.CharField(max_length=300)
    version = models.CharField(max_length=20)
    effective_on = models.DateField()
    review_on = models.DateField()
    place = models.CharField(max_length=300, blank=True)  # where it lies
    account = models.CharField(max_length=150)
    withdrawn = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["facility", "number", "version"], name="lab_procedure_once"),
        ]


class ProcedureRead(models.Model):
    """Who has read a version, and when."""

    procedure = models.ForeignKey(Procedure, on_delete=models.CASCADE, related_name="readers")
    account = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["procedure", "account"], name="lab_procedure_read_once"),
        ]
