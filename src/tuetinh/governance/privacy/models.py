"""What the duties leave behind that is no clinical fact: requests of people and what became of them."""

from __future__ import annotations

from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q


class SubjectRequest(models.Model):
    """What a person, or whoever acts for them, asked for about their data.

    facility: Organization that answers, "" for the health department. acting: relationship code of whoever acts for the
    person, "" for themselves. applicant, papers: name and papers that a desk has seen. about: `Type/id` of the resource
    that it is about, "" for everything. purpose: v3 PurposeOfUse
    that it would close. law: by whose deadlines it is counted. before, after: versions of `about` when
    it was granted and when that was done. author: Practitioner who wrote what is to be corrected, "" for anybody.
    """

    class State(models.TextChoices):
        """From new to done; the words stand in `words.STATES`."""

        NEW = "new"
        ACCEPTED = "accepted"
        GRANTED = "granted"
        DONE = "done"
        REFUSED = "refused"
        TAKEN_BACK = "taken-back"

    OPEN = (State.NEW, State.ACCEPTED, State.GRANTED)

    patient = models.CharField(max_length=64)
    facility = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=10)
    channel = models.CharField(max_length=10)
    acting = models.CharField(max_length=20, blank=True)
    applicant = models.CharField(max_length=200, blank=True)
    papers = models.CharField(max_length=200, blank=True)
    what = models.TextField()
    about = models.CharField(max_length=140, blank=True)
    purpose = models.CharField(max_length=20, blank=True)
    law = models.CharField(max_length=100)
    received = models.DateTimeField()
    answer_by = models.DateTimeField()
    due = models.DateTimeField()
    answered = models.DateTimeField(null=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.NEW)
    refusal = models.CharField(max_length=20, blank=True)
    answer = models.TextField(blank=True)
    author = models.CharField(max_length=64, blank=True)
    before = models.PositiveIntegerField(null=True)
    after = models.PositiveIntegerField(null=True)
    closed = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["patient", "-received"]),
            models.Index(fields=["facility", "state", "due"]),
            models.Index(fields=["due"], condition=Q(closed=None), name="privacy_request_open"),
        ]


class RequestStep(models.Model):
    """One step of a request: who did what, when. step: a key of `words.STEPS`."""

    request = models.ForeignKey(SubjectRequest, on_delete=models.PROTECT, related_name="steps")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    step = models.CharField(max_length=12)
    note = models.TextField(blank=True)


class Breach(models.Model):
    """A violation of the protection of personal data (NĐ 356/2025, Mẫu số 08); kept for years after it is closed.

    facility: Organization that answers for it, "" for the health department. conduct, actors, kinds, amount: what was
    done, by whom, with which data and how many. sensitive: whether those concerned are told too. law, report_by,
    tell_by: the clock that runs since `detected`. notice: what those concerned are told.
    """

    class Nature(models.TextChoices):
        """What happened to the data; the words stand in `words.NATURES`."""

        ACCESS = "access"
        LEAK = "leak"
        CHANGE = "change"
        LOSS = "loss"
        MISUSE = "misuse"

    facility = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=200)
    nature = models.CharField(max_length=10, choices=Nature.choices)
    place = models.CharField(max_length=300, blank=True)
    conduct = models.TextField()
    actors = models.TextField(blank=True)
    kinds = models.TextField(blank=True)
    amount = models.PositiveIntegerField(null=True)
    sensitive = models.BooleanField(default=True)
    consequences = models.TextField(blank=True)
    measures = models.TextField(blank=True)
    contact = models.CharField(max_length=200, blank=True)
    contact_phone = models.CharField(max_length=30, blank=True)
    contact_mail = models.CharField(max_length=200, blank=True)
    happened = models.DateTimeField(null=True)
    happened_until = models.DateTimeField(null=True)
    detected = models.DateTimeField()
    law = models.CharField(max_length=100)
    form = models.CharField(max_length=30)
    report_by = models.DateTimeField()
    tell_by = models.DateTimeField(null=True)
    reported = models.DateTimeField(null=True)
    report_number = models.CharField(max_length=100, blank=True)
    late_reason = models.TextField(blank=True)
    notice = models.TextField(blank=True)
    closed = models.DateTimeField(null=True)
    keep_until = models.DateField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "-detected"])]


class BreachTrace(models.Model):
    """A look into the access log for whom an account, client or address has seen; done when `found` is set.

    by: whose eyes look, with the rights of that account. account: its number. unread: months of the time, with commas
    between, that are not in the database and whose file is not here or not whole.
    """

    breach = models.ForeignKey(Breach, on_delete=models.PROTECT, related_name="traces")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    account = models.CharField(max_length=20, blank=True)
    account_name = models.CharField(max_length=200, blank=True)
    client = models.CharField(max_length=100, blank=True)
    address = models.CharField(max_length=45, blank=True)
    since = models.DateTimeField()
    until = models.DateTimeField()
    found = models.PositiveIntegerField(null=True)
    unread = models.TextField(blank=True, default="", db_default="")

    @property
    def months(self) -> str:
        """The months that could not be read, for people: `01/2026, 02/2026`."""
        return ", ".join("/".join(reversed(month.split("-"))) for month in self.unread.split(",") if month)


class BreachPerson(models.Model):
    """A person whom a breach concerns. told, how: when and by which way (`portal`, `letter`, `phone`)."""

    breach = models.ForeignKey(Breach, on_delete=models.PROTECT, related_name="people")
    patient = models.CharField(max_length=64)
    first = models.DateTimeField()
    last = models.DateTimeField()
    entries = models.PositiveIntegerField()
    changed = models.BooleanField()
    told = models.DateTimeField(null=True)
    how = models.CharField(max_length=10, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["patient"]), models.Index(fields=["breach", "patient"])]


class BreachStep(models.Model):
    """One step of a breach: who did what, when. step: a key of `words.BREACH_STEPS`."""

    breach = models.ForeignKey(Breach, on_delete=models.PROTECT, related_name="steps")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    step = models.CharField(max_length=12)
    note = models.TextField(blank=True)


class Purpose(models.Model):
    """What personal data is processed for, from a day on; a change is a new row, and the last one that began holds.

    code: v3 PurposeOfUse that an Asker carries. ground: `law` or `consent`. kinds, recipients: in words. retention: a
    class of `data/retention.json`. unit: who answers for the protection of these data. ended: it is no longer done.
    """

    code = models.CharField(max_length=20)
    name = models.CharField(max_length=200)
    ground = models.CharField(max_length=10)
    clause = models.CharField(max_length=300, blank=True)
    kinds = models.TextField()
    recipients = models.TextField(blank=True)
    retention = models.CharField(max_length=20)
    unit = models.CharField(max_length=200, blank=True)
    since = models.DateField()
    ended = models.BooleanField(default=False)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["code", "since"])]


class ConsentText(models.Model):
    """What people agree to, in one version; the database refuses to change or delete it."""

    code = models.CharField(max_length=20)
    version = models.PositiveIntegerField()
    text = models.TextField()
    since = models.DateField()
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["code", "version"], name="privacy_text_version")]


class ConsentGiven(models.Model):
    """The proof of a consent: who agreed when to which version of the text, where, from which address.

    consent: id of the FHIR Consent. acting: relationship code of whoever agreed for the person. minor_agreed: whether
    the minor agreed too.
    """

    patient = models.CharField(max_length=64)
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="given")
    consent = models.CharField(max_length=64)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    channel = models.CharField(max_length=10)
    address = models.CharField(max_length=45, blank=True)
    acting = models.CharField(max_length=20, blank=True)
    minor_agreed = models.BooleanField(default=False)
    withdrawn = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["patient", "-at"])]


class ImpactStep(models.Model):
    """A step of the impact assessment of a purpose (DPIA). step: a key of `words.DPIA_STEPS`. number: of the file."""

    code = models.CharField(max_length=20)
    step = models.CharField(max_length=10)
    day = models.DateField()
    number = models.CharField(max_length=100, blank=True)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["code", "day"])]


class PersonExport(models.Model):
    """One person's data as a file, made in the background, to be fetched for some days.

    request: which it answers, None where a citizen takes the own data. asker: in whose name it is made (packed).
    key: of the file's name. taken: how often it was fetched.
    """

    class State(models.TextChoices):
        """Whether it can be fetched."""

        WAITING = "waiting"
        READY = "ready"
        FAILED = "failed"
        EXPIRED = "expired"

    patient = models.CharField(max_length=64)
    request = models.ForeignKey(SubjectRequest, on_delete=models.PROTECT, null=True, related_name="exports")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asker = models.TextField()
    key = models.UUIDField(unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    made = models.DateTimeField()
    expires = models.DateTimeField()
    size = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    taken = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["patient", "-made"]), models.Index(fields=["state", "expires"])]


class ResearchExport(models.Model):
    """A de-identified export: asked for by one officer of the province, approved by another, fetched for some days.

    purpose: code of the register. types: resource types, separated by spaces. labels: sensitivity labels that may be in
    it, separated by spaces. k: the smallest group. keeps_key: whether the key of the pseudonyms is kept (sealed), so
    that a later export can go on from this one; else it is thrown away. report: what came out, as the page shows it.
    """

    class State(models.TextChoices):
        """From asked to ready; the words stand in `words.EXPORT_STATES`."""

        ASKED = "asked"
        APPROVED = "approved"
        REFUSED = "refused"
        READY = "ready"
        FAILED = "failed"
        EXPIRED = "expired"

    purpose = models.CharField(max_length=20)
    title = models.CharField(max_length=200)
    reason = models.TextField()
    types = models.TextField()
    labels = models.TextField(blank=True)
    k = models.PositiveIntegerField()
    keeps_key = models.BooleanField(default=False)
    key = models.BinaryField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True)
    file = models.UUIDField(unique=True)
    size = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    report = models.JSONField(default=dict)
    expires = models.DateTimeField(null=True)
    taken = models.PositiveIntegerField(default=0)


class LegalHold(models.Model):
    """That nothing of a person is destroyed for now: a lawsuit, an inspection. released: when it ended."""

    patient = models.CharField(max_length=64)
    facility = models.CharField(max_length=64, blank=True)
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    released = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["patient"], condition=Q(released=None), name="privacy_hold_open")]


class Destruction(models.Model):
    """The decision of a council to destroy records whose time is over, in force once a second person confirms it.

    number, day, members: of its minutes; number is also what the proof is found by. confirmed_by is not proposed_by.
    """

    class State(models.TextChoices):
        """Proposed, confirmed and being carried out, done, or refused."""

        PROPOSED = "proposed"
        CONFIRMED = "confirmed"
        DONE = "done"
        REFUSED = "refused"

    facility = models.CharField(max_length=64)
    number = models.CharField(max_length=100)
    day = models.DateField()
    members = models.TextField()
    reason = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    done = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "number"], name="privacy_minutes")]


PICTURES: Final = "ImagingStudy/"  # before the id of a study that belongs to no visit, where else that of a visit is


class DestructionItem(models.Model):
    """The record of one visit, or a study without one, that a decision destroys. skipped: why it was not.

    encounter: the visit, or `PICTURES` and a study. kind: of `data/retention.json`.
    """

    destruction = models.ForeignKey(Destruction, on_delete=models.PROTECT, related_name="items")
    encounter = models.CharField(max_length=64)
    patient = models.CharField(max_length=64)
    kind = models.CharField(max_length=20)
    ended = models.DateField()
    until = models.DateField()
    versions = models.PositiveIntegerField(null=True)
    skipped = models.CharField(max_length=20, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["patient"]), models.Index(fields=["encounter"])]
