"""What a patient forbids, as a Consent: a facility, or everybody; for a purpose, or for all."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from django.utils import timezone

from tuetinh.commons.access.sight.consents import SCOPE
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

HL7: Final = "http://terminology.hl7.org/CodeSystem"
SCOPES: Final = frozenset({"patient/Consent.cu"})  # beside what a citizen reads


def forbid(asker: Asker, patient: str, facility: str, purpose: str) -> r4.Consent:
    """Store what the patient forbids, or return the Consent by which it is forbidden already.

    facility: id of the Organization, "" for every one. purpose: v3 PurposeOfUse, "" for every one.
    """
    actor = r4.ConsentProvisionActor(
        role=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/v3-ParticipationType", code="IRCP")]),
        reference=r4.Reference(reference=f"Organization/{facility}"),
    )
    provision = r4.ConsentProvision(
        type="deny",
        actor=[actor] if facility else None,
        purpose=[r4.Coding(system=f"{HL7}/v3-ActReason", code=purpose)] if purpose else None,
    )
    known = next((one for one in forbidden(asker, patient) if one.provision == provision), None)
    if known:
        return known
    me = r4.Reference(reference=f"Patient/{patient}")
    consent = r4.Consent(
        status="active",
        scope=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/consentscope", code=SCOPE)]),
        category=[r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code="59284-0")])],
        patient=me,
        dateTime=timezone.now().isoformat(timespec="seconds"),
        performer=[me],
        policyRule=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/v3-ActCode", code="OPTIN")]),
        provision=provision,
    )
    return record.create(replace(asker, scopes=asker.scopes | SCOPES), consent)


def take_back(asker: Asker, consent: r4.Consent) -> r4.Consent:
    """End what a Consent says, from the next question on."""
    if consent.status != "active":
        return consent
    consent.status = "inactive"
    return record.update(replace(asker, scopes=asker.scopes | SCOPES), consent)


def forbidden(asker: Asker, patient: str) -> list[r4.Consent]:
    """The Consents by which a patient forbids something now."""
    found = record.search(asker, "Consent", f"patient=Patient/{patient}&status=active&_count=100").resources
    return [one for one in found if isinstance(one, r4.Consent) and one.provision and one.provision.type == "deny"]
