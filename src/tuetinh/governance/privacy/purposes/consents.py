"""Consents of citizens for a purpose: given to one version of its text, provable, withdrawn at any time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from django.db import connection, transaction
from django.utils import timezone

from tuetinh.commons.access.api import forbidding, minor_agrees
from tuetinh.commons.identity.api import age
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import ConsentGiven
from tuetinh.governance.privacy.purposes import register
from tuetinh.record import api as record
from tuetinh.record import origin, r4

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tuetinh.commons.access.api import Account, Tie
    from tuetinh.record.asker import Asker

HL7: Final = "http://terminology.hl7.org/CodeSystem"
TEXT: Final = "https://tuetinh.vn/fhir/consent-text/"
OF_AGE: Final = 18  # Bộ luật Dân sự 91/2015/QH13 Điều 20


@transaction.atomic
def give(asker: Asker, by: Account, tie: Tie | None, code: str, version: int, *, minor_agreed: bool) -> ConsentGiven:
    """Agree to the text in force of a purpose, which is the version that was shown.

    tie: by which the citizen acts for the person. Raises PrivacyError: `text-changed` when it was followed by another
    one meanwhile; `minor` where the law wants both the minor and who answers for them.
    """
    patient, text = str(asker.patient), register.text_of(code)
    purpose = register.now().get(code)
    if purpose is None or purpose.ground != "consent" or text is None:
        raise PrivacyError("no-consent")
    if text.version != version:
        raise PrivacyError("text-changed")
    person = cast("r4.Patient", record.read(asker, "Patient", patient))
    years = age(person.birthDate or "", timezone.localdate())
    if years is not None and years < OF_AGE and (tie is None or (years >= minor_agrees() and not minor_agreed)):
        raise PrivacyError("minor")
    if tie is not None and not tie.decides:
        raise PrivacyError("minor")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"consent:{patient}:{code}"])
    known = held(patient).filter(text=text).first()
    if known:
        return known
    for old in held(patient).filter(text__code=code):
        _end(asker, old)
    scopes = asker.scopes | forbidding.SCOPES
    consent = record.create(replace(asker, scopes=scopes), _consent(patient, by, code, text.version))
    return ConsentGiven.objects.create(
        patient=patient,
        text=text,
        consent=consent.id,
        at=timezone.now(),
        by=by,
        channel="portal",
        address=origin.current.get().address,
        acting=tie.code if tie else "",
        minor_agreed=minor_agreed and tie is not None,
    )


def _consent(patient: str, by: Account, code: str, version: int) -> r4.Consent:
    me = r4.Reference(reference=f"Patient/{patient}")
    performer = r4.Reference(reference=f"Patient/{by.patient}") if by.patient else me
    return r4.Consent(
        status="active",
        scope=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/consentscope", code="patient-privacy")]),
        category=[r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code="59284-0")])],
        patient=me,
        dateTime=timezone.now().isoformat(timespec="seconds"),
        performer=[performer],
        policy=[r4.ConsentPolicy(uri=f"{TEXT}{code}/{version}")],
        provision=r4.ConsentProvision(type="permit", purpose=[r4.Coding(system=f"{HL7}/v3-ActReason", code=code)]),
    )


@transaction.atomic
def withdraw(asker: Asker, code: str) -> int:
    """Withdraw what was agreed to for a purpose; returns how many consents end. What was done before stays lawful."""
    found = list(held(str(asker.patient)).select_for_update().filter(text__code=code))
    for one in found:
        _end(asker, one)
    return len(found)


def _end(asker: Asker, one: ConsentGiven) -> None:
    consent = record.read(asker, "Consent", one.consent)
    if isinstance(consent, r4.Consent):
        forbidding.take_back(asker, consent)
    one.withdrawn = timezone.now()
    one.save(update_fields=["withdrawn"])


def ended(consent: str) -> None:
    """Write down that a FHIR Consent was ended in another way."""
    ConsentGiven.objects.filter(consent=consent, withdrawn=None).update(withdrawn=timezone.now())


def held(patient: str) -> QuerySet[ConsentGiven]:
    """Consents of a person that were not withdrawn."""
    return ConsentGiven.objects.filter(patient=patient, withdrawn=None).select_related("text")
