"""What patients forbid and allow: their Consents (scope `patient-privacy`), kept by a projection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

from tuetinh.record import r4, relations
from tuetinh.record.projections import Written
from tuetinh.record.relations import EVER, FOREVER, Denial, Relation, date_range
from tuetinh.record.steps import Query, Step

SCOPE: Final = "patient-privacy"
PROPOSED: Final = "proposed"
"""Kind of a relation that holds for nothing yet: a person was asked to be a carer and has not answered."""
ENDS_WITH: Final = "https://tuetinh.vn/fhir/StructureDefinition/ends-with"
"""Extension of a Consent that somebody gave who acts for the patient: the facts of whose right it ends with."""
_ORGANIZATION: Final = "Organization/"
_PATIENT: Final = "Patient/"
_PRACTITIONER: Final = "Practitioner/"
_PEOPLE: Final = (_PATIENT, "RelatedPerson/")


def follow(written: Sequence[Written]) -> Step[None]:
    """Bring denials and allowances in line with these Consents."""
    sources = [f"Consent/{one.id}" for one in written]
    yield from relations.forbid(sources, [denial for one in written for denial in denials(one)])
    yield from relations.keep(sources, [tie for one in written for tie in (*allowances(one), *carers(one))])


def denials(written: Written) -> list[Denial]:
    """What a Consent forbids: to facilities or practitioners, or to everybody; for purposes, or for all.

    A provision about some data alone is taken to forbid all, rather than nothing; so is one that names somebody who is
    not known here, as a facility by its identifier alone.
    """
    return [
        Denial(str(written.patient), whom, purpose, f"Consent/{written.id}", *_time(one))
        for one in _provisions(written)
        if one.type == "deny" and not _of_people(one)
        for whom in _shut_out(one)
        for purpose in [coding.code for coding in one.purpose or () if coding.code] or [""]
    ]


def allowances(written: Written) -> list[Relation]:
    """Facilities that a Consent lets see the record. A provision about some data or purposes alone allows nothing."""
    return [
        Relation(
            *(str(written.patient), f"{_ORGANIZATION}{facility}", "consent", f"Consent/{written.id}", *_time(one)),
            _through(written),
        )
        for one in _provisions(written)
        if one.type == "permit" and not _narrow(one)
        for facility in _facilities(one)
    ]


def _through(written: Written) -> str:
    consent = cast("r4.Consent", written.resource)
    needed = {relations.named(one.valueReference) for one in consent.extension or () if one.url == ENDS_WITH}
    return " ".join(sorted(needed - {""}))


def carers(written: Written) -> list[Relation]:
    """People whom a Consent lets see the record, and those who have not accepted yet."""
    status = cast("r4.Consent", written.resource).status if written.resource else ""
    kind, source = ("consent" if status == "active" else PROPOSED), f"Consent/{written.id}"
    return [
        Relation(str(written.patient), person, kind, source, *(_time(one) if status == "active" else (EVER,)))
        for one in _provisions(written, ("active", "proposed"))
        if one.type == "permit" and not _narrow(one)
        for person in _actors(one)
        if person.startswith(_PATIENT)
    ]


def fill(after: int, count: int = 1000) -> Step[int | None]:
    """Keep what the next stored Consents after this key say; returns the last key, or None."""
    sql = f"""SELECT key, id, version, patient, body FROM record."Consent"
    WHERE type = 'Consent' AND NOT deleted AND key > %s ORDER BY key LIMIT {count}"""
    rows = yield Query(sql, [after])
    yield from follow([Written("Consent", row[1], row[0], row[2], row[3], r4.decode(row[4])) for row in rows])
    return int(rows[-1][0]) if rows else None


def _provisions(written: Written, states: Sequence[str] = ("active",)) -> Iterator[r4.ConsentProvision]:
    """The provisions of a Consent in one of these states, its exceptions too."""
    consent = cast("r4.Consent | None", written.resource)
    if consent is None or written.patient is None or consent.status not in states or consent.provision is None:
        return
    if not any(coding.code == SCOPE for coding in (consent.scope.coding if consent.scope else None) or ()):
        return
    waiting = [consent.provision]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += one.provision or ()


def _facilities(provision: r4.ConsentProvision) -> list[str]:
    return [one.removeprefix(_ORGANIZATION) for one in _actors(provision) if one.startswith(_ORGANIZATION)]


def _shut_out(provision: r4.ConsentProvision) -> list[str]:
    """Whom it forbids: facilities by their ids, practitioners by reference, "" for everybody."""
    named = [one for one in _actors(provision) if not one.startswith(_PEOPLE)]
    if not named or not all(one.startswith((_ORGANIZATION, _PRACTITIONER)) for one in named):
        return [""]
    return [one.removeprefix(_ORGANIZATION) for one in named]


def _actors(provision: r4.ConsentProvision) -> list[str]:
    return [relations.named(actor.reference) for actor in provision.actor or ()]


def _of_people(provision: r4.ConsentProvision) -> bool:
    """Whether it is about people who act for the patient alone, which says nothing of facilities."""
    actors = _actors(provision)
    return bool(actors) and all(one.startswith(_PEOPLE) for one in actors)


def _narrow(one: r4.ConsentProvision) -> bool:
    return bool(one.action or one.securityLabel or one.purpose or one.class_ or one.code or one.dataPeriod or one.data)


def _time(provision: r4.ConsentProvision) -> tuple[str, str]:
    """Until when a provision holds, and since when."""
    period = provision.period or r4.Period()
    start, end = date_range(period.start or ""), date_range(period.end or "")
    return end[1] if end else FOREVER, start[0] if start else EVER
