"""Many people who come at once, as other systems know them: each is somebody known, or new.

A number that one person alone has decides, as at the desk, unless name and birth date both are somebody else's: then
the person is new, and the pair goes to the queue of the records office. Who only resembles somebody is new too, and is
compared in the background like everyone who was registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

import msgspec

from tuetinh.commons.identity import facts, matching, words
from tuetinh.commons.identity.linkage import scoring
from tuetinh.commons.identity.linkage.scoring import Score
from tuetinh.commons.identity.projection import Number, numbers_of, plain_number
from tuetinh.commons.identity.review import keep
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.steps import Query, Step, run

KINDS: Final = ("cccd", "bhxh", "card", "cmnd", "passport", "mrn")  # the one that says most comes first


@dataclass(slots=True)
class _Known:
    """People who may be meant, by their numbers: of the record, and those admitted before in the same call."""

    people: dict[str, r4.Patient] = field(default_factory=dict)
    by_number: dict[Number, list[str]] = field(default_factory=dict)

    def add(self, person: r4.Patient) -> None:
        self.people[str(person.id)] = person
        for number in _numbers(person):
            ids = self.by_number.setdefault(number, [])
            if person.id not in ids:
                ids.append(str(person.id))

    def with_number_of(self, person: r4.Patient) -> list[r4.Patient]:
        """Those who share a number, by the number that says most."""
        numbers = sorted(_numbers(person), key=lambda number: KINDS.index(number[0]))
        ids = dict.fromkeys(id_ for number in numbers for id_ in sorted(self.by_number.get(number, ())))
        return [self.people[id_] for id_ in ids]


def admit_many(asker: Asker, people: Sequence[r4.Patient]) -> list[str]:
    """The ids of these people, in their order: of those known, who get what was not known of them, and of new ones.

    Needs a transaction, until the end of which nobody else registers their numbers. Two who share a number are one.
    """
    if not asker.may("c", "Patient"):
        message = "this desk registers nobody"
        raise Forbidden(message)
    wanted = sorted({number for person in people for number in _numbers(person)})
    run(asker, _hold(wanted))
    ids = run(asker, _with_numbers([value.rpartition("|")[2] for _, value in wanted]))
    known = _Known()
    for stored in record.lock_many(asker, "Patient", ids).values():
        known.add(cast("r4.Patient", stored))
    before = dict(known.people)
    scores: list[Score] = []
    found = [_admit(person, known, scores) for person in people]
    record.create_many(asker, [person for id_, person in known.people.items() if id_ not in before])
    changed = [person for id_, person in known.people.items() if person is not before.get(id_, person)]
    record.put_many(asker, changed)
    run(SYSTEM, keep(scores))
    return found


def is_another(one: r4.Patient, other: r4.Patient) -> bool:
    """Whether name and birth date both are somebody else's."""
    score = _compared(one, other)
    return score is not None and scoring.are_strange(score.levels)


def _admit(person: r4.Patient, known: _Known, scores: list[Score]) -> str:
    id_ = record.new_id()
    doubtful = []
    for other in known.with_number_of(person):
        score = _compared(person, other)
        if score is None or not scoring.are_strange(score.levels):
            known.add(_completed(other, person))
            return str(other.id)
        doubtful.append(replace(score, left=id_, grade=scoring.POSSIBLE))
    scores += doubtful
    known.add(msgspec.structs.replace(person, id=id_))
    return id_


def _compared(one: r4.Patient, other: r4.Patient) -> Score | None:
    """What two people say beside their numbers; None where name or birth date are plainly the same."""
    same_name = words.name_words(facts.display_name(one)) == words.name_words(facts.display_name(other))
    if same_name or (len(one.birthDate or "") == 10 and one.birthDate == other.birthDate):
        return None
    left = matching.of_patient(msgspec.structs.replace(one, id="-"))
    return scoring.score(run(SYSTEM, matching.model()), [(left, matching.of_patient(other))])[0]


def _completed(known: r4.Patient, told: r4.Patient) -> r4.Patient:
    """The person as known, with what was not known; what was known stays. The same object where nothing is new."""
    numbers = {(i.system, i.value) for i in known.identifier or []}
    kinds = {i.system for i in known.identifier or [] if i.use != "old"} - {facts.MRN}
    new = [
        i for i in told.identifier or []
        if (i.system, i.value) not in numbers and (i.system not in kinds)
    ]  # fmt: skip
    urls = {e.url for e in known.extension or []}
    extensions = [e for e in told.extension or [] if e.url not in urls]
    more: dict[str, object] = {}
    if new:
        more["identifier"] = [*(known.identifier or []), *new]
    if extensions:
        more["extension"] = [*(known.extension or []), *extensions]
    for name in ("telecom", "address", "birthDate"):
        if not getattr(known, name) and getattr(told, name):
            more[name] = getattr(told, name)
    if known.gender in (None, "unknown") and told.gender not in (None, "unknown"):
        more["gender"] = told.gender
    return msgspec.structs.replace(known, **more) if more else known


def _numbers(person: r4.Patient) -> list[Number]:
    """The numbers that one person alone has; a record number is one together with who gave it."""
    found = [number for number in numbers_of(person) if number[0] in KINDS and number[0] != "mrn"]
    managing = facts.reference_id(person.managingOrganization)
    for one in person.identifier or []:
        if one.system == facts.MRN and one.value:
            found.append(("mrn", f"{facts.reference_id(one.assigner) or managing}|{one.value}"))
    return found


def _hold(numbers: Sequence[Number]) -> Step[None]:
    """Hold the numbers until the transaction ends, as `actions.hold_number` does."""
    names = [f"identity:{kind}:{value}" for kind, value in numbers]
    yield Query("SELECT pg_advisory_xact_lock(hashtextextended(n, 0)) FROM unnest(%s::text[]) n", (names,))


def _with_numbers(values: Sequence[str]) -> Step[list[str]]:
    sql = """SELECT DISTINCT patient FROM identity_number n JOIN identity_person p USING (patient)
    WHERE p.active AND n.value = ANY(%s::text[]) AND n.kind = ANY(%s::text[])"""
    plain = [plain_number(value) for value in values]
    return [row[0] for row in (yield Query(sql, (plain, list(KINDS))))]
