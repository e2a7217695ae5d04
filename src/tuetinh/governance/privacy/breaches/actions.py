"""What is done with a breach: opened, described, traced in the access log, reported, told to people, closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.messages.api import publish
from tuetinh.governance.privacy import jobs
from tuetinh.governance.privacy.breaches import rules
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import Breach, BreachPerson, BreachStep, BreachTrace
from tuetinh.governance.privacy.terms import HANOI
from tuetinh.governance.privacy.words import NATURES, WAYS
from tuetinh.record import api as record
from tuetinh.record import audit, r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuetinh.commons.access.api import Account

BATCH: Final = 500
SHORTEST: Final = 10  # characters
TEXTS: Final = ("place", "actors", "kinds", "consequences", "measures", "contact", "contact_phone", "contact_mail")


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a breach, in the terms of `models.Breach`; what comes later is filled in by `describe`."""

    title: str
    nature: str
    conduct: str
    detected: datetime
    happened: datetime | None = None
    happened_until: datetime | None = None
    sensitive: bool = True
    amount: int | None = None
    texts: tuple[tuple[str, str], ...] = ()


def kept_by(by: Account) -> QuerySet[Breach]:
    """Breaches that this officer answers for: those of the facility, or all for one of the province."""
    return Breach.objects.filter(facility=by.facility) if by.facility else Breach.objects.all()


@transaction.atomic
def open_breach(by: Account, told: Description) -> Breach:
    """Begin a record; the clock runs since the breach was detected. Raises PrivacyError."""
    made = Breach(facility=by.facility)
    _fill(made, told)
    _step(made, by, "opened", made.title)
    return made


@transaction.atomic
def describe(by: Account, breach_id: int, told: Description) -> Breach:
    """Say more of it, or say it better; when it was detected stays."""
    found = _open(by, breach_id)
    _fill(found, told, detected=found.detected)
    _step(found, by, "changed")
    return found


def _fill(made: Breach, told: Description, detected: datetime | None = None) -> None:
    if told.nature not in NATURES:
        raise PrivacyError("nature")
    if not told.title.strip() or len(told.conduct.strip()) < SHORTEST:
        raise PrivacyError("conduct")
    made.detected = detected or told.detected
    if made.detected > timezone.now() or (told.happened and told.happened > made.detected):
        raise PrivacyError("detected")
    law = rules.on(made.detected)
    made.law, made.form, made.report_by = law.law, law.form, law.authority.ends(made.detected)
    made.sensitive = told.sensitive
    made.tell_by = law.subjects.ends(made.detected) if law.subjects and told.sensitive else None
    made.title, made.nature, made.conduct = told.title.strip(), told.nature, told.conduct.strip()
    made.happened, made.happened_until, made.amount = told.happened, told.happened_until, told.amount
    for name, text in told.texts:
        if name in TEXTS:
            setattr(made, name, text.strip())
    made.save()


@transaction.atomic
def trace(
    by: Account, breach_id: int, since: datetime, until: datetime, *, username: str = "", client: str = "", ip: str = ""
) -> BreachTrace:
    """Have the access log looked through for whom an account, client or address saw, by `gather` in the background.

    Raises PrivacyError `traced` when none is given or the account is not of the facility, `period`.
    """
    found = _open(by, breach_id)
    if not since < until:
        raise PrivacyError("period")
    people = get_user_model().objects.filter(**({"facility": by.facility} if by.facility else {}))
    account = people.filter(username=username.strip()).first() if username.strip() else None
    if (username.strip() and account is None) or not (username.strip() or client.strip() or ip.strip()):
        raise PrivacyError("traced")
    made = BreachTrace.objects.create(
        breach=found,
        by=by,
        account=str(account.pk) if account else "",
        account_name=username.strip(),
        client=client.strip(),
        address=ip.strip(),
        since=since,
        until=until,
    )
    _step(found, by, "traced", " · ".join(filter(None, (made.account_name, made.client, made.address))))
    jobs.gather.defer(trace=made.pk)
    return made


def gather(trace_id: int) -> None:
    """Write down whom a trace finds; safe to repeat and to be killed, those known already stay as they are.

    Months that were archived are read from their files; those of which none is here are written down.
    """
    one = BreachTrace.objects.select_related("by", "breach").get(pk=trace_id)
    asker = asker_of(one.by)
    names = {"account": one.account, "client": one.client, "address": one.address}
    count, batch = 0, []
    exposure = record.exposed(asker, one.since, one.until, **names, archives=audit.kept_here())
    for found in exposure:
        count += 1
        batch.append(found)
        if len(batch) == BATCH:
            _keep(one.breach, batch)
            batch = []
    _keep(one.breach, batch)
    audit.note(asker, "search", "AuditEvent", "", None)
    BreachTrace.objects.filter(pk=trace_id).update(found=count, unread=",".join(exposure.unread))
    _ring(one.breach)


@transaction.atomic
def _keep(breach: Breach, found: Iterable[record.Exposed]) -> None:
    Breach.objects.select_for_update().get(pk=breach.pk)
    by_id = {one.patient: one for one in found}
    known = breach.people.filter(patient__in=by_id).values_list("patient", flat=True)
    for patient in known:
        del by_id[patient]
    BreachPerson.objects.bulk_create(
        BreachPerson(
            breach=breach,
            patient=one.patient,
            first=one.first,
            last=one.last,
            entries=one.entries,
            changed=one.changed,
        )
        for one in by_id.values()
    )


@transaction.atomic
def report(by: Account, breach_id: int, number: str, late_reason: str = "", at: datetime | None = None) -> Breach:
    """Write down that the authority was told, under which number; what is known later is told again.

    Raises PrivacyError `number`, `period` for a time before it was detected or in the future, `late-reason` where the
    first notice comes too late without saying why.
    """
    found, at = _open(by, breach_id), at or timezone.now()
    if not number.strip():
        raise PrivacyError("number")
    if not found.detected <= at <= timezone.now():
        raise PrivacyError("period")
    if found.reported is None:
        if at > found.report_by and len(late_reason.strip()) < SHORTEST:
            raise PrivacyError("late-reason")
        found.reported, found.late_reason = at, late_reason.strip()
    found.report_number = number.strip()
    found.save()
    _step(found, by, "reported", number.strip())
    return found


@transaction.atomic
def tell(by: Account, breach_id: int, notice: str) -> Breach:
    """Have everybody concerned who has not been told be told by this text, by `tell_people` in the background."""
    found = _open(by, breach_id)
    if len(notice.strip()) < SHORTEST:
        raise PrivacyError("notice")
    found.notice = notice.strip()
    found.save()
    _step(found, by, "told", found.notice)
    jobs.tell.defer(breach=found.pk)
    return found


def tell_people(breach_id: int) -> int:
    """Tell those who read it on their own pages, some hundreds in a transaction; returns how many.

    Safe to repeat. Whoever has no account on the citizen's pages stays to be told by letter or telephone.
    """
    breach, count, after = Breach.objects.get(pk=breach_id), 0, 0
    reads = get_user_model().objects.filter(role="citizen", is_active=True)
    while True:
        with transaction.atomic():
            rows = list(breach.people.select_for_update().filter(told=None, pk__gt=after).order_by("pk")[:BATCH])
            if not rows:
                break
            after = rows[-1].pk
            known = set(reads.filter(patient__in=[one.patient for one in rows]).values_list("patient", flat=True))
            told = [one for one in rows if one.patient in known]
            record.create_many(SYSTEM, [_notice(breach, one.patient) for one in told])
            now = timezone.now()
            BreachPerson.objects.filter(pk__in=[one.pk for one in told]).update(told=now, how="portal")
            count += len(told)
    _ring(breach)
    return count


def _notice(breach: Breach, patient: str) -> r4.Communication:
    person = r4.Reference(reference=f"Patient/{patient}")
    system = "http://terminology.hl7.org/CodeSystem/communication-category"
    return r4.Communication(
        status="completed",
        category=[r4.CodeableConcept(coding=[r4.Coding(system=system, code="alert")])],
        priority="urgent",
        subject=person,
        recipient=[person],
        sender=r4.Reference(reference=f"Organization/{breach.facility}") if breach.facility else None,
        sent=timezone.now().isoformat(timespec="seconds"),
        payload=[r4.CommunicationPayload(contentString=breach.notice)],
    )


@transaction.atomic
def told_otherwise(by: Account, breach_id: int, person_id: int, how: str) -> None:
    """Write down that somebody was told by letter or telephone. Raises PrivacyError `way`."""
    found = _open(by, breach_id)
    if how not in WAYS or how == "portal":
        raise PrivacyError("way")
    if not found.people.filter(pk=person_id, told=None).update(told=timezone.now(), how=how):
        raise PrivacyError("breach-state")
    _step(found, by, "told", WAYS[how])


@transaction.atomic
def close(by: Account, breach_id: int, note: str) -> Breach:
    """End it, to be kept for the years of its law.

    Raises PrivacyError `unfinished` while the authority was not told, what follows or what was done against it is not
    said, or somebody who must be told is not.
    """
    found = _open(by, breach_id)
    untold = found.tell_by is not None and found.people.filter(told=None).exists()
    if not (found.reported and found.consequences and found.measures) or untold:
        raise PrivacyError("unfinished")
    found.closed = timezone.now()
    day = found.closed.astimezone(HANOI).date()
    found.keep_until = day.replace(year=day.year + rules.on(found.detected).keep_years, day=min(day.day, 28))
    found.save()
    _step(found, by, "closed", note.strip())
    return found


def _open(by: Account, breach_id: int) -> Breach:
    found = kept_by(by).select_for_update().filter(pk=breach_id, closed=None).first()
    if found is None:
        raise PrivacyError("breach-state")
    return found


def _step(found: Breach, by: Account, step: str, note: object = "") -> None:
    BreachStep.objects.create(breach=found, at=timezone.now(), by=by, step=step, note=str(note))
    _ring(found)


def _ring(found: Breach) -> None:
    for facility in {found.facility, ""}:
        publish(f"breaches:{facility}")
