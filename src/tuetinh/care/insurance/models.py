"""What is no clinical fact: the facilities' accounts at the gateway, what is sent, what the simulated one knows."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

# Django looks for models here alone.
from tuetinh.care.insurance.approved.models import ApprovedItem  # noqa: F401
from tuetinh.care.insurance.results.models import (  # noqa: F401
    Adjudication,
    Dispute,
    DisputeStep,
    ReducedLine,
    Run,
    Settlement,
)


class GatewayAccount(models.Model):
    """A facility's account. `secret` is the MD5 form of the password, encrypted with the node's key.

    key: private key and certificate for signing, encrypted too; signer, until: whose it is and its last day.
    """

    facility = models.CharField(max_length=64, primary_key=True)
    username = models.CharField(max_length=100)
    secret = models.BinaryField()
    officer = models.CharField(max_length=200, blank=True)
    officer_cccd = models.CharField(max_length=12, blank=True)
    key = models.BinaryField(null=True)
    signer = models.CharField(max_length=500, blank=True)
    until = models.DateField(null=True)


class SimulatedCard(models.Model):
    """A card of the demo province, as the simulated gateway answers for it. Dates ISO; result forces an answer."""

    number = models.CharField(max_length=15, primary_key=True)
    bhxh = models.CharField(max_length=10, db_index=True)
    cccd = models.CharField(max_length=12, blank=True, db_index=True)
    name = models.CharField(max_length=200)
    birth = models.CharField(max_length=10)
    gender = models.CharField(max_length=10, blank=True)
    address = models.CharField(max_length=500, blank=True)
    facility = models.CharField(max_length=5, blank=True)
    valid_from = models.CharField(max_length=10)
    valid_to = models.CharField(max_length=10)
    area = models.CharField(max_length=2, blank=True)
    five_years = models.CharField(max_length=10, blank=True)
    result = models.CharField(max_length=3, blank=True)
    replaced_by = models.CharField(max_length=15, blank=True)


class ClaimCase(models.Model):
    """The claim of one insured visit on its way to the gateway; one row a visit and kind, whatever is sent of it.

    kind: `status` (table 0, that the visit has begun) or `claim`. state: `waiting` to be sent at `due`; `faulty` (our
    own checks found `problems`); `sending`; `unclear` (sent, but no answer came: the gateway is asked whether it has
    it); `accepted`; `refused` (`words` say why); `held` by a person; `recalled` (accepted, then withdrawn). by: last
    day on which it may be sent. site: MA_CSKCB. despite: why a person sends it although our checks find problems.
    findings: all that checks and rules said when it was last looked at, as it was built or in a re-check of its month;
    checked: when that was. changed: what came or was corrected while the file was under way, so that the claim goes
    once more. recall: the file that is to go withdraws the claim.
    """

    class Kind(models.TextChoices):
        STATUS = "status"
        CLAIM = "claim"

    class State(models.TextChoices):
        WAITING = "waiting"
        FAULTY = "faulty"
        SENDING = "sending"
        UNCLEAR = "unclear"
        ACCEPTED = "accepted"
        REFUSED = "refused"
        HELD = "held"
        RECALLED = "recalled"

    encounter = models.CharField(max_length=64)
    kind = models.CharField(max_length=6, choices=Kind.choices, default=Kind.CLAIM)
    facility = models.CharField(max_length=64)
    patient = models.CharField(max_length=64)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    ended = models.DateTimeField()
    due = models.DateTimeField()
    by = models.DateField()
    tries = models.IntegerField(default=0)
    ma_lk = models.CharField(max_length=100, blank=True)
    site = models.CharField(max_length=5, blank=True)
    despite = models.TextField(blank=True)
    total = models.DecimalField(max_digits=17, decimal_places=2, default=0)
    fund = models.DecimalField(max_digits=17, decimal_places=2, default=0)
    code = models.CharField(max_length=10, blank=True)
    words = models.TextField(blank=True)
    changed = models.CharField(max_length=200, blank=True, db_default="")
    recall = models.BooleanField(default=False, db_default=False)
    problems = models.JSONField(default=list)
    findings = models.JSONField(default=list)
    checked = models.DateTimeField(null=True)
    first_accepted = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["encounter", "kind"], name="insurance_one_case")]
        indexes: ClassVar = [
            models.Index(fields=["facility", "-ended", "-id"]),
            models.Index(fields=["facility", "ma_lk"], condition=~models.Q(ma_lk=""), name="insurance_by_ma_lk"),
            models.Index(fields=["facility", "by"], condition=~models.Q(state="accepted"), name="insurance_open"),
            models.Index(fields=["due"], condition=models.Q(state="waiting"), name="insurance_waiting"),
            models.Index(
                fields=["facility"], condition=models.Q(state__in=["sending", "unclear"]), name="insurance_under_way"
            ),
        ]


class Transmission(models.Model):
    """One sending of a file, kept as it was sent (gzip). outcome: `sending`, `accepted`, `refused`, `unclear`, `lost`.

    transaction, received: maGiaoDich and thoiGianTiepNhan of the gateway. `lost` never came to the gateway.
    next_check: when the gateway is asked again what it has found wrong with the file; checks: how often it was.
    strange: numbers of files that the gateway had before, and we did not know of.
    """

    case = models.ForeignKey(ClaimCase, on_delete=models.PROTECT, related_name="transmissions")
    began = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, default="sending")
    code = models.CharField(max_length=10, blank=True)
    words = models.TextField(blank=True)
    transaction = models.CharField(max_length=100, blank=True, db_index=True)
    received = models.CharField(max_length=14, blank=True)
    checks = models.IntegerField(default=0)
    next_check = models.DateTimeField(null=True, db_index=True)
    strange = models.TextField(blank=True, db_default="")
    file = models.BinaryField()
    sha256 = models.CharField(max_length=64)


class SimulatedReceipt(models.Model):
    """A file that the simulated gateway has taken. judged: lines of a claim, with what it will pay of each.

    number, person, file: of a claim, its maHoSo, whose it is (BHXH number) and what it says, sealed.
    """

    transaction = models.CharField(max_length=40, primary_key=True)
    facility = models.CharField(max_length=5)
    kind = models.CharField(max_length=4)
    ma_lk = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64)
    total = models.DecimalField(max_digits=17, decimal_places=2, default=0)
    received = models.DateTimeField()
    faults = models.JSONField(default=list)
    judged = models.JSONField(default=list)
    number = models.BigIntegerField(null=True, unique=True)
    person = models.CharField(max_length=10, blank=True, db_default="")
    file = models.BinaryField(db_default=b"")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "received"]), models.Index(fields=["person", "received"])]


class RuleChange(models.Model):
    """What a person made of a rule: its whole content from then on. The last one of a code holds; none is ever undone.

    content: the rule as `rules.language.Rule` reads it. why: in the words of who changed it. facility: for which it
    holds, "" for all that have none of their own.
    """

    code = models.CharField(max_length=60, db_index=True)
    facility = models.CharField(max_length=64, blank=True)
    content = models.JSONField()
    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    why = models.CharField(max_length=500)


class DiseaseList(models.Model):
    """Diseases of an annex of TT 01/2025 (`1`, `2`, `3`) as a person entered them; the last of an annex holds.

    codes: beginnings of ICD-10 codes. facility: for which it holds, "" for all that have none of their own.
    """

    annex = models.CharField(max_length=1)
    facility = models.CharField(max_length=64, blank=True)
    codes = models.JSONField()
    at = models.DateTimeField()
    account = models.CharField(max_length=150)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "id"])]


class RuleOverride(models.Model):
    """A block that somebody who may went on against, in one visit. value: what the field said then.

    It holds for this visit, this rule and this value; another value is asked about anew.
    """

    encounter = models.CharField(max_length=64)
    facility = models.CharField(max_length=64)
    rule = models.CharField(max_length=60)
    table = models.CharField(max_length=5)
    field = models.CharField(max_length=60)
    value = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=500)
    at = models.DateTimeField()
    account = models.CharField(max_length=150)
    role = models.CharField(max_length=30)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["encounter", "rule", "field", "value"], name="insurance_one_override")
        ]
        indexes: ClassVar = [models.Index(fields=["facility", "-at"])]


class Recheck(models.Model):
    """Checking a month of claims again: how far it is, and what came out. facility: "" for all.

    after: the last case that is done, from where an interrupted one goes on. found: how often each rule.
    """

    month = models.CharField(max_length=7)
    facility = models.CharField(max_length=64, blank=True)
    began = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    after = models.BigIntegerField(default=0)
    visits = models.IntegerField(default=0)
    lines = models.IntegerField(default=0)
    faulty = models.IntegerField(default=0)
    found = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["month", "facility", "-began"])]


class PaperNumber(models.Model):
    """The last number of a kind of paper that a facility issued in a year."""

    facility = models.CharField(max_length=64)
    kind = models.CharField(max_length=5)
    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["facility", "kind", "year"], name="insurance_paper_number"),
        ]


class ClaimImport(models.Model):
    """A file of claims that is or was taken into the record; one that has not ended goes on where it was.

    sha256, size: of the file that was given, of which `name` may be a part. facility: id of the only Organization whose
    claims it may hold, "" for any. account: who brought it. done: bytes read so far. spooled: the file in the data
    folder while it waits for the worker.
    """

    name = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    facility = models.CharField(max_length=64, blank=True)
    account = models.CharField(max_length=150, blank=True)
    spooled = models.CharField(max_length=64, blank=True)
    began = models.DateTimeField()
    ended = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["facility", "-began"])]


class ImportOutcome(models.Model):
    """What became of one claim of a file: `stored`, `unchanged`, `updated` or `refused`.

    place: from 1 in the file, 0 for the file itself. resources: how many facts were written.
    """

    run = models.ForeignKey(ClaimImport, on_delete=models.CASCADE, related_name="outcomes")
    place = models.IntegerField()
    ma_lk = models.CharField(max_length=100, blank=True)
    facility = models.CharField(max_length=20, blank=True)
    state = models.CharField(max_length=9)
    visit = models.CharField(max_length=64, blank=True)
    patient = models.CharField(max_length=64, blank=True)
    resources = models.IntegerField(default=0)
    findings = models.JSONField(default=list)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["run", "state", "place"]), models.Index(fields=["run", "place"])]


class ImportedClaim(models.Model):
    """A claim of another system as it was brought last, known again by MA_CSKCB and MA_LK.

    made, run, place: of the version that stands; seen: keys of the versions that have come; facts: what it became.
    """

    facility = models.CharField(max_length=5)
    ma_lk = models.CharField(max_length=100)
    visit = models.CharField(max_length=64, db_index=True)
    patient = models.CharField(max_length=64)
    made = models.CharField(max_length=20, blank=True)
    run = models.BigIntegerField()
    place = models.IntegerField()
    seen = models.JSONField(default=list)
    facts = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["facility", "ma_lk"], name="insurance_one_import")]
