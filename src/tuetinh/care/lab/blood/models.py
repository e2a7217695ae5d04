"""What of the blood bank is no clinical fact: the stock, the way of orders and units, the workflow of reactions."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class BloodProduct(models.Model):
    """What an ISBT 128 product code means at a facility, taught when a unit with it came in first."""

    facility = models.CharField(max_length=64)
    code = models.CharField(max_length=8)
    component = models.CharField(max_length=30)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "code"], name="lab_blood_product_once")]


class BloodUnit(models.Model):
    """A unit in the stock of a facility. Its row is the lock of whatever is done to it.

    din: donation identification number, or the supplier's own; resource: id of the BiologicallyDerivedProduct.
    """

    class Stage(models.TextChoices):
        """Where it stands."""

        QUARANTINED = "quarantined"
        AVAILABLE = "available"
        RESERVED = "reserved"
        ISSUED = "issued"
        TRANSFUSED = "transfused"
        DISCARDED = "discarded"

    facility = models.CharField(max_length=64)
    din = models.CharField(max_length=20)
    product = models.CharField(max_length=8, blank=True)
    component = models.CharField(max_length=30)
    abo = models.CharField(max_length=2)
    rhd = models.CharField(max_length=1)
    volume = models.PositiveIntegerField()
    expires = models.DateTimeField()
    collected = models.DateField(null=True)
    donor = models.CharField(max_length=40, blank=True)  # the supplier's number of the donor
    supplier = models.CharField(max_length=200, blank=True)
    storage = models.CharField(max_length=100, blank=True)
    stage = models.CharField(max_length=12, choices=Stage, default=Stage.QUARANTINED)
    resource = models.CharField(max_length=64, unique=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["facility", "din", "product"], name="lab_blood_unit_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["facility", "stage", "expires", "id"], name="lab_blood_unit_stage"),
            models.Index(fields=["donor"], name="lab_blood_unit_donor"),
            models.Index(fields=["din"], name="lab_blood_unit_din"),
        ]


class BloodMove(models.Model):
    """One step of a unit: what became of it, by whom, why."""

    unit = models.ForeignKey(BloodUnit, on_delete=models.PROTECT, related_name="moves")
    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    stage = models.CharField(max_length=12)
    note = models.CharField(max_length=500, blank=True)


class BloodOrder(models.Model):
    """An order for blood on its way; what was ordered is the ServiceRequest. Its row locks the order."""

    class Stage(models.TextChoices):
        """Where it stands."""

        OPEN = "open"
        DONE = "done"
        CANCELLED = "cancelled"

    class Urgency(models.TextChoices):
        """FHIR request-priority."""

        ROUTINE = "routine"
        URGENT = "urgent"
        STAT = "stat"

    facility = models.CharField(max_length=64)
    request = models.CharField(max_length=64, unique=True)
    encounter = models.CharField(max_length=64)
    patient = models.CharField(max_length=64)
    component = models.CharField(max_length=30)
    quantity = models.PositiveSmallIntegerField()
    urgency = models.CharField(max_length=8, choices=Urgency, default=Urgency.ROUTINE)
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.OPEN)
    ordered_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["facility", "stage", "-ordered_at", "-id"], name="lab_blood_order_stage"),
            models.Index(fields=["patient"], name="lab_blood_order_patient"),
            models.Index(fields=["encounter"], name="lab_blood_order_visit"),
        ]


class BloodAllocation(models.Model):
    """A unit set aside for an order, on its way to the vein or back. Facts are in the record: `crossmatch` is the id of
    the Observation, `procedure` of the transfusion.
    """

    class Stage(models.TextChoices):
        """Where it stands."""

        RESERVED = "reserved"
        PREPARED = "prepared"  # checked by the first person
        ISSUED = "issued"  # checked and taken by the second
        RUNNING = "running"
        DONE = "done"
        STOPPED = "stopped"
        RETURNED = "returned"
        FREED = "freed"  # back in stock before it was issued

    class Method(models.TextChoices):
        """How it was found compatible."""

        SEROLOGICAL = "serological"
        ELECTRONIC = "electronic"
        GROUP = "group"  # by the group alone: holds no red cells
        EMERGENCY = "emergency"  # not yet: released by a doctor's signature

    order = models.ForeignKey(BloodOrder, on_delete=models.PROTECT, related_name="allocations")
    unit = models.ForeignKey(BloodUnit, on_delete=models.PROTECT, related_name="allocations")
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.RESERVED)
    method = models.CharField(max_length=12, choices=Method)
    crossmatch = models.CharField(max_length=64, blank=True)
    incompatible = models.BooleanField(default=False)  # found after an emergency release
    signed_by = models.CharField(max_length=150, blank=True)
    reserved_at = models.DateTimeField()
    prepared_by = models.CharField(max_length=150, blank=True)
    issued_at = models.DateTimeField(null=True)
    issued_by = models.CharField(max_length=150, blank=True)
    procedure = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(null=True)
    observed_at = models.DateTimeField(null=True)  # measured again first, some minutes after the start
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["unit"],
                condition=~models.Q(stage__in=["returned", "freed"]),
                name="lab_blood_allocation_one",
            )
        ]


class BloodReaction(models.Model):
    """The workflow of a reaction to a transfusion; the fact is the AdverseEvent. steps: what each found, by whom."""

    allocation = models.ForeignKey(BloodAllocation, on_delete=models.PROTECT, related_name="reactions")
    facility = models.CharField(max_length=64)
    event = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=20)
    severe = models.BooleanField(default=False)
    steps = models.JSONField(default=dict)
    reported_at = models.DateTimeField()
    reported_by = models.CharField(max_length=150)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "-reported_at"], name="lab_blood_reaction_at")]
