"""Each order in one line, and what was counted of a day or a month, so that pages ask few rows.

`day` is the day of the order in Vietnam; a month has the date of its first day. `summary` counts days anew from the
lines, and months from their days.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class OrderLine(models.Model):
    """One order as statistics and the warning of duplicates ask for it: what of it is measured without its values."""

    order = models.CharField(max_length=64, primary_key=True)  # id of the ServiceRequest
    tube = models.ForeignKey("lab.Tube", on_delete=models.CASCADE, related_name="lines")
    test = models.CharField(max_length=40)
    bench = models.CharField(max_length=20)
    ordered_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)  # released in full
    cancelled = models.BooleanField(default=False)
    fee = models.DecimalField(max_digits=15, decimal_places=2, default=0)
    machine = models.CharField(max_length=200, blank=True, default="")  # of its first result
    results = models.PositiveIntegerField(default=0)  # analytes released
    abnormal = models.PositiveIntegerField(default=0)  # of the results
    critical = models.PositiveIntegerField(default=0)
    judged = models.PositiveIntegerField(default=0)  # results that are positive or negative
    positive = models.PositiveIntegerField(default=0)
    corrected = models.PositiveIntegerField(default=0)  # after release

    class Meta:
        indexes: ClassVar = [models.Index(fields=["ordered_at"], name="lab_order_line_day")]


class Span(models.TextChoices):
    """What a row counts."""

    DAY = "d"
    MONTH = "m"


class TestCount(models.Model):
    """Orders of one test, by the machine that measured and the technician who validated."""

    __test__ = False  # pytest: no test class

    facility = models.CharField(max_length=64)
    span = models.CharField(max_length=1, choices=Span)
    day = models.DateField()
    test = models.CharField(max_length=40)
    urgent = models.BooleanField()
    machine = models.CharField(max_length=200, blank=True)  # "": by hand, or not yet measured
    person = models.CharField(max_length=150, blank=True)
    bench = models.CharField(max_length=20)
    ordered = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)  # released in full
    cancelled = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)  # of those done
    results = models.PositiveIntegerField(default=0)
    abnormal = models.PositiveIntegerField(default=0)
    critical = models.PositiveIntegerField(default=0)
    judged = models.PositiveIntegerField(default=0)
    positive = models.PositiveIntegerField(default=0)
    corrected = models.PositiveIntegerField(default=0)
    fees = models.DecimalField(max_digits=18, decimal_places=2, default=0)  # of what was not cancelled

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facility", "span", "day", "test", "bench", "urgent", "machine", "person"],
                name="lab_test_count_once",
            ),
        ]


class StepTime(models.Model):
    """How many orders of a test, "" for all of a bench, took how long for a step. minutes: as `summary.sql` rounds."""

    facility = models.CharField(max_length=64)
    span = models.CharField(max_length=1, choices=Span)
    step = models.CharField(max_length=10)
    day = models.DateField()
    test = models.CharField(max_length=40)
    urgent = models.BooleanField()
    minutes = models.PositiveIntegerField()
    bench = models.CharField(max_length=20)
    count = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(  # with all that is asked, so that the index alone answers
                fields=["facility", "span", "test", "day", "step", "bench", "urgent", "minutes"],
                include=["count"], name="lab_step_time_once",
            ),
        ]  # fmt: skip


class SampleCount(models.Model):
    """Specimens, why they were refused, and calls about their critical values."""

    facility = models.CharField(max_length=64)
    span = models.CharField(max_length=1, choices=Span)
    day = models.DateField()
    kind = models.CharField(max_length=20)  # of the catalogue's SPECIMENS
    bench = models.CharField(max_length=20)
    urgent = models.BooleanField()
    reason = models.CharField(max_length=10, blank=True)  # why it was refused: of `plan.REJECTIONS`, or OTHER
    samples = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    critical = models.PositiveIntegerField(default=0)  # of which somebody must have been called
    called = models.PositiveIntegerField(default=0)
    in_time = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facility", "span", "day", "kind", "bench", "urgent", "reason"], name="lab_sample_count_once"
            ),
        ]


class CountedDay(models.Model):
    """When a day was last counted."""

    facility = models.CharField(max_length=64)
    day = models.DateField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "day"], name="lab_counted_day_once")]
