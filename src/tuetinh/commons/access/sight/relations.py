"""Relations to a patient that come from facts: visits, episodes, referrals, appointments, registration, guardians.

They are kept by a projection of each type, so they follow every way of writing, deletions too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, cast

from tuetinh.record import r4, relations
from tuetinh.record.projections import Written
from tuetinh.record.relations import FOREVER, Relation, date_range
from tuetinh.record.statements import array
from tuetinh.record.steps import Query, Step

HOLDERS: Final = ("Organization", "Practitioner")
"""Whom a relation of care may be with: an account has a facility and may belong to a practitioner."""
RELATED_PATIENT: Final = "https://tuetinh.vn/fhir/StructureDefinition/related-patient"
"""Extension of a RelatedPerson: the Patient who is the same person. Without it nobody's account is meant."""
GUARDIANS: Final = frozenset({"GUARD", "FTH", "MTH", "NPRN", "NFTH", "NMTH", "ADOPTP", "ADOPTF", "ADOPTM"})
"""v3 RoleCode of those who act for a child or a ward by law; `PRN` alone may be a parent whom an adult named."""
INVITATION: Final = "https://tuetinh.vn/fhir/CodeSystem/invitation"
"""System of the category of a ServiceRequest that asks for an opinion: what it opens ends with it, at once."""
CONSULTANT: Final = "CON"  # v3 ParticipationType
# What is only planned is no care yet: who awaits somebody has an appointment or a referral.
_VOID: Final = ("cancelled", "entered-in-error", "revoked", "draft", "noshow", "planned", "waitlist")
_OPEN: Final = {
    "Encounter": ("arrived", "triaged", "in-progress", "onleave"),
    "EpisodeOfCare": ("active", "onhold"),
    "ServiceRequest": ("active", "on-hold"),
}

# Who lies in a bed is cared for as long as the stay is open.
_STAYS: Final = ("IMP", "ACUTE", "NONAC")
_LEFT_OPEN: Final = """UPDATE record.relation k SET until = r.updated + make_interval(days => %s)
FROM record."{type}" r
WHERE k.until = 'infinity' AND k.kind IN ('treating', 'consultation', 'referral') AND starts_with(k.source, '{type}/')
  AND r.type = '{type}' AND r.id = split_part(k.source, '/', 2) AND r.updated < now() - make_interval(days => %s)
  AND NOT coalesce(convert_from(r.body, 'UTF8')::jsonb #>> '{{class,code}}' = ANY (%s::text[]), false)
RETURNING k.source"""

_Found = Iterator[tuple[r4.Reference | None, str, str]]  # with whom, kind, until


def follow(written: Sequence[Written]) -> Step[None]:
    """Bring the relations that come from these resources in line with them."""
    found = [relation for one in written for relation in of(one)]
    if found or any(one.version > 1 for one in written):
        yield from relations.keep([f"{one.type}/{one.id}" for one in written], found)


def of(written: Written) -> list[Relation]:
    """The relations that come from a resource; none from one that was deleted or is of no patient."""
    if written.resource is None or written.patient is None:
        return []
    source = f"{written.type}/{written.id}"
    return [
        Relation(written.patient, holder, kind, source, until)
        for reference, kind, until in _READ[written.type](written.resource)
        if (holder := _holder(reference, ("Patient",) if kind == "guardian" else HOLDERS))
    ]


def fill(type_: str, after: int, count: int = 1000) -> Step[int | None]:
    """Keep the relations of the next stored resources of the type after this key; returns the last key, or None."""
    sql = f"""SELECT key, id, version, patient, body FROM record."{type_}"
    WHERE type = '{type_}' AND NOT deleted AND key > %s ORDER BY key LIMIT {count}"""
    rows = yield Query(sql, [after])
    written = [Written(type_, id_, key, version, own, r4.decode(body)) for key, id_, version, own, body in rows]
    found = [relation for one in written for relation in of(one)]
    yield from relations.keep([f"{type_}/{one.id}" for one in written], found)
    return int(rows[-1][0]) if rows else None


def end_left_open(days: int) -> Step[int]:
    """End relations of visits (but stays) and referrals that are open, but were not written for so many days.

    They hold again when their fact is written again. Returns how many ended; needs a transaction.
    """
    ended = 0
    for type_ in ("Encounter", "ServiceRequest"):
        ended += len((yield Query(_LEFT_OPEN.format(type=type_), [days, days, array(_STAYS)])))
    return ended


def _holder(reference: r4.Reference | None, types: Sequence[str]) -> str:
    """`Type/id` of somebody who may hold a relation, or ""."""
    text = (reference.reference or "") if reference else ""
    type_, _, id_ = text.partition("/")
    return text if type_ in types and id_ and "/" not in id_ else ""


def _until(resource: r4.Encounter | r4.EpisodeOfCare | r4.ServiceRequest, period: r4.Period | None) -> str | None:
    """When it ended: `FOREVER` while it is open and its period has no end, None when it never came about."""
    if resource.status in _OPEN[resource.resourceType]:
        return _end(period.end if period else None) or FOREVER
    if resource.status in _VOID:
        return None
    changed = resource.meta.lastUpdated if resource.meta else None
    return _end(period.end if period else None) or _end(period.start if period else None) or _end(changed)


def _end(text: str | None) -> str | None:
    """The first instant after what a FHIR date says."""
    found = date_range(text) if text else None
    return found[1] if found else None


def _codes(concepts: Iterable[r4.CodeableConcept] | None) -> set[str]:
    return {coding.code for concept in concepts or () for coding in concept.coding or () if coding.code}


def _encounter(resource: r4.Resource) -> _Found:
    visit = cast("r4.Encounter", resource)
    until = _until(visit, visit.period)
    if until is None:
        return
    yield visit.serviceProvider, "treating", until
    for one in visit.participant or ():
        invited = CONSULTANT in _codes(one.type)
        ended = _end(one.period.end) if one.period else None
        yield one.individual, "consultation" if invited else "treating", min(ended or until, until)


def _episode(resource: r4.Resource) -> _Found:
    episode = cast("r4.EpisodeOfCare", resource)
    until = _until(episode, episode.period)
    if until is not None:
        for one in (episode.managingOrganization, episode.careManager):
            yield one, "episode", until


def _request(resource: r4.Resource) -> _Found:
    """A referral that nobody has used counts as long as its paper; what invites, until it is closed."""
    request = cast("r4.ServiceRequest", resource)
    until = _until(request, None)
    invites = any(coding.system == INVITATION for one in request.category or () for coding in one.coding or ())
    if until is None or (invites and until != FOREVER):
        return
    if until == FOREVER and not invites and request.occurrencePeriod:
        until = _end(request.occurrencePeriod.end) or FOREVER
    for one in request.performer or ():
        yield one, "invitation" if invites else "referral", until


def _appointment(resource: r4.Resource) -> _Found:
    """An appointment counts until its end, also when nobody closed it."""
    appointment = cast("r4.Appointment", resource)
    if appointment.status in _VOID:
        return
    until = _end(appointment.end) or _end(appointment.start) or FOREVER
    for one in appointment.participant or ():
        if one.status != "declined":
            yield one.actor, "appointment", until


def _patient(resource: r4.Resource) -> _Found:
    patient = cast("r4.Patient", resource)
    for one in (patient.managingOrganization, *(patient.generalPractitioner or ())):
        yield one, "registered", FOREVER


def _guardian(resource: r4.Resource) -> _Found:
    person = cast("r4.RelatedPerson", resource)
    if person.active is not False and _codes(person.relationship) & GUARDIANS:
        until = _end(person.period.end) if person.period else None
        for one in person.extension or ():
            if one.url == RELATED_PATIENT:
                yield one.valueReference, "guardian", until or FOREVER


_READ: Final[dict[str, Callable[[r4.Resource], _Found]]] = {
    "Appointment": _appointment,
    "Encounter": _encounter,
    "EpisodeOfCare": _episode,
    "Patient": _patient,
    "RelatedPerson": _guardian,
    "ServiceRequest": _request,
}
TYPES: Final = tuple(_READ)
"""Resource types that relations come from."""
