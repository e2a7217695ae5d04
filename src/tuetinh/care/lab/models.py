"""What of the laboratory is no clinical fact: messages as they came, tubes on their way, analysers' own codes."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from tuetinh.care.lab.blood.models import (  # noqa: F401
    BloodAllocation,
    BloodMove,
    BloodOrder,
    BloodProduct,
    BloodReaction,
    BloodUnit,
)
from tuetinh.care.lab.pathology.models import (  # noqa: F401
    PathologyCase,
    PathologyLoan,
    PathologyOpinion,
    PathologyPiece,
)
from tuetinh.care.lab.quality.models import (
    Comparison,
    Fridge,
    Procedure,
    ProcedureRead,
    Proficiency,
    Reagent,
    ReagentLot,
    ReagentMove,
    Temperature,
    Upkeep,
    UpkeepDone,
)
from tuetinh.care.lab.samples.models import StandingOrder
from tuetinh.care.lab.statistics.models import CountedDay, OrderLine, SampleCount, StepTime, TestCount

__all__ = [  # Django finds a module's models here
    "Comparison",
    "CountedDay",
    "Fridge",
    "OrderLine",
    "Procedure",
    "ProcedureRead",
    "Proficiency",
    "Reagent",
    "ReagentLot",
    "ReagentMove",
    "SampleCount",
    "StandingOrder",
    "StepTime",
    "Temperature",
    "TestCount",
    "Upkeep",
    "UpkeepDone",
]


class Tube(models.Model):
    """The way of one specimen through the laboratory: its number and where it stands. What it holds is in the record.

    Its row is the lock of everything that is done to the specimen, its orders and its results.
    """

    class Stage(models.TextChoices):
        """Where it stands."""

        ORDERED = "ordered"
        RECEIVED = "received"
        RESULTED = "resulted"
        VERIFIED = "verified"  # by the technician
        RELEASED = "released"
        REJECTED = "rejected"
        CANCELLED = "cancelled"

    number = models.CharField(max_length=20, unique=True)
    facility = models.CharField(max_length=64)
    specimen = models.CharField(max_length=64, unique=True)
    encounter = models.CharField(max_length=64)
    patient = models.CharField(max_length=64)
    orders = models.JSONField(default=list)  # ids of the ServiceRequests
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.ORDERED)
    urgent = models.BooleanField(default=False)
    critical = models.BooleanField(default=False)  # holds a critical value that nobody has acknowledged
    ordered_at = models.DateTimeField()
    received_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    critical_at = models.DateTimeField(null=True)  # since when a call is due
    called_at = models.DateTimeField(null=True)  # when somebody first read the critical values back
    verified_at = models.DateTimeField(null=True)  # the technician's validation
    verified_by = models.CharField(max_length=150, blank=True, db_default="")
    benches = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))  # keys of the catalogue's
    kind = models.CharField(max_length=20, blank=True, db_default="")  # of the catalogue's SPECIMENS
    refused_for = models.CharField(max_length=10, blank=True, db_default="")  # of `samples.plan.REJECTIONS`, or OTHER
    collected_at = models.DateTimeField(null=True)
    collected_by = models.CharField(max_length=150, blank=True, db_default="")
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="aliquots")
    shipment = models.ForeignKey("Shipment", null=True, on_delete=models.PROTECT, related_name="tubes")  # on its way
    storage = models.CharField(max_length=100, blank=True, db_default="")  # where it is kept
    due_at = models.DateTimeField(null=True)  # when its results are late
    bedside = models.BooleanField(default=False, db_default=False)  # measured at the point of care
    holds = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))  # [rule, analyte] pairs

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["facility", "stage", "-urgent", "ordered_at", "id"]),
            models.Index(fields=["encounter"]),
            models.Index(fields=["facility", "ordered_at"], name="lab_tube_ordered"),
            models.Index(fields=["patient", "ordered_at"], name="lab_tube_patient"),
            models.Index(fields=["facility", "-released_at"], name="lab_tube_released", condition=Q(stage="released")),
            models.Index(fields=["facility", "critical_at"], name="lab_tube_critical", condition=Q(critical=True)),
        ]


class Shipment(models.Model):
    """Tubes on their way to another laboratory. task: id of the Task in the record."""

    number = models.CharField(max_length=20, unique=True)
    sender = models.CharField(max_length=64)
    receiver = models.CharField(max_length=64)
    sent_at = models.DateTimeField()
    sent_by = models.CharField(max_length=150)
    received_at = models.DateTimeField(null=True)
    received_by = models.CharField(max_length=150, blank=True)
    task = models.CharField(max_length=64)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["receiver", "-sent_at"], name="lab_shipment_receiver"),
            models.Index(fields=["sender", "-sent_at"], name="lab_shipment_sender"),
        ]


class Counter(models.Model):
    """The last number given to a tube of a facility on a day."""

    facility = models.CharField(max_length=64)
    day = models.DateField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "day"], name="lab_counter_day")]


class Analyser(models.Model):
    """An analyser or middleware that sends messages: its own name (MSH-3, MSH-4), and from where it calls."""

    sender = models.CharField(max_length=300)  # `application|facility` of MSH
    address = models.GenericIPAddressField(null=True, blank=True)  # tells two of the same name apart
    facility = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    device = models.CharField(max_length=64, blank=True)  # Device id
    enabled = models.BooleanField(default=True)
    driver = models.CharField(max_length=60, blank=True)  # the model's description in `data/drivers`
    silent_minutes = models.PositiveIntegerField(default=0)  # without a message, after which it is told; 0: never
    serial = models.CharField(max_length=100, blank=True)  # the device file or port of its serial line
    folder = models.CharField(max_length=300, blank=True)  # where it leaves its files
    port = models.PositiveIntegerField(null=True, blank=True)  # where it takes orders, at its address
    downloads = models.BooleanField(default=False)  # whether it is told of tubes without asking
    bedside = models.BooleanField(default=False, db_default=False)  # stands in a ward or station
    ministry_code = models.CharField(max_length=100, blank=True, db_default="")  # MA_MAY: group.source.number

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sender", "address"], name="lab_analyser_once", nulls_distinct=False),
        ]

    def measured(self) -> dict[str, str]:
        """What a `facts.Reading` of its says of it."""
        return {"device": self.name, "device_id": self.device, "device_code": self.ministry_code}


class AnalyserCode(models.Model):
    """What an analyser means by one of its codes. analyte: a key of ours, "" for what is never reported.

    unit: the unit where the message says none; factor: what its numbers are multiplied by to be in our unit.
    """

    analyser = models.ForeignKey(Analyser, on_delete=models.CASCADE, related_name="meanings")
    code = models.CharField(max_length=100)
    analyte = models.CharField(max_length=20, blank=True)
    unit = models.CharField(max_length=40, blank=True)
    factor = models.DecimalField(max_digits=18, decimal_places=9, default=1)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["analyser", "code"], name="lab_analyser_code_once")]


OPEN = ("unmatched", "unknown", "unit", "range", "broken")  # states in which a message waits for a person
UNKNOWN_CONTROL = "unknown-control"  # why a control's message was not kept as its result


def named(sender: str) -> str:
    """The name that a sender said, as people read it: application, then facility."""
    return " · ".join(part for part in sender.split("|") if part)


class Message(models.Model):
    """One message as it came, kept before it is acknowledged. A message sent again is counted, not kept again."""

    class State(models.TextChoices):
        """What became of it."""

        MATCHED = "matched"
        UNMATCHED = "unmatched"  # no tube of this number, or one that is closed
        UNKNOWN = "unknown"  # a code that nobody has explained
        UNIT = "unit"  # in a unit that cannot be brought to ours
        RANGE = "range"  # a value that no living person has
        BROKEN = "broken"
        CONTROL = "control"  # quality control
        NOTED = "noted"  # understood and accepted, but no result: a patient's data from another system
        ASIDE = "aside"  # a technician put it aside with a reason

    received_at = models.DateTimeField()
    peer = models.CharField(max_length=64, blank=True)
    wire = models.CharField(max_length=10, default="hl7v2")
    facility = models.CharField(max_length=64, blank=True)
    sender = models.CharField(max_length=300, blank=True)
    analyser = models.ForeignKey(Analyser, null=True, on_delete=models.SET_NULL, db_index=False)
    control_id = models.CharField(max_length=200, blank=True)
    digest = models.BinaryField(max_length=32)
    kind = models.CharField(max_length=40, blank=True)
    raw = models.BinaryField()
    state = models.CharField(max_length=10, choices=State)
    reason = models.CharField(max_length=40, blank=True)
    place = models.CharField(max_length=60, blank=True)
    ack = models.BinaryField(null=True)
    copies = models.PositiveIntegerField(default=1)
    tube = models.ForeignKey(Tube, null=True, on_delete=models.PROTECT)
    note = models.CharField(max_length=500, blank=True)
    handled_by = models.CharField(max_length=64, blank=True)
    handled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sender", "control_id", "digest"], name="lab_message_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["facility", "-received_at"],
                name="lab_message_open",
                condition=Q(state__in=OPEN),
            ),
            models.Index(fields=["facility", "-received_at"], name="lab_message_again", condition=Q(copies__gt=1)),
            models.Index(fields=["facility", "state", "-received_at"], name="lab_message_state"),
            models.Index(fields=["-received_at"], name="lab_message_received"),
            models.Index(fields=["analyser", "-received_at"], name="lab_message_analyser"),
        ]

    @property
    def origin(self) -> str:
        """Who sent it by the name it said, else from where it came."""
        return named(self.sender) or self.peer

    @property
    def waits(self) -> bool:
        """Whether a person can do something with it: it waits, or told of a control that nobody had taken into use."""
        return self.state in OPEN or self.reason == UNKNOWN_CONTROL


class Download(models.Model):
    """The orders of a tube on their way to an analyser that is told without asking. tries: how often it refused.

    told: what it knows, its codes by the ids of the orders that they are for.
    """

    analyser = models.ForeignKey(Analyser, on_delete=models.CASCADE)
    tube = models.ForeignKey(Tube, on_delete=models.CASCADE)
    made_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    told = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["analyser", "tube"], name="lab_download_once")]
        indexes: ClassVar = [
            models.Index(fields=["next_at"], name="lab_download_due", condition=Q(sent_at=None)),
        ]


class RuleChange(models.Model):
    """A rule of results as somebody made it, never altered: the last one of a code holds. facility "": everywhere."""

    kind = models.CharField(max_length=12)  # of `results.rules.KINDS`
    code = models.CharField(max_length=60, db_index=True)
    facility = models.CharField(max_length=64, blank=True)
    content = models.JSONField()
    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    why = models.CharField(max_length=500)


class Signatory(models.Model):
    """Who signs results for a laboratory: the doctor's validation. One who has ended is kept."""

    facility = models.CharField(max_length=64)
    account = models.CharField(max_length=150)
    since = models.DateTimeField()
    by = models.CharField(max_length=150)
    ended = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facility", "account"], name="lab_signatory_once", condition=Q(ended__isnull=True)
            ),
        ]


class Control(models.Model):
    """A lot of a control material for one analyte on one machine ("" for a method by hand), with what it should give.

    barcode: what the machine reads or sends as the number of the sample. expected: the word that a qualitative test
    should give; it has no mean and deviation then (0 and 1).
    """

    facility = models.CharField(max_length=64)
    machine = models.CharField(max_length=200, blank=True)
    analyte = models.CharField(max_length=20)
    material = models.CharField(max_length=100)
    level = models.PositiveSmallIntegerField()
    lot = models.CharField(max_length=60)
    barcode = models.CharField(max_length=60, blank=True)
    mean = models.DecimalField(max_digits=18, decimal_places=6)
    sd = models.DecimalField(max_digits=18, decimal_places=6)
    expected = models.CharField(max_length=40, blank=True, db_default="")
    expires = models.DateField(null=True)
    ended = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facility", "machine", "analyte", "material", "level", "lot"], name="lab_control_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["facility", "barcode"], name="lab_control_barcode")]

    @property
    def expired(self) -> bool:
        """Whether its lot is over."""
        return self.expires is not None and self.expires < timezone.localdate()

    @property
    def target(self) -> tuple[Decimal, Decimal]:
        """Mean and standard deviation as people write them."""
        return self.mean.normalize() + 0, self.sd.normalize() + 0


class ControlResult(models.Model):
    """One measurement of a control, never altered. broken: the rules that it broke; warned: those that only warn.

    message: what a machine told it in; none for one that was typed. text: the word of a qualitative test; its value is
    0 where that is the expected one, else 1.
    """

    control = models.ForeignKey(Control, on_delete=models.PROTECT, related_name="results")
    message = models.ForeignKey(Message, null=True, on_delete=models.SET_NULL)
    value = models.DecimalField(max_digits=18, decimal_places=6)
    text = models.CharField(max_length=40, blank=True, db_default="")
    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    broken = models.JSONField(default=list)
    warned = models.JSONField(default=list)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["control", "-at", "-id"], name="lab_control_result_at")]

    @property
    def shown(self) -> Decimal | str:
        """The value as people write it."""
        return self.text or self.value.normalize() + 0

    @property
    def score(self) -> str:
        """How many standard deviations it is from the mean, with its sign; "" for a word."""
        if self.text:
            return ""
        return f"{(self.value - self.control.mean) / self.control.sd:+.2f}"


class QualityBlock(models.Model):
    """A test that is not released from a machine since a control broke a rule, until an action is written."""

    facility = models.CharField(max_length=64)
    machine = models.CharField(max_length=200, blank=True)
    analyte = models.CharField(max_length=20)
    result = models.ForeignKey(ControlResult, on_delete=models.PROTECT)
    since = models.DateTimeField()
    action = models.CharField(max_length=1000, blank=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["facility", "machine", "analyte"],
                name="lab_quality_block_open",
                condition=Q(resolved_at__isnull=True),
            ),
        ]


class CultureStep(models.Model):
    """A line of the bench's journal of a culture, never altered: what was seen after so many hours."""

    tube = models.ForeignKey(Tube, on_delete=models.PROTECT, related_name="steps")
    order = models.CharField(max_length=64, db_index=True)  # id of the ServiceRequest
    hours = models.PositiveIntegerField()
    outcome = models.CharField(max_length=20)  # of `microbiology.facts.OUTCOMES`
    note = models.CharField(max_length=500, blank=True)
    interim = models.BooleanField(default=False)  # told to the ward
    at = models.DateTimeField()
    account = models.CharField(max_length=150)


class BreakpointTable(models.Model):
    """Breakpoints of a standard and year that an administrator has taken into use, never altered. facility "": all."""

    facility = models.CharField(max_length=64, blank=True)
    standard = models.CharField(max_length=10)
    year = models.PositiveSmallIntegerField()
    version = models.CharField(max_length=20, blank=True)
    from_day = models.DateField()
    rows = models.JSONField()
    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    why = models.CharField(max_length=500)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "-from_day", "-id"], name="lab_breakpoints_from")]

    @property
    def name(self) -> str:
        """As it stands with every value that it judged."""
        return f"{self.standard} {self.year}" + (f" ({self.version})" if self.version else "")


class IsolateProposal(models.Model):
    """An isolate as a machine tells it, until a person takes it over or puts it aside.

    content: `organism` (WHONET code), `tests` as [antibiotic, method, value, S/I/R of the machine].
    """

    tube = models.ForeignKey(Tube, on_delete=models.PROTECT, related_name="proposals")
    order = models.CharField(max_length=64)
    number = models.PositiveSmallIntegerField()
    machine = models.CharField(max_length=200, blank=True)
    content = models.JSONField()
    at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)
    handled_by = models.CharField(max_length=150, blank=True)
    taken = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["order", "number"], name="lab_proposal_open", condition=Q(handled_at__isnull=True)
            ),
        ]
