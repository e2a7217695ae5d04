"""Keeps the search tables in step with the Patients of the record, in the transaction of the version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tuetinh.commons.identity import facts, words
from tuetinh.commons.identity.linkage import features
from tuetinh.record import r4
from tuetinh.record.projections import Written
from tuetinh.record.statements import token_array
from tuetinh.record.steps import Query, Row, Step

Number = tuple[str, str]  # kind, value


class Person(NamedTuple):
    """One row of `identity_person`, in the order of its columns, without the time."""

    patient: str
    active: bool
    name: str
    birth: str
    gender: str
    number: str
    phone: str
    address: str
    commune: str
    facility: str
    keys: str
    mother: str
    blocks: str


_STORE = """
WITH person AS (
  INSERT INTO identity_person
    (patient, active, name, birth, gender, number, phone, address, commune, facility, keys, mother, blocks, updated)
  SELECT p, a, n, b, g, i, t, h, c, f, k::tsvector, m, l::bigint[], now()
  FROM unnest(%s::text[], %s::boolean[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
              %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS new (p, a, n, b, g, i, t, h, c, f, k, m, l)
  ON CONFLICT (patient) DO UPDATE SET active = excluded.active, name = excluded.name, birth = excluded.birth,
    gender = excluded.gender, number = excluded.number, phone = excluded.phone, address = excluded.address,
    commune = excluded.commune, facility = excluded.facility, keys = excluded.keys, mother = excluded.mother,
    blocks = excluded.blocks, due = true, updated = excluded.updated
), new_number (patient, kind, value) AS (
  SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])
), old_number AS (
  DELETE FROM identity_number o WHERE patient = ANY(%s::text[])
  AND NOT EXISTS (SELECT FROM new_number n WHERE (n.patient, n.kind, n.value) = (o.patient, o.kind, o.value))
), number AS (
  INSERT INTO identity_number (patient, kind, value, reversed)
  SELECT patient, kind, value, reverse(value) FROM new_number
  ON CONFLICT DO NOTHING
)
INSERT INTO identity_word (kind, word) SELECT * FROM unnest(%s::text[], %s::text[]) AS new (kind, word)
WHERE NOT EXISTS (SELECT FROM identity_word old WHERE old.word = new.word AND old.kind = new.kind)
"""

_ERASE = """
WITH number AS (DELETE FROM identity_number WHERE patient = ANY(%s::text[]))
DELETE FROM identity_person WHERE patient = ANY(%s::text[])
"""


_SEEN = """
INSERT INTO identity_seen (patient, facility, at) SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[])
ON CONFLICT (facility, patient) DO UPDATE SET at = excluded.at WHERE identity_seen.at < excluded.at
"""


def project(written: Sequence[Written]) -> Step[None]:
    """Follow what was written of Patients. Of several versions of one person the last counts."""
    last = {one.id: one.resource for one in written}
    people = [person for _, person in sorted(last.items()) if isinstance(person, r4.Patient)]
    gone = [id_ for id_, person in last.items() if person is None]
    if people:
        yield from store(people)
    if gone:
        yield from erase(gone)


def project_visits(written: Sequence[Written]) -> Step[None]:
    """Remember where people were seen last: a facility's own people come first in its searches."""
    seen: dict[tuple[str, str], str] = {}
    for one in written:
        visit = one.resource
        if isinstance(visit, r4.Encounter) and one.patient and visit.period and visit.period.start:
            key = (one.patient, facts.reference_id(visit.serviceProvider))
            if key[1] and len(visit.period.start) >= 10:
                seen[key] = max(seen.get(key, ""), visit.period.start)
    if seen:
        rows = [(*key, at) for key, at in sorted(seen.items())]
        yield Query(_SEEN, tuple(_columns(rows, 3)))


def plain_number(text: str) -> str:
    """Return a number as it is compared: letters in upper case and digits; +84 at the front is 0."""
    bare = re.sub(r"[^0-9A-Z+]", "", text.upper())
    return re.sub(r"^\+84", "0", bare).replace("+", "")


def numbers_of(patient: r4.Patient) -> list[Number]:
    """Return every number by which a person can be found."""
    out: dict[Number, None] = {}
    for identifier in patient.identifier or []:
        kind = facts.KINDS.get(identifier.system or "", "other")
        if value := plain_number(identifier.value or ""):
            out[kind, value[:64]] = None
            if kind == "card" and facts.CARD_PATTERN.fullmatch(value):
                out["bhxh", value[5:]] = None
    for contact in patient.telecom or []:
        if contact.system in ("phone", "sms") and (value := plain_number(contact.value or "")):
            out["phone", value[:64]] = None
    return list(out)


def shown_number(numbers: Iterable[Number]) -> str:
    """Return the number that people show first."""
    by_kind: dict[str, str] = {}
    for kind, value in numbers:
        by_kind.setdefault(kind, value)
    return next(
        (by_kind[kind] for kind in ("cccd", "card", "bhxh", "mrn", "cmnd", "passport", "other") if kind in by_kind), ""
    )


def tsvector(lexemes: Iterable[str]) -> str:
    """Write lexemes as the text of a tsvector. They are word characters and our own marks: nothing to escape."""
    return " ".join(f"'{lexeme}'" for lexeme in lexemes)


def person_row(patient: r4.Patient, numbers: Sequence[Number]) -> tuple[Person, list[tuple[str, str]]]:
    """Return the row of a Patient and the words that the dictionary must know."""
    name = facts.display_name(patient)
    address, commune = facts.home(patient)
    name_words = words.name_words(name)  # repetitions count: `Phản Go Go`
    for other in patient.name or []:
        alias = facts.display_name(r4.Patient(name=[other]))
        name_words += [word for word in words.name_words(alias) if word not in name_words]
    places = words.place_words(address)
    birth = patient.birthDate or ""
    replaced = any(link.type == "replaced-by" for link in patient.link or [])
    row = Person(
        patient=patient.id or "",
        active=patient.active is not False and not replaced,
        name=name,
        birth=birth,
        gender=patient.gender or "unknown",
        number=shown_number(numbers),
        phone=facts.phone(patient),
        address=address,
        commune=commune,
        facility=facts.reference_id(patient.managingOrganization),
        keys=tsvector(words.lexemes(name_words[: 2 * words.NAME_WORDS], birth, places)),
        mother=facts.mother(patient),
        blocks=token_array(features.blocks(features_of(patient, numbers))),
    )
    return row, [*(("n", word) for word in name_words), *(("a", word) for word in places)]


def features_of(patient: r4.Patient, numbers: Sequence[Number] | None = None) -> features.Features:
    """What is compared of a Patient, stored or not."""
    address, commune = facts.home(patient)
    facility = facts.reference_id(patient.managingOrganization)
    known = numbers_of(patient) if numbers is None else numbers
    return features.of(
        patient.id or "",
        facts.display_name(patient),
        birth=patient.birthDate or "",
        sex=patient.gender or "",
        address=address,
        commune=commune,
        mother=facts.mother(patient),
        numbers=[(kind, f"{facility}|{value}" if kind == "mrn" else value) for kind, value in known],
    )


def store(patients: Sequence[r4.Patient]) -> Step[None]:
    """Write the rows of these Patients, new or changed, in one statement."""
    rows: list[Person] = []
    numbers: list[tuple[str, str, str]] = []
    dictionary: set[tuple[str, str]] = set()
    for patient in patients:
        own = numbers_of(patient)
        row, own_words = person_row(patient, own)
        rows.append(row)
        numbers += [(row.patient, kind, value) for kind, value in own]
        dictionary.update(own_words)
    yield Query(
        _STORE,
        (*_columns(rows, 13), *_columns(numbers, 3), [row.patient for row in rows], *_columns(sorted(dictionary), 2)),
    )


def erase(ids: Sequence[str]) -> Step[None]:
    """Drop the rows of people who are no longer in the record."""
    yield Query(_ERASE, (list(ids), list(ids)))


def _columns(rows: Sequence[Row] | Sequence[tuple[str, ...]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
