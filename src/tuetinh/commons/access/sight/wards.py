"""Whose record an account may open for somebody else: children and wards by law, adults who named it as a carer.

The facts are a RelatedPerson, whose `related-patient` extension says who it is here, and a Consent of the same id where
it rests on somebody's will. What they come to is kept in `record.relation` under `Patient/<who acts>`, so that the row
policies end it at the moment of the query; ages are counted here, at each request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, TypeVar, cast

from django.utils import timezone

from tuetinh.commons.access.roles import CATALOGUE, DIRECTORY, ROLES
from tuetinh.commons.access.sight import ages, papers
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.merging.api import became
from tuetinh.record.sight import ALL_LABELS, Sight
from tuetinh.record.steps import Query, Step, run

ROLE_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
ROLE_CLASS: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
BY_LAW: Final = {"MTH": ROLE_CODE, "FTH": ROLE_CODE, "ADOPTP": ROLE_CODE, "GUARD": ROLE_CODE}
"""Who acts for a minor, and by a decision (`GUARD`) for an adult: recorded by a desk that saw the papers."""
BY_WILL: Final = {
    "CHILD": ROLE_CODE,
    "SPS": ROLE_CODE,
    "PRN": ROLE_CODE,
    "SIB": ROLE_CODE,
    "FAMMEMB": ROLE_CODE,
    "CAREGIVER": ROLE_CLASS,
}
"""Whom people name themselves."""
R = TypeVar("R", bound=r4.Resource)
MOST: Final = 50  # wards of one person, and carers of one person


@dataclass(frozen=True, slots=True)
class Tie:
    """That one person may open another's record.

    id: of the RelatedPerson, and of the Consent where there is one. ward: id of the Patient whose record it is.
    carer: id of the Patient who opens it. names: as the record has them. code: relationship of the carer to the ward.
    by_law: whether it rests on the law, not on the ward's will. passes: the day on which it ends with the ward's age.
    sensitive: whether labelled data are seen too. state: `proposed`, `active`, or `ended`. until: ISO day or "".
    paper: by which a desk has recorded it, where it did by one. rests_on: the facts without which it does not hold as
    it is, as `Type/id`. sensitive_until: the day from which a parent or guardian alone no longer sees labelled data.
    """

    id: str
    ward: str
    ward_name: str
    carer: str
    carer_name: str
    code: str
    by_law: bool
    passes: date | None
    sensitive: bool
    state: str
    until: str = ""
    paper: papers.Paper | None = None
    rests_on: tuple[str, ...] = ()
    sensitive_until: date | None = None

    @property
    def decides(self) -> bool:
        """Whether the carer also decides for the ward: whom to forbid, what to share."""
        return self.by_law


def of_carer(carer: str) -> list[Tie]:
    """What holds now: the records that this person may open."""
    return run(SYSTEM, _related("holder = ANY (%s)", _holders(carer))) if carer else []


def of_ward(ward: str) -> list[Tie]:
    """What holds now: who may open this person's record."""
    return run(SYSTEM, _related("patient = %s AND starts_with(holder, 'Patient/')", ward))


def tie(carer: str, ward: str) -> Tie | None:
    """Whether and how this person may open that record now: by law before by will."""
    held = run(SYSTEM, _related("holder = ANY (%s) AND patient = %s", _holders(carer), ward))
    return min(held, key=lambda one: not one.by_law, default=None)


def acting(asker: Asker, ward: str) -> tuple[Asker, Tie] | None:
    """The asker of a citizen within somebody else's record, or None when there is nothing that lets it in.

    It sees what the row policies find related to it: a tie that ends takes everything along at once.
    """
    own = asker.patient or "-"
    found = tie(own, ward) if ROLES[asker.role].level == "patient" and ward != own else None
    if found is None:
        return None
    sight = Sight(
        f"{DIRECTORY} {CATALOGUE}", "*", holders=tuple(_holders(own)), labels=ALL_LABELS if found.sensitive else 0
    )
    within = Asker(
        account=asker.account, role=asker.role, purpose="FAMRQT", scopes=asker.scopes, patient=ward, sight=sight
    )
    return within, found


def _holders(person: str) -> list[str]:
    """Names under which ties to a person are kept: also those of records that were merged into this one."""
    return [f"Patient/{id_}" for id_ in (person, *run(SYSTEM, became(person)))]


def _related(where: str, *params: str | list[str]) -> Step[list[Tie]]:
    """The relations that hold by the ages of today, each with its facts: four reads, however many there are."""
    sql = f"""SELECT source, patient, holder FROM record.relation
    WHERE {where} AND kind IN ('guardian', 'consent') AND until > now() AND since <= now()
    ORDER BY patient, holder, source LIMIT {MOST}"""
    rows = yield Query(sql, params)
    sources = [source.partition("/")[2] for source, _, _ in rows]
    related = yield from bodies(r4.RelatedPerson, sources)
    consents = yield from bodies(r4.Consent, sources)
    people = yield from bodies(r4.Patient, [id_ for _, ward, holder in rows for id_ in (ward, _id(holder))])
    found = [
        of(related[_id(source)], consents.get(_id(source)), people[ward], people[_id(holder)])
        for source, ward, holder in rows
        if _id(source) in related and ward in people and _id(holder) in people
    ]
    agreed = {(one.ward, one.carer): f"Consent/{one.id}" for one in found if not one.by_law and one.sensitive}
    return [tie for one in found if (tie := _counted(one, people[one.ward], agreed)) is not None]


def bodies(type_: type[R], ids: Sequence[str]) -> Step[dict[str, R]]:
    """Resources by id for what the house itself has to know: names and ties, which is no look at a record."""
    name = type_.__name__
    sql = f"""SELECT id, body FROM record."{name}" WHERE type = '{name}' AND id = ANY (%s) AND NOT deleted"""
    rows = (yield Query(sql, [list(ids)])) if ids else []
    return {id_: cast(R, r4.decode(bytes(body))) for id_, body in rows}


def _id(reference: str) -> str:
    return reference.partition("/")[2]


def of(related: r4.RelatedPerson, consent: r4.Consent | None, ward: r4.Patient, carer: r4.Patient) -> Tie:
    """What a RelatedPerson and its Consent say, whether it holds or not."""
    status = consent.status if consent else "active" if related.active is not False else "inactive"
    end = (related.period.end or "") if related.period else ""
    code = next((c.code or "" for concept in related.relationship or () for c in concept.coding or ()), "")
    return Tie(
        id=str(related.id),
        ward=str(ward.id),
        ward_name=name_of(ward),
        carer=str(carer.id),
        carer_name=name_of(carer),
        code=code,
        by_law=consent is None,
        passes=None if consent is None and _of_an_adult(related, code, ward) else _passes(ward),
        sensitive=consent is None or not _withheld(consent),
        state=status if status in ("proposed", "active") else "ended",
        until=end[:10],
        paper=papers.of(related),
        rests_on=(f"{'Consent' if consent else 'RelatedPerson'}/{related.id}",),
    )


def _counted(one: Tie, ward: r4.Patient, agreed: dict[tuple[str, str], str]) -> Tie | None:
    """The tie as it counts today; None when the ward is too old for it."""
    if not one.by_law:
        return one
    today, birth = timezone.localdate(), ward.birthDate or ""
    if one.passes is None and one.code != "GUARD":
        return None  # of unknown age: nobody acts for them by being a parent
    if one.passes is not None and today >= one.passes:
        return None
    shares_from = ages.turns(birth, ages.agrees())
    alone = one.passes is None or (shares_from is not None and today < shares_from)
    by_will = agreed.get((one.ward, one.carer))
    if alone or by_will is None:
        return replace(one, sensitive=alone, sensitive_until=shares_from if alone and one.passes else None)
    return replace(one, sensitive=True, rests_on=(*one.rests_on, by_will))


def _of_an_adult(related: r4.RelatedPerson, code: str, ward: r4.Patient) -> bool:
    """Whether a guardian was recorded for somebody who was of age then (BLDS 2015, Điều 22 to 24)."""
    passes, start = _passes(ward), (related.period.start or "")[:10] if related.period else ""
    return code == "GUARD" and passes is not None and bool(start) and start >= passes.isoformat()


def _passes(ward: r4.Patient) -> date | None:
    return ages.turns(ward.birthDate or "", ages.of_age())


def _withheld(consent: r4.Consent) -> bool:
    """Whether a Consent leaves out what is restricted."""
    parts = (consent.provision.provision if consent.provision else None) or ()
    return any(part.type == "deny" and any(label.code == "R" for label in part.securityLabel or ()) for part in parts)


def name_of(person: r4.Patient) -> str:
    """How a person is called."""
    names = person.name or []
    name = next((one for one in names if one.use == "official"), names[0] if names else r4.HumanName())
    return name.text or " ".join(part for part in (*(name.given or []), name.family) if part)
