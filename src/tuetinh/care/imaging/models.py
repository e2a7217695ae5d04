"""The index of the archive, the machines, examinations on their way, and what waits for a person.

Study, Series and Instance exist for whom the ImagingStudy would (row policies of `0001`). Names are DICOM keywords.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Final

from django.db import models
from django.db.models import Q

from tuetinh.care.imaging.archive.models import Finding, Stored, Unreadable, Upkeep  # noqa: F401
from tuetinh.care.imaging.capture.disc.models import Disc  # noqa: F401
from tuetinh.care.imaging.handover.models import Package  # noqa: F401
from tuetinh.care.imaging.reading.models import PeerReview, Reader, ReadingCase, ReadingRules  # noqa: F401
from tuetinh.care.imaging.remote.models import Opinion, Sending, SentObject  # noqa: F401
from tuetinh.care.imaging.retention.models import DestroyedObject, StudyHold  # noqa: F401
from tuetinh.care.imaging.statistics.models import PictureCount  # noqa: F401


class Study(models.Model):
    """One study. patient: id of the Patient, none until a person has said whose it is.

    attributes: the DICOM JSON (PS3.18 F) of its own level and the patient's, as the first object told them.
    name_words, referrer_words: names folded for matching without case and accents (PS3.4 C.2.2.2.1).
    """

    study_instance_uid = models.CharField(max_length=64, db_collation="C", unique=True)
    resource = models.CharField(max_length=64, unique=True)  # id of the ImagingStudy
    custodian = models.CharField(max_length=64)
    patient = models.CharField(max_length=64, null=True)
    labels = models.IntegerField(default=0, db_default=0)  # bits of `record.labels`, as the ImagingStudy has them
    order = models.CharField(max_length=64, blank=True)  # id of the ServiceRequest
    encounter = models.CharField(max_length=64, blank=True)
    patient_id = models.CharField(max_length=64, db_collation="C", blank=True)
    name_words = models.CharField(max_length=330, db_collation="C", blank=True)
    patient_birth_date = models.DateField(null=True)
    patient_sex = models.CharField(max_length=16, blank=True)
    study_date = models.DateField(null=True)
    study_time = models.TimeField(null=True)
    accession_number = models.CharField(max_length=64, db_collation="C", blank=True)
    study_id = models.CharField(max_length=64, db_collation="C", blank=True)
    study_description = models.CharField(max_length=200, blank=True)
    referrer_words = models.CharField(max_length=330, db_collation="C", blank=True)
    attributes = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["-study_date", "-id"], name="imaging_study_date"),
            models.Index(fields=["patient", "-study_date"], name="imaging_study_patient"),
            models.Index(fields=["patient_id"], name="imaging_study_patient_id"),
            models.Index(fields=["name_words"], name="imaging_study_name"),
            models.Index(fields=["accession_number"], name="imaging_study_accession"),
            models.Index(fields=["custodian", "-id"], name="imaging_study_nobody", condition=Q(patient=None)),
            models.Index(fields=["custodian", "-id"], name="imaging_study_known", condition=Q(patient__isnull=False)),
            models.Index(
                fields=["custodian", "received_at", "id"], name="imaging_study_unvisited", condition=Q(encounter="")
            ),
        ]

    @property
    def name(self) -> str:
        """The person's name as the pictures tell it, or ""."""
        told = (self.attributes.get("00100010", {}).get("Value") or [{}])[0] or {}
        return " ".join(str(told.get("Alphabetic", "")).replace("^", " ").split())


class Series(models.Model):
    """One series of a study."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="series")
    series_instance_uid = models.CharField(max_length=64, db_collation="C", unique=True)
    modality = models.CharField(max_length=16, db_collation="C", blank=True)
    series_number = models.BigIntegerField(null=True)
    attributes = models.JSONField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["study", "modality"], name="imaging_series_modality")]


class Instance(models.Model):
    """One object: a Part 10 file of the record's contents (`record/contents`), named by its digest."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, db_index=False)
    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="instances")
    sop_instance_uid = models.CharField(max_length=64, db_collation="C", unique=True)
    sop_class_uid = models.CharField(max_length=64, db_collation="C")
    transfer_syntax_uid = models.CharField(max_length=64, db_collation="C")
    instance_number = models.BigIntegerField(null=True)
    attributes = models.JSONField()
    digest = models.BinaryField(max_length=32)
    size = models.BigIntegerField()
    source = models.CharField(max_length=80)
    received_at = models.DateTimeField()
    # Of one that was compressed here: the SHA-256 of the data set, and its syntax, as it came. Of those that were not,
    # whether they were looked at and left.
    original = models.BinaryField(max_length=32, null=True)
    original_syntax = models.CharField(max_length=64, db_collation="C", blank=True, db_default="")
    compression = models.CharField(max_length=10, blank=True, db_default="")  # done, left

    class Meta:
        indexes: ClassVar = [models.Index(fields=["study", "series", "instance_number"], name="imaging_instance_order")]


class Pending(models.Model):
    """Something of a study that the record does not know yet. at: when it came.

    Each object has a row of its own, so that no sender waits for another.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE)
    at = models.DateTimeField()


class Held(models.Model):
    """An object that is not in the archive until a person has decided about it. Its file is kept as it came."""

    class State(models.TextChoices):
        """What became of it."""

        WAITING = "waiting"
        ASSIGNED = "assigned"  # in the archive, for the patient whom a person named
        ACCEPTED = "accepted"  # in the archive, in the place of the one that was there
        FIXED = "fixed"  # in the archive, with values that a person has put right
        REJECTED = "rejected"

    facility = models.CharField(max_length=64)
    reason = models.CharField(max_length=20)  # of `errors.REASONS`
    detail = models.CharField(max_length=300, blank=True)
    source = models.CharField(max_length=80)
    received_at = models.DateTimeField()
    digest = models.BinaryField(max_length=32)
    size = models.BigIntegerField()
    transfer_syntax_uid = models.CharField(max_length=64, blank=True)
    sop_instance_uid = models.CharField(max_length=64, blank=True)
    study_instance_uid = models.CharField(max_length=64, blank=True)
    patient_id = models.CharField(max_length=64, blank=True)
    patient_name = models.CharField(max_length=330, blank=True)
    accession_number = models.CharField(max_length=64, blank=True)
    modality = models.CharField(max_length=16, blank=True)
    copies = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    note = models.CharField(max_length=500, blank=True)
    handled_by = models.CharField(max_length=150, blank=True)
    handled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["digest", "facility", "reason"], name="imaging_held_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["facility", "state", "-received_at"], name="imaging_held_open")]

    @property
    def name(self) -> str:
        """The name on the pictures, as people write it (PS3.5, 6.2.1)."""
        return " ".join(self.patient_name.replace("^", " ").split())


class Change(models.Model):
    """What a person did with a study or a held object, never altered."""

    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    facility = models.CharField(max_length=64)
    action = models.CharField(max_length=20)
    study = models.ForeignKey(Study, null=True, on_delete=models.SET_NULL)
    held = models.ForeignKey(Held, null=True, on_delete=models.SET_NULL)
    before = models.JSONField(default=dict)  # what stood there: patient, digest
    after = models.JSONField(default=dict)
    why = models.CharField(max_length=500, blank=True)


class Device(models.Model):
    """An application entity that may call: a machine, a workstation, another archive. title `*`: any that has no row.

    address: the only one from which it may call; host and port: where it takes what it is sent. ministry_code: what
    claims of the insurance call it.
    """

    title = models.CharField(max_length=16)
    facility = models.CharField(max_length=64)
    name = models.CharField(max_length=100)
    modality = models.CharField(max_length=16, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    host = models.CharField(max_length=200, blank=True)
    port = models.PositiveIntegerField(null=True, blank=True)
    tls = models.BooleanField(default=False)  # calls and is called by TLS only
    stores = models.BooleanField(default=True)
    finds = models.BooleanField(default=False)
    retrieves = models.BooleanField(default=False)
    works = models.BooleanField(default=False)  # asks for the worklist and tells of procedure steps
    enabled = models.BooleanField(default=True)
    ministry_code = models.CharField(max_length=100, blank=True, db_default="")  # MA_MAY: group.source.number

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["title"], name="imaging_device_title")]


class Commitment(models.Model):
    """Storage commitment that was asked for (PS3.4 J), until the answer has arrived."""

    transaction_uid = models.CharField(max_length=64)
    device = models.ForeignKey(Device, null=True, on_delete=models.SET_NULL)
    title = models.CharField(max_length=16)
    asked_at = models.DateTimeField()
    wanted = models.JSONField()  # [SOP class, SOP instance] pairs
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(db_index=True)

    TRIES: Final = 12  # the last after about three days

    @classmethod
    def due(cls) -> models.QuerySet[Commitment]:
        """Those whose answer is to be delivered now."""
        return cls.objects.filter(sent_at=None, next_at__lte=datetime.now(UTC), tries__lt=cls.TRIES)


class Exam(models.Model):
    """An imaging order on its way: planned, begun, done, reported. Its row is the lock of all that."""

    class Stage(models.TextChoices):
        """Where it stands."""

        ORDERED = "ordered"
        SCHEDULED = "scheduled"
        STARTED = "started"
        DONE = "done"
        REPORTED = "reported"
        CANCELLED = "cancelled"

    order = models.CharField(max_length=64, unique=True)  # id of the ServiceRequest
    facility = models.CharField(max_length=64)
    patient = models.CharField(max_length=64)
    encounter = models.CharField(max_length=64, blank=True)
    accession_number = models.CharField(max_length=16, db_collation="C", unique=True)
    study_instance_uid = models.CharField(max_length=64, db_collation="C", unique=True)
    service = models.CharField(max_length=40, blank=True)
    description = models.CharField(max_length=300)
    modality = models.CharField(max_length=16, blank=True)
    urgent = models.BooleanField(default=False)
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.ORDERED)
    ordered_at = models.DateTimeField()
    scheduled_at = models.DateTimeField()
    device = models.ForeignKey(Device, null=True, on_delete=models.SET_NULL)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    taken_by = models.CharField(max_length=150, blank=True, db_default="")  # Practitioner, or as the machine wrote it
    read_by = models.CharField(max_length=64, blank=True, db_default="")  # Practitioner who signed last

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["facility", "ended_at"], name="imaging_exam_ended"),
            models.Index(fields=["facility", "stage", "-urgent", "scheduled_at", "id"], name="imaging_exam_worklist"),
            models.Index(fields=["encounter"], name="imaging_exam_encounter"),
            models.Index(fields=["patient"], name="imaging_exam_patient"),
        ]


class GroupedStudy(models.Model):
    """A study that is of an examination because a machine made several of one person in one step: a row for each."""

    exam = models.ForeignKey(Exam, on_delete=models.CASCADE)
    study_instance_uid = models.CharField(max_length=64, db_collation="C", db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["exam", "study_instance_uid"], name="imaging_grouped_once"),
        ]


class Step(models.Model):
    """A Modality Performed Procedure Step as the machine tells it (PS3.4 F.7)."""

    sop_instance_uid = models.CharField(max_length=64, db_collation="C", unique=True)
    exam = models.ForeignKey(Exam, null=True, on_delete=models.SET_NULL, related_name="steps")
    facility = models.CharField(max_length=64)
    title = models.CharField(max_length=16)
    status = models.CharField(max_length=16)  # IN PROGRESS, COMPLETED, DISCONTINUED
    attributes = models.JSONField()
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()


from tuetinh.care.imaging.ai.models import AiModel, AiOpinion, AiResult  # noqa: E402, F401
from tuetinh.care.imaging.dose.models import Dose, DoseDue  # noqa: E402, F401 - Django finds a module's models here
from tuetinh.care.imaging.rooms.models import Booking, Chosen, Room, RoomMachine  # noqa: E402, F401
from tuetinh.care.imaging.rules.models import RuleChange  # noqa: E402, F401
from tuetinh.care.imaging.safety.models import SafetyCheck  # noqa: E402, F401
from tuetinh.care.imaging.workitems.models import EventReport, Subscriber, Workitem  # noqa: E402, F401
