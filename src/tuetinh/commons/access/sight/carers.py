"""Naming who may open somebody's record: a carer, whom one names and who accepts; a parent or guardian, at a desk.

A carer is a RelatedPerson and a Consent of the same id, `proposed` until the other side accepts, `active` until either
ends it. A parent or guardian is a RelatedPerson alone: the desk has seen the papers, the law gives the right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from django.db import transaction
from django.utils import timezone

from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.places import place_name
from tuetinh.commons.access.sight import ages, papers, wards
from tuetinh.commons.access.sight.consents import PROPOSED, SCOPE
from tuetinh.commons.access.sight.papers import Paper
from tuetinh.commons.access.sight.relations import RELATED_PATIENT
from tuetinh.commons.access.sight.wards import BY_LAW, BY_WILL, CONFIDENTIALITY, MOST, Tie
from tuetinh.commons.access.telling import enter_log, tell_person
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import PreconditionFailed
from tuetinh.record.sight import ALL_LABELS, EVERYTHING
from tuetinh.record.steps import Query, Step, run

HL7: Final = "http://terminology.hl7.org/CodeSystem"
TOLD_BOUND: Final = (
    "Tại {place}, một người được ghi là cha mẹ hoặc người giám hộ của bạn và xem được hồ sơ này. "
    "Tên người đó ở trang “Người thân, người chăm sóc”. Nếu không đúng, hãy báo cho cơ sở."
)
TOLD_OTHERS: Final = (
    "Tại {place}, một người nữa được ghi là cha mẹ hoặc người giám hộ của {name} và xem được hồ sơ đó. "
    "Nếu không đúng, hãy báo cho cơ sở."
)
DESKS: Final = frozenset({"reception", "station"})  # where people show who they are
_SCOPES: Final = frozenset({"user/Consent.crus", "user/RelatedPerson.crus", "user/Patient.rs"})


@transaction.atomic
def propose(by: Asker, carer: str, code: str, *, until: str = "", sensitive: bool = False) -> str:
    """Ask somebody to be a carer within the record that the asker is in; returns the id of the facts.

    code: of `BY_WILL`. until: ISO day, "" for until it is ended; a minor's naming ends when the record passes.
    sensitive: only by who sees it, or a parent who does not could let themself in. Raises AccessError `carer-self`,
    `carer-exists`, `carer-most`, `carer-until`, `carer-sensitive`, `relationship`.
    """
    if sensitive and by.sight.labels != ALL_LABELS:
        raise AccessError("carer-sensitive")
    if until and until < timezone.localdate().isoformat():
        raise AccessError("carer-until")
    if code not in BY_WILL or by.patient is None:
        raise AccessError("relationship")
    ward, person = people(by.patient, carer)
    known = [*wards.of_ward(by.patient), *proposed(ward=by.patient)]
    if any(one.carer == carer and not one.by_law for one in known):
        raise AccessError("carer-exists")
    if len(known) >= MOST:
        raise AccessError("carer-most")
    return _name(by, ward, person, code, until=until, sensitive=sensitive, status="proposed")


@transaction.atomic
def answer(by: Asker, tie_id: str, *, accept: bool) -> Tie:
    """Accept or decline what was proposed to the asker. Raises AccessError `carer-gone`."""
    tie = next((one for one in proposed(carer=by.patient or "-") if one.id == tie_id), None)
    if tie is None:
        raise AccessError("carer-gone")
    _set(by, tie, "active" if accept else "rejected")
    return tie


@transaction.atomic
def end(by: Asker, tie_id: str) -> Tie:
    """End a tie, or take a proposal back: the ward, who decides for the ward, or the carer.

    What rests on the law is ended by the carer, or at a desk. Raises AccessError `carer-gone`.
    """
    own = by.patient or "-"
    mine = wards.of_carer(own)
    theirs = [one for one in (*wards.of_ward(own), *proposed(ward=own)) if not one.by_law]
    tie = next((one for one in (*mine, *theirs) if one.id == tie_id), None)
    if tie is None:
        raise AccessError("carer-gone")
    _set(by, tie, "inactive")
    return tie


@transaction.atomic
def link(by: Asker, ward: str, carer: str, code: str, paper: Paper, *, agreed: bool = False) -> str:
    """Record at a desk who is a person's parent or guardian, from a paper that it has seen; counts at once.

    code: of `BY_LAW`; all need a minor. agreed: the minor lets sensitive data be seen. The minor's page tells of it.
    Raises AccessError `role`, `carer-self`, `carer-exists`, `carer-age`, `relationship`, `kin-paper`, `paper`, or
    `adult` for a guardian of one (`guardianship.ask`).
    """
    if by.role not in DESKS:
        raise AccessError("role")
    if code not in BY_LAW:
        raise AccessError("relationship")
    child, person = people(ward, carer)
    if not is_minor(child):
        raise AccessError("adult" if code == "GUARD" else "carer-age")
    tie = bind(by, child, person, code, papers.check(paper, child, code))
    if agreed:
        _name(by, child, person, "PRN", sensitive=True, status="active")
    return tie


def is_minor(person: r4.Patient) -> bool:
    """Whether somebody is known to be below the age of majority."""
    return is_minor_of(person.birthDate or "")


def is_minor_of(birth: str) -> bool:
    """Whether who was born on an ISO date, or in its part, is below the age of majority."""
    passes = ages.turns(birth, ages.of_age())
    return passes is not None and passes > timezone.localdate()


def bind(by: Asker, ward: r4.Patient, carer: r4.Patient, code: str, paper: Paper) -> str:
    """Store that somebody is a parent or guardian by a paper, and tell the ward and who is one already; the fact's id.

    Raises AccessError `carer-exists`.
    """
    others = sorted({one.carer for one in wards.of_ward(str(ward.id)) if one.by_law})
    if carer.id in others:
        raise AccessError("carer-exists")
    related = _related_person(record.new_id(), ward, carer, code, active=True)
    related.identifier = [papers.identifier(paper)]
    record.create(by, related)
    told_of = ": ".join(filter(None, paper))
    enter_log(by, "create", "RelatedPerson", str(related.id), patient=str(ward.id), reason=told_of)
    told = {"place": place_name("Organization", by.facility), "name": wards.name_of(ward)}
    tell_person(str(ward.id), TOLD_BOUND.format(**told), by.facility)
    for other in others:
        tell_person(other, TOLD_OTHERS.format(**told), by.facility)
    return str(related.id)


@transaction.atomic
def unlink(by: Asker, ward: str, tie_id: str) -> None:
    """End at a desk what it recorded, with what the minor agreed to. Raises AccessError `role`, `carer-gone`."""
    if by.role not in DESKS:
        raise AccessError("role")
    held = wards.of_ward(ward)
    tie = next((one for one in held if one.id == tie_id and one.by_law), None)
    if tie is None:
        raise AccessError("carer-gone")
    for one in held:
        if one.carer == tie.carer:
            _set(by, one, "inactive")


def proposed(*, ward: str = "", carer: str = "") -> list[Tie]:
    """What waits for an answer: of a ward, or for a carer."""
    return run(SYSTEM, _proposed(ward, carer))


def _proposed(ward: str, carer: str) -> Step[list[Tie]]:
    where, param = ("patient = %s", ward) if ward else ("holder = %s", f"Patient/{carer}")
    sql = f"""SELECT source, patient, holder FROM record.relation
    WHERE {where} AND kind = '{PROPOSED}' ORDER BY source LIMIT {MOST}"""
    rows = yield Query(sql, [param])
    ids = [source.partition("/")[2] for source, _, _ in rows]
    related = yield from wards.bodies(r4.RelatedPerson, ids)
    consents = yield from wards.bodies(r4.Consent, ids)
    people = yield from wards.bodies(r4.Patient, [one.rpartition("/")[2] for row in rows for one in row[1:]])
    return [
        wards.of(related[id_], consents[id_], people[row[1]], people[row[2].rpartition("/")[2]])
        for id_, row in zip(ids, rows, strict=True)
        if id_ in related and id_ in consents and {row[1], row[2].rpartition("/")[2]} <= people.keys()
    ]


def people(ward: str, carer: str) -> tuple[r4.Patient, r4.Patient]:
    """Both of them. Raises AccessError `carer-self`, `carer-gone`."""
    if ward == carer:
        raise AccessError("carer-self")
    found = run(SYSTEM, wards.bodies(r4.Patient, [ward, carer]))
    if len(found) != 2:
        raise AccessError("carer-gone")
    return found[ward], found[carer]


def _name(
    by: Asker,
    ward: r4.Patient,
    person: r4.Patient,
    code: str,
    *,
    until: str = "",
    sensitive: bool,
    status: str,
) -> str:
    """Store the RelatedPerson and the Consent of a carer."""
    passes = ages.turns(ward.birthDate or "", ages.of_age())
    minor = passes is not None and passes > timezone.localdate()
    end = min(filter(None, (until, passes.isoformat() if minor and passes else "")), default="") or None
    id_, scoped = record.new_id(), writing(by)
    record.create(scoped, _related_person(id_, ward, person, code, active=status == "active", until=end))
    actor = r4.ConsentProvisionActor(
        role=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/v3-ParticipationType", code="IRCP")]),
        reference=r4.Reference(reference=f"Patient/{person.id}"),
    )
    restricted = r4.ConsentProvision(
        type="deny", actor=[actor], securityLabel=[r4.Coding(system=CONFIDENTIALITY, code="R")]
    )
    consent = r4.Consent(
        id=id_,
        status=status,
        scope=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/consentscope", code=SCOPE)]),
        category=[r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code="59284-0")])],
        patient=r4.Reference(reference=f"Patient/{ward.id}"),
        dateTime=timezone.now().isoformat(timespec="seconds"),
        performer=[r4.Reference(reference=f"Patient/{ward.id}")],
        policyRule=r4.CodeableConcept(coding=[r4.Coding(system=f"{HL7}/v3-ActCode", code="OPTIN")]),
        provision=r4.ConsentProvision(
            type="permit",
            actor=[actor],
            period=r4.Period(end=end) if end else None,
            provision=None if sensitive else [restricted],
        ),
    )
    record.create(scoped, consent)
    return id_


def _related_person(
    id_: str, ward: r4.Patient, person: r4.Patient, code: str, *, active: bool, until: str | None = None
) -> r4.RelatedPerson:
    system = (BY_LAW | BY_WILL)[code]
    return r4.RelatedPerson(
        id=id_,
        extension=[
            r4.Extension(url=RELATED_PATIENT, valueReference=r4.Reference(reference=f"Patient/{person.id}")),
        ],
        active=active,
        patient=r4.Reference(reference=f"Patient/{ward.id}"),
        relationship=[r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)])],
        name=person.name,
        gender=person.gender,
        birthDate=person.birthDate,
        period=r4.Period(start=timezone.localdate().isoformat(), end=until),
    )


def _set(by: Asker, tie: Tie, status: str) -> None:
    """Bring both facts to a new state. Raises AccessError `carer-gone` when somebody else was quicker."""
    scoped = writing(by)
    related = record.read(scoped, "RelatedPerson", tie.id)
    assert isinstance(related, r4.RelatedPerson)  # noqa: S101
    related.active = status == "active"
    if status != "active":
        period = related.period or r4.Period()
        related.period = r4.Period(start=period.start, end=timezone.localdate().isoformat())
    try:
        record.update(scoped, related, _version(related))
        if not tie.by_law:
            consent = record.read(scoped, "Consent", tie.id)
            assert isinstance(consent, r4.Consent)  # noqa: S101
            consent.status = status
            record.update(scoped, consent, _version(consent))
    except PreconditionFailed as error:
        raise AccessError("carer-gone") from error


def _version(resource: r4.RelatedPerson | r4.Consent) -> int:
    return int((resource.meta.versionId if resource.meta else None) or 0)


def writing(by: Asker) -> Asker:
    """The asker for the facts of a tie, which are in the other's record for one of the two sides."""
    return replace(by, patient=None, scopes=_SCOPES, sight=EVERYTHING)
