"""Shares the own record by a code: makes it, opens it, takes it back.

While it lasts, `record.relation` holds `Share/<id>` for the patient: the row policies end it when it is asked.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime, time, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy

from tuetinh.commons.access.api import CATALOGUE, DIRECTORY, ENDS_WITH, ROLES, Tie, asker_of, wards
from tuetinh.community.portal.models import Miss, Opening, Share
from tuetinh.record import api as record
from tuetinh.record import r4, relations
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.relations import Relation
from tuetinh.record.sight import ALL_LABELS, EVERYTHING, Sight
from tuetinh.record.steps import Query, Step, run

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tuetinh.commons.access.api import Account

HOURS: Final = (1, 4, 24, 72)
LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else on a screen
LENGTH: Final = 28  # log2(31) * 28 = 138 bits
OPEN_AT_ONCE: Final = 20
WRONG_PINS: Final = 5
WRONG_TRIES, WITHIN = 20, timedelta(minutes=15)  # from one address
EXAM: Final = "Patient ImagingStudy DiagnosticReport"
SUMMARY: Final = "Patient AllergyIntolerance Condition MedicationRequest Immunization Observation"
RELATED: Final = {Share.Scope.SUMMARY: SUMMARY, Share.Scope.EXAM: EXAM}
OWN: Final = (Share.Scope.SUMMARY, Share.Scope.ORDINARY, Share.Scope.ALL)  # of which citizens choose
HL7: Final = "http://terminology.hl7.org/CodeSystem"


class ShareError(Exception):
    """A refusal. `code` is stable, `message` is for whoever tries, `status` the HTTP status."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message, self.status = MESSAGES[code]


MESSAGES = {
    "unknown": (gettext_lazy("Mã này không đúng, đã hết hạn hoặc đã được thu lại."), 404),
    "pin": (gettext_lazy("Mã này cần số PIN đúng. Hỏi người đã chia sẻ."), 422),
    "birth": (gettext_lazy("Mã này cần ngày sinh của người bệnh, ví dụ 29/02/1980."), 422),
    "used": (gettext_lazy("Mã này đã được mở đủ số lần. Hãy hỏi cơ sở đã đưa mã."), 404),
    "many": (gettext_lazy("Đã thử sai quá nhiều lần. Hãy đợi 15 phút."), 429),
    "form": (gettext_lazy("Hãy chọn trong danh sách; số PIN có 4 đến 8 chữ số."), 422),
    "most": (gettext_lazy("Bạn đang chia sẻ quá nhiều nơi. Hãy thu lại bớt trước."), 422),
}


@transaction.atomic
def make(account: Account, by: Asker, scope: str, hours: int, pin: str = "") -> tuple[Share, str]:
    """Share the record that the asker is in; returns the share and its code, told this once only.

    Raises ShareError `form`, `most`.
    """
    fits = not pin or (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 8)
    if by.patient is None or scope not in scopes(by) or hours not in HOURS or not fits:
        raise ShareError("form")
    if active(by.patient).filter(order="").count() >= OPEN_AT_ONCE:
        raise ShareError("most")
    return _made(timedelta(hours=hours), pin, patient=by.patient, scope=scope, by=account)


def scopes(by: Asker) -> tuple[Share.Scope, ...]:
    """How much the asker may share: not what it does not see itself, as a parent of who is seven or older."""
    return OWN if by.sight.labels == ALL_LABELS else tuple(one for one in OWN if one != Share.Scope.ALL)


@transaction.atomic
def hand_over(account: Account, patient: str, order: str, birth: str, *, days: int, most: int) -> tuple[Share, str]:
    """Share the report and the pictures of one examination, as `make` does.

    birth: the patient's date of birth, or what is known of it, which opens the code like a PIN.
    """
    told = {"patient": patient, "scope": Share.Scope.EXAM, "by": account, "order": order, "most": most}
    return _made(timedelta(days=days), "".join(reversed(birth.split("-"))), **told)


def _made(lasts: timedelta, pin: str, **fields: Any) -> tuple[Share, str]:
    now, code = timezone.now(), "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    kept = make_password(pin) if pin else ""
    share = Share.objects.create(digest=_digest(code), pin=kept, at=now, until=now + lasts, **fields)
    relation = Relation(share.patient, _holder(share), "consent", _holder(share), share.until.isoformat())
    run(SYSTEM, relations.keep([_holder(share)], [relation]))
    return share, code


def active(patient: str) -> QuerySet[Share]:
    """What of the record is shared now."""
    return Share.objects.filter(patient=patient, ended=None, until__gt=timezone.now())


@transaction.atomic
def end(by: Asker, share_id: int) -> bool:
    """Take a share of the asker's record back, with what facilities were let see by it; False when there is none."""
    share = active(by.patient or "-").select_for_update().filter(pk=share_id).first()
    if share is not None:
        _shut(by, share)
    return share is not None


@transaction.atomic
def end_handed(by: Asker, order: str, share_id: int) -> bool:
    """Take a share of an order's report and pictures back; False when there is none."""
    open_ = Share.objects.select_for_update().filter(order=order, ended=None, until__gt=timezone.now())
    share = open_.filter(pk=share_id).first() if order else None
    if share is not None:
        _shut(by, share)
    return share is not None


def opened(code: str, pin: str, address: str, account: Account | None) -> Opening:
    """Open what a code shows, and note who did. At a desk, a share of everything lets the facility see the record.

    account: who is signed in, None for anybody. Raises ShareError `unknown`, `pin`, `many`.
    """
    now = timezone.now()
    if Miss.objects.filter(address=address, at__gt=now - WITHIN).count() >= WRONG_TRIES:
        raise ShareError("many")
    with transaction.atomic():
        share = Share.objects.select_for_update().filter(digest=_digest(read(code))).first()
        fault = _fault(share, pin)
        if share is not None and not fault:
            return _note(share, account)
    Miss.objects.filter(at__lt=now - timedelta(days=1)).delete()
    Miss.objects.create(address=address, at=now)
    raise ShareError(fault)


def read(text: str) -> str:
    """The code in what was scanned or typed: the whole link, or the code in groups."""
    return "".join(sign for sign in text.rpartition("#")[2].lower() if sign in LETTERS)


def asker(opening: Opening) -> Asker | None:
    """Who asks for what was opened; None once the share has ended. The row policies ask the same again."""
    share = opening.share
    if share.ended is not None or share.until <= timezone.now() or not _stands(share):
        return None
    account = opening.account
    return Asker(
        account=str(account.pk) if account else f"share:{share.pk}",
        role=account.role if account else "share",
        facility=opening.facility,
        purpose="TREAT" if account else "PATRQT",
        scopes=frozenset({"patient/*.rs"}),
        patient=share.patient,
        sight=Sight(
            whole=f"{DIRECTORY} {CATALOGUE}",
            related=RELATED.get(share.scope, "*"),
            holders=(_holder(share),),
            labels=ALL_LABELS if share.scope in (Share.Scope.ALL, Share.Scope.EXAM) else 0,
        ),
    )


def at_desk(account: Account | None) -> bool:
    """Whether somebody opens it as the staff of a facility that treats people."""
    return account is not None and bool(account.facility) and ROLES[account.role].sees_patients


def _stands(share: Share) -> bool:
    """Whether who made it may still share as much: who shared somebody else's record may lose that right meanwhile."""
    maker = share.by.patient
    if share.order or maker == share.patient:
        return True
    tie = _tie(share)
    return tie is not None and tie.decides and (tie.sensitive or share.scope != Share.Scope.ALL)


def _tie(share: Share) -> Tie | None:
    """What lets who made it act for the patient; None for the patient."""
    maker = share.by.patient
    return wards.tie(maker, share.patient) if maker and maker != share.patient else None


def _fault(share: Share | None, pin: str) -> str:
    """What is wrong, "" for nothing. Wrong PINs are counted; the last one shuts the share."""
    if share is None or share.ended is not None or share.until <= timezone.now() or not _stands(share):
        return "unknown"
    if share.order:
        pin = "".join(part.zfill(2) for part in re.findall(r"[0-9]+", pin))  # 1/3/1980 is 01031980
    if not share.pin or (pin and check_password(pin, share.pin)):
        return "used" if share.most is not None and share.openings.count() >= share.most else ""
    if pin:
        share.misses += 1
        share.save(update_fields=["misses"])
        if share.misses >= WRONG_PINS:
            _shut(SYSTEM, share)
            return "unknown"
    return "birth" if share.order else "pin"


def _note(share: Share, account: Account | None) -> Opening:
    staff = account if at_desk(account) else None
    opening = Opening(share=share, at=timezone.now(), account=staff, facility=staff.facility if staff else "")
    if staff and share.scope == Share.Scope.ALL and not run(asker_of(staff), _is_shut_out(share.patient)):
        before = share.openings.filter(facility=staff.facility).exclude(consent="").first()
        opening.consent = before.consent if before else _allow(share, staff)
    opening.save()
    return opening


def _is_shut_out(patient: str) -> Step[bool]:
    """Whether the patient forbids the asker or its facility by name: a Consent that allows it does not pass by that."""
    ((forbidden,),) = yield Query("SELECT record.forbidden_by_name(%s)", [patient])
    return bool(forbidden)


def _allow(share: Share, staff: Account) -> str:
    """Store the Consent by which a facility sees the record until the share ends."""
    mine = r4.Reference(reference=f"Patient/{share.patient}")
    actor = r4.ConsentProvisionActor(
        role=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/v3-ParticipationType", code="IRCP")]),
        reference=r4.Reference(reference=f"Organization/{staff.facility}"),
    )
    tie = _tie(share)
    until = timezone.localtime(_until(share, tie)).isoformat(timespec="seconds")
    needed = [r4.Reference(reference=one) for one in tie.rests_on] if tie else []
    consent = r4.Consent(
        extension=[r4.Extension(url=ENDS_WITH, valueReference=one) for one in needed] or None,
        status="active",
        scope=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/consentscope", code="patient-privacy")]),
        category=[r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code="59284-0")])],
        patient=mine,
        dateTime=timezone.localtime(share.at).isoformat(timespec="seconds"),
        performer=[mine],
        policyRule=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/v3-ActCode", code="OPTIN")]),
        provision=r4.ConsentProvision(type="permit", actor=[actor], period=r4.Period(end=until)),
    )
    return str(record.create(_writing(str(staff.pk), staff.role, staff.facility), consent).id)


def _until(share: Share, tie: Tie | None) -> datetime:
    """When what it allows ends at the latest: with the share, or on the day on which a ward comes of an age."""
    days = [day for day in (tie.passes, tie.sensitive_until) if day] if tie else []
    return min([share.until, *(timezone.make_aware(datetime.combine(day, time.min)) for day in days)])


def _shut(by: Asker, share: Share) -> None:
    share.ended = timezone.now()
    share.save(update_fields=["ended"])
    run(SYSTEM, relations.keep([_holder(share)], []))
    for id_ in set(share.openings.exclude(consent="").values_list("consent", flat=True)):
        writing = _writing(by.account, by.role, by.facility)
        consent = record.read(writing, "Consent", id_)
        if isinstance(consent, r4.Consent) and consent.status == "active":
            consent.status = "inactive"
            record.update(writing, consent)


def _writing(account: str, role: str, facility: str) -> Asker:
    scopes = frozenset({"user/Consent.cru"})
    return Asker(account, role, facility, purpose="PATRQT", scopes=scopes, sight=EVERYTHING)


def _holder(share: Share) -> str:
    return f"Share/{share.pk}"


def _digest(code: str) -> bytes:
    return sha256(code.encode()).digest()
