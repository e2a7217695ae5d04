"""What pages and other modules ask about people."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import cast
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from tuetinh.commons.identity import facts, matching, search, words
from tuetinh.commons.identity.errors import CardError
from tuetinh.commons.identity.facts import PersonDraft
from tuetinh.commons.identity.linkage import features
from tuetinh.commons.identity.parsing import Typed, parse
from tuetinh.commons.identity.projection import plain_number
from tuetinh.commons.identity.ranking import Found
from tuetinh.commons.identity.wire_card import parse_card
from tuetinh.record import api as record
from tuetinh.record import r4, relations
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.audit import note
from tuetinh.record.errors import Forbidden
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import Query, Step, run
from tuetinh.record.text import concept_text

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
HIDDEN = 20  # people found besides, in whose place some whom the asker may not see may stand


@dataclass(frozen=True, slots=True)
class Hit:
    """A person found. birth as in FHIR; number: the one shown first; reasons: why they may be the same person.

    slipped: fits only if something was mistyped, so that nobody is to be opened unasked.
    """

    id: str
    name: str
    birth: str
    gender: str
    number: str
    phone: str
    address: str
    commune: str
    facility: str
    age: int | None
    score: float
    reasons: tuple[str, ...] = ()
    certain: bool = False
    slipped: bool = False

    @property
    def born(self) -> str:
        """The birth date as people write it: dd/mm/yyyy, mm/yyyy or yyyy."""
        return "/".join(reversed(self.birth.split("-")))


SAFETY = frozenset({"AllergyIntolerance", "Coverage"})
"""Types of which a banner also tells that there is nothing."""


@dataclass(frozen=True, slots=True)
class Banner:
    """What stands over every clinical page, under the names that `ui/person_banner.html` reads.

    sex, allergies: in words. where, encounter: of the open visit. unpaid: ₫ of issued invoices. unsigned: papers.
    blood: the groups that samples gave; more than one is a conflict. apart: types of which the desk sees only what
    its own facility has written, for want of a relation to the patient; empty where it sees all of its work.
    """

    id: str
    name: str
    birth: str
    age: int | None
    gender: str
    sex: str
    number: str
    phone: str
    address: str
    allergies: tuple[str, ...] = ()
    no_known_allergy: bool = False
    insurance: str = ""
    insurance_until: str = ""
    insurance_valid: bool = False
    where: str = ""
    encounter: str = ""
    unpaid: Decimal = Decimal(0)
    unsigned: int = 0
    blood: tuple[str, ...] = ()
    identifiers: dict[str, str] = field(default_factory=dict)
    apart: frozenset[str] = frozenset()
    url: str = ""

    @property
    def birth_date(self) -> str:
        """The birth date as in FHIR."""
        return self.birth


def today() -> date:
    """The day in Vietnam."""
    return timezone.now().astimezone(HANOI).date()


def find_people(asker: Asker, text: str, limit: int = 20) -> list[Hit]:
    """Return the people who fit what was typed or scanned, best first. Raises Forbidden for a desk without patients."""
    _allow(asker)
    typed = _scanned(text) if "|" in text else parse(text)
    if not typed:
        return []
    hits = [_hit(person) for person in run(asker, _found(asker, typed, limit))]
    for hit in hits:
        note(asker, "search", "Patient", "", hit.id)
    return hits


def _found(asker: Asker, typed: Typed, limit: int) -> Step[list[Found]]:
    """Who fits and exists for the asker: the index of the search knows no labels."""
    found = yield from search.find(typed, facility=asker.facility, limit=limit + HIDDEN, only=asker.patient)
    shown = yield from _shown(asker, [one.id for one in found])
    return [one for one in found if one.id in shown][:limit]


def _shown(asker: Asker, ids: list[str]) -> Step[set[str]]:
    """Those of these people who exist for the asker."""
    if asker.sight == EVERYTHING or not ids:
        return set(ids)
    rows = yield Query("""SELECT id FROM record."Patient" WHERE type = 'Patient' AND id = ANY (%s)""", [ids])
    return {id_ for (id_,) in rows}


def _allow(asker: Asker) -> None:
    if not asker.may("s", "Patient"):
        message = "this desk does not look for people"
        raise Forbidden(message)


def _scanned(text: str) -> Typed:
    """A card scanned into the search field: its number, name and birth date."""
    try:
        card = parse_card(text)
    except CardError:
        return parse(text.replace("|", " "))
    number = card.cccd or card.card or card.bhxh
    births = [f"={card.birth}"] if len(card.birth) == 10 else []
    return Typed(words=words.split(card.name), births=births, numbers=[number], year="" if births else card.birth)


def _hit(person: Found) -> Hit:
    return Hit(
        id=person.id,
        name=person.name,
        birth=person.birth,
        gender=person.gender,
        number=person.number,
        phone=person.phone,
        address=person.address,
        commune=person.commune,
        facility=person.facility,
        age=facts.age(person.birth, today()),
        score=round(person.score, 2),
        slipped=person.slipped,
    )


def draft_numbers(draft: PersonDraft) -> list[tuple[str, str]]:
    """The numbers of a draft that one person alone has."""
    bhxh = draft.bhxh or (draft.card[-10:] if facts.CARD_PATTERN.fullmatch(draft.card) else "")
    numbers = (("cccd", draft.cccd), ("bhxh", bhxh), ("card", draft.card), ("cmnd", draft.cmnd))
    return [(kind, plain_number(value)) for kind, value in numbers if value]


def likely_duplicates(asker: Asker, draft: PersonDraft, limit: int = 5) -> list[Hit]:
    """Return people who may be the one of the draft, likeliest first, each with the reasons in words.

    `certain` when a personal, insurance or card number is the same; else what is told is weighed by the model.
    """
    _allow(asker)
    return run(asker, _alike(asker, matching.of_draft(draft), limit))


def whose(number: str, name: str) -> str:
    """The id of the one person with this personal number and this name, tones and case aside; "" for anything else."""
    rows = run(SYSTEM, _with_number(number))
    found = [id_ for id_, known in rows if words.name_words(known) == words.name_words(name)]
    return found[0] if len(found) == 1 else ""


def _with_number(number: str) -> Step[list[tuple[str, str]]]:
    sql = """SELECT p.patient, p.name FROM identity_number n JOIN identity_person p USING (patient)
    WHERE n.kind = 'cccd' AND n.value = %s AND p.active"""
    return [(id_, name) for id_, name in (yield Query(sql, [number]))]


def alike(asker: Asker, patient_id: str, limit: int = 5) -> list[Hit]:
    """Return other records that may be this person's, likeliest first. None for a person who is not in the index."""
    _allow(asker)
    return run(asker, _alike_known(asker, patient_id, limit))


def _alike_known(asker: Asker, patient_id: str, limit: int) -> Step[list[Hit]]:
    rows = yield from matching.people([patient_id])
    if patient_id not in rows:
        return []
    return (yield from _alike(asker, matching.of_row(rows[patient_id]), limit))


def _alike(asker: Asker, person: features.Features, limit: int) -> Step[list[Hit]]:
    """Who may be the same person. Of whom the asker may not see nothing is told, but that there is a record already
    where a number is the same: else a second one would be begun.
    """
    found = yield from matching.matches(person)
    shown = yield from _shown(asker, [match.row[0] for match in found])
    hits = [_matched(person, match) for match in found]
    told = (hit if hit.id in shown else _hidden(hit) for hit in hits if hit.id in shown or hit.certain)
    return list(islice(told, limit))


def _hidden(hit: Hit) -> Hit:
    name = gettext("Hồ sơ hạn chế xem")
    return Hit(hit.id, name, "", "", "", "", "", "", "", None, hit.score, reasons=hit.reasons, certain=hit.certain)


def _matched(person: features.Features, match: matching.Match) -> Hit:
    _id, name, birth, gender, number, phone, address, commune, facility, *_ = match.row
    shared = matching.shared_numbers(person, matching.of_row(match.row))
    return Hit(
        id=match.row[0],
        name=name,
        birth=birth,
        gender=gender,
        number=number,
        phone=phone,
        address=address,
        commune=commune,
        facility=facility,
        age=facts.age(birth, today()),
        score=match.score.weight,
        reasons=tuple(matching.reasons(match.score.levels, shared)),
        certain=bool(shared),
    )


def names_of(asker: Asker, patients: Set[str]) -> dict[str, str]:
    """Names of people by id, in one read; a person without a name is told to be nameless. Whom the asker may not see
    is left out.
    """
    found = cast("dict[str, r4.Patient]", record.read_many(asker, "Patient", patients))
    return {id_: facts.display_name(person) or gettext("Chưa rõ tên") for id_, person in found.items()}


def banner(asker: Asker, patient_id: str) -> Banner:
    """Return what the banner of a clinical page says. Raises NotFound or Gone for a person the asker may not see."""
    person = record.read(asker, "Patient", patient_id)
    assert isinstance(person, r4.Patient)  # noqa: S101
    address, _ = facts.home(person)
    birth = person.birthDate or ""
    years = facts.age(birth, today())
    gender = person.gender or "unknown"
    kinds = {kind: value for kind in facts.SYSTEMS if (value := facts.identifier(person, kind))}
    allergies, none_known = _allergies(asker, patient_id)
    insurance, until, valid = _insurance(asker, patient_id)
    where, encounter = _whereabouts(asker, patient_id)
    return Banner(
        id=patient_id,
        name=facts.display_name(person) or gettext("Chưa rõ tên"),
        birth=birth,
        age=years,
        gender=gender,
        sex=gender_text(gender),
        number=next(iter(kinds.values()), ""),
        phone=facts.phone(person),
        address=address,
        allergies=allergies,
        no_known_allergy=none_known,
        insurance=insurance,
        insurance_until=until,
        insurance_valid=valid,
        where=where,
        encounter=encounter,
        identifiers=kinds,
        apart=_apart(asker, patient_id),
        blood=_blood(asker, patient_id),
        unpaid=_unpaid(asker, patient_id),
        unsigned=len(_search(asker, "Composition", f"subject=Patient/{patient_id}&status=preliminary&_count=20")),
        url=reverse("identity:person", args=[patient_id]),
    )


def _apart(asker: Asker, patient_id: str) -> frozenset[str]:
    """Which of `SAFETY` the asker sees in part only."""
    sight = asker.sight
    near = SAFETY if sight.related == "*" else SAFETY.intersection(sight.related.split())
    near -= frozenset(sight.whole.split())
    return near if near and not run(asker, relations.holds(patient_id)) else frozenset()


def gender_text(gender: str) -> str:
    """Say the administrative gender."""
    known = {"male": gettext("Nam"), "female": gettext("Nữ"), "other": gettext("Khác")}
    return known.get(gender, gettext("Chưa rõ giới tính"))


def _search(asker: Asker, type_: str, query: str) -> Sequence[r4.Resource]:
    """What the desk may see of a type; nothing for a desk that may not see it."""
    return record.search(asker, type_, query).resources if asker.may("s", type_) else []


def _unpaid(asker: Asker, patient_id: str) -> Decimal:
    """What is still owed by the bills that were given out."""
    total = Decimal(0)
    for bill in _search(asker, "Invoice", f"subject=Patient/{patient_id}&status=issued&_count=20"):
        assert isinstance(bill, r4.Invoice)  # noqa: S101
        amount = bill.totalNet or bill.totalGross
        total += (amount.value if amount else None) or Decimal(0)
    return total


def _blood(asker: Asker, patient_id: str) -> tuple[str, ...]:
    """The groups that a person's samples gave, each once (LOINC 882-1)."""
    query = f"patient=Patient/{patient_id}&code=http://loinc.org|882-1&status=final,amended,corrected&_count=50"
    found = cast("list[r4.Observation]", _search(asker, "Observation", query))
    return tuple(dict.fromkeys(said for one in found if (said := concept_text(one.valueCodeableConcept))))


def _allergies(asker: Asker, patient_id: str) -> tuple[tuple[str, ...], bool]:
    found = _search(asker, "AllergyIntolerance", f"patient=Patient/{patient_id}&_count=20")
    names, none_known = [], False
    for allergy in found:
        assert isinstance(allergy, r4.AllergyIntolerance)  # noqa: S101
        status = _codes(allergy.clinicalStatus)
        if "inactive" in status or "resolved" in status or "entered-in-error" in _codes(allergy.verificationStatus):
            continue
        if "716186003" in _codes(allergy.code):  # SNOMED CT: no known allergy
            none_known = True
        elif name := concept_text(allergy.code):
            names.append(name)
    return tuple(dict.fromkeys(names)), none_known and not names


def _insurance(asker: Asker, patient_id: str) -> tuple[str, str, bool]:
    """Number, last day and validity today of the card in force, else of the one that ends last."""
    found = _search(asker, "Coverage", f"beneficiary=Patient/{patient_id}&status=active&_count=10")
    best: tuple[bool, str, str] | None = None
    day = today().isoformat()
    for cover in found:
        assert isinstance(cover, r4.Coverage)  # noqa: S101
        start, end = (cover.period.start or "", cover.period.end or "") if cover.period else ("", "")
        valid = start[:10] <= day and (not end or day <= end[:10])
        number = cover.subscriberId or next((i.value or "" for i in cover.identifier or []), "")
        best = max(best or (False, "", ""), (valid, end[:10], number))
    return (best[2], best[1], best[0]) if best else ("", "", False)


def _whereabouts(asker: Asker, patient_id: str) -> tuple[str, str]:
    query = f"patient=Patient/{patient_id}&status=arrived,triaged,in-progress,onleave&_sort=-date&_count=1"
    for visit in _search(asker, "Encounter", query):
        assert isinstance(visit, r4.Encounter)  # noqa: S101
        places = [place.location.display for place in visit.location or [] if place.location and place.location.display]
        provider = visit.serviceProvider.display if visit.serviceProvider else None
        return " · ".join(part for part in (places[-1] if places else None, provider) if part), visit.id or ""
    return "", ""


def _codes(concept: r4.CodeableConcept | None) -> set[str]:
    return {coding.code or "" for coding in concept.coding or []} if concept else set()


@dataclass(frozen=True, slots=True)
class Residents:
    """A page of the people whom a station looks after, and the token of the following one."""

    people: list[Hit]
    next: str | None


AGES = {"all": (None, None), "children": (None, 6), "elderly": (60, None)}
"""Groups by age in years: from, to below (NĐ 20/2021, QĐ 1999: children under six, people from sixty)."""


def residents(asker: Asker, group: str = "all", page: str | None = None) -> Residents:
    """The people registered at the asker's facility, by name, of an age group of AGES. Raises ValueError for a page."""
    oldest, youngest = AGES[group]
    today = timezone.localdate()
    query = f"organization=Organization/{asker.facility}&active:not=false&_sort=name&_count=25"
    if oldest is not None:
        query += f"&birthdate=le{_years_before(today, oldest)}"
    if youngest is not None:
        query += f"&birthdate=gt{_years_before(today, youngest)}"
    found = record.search(asker, "Patient", query, page)
    return Residents([_resident(one) for one in found.resources if isinstance(one, r4.Patient)], found.next)


def _years_before(day: date, years: int) -> str:
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) else day.day).isoformat()


def _resident(person: r4.Patient) -> Hit:
    address, commune = facts.home(person)
    return Hit(
        id=person.id or "",
        name=facts.display_name(person),
        birth=person.birthDate or "",
        gender=person.gender or "",
        number=facts.identifier(person, "cccd") or facts.identifier(person, "mrn"),
        phone=facts.phone(person),
        address=address,
        commune=commune,
        facility="",
        age=facts.age(person.birthDate or "", timezone.localdate()),
        score=0.0,
    )
