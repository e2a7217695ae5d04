"""All facts of a claim, how two versions of one are told apart, and how one that has vanished is marked."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from tuetinh.care.insurance.intake import lines, papers, results, visit
from tuetinh.care.insurance.intake.stay import Stay
from tuetinh.record import r4

ERROR: Final = "entered-in-error"
FILES: Final = "urn:ietf:rfc:3986"
HL7: Final = "http://terminology.hl7.org/CodeSystem"


def build(stay: Stay, coverage: str) -> list[r4.Resource]:
    """The facts of a claim, the Encounter first. coverage: id of the card that it rests on, or ""."""
    visit.add(stay, coverage)
    lines.add_medicines(stay)
    results.add_results(stay, lines.add_services(stay))
    results.add_progress(stay)
    papers.add(stay)
    return stay.made


def provenance(
    stay: Stay, facts: list[r4.Resource], *, key: str, file: str, account: str, at: datetime, known: bool
) -> r4.Provenance:
    """From which file these facts came, and who brought it. known: the claim had come before."""
    activity = "UPDATE" if known else "CREATE"
    agent = r4.ProvenanceAgent(
        type=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/provenance-participant-type", code="custodian")]),
        who=stay.provider,
        onBehalfOf=r4.Reference(display=account),
    )
    what = r4.Reference(identifier=r4.Identifier(system=FILES, value=stay.source), display=file)
    return r4.Provenance(
        id=f"{stay.id}-from-{key[:16]}",
        target=[stay.subject, *(r4.Reference(reference=f"{one.resourceType}/{one.id}") for one in facts)],
        recorded=at.isoformat(timespec="seconds"),
        activity=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/v3-DataOperation", code=activity)]),
        agent=[agent],
        entity=[r4.ProvenanceEntity(role="source", what=what)],
    )


def is_same(one: r4.Resource, other: r4.Resource | None) -> bool:
    """Whether two versions say the same, whatever file they are from."""
    if other is None:
        return False
    labels = [(version.meta.security or None) if version.meta else None for version in (one, other)]
    bare = [r4.encode(msgspec.structs.replace(version, meta=None)) for version in (one, other)]
    return labels[0] == labels[1] and bare[0] == bare[1]


def erroneous(stored: r4.Resource, source: str) -> r4.Resource | None:
    """The version that says that a fact was none; None where it is said already."""
    meta = msgspec.structs.replace(stored.meta or r4.Meta(), source=source)
    if isinstance(stored, r4.Condition):
        status = r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/condition-ver-status", code=ERROR)])
        if stored.verificationStatus == status:
            return None
        return msgspec.structs.replace(stored, meta=meta, clinicalStatus=None, verificationStatus=status)
    if getattr(stored, "status", ERROR) == ERROR:
        return None
    return msgspec.structs.replace(stored, meta=meta, status=ERROR)  # type: ignore[call-arg]
