"""Tubes at work: what was ordered of them, what is known, the rules that judge it, and what is to be written.

Everything is read and written for many tubes at once, a statement for each kind of thing: analysers send many messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from django.db import connection
from django.utils import timezone

from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Analyte, Test, analytes
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.quality.queries import states
from tuetinh.care.lab.results.book import Book, in_force
from tuetinh.care.lab.results.judge import Judge, Person
from tuetinh.care.lab.results.previous import newest, pregnant
from tuetinh.care.lab.results.rules import Critical, Formula, Normal
from tuetinh.commons.identity.api import age_days
from tuetinh.commons.messages.api import publish
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.sight import EVERYTHING

FERTILE = (10, 56)  # years between which a woman may be pregnant
_KEEP = """
UPDATE lab_tube SET stage = n.stage, critical = n.critical, critical_at = n.critical_at, holds = n.holds::jsonb,
    received_at = n.received_at, due_at = n.due_at
FROM unnest(%s::bigint[], %s::text[], %s::bool[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::timestamptz[])
    AS n(id, stage, critical, critical_at, holds, received_at, due_at)
WHERE lab_tube.id = n.id
"""  # one statement to plan, however many: `bulk_update` writes a CASE for each value


@dataclass(slots=True)
class Work:
    """A tube with its orders, results and reports, and the rules that judge them.

    quality: what quality control says of machines and analytes, `blocked` or `ok`; before: the person's last released
    results by LOINC code, None until `recall` has read them.
    """

    tube: Tube
    orders: dict[str, r4.ServiceRequest]
    judge: Judge
    quality: Mapping[tuple[str, str], str]
    results: dict[str, r4.Observation] = field(default_factory=dict)
    reports: dict[str, r4.Resource] = field(default_factory=dict)
    before: Mapping[str, r4.Observation] | None = None
    _tests: dict[str, Test | None] = field(default_factory=dict)
    _slots: list[tuple[r4.ServiceRequest, Analyte]] | None = None
    _places: list[tuple[r4.ServiceRequest, Analyte]] | None = None
    _calculated: list[tuple[r4.ServiceRequest, Formula]] | None = None

    def add(self, orders: Iterable[r4.ServiceRequest]) -> None:
        """Take in orders that were made meanwhile."""
        self.orders.update({order.id or "": order for order in orders})
        self._slots = self._places = self._calculated = None

    def test(self, id_: str) -> Test | None:
        """The test that one of its orders is for, None where it is none of ours."""
        if id_ not in self._tests:
            self._tests[id_] = facts.ordered_test(self.orders[id_])
        return self._tests[id_]

    def slots(self) -> list[tuple[r4.ServiceRequest, Analyte]]:
        """Every analyte that was ordered, in order."""
        if self._slots is None:
            open_ = [(order, self.test(id_)) for id_, order in self.orders.items() if order.status != "revoked"]
            self._slots = [(order, analyte) for order, what in open_ if what for analyte in what.analytes]
        return self._slots

    def places(self) -> list[tuple[r4.ServiceRequest, Analyte]]:
        """The same, and what machines may tell with it and nobody ordered by itself."""
        if self._places is None:
            ordered = {analyte.key for _, analyte in self.slots()}
            open_ = [(order, self.test(id_)) for id_, order in self.orders.items() if order.status != "revoked"]
            also = {
                one.key: (order, one) for order, what in open_ if what for one in what.also if one.key not in ordered
            }
            self._places = [*self.slots(), *also.values()]
        return self._places

    def calculated(self) -> list[tuple[r4.ServiceRequest, Formula]]:
        """Every analyte that can be calculated of what was ordered, with the order that it goes with."""
        if self._calculated is None:
            hosts = {analyte.key: order for order, analyte in self.slots()}
            rules = self.judge.formulas(analyte for _, analyte in self.slots())
            self._calculated = [(hosts[rule.host], rule) for rule in rules]
        return self._calculated

    def rows(self) -> list[tuple[r4.ServiceRequest, Analyte]]:
        """What was ordered, each order with what was told with it and calculated for it."""
        along = self.places()[len(self.slots()) :] + [(o, analytes()[rule.analyte]) for o, rule in self.calculated()]
        extra = [(o, one) for o, one in along if facts.observation_id(o.id or "", one.key) in self.results]
        places = {id_: place for place, id_ in enumerate(self.orders)}
        return sorted([*self.slots(), *extra], key=lambda row: places[row[0].id or ""])

    def ids(self) -> list[str]:
        """The ids of all results that it can have."""
        keys = [(order, analyte.key) for order, analyte in self.places()]
        keys += [(order, rule.analyte) for order, rule in self.calculated()]
        return [facts.observation_id(order.id or "", key) for order, key in keys]


@dataclass(slots=True)
class Writes:
    """What is to be written to the record and to tubes, gathered so that many go in few statements."""

    desk: Asker
    new: list[r4.Resource] = field(default_factory=list)
    changed: list[r4.Resource] = field(default_factory=list)
    tubes: list[Tube] = field(default_factory=list)

    def put(self, resource: r4.Resource, *, known: bool) -> None:
        """Write a first or a next version."""
        (self.changed if known else self.new).append(resource)

    def keep(self) -> None:
        """Write everything, in the caller's transaction."""
        if self.new:
            record.create_many(self.desk, self.new)
        for resource in self.changed:  # one after the other: a message may tell a result twice
            record.update(self.desk, resource)
        if self.tubes:
            _keep(self.tubes)
            publish(*dict.fromkeys(c for t in self.tubes for c in (f"lab:{t.facility}", f"visit:{t.encounter}")))


def _keep(tubes: Iterable[Tube]) -> None:
    rows = {
        t.pk: (t.pk, str(t.stage), t.critical, t.critical_at, json.dumps(t.holds), t.received_at, t.due_at)
        for t in tubes
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [list(column) for column in zip(*rows.values(), strict=True)])


def work_on(asker: Asker, tube: Tube) -> Work:
    """Read the orders, results and person of a tube that is the asker's to work on (`actions.at_bench`)."""
    return works_on(asker, [tube])[0]


def works_on(asker: Asker, tubes: Sequence[Tube]) -> list[Work]:
    """The same of many tubes, in one read of each kind."""
    wanted, bench = [id_ for tube in tubes for id_ in tube.orders], replace(asker, sight=EVERYTHING)
    orders = cast("dict[str, r4.ServiceRequest]", record.read_many(bench, "ServiceRequest", wanted))
    quality = {facility: states(facility) for facility in {tube.facility for tube in tubes}}
    works = [
        Work(tube, {id_: orders[id_] for id_ in tube.orders if id_ in orders}, judge, quality[tube.facility])
        for tube, judge in zip(tubes, _judges(asker, tubes, orders), strict=True)
    ]
    ids = [work.ids() for work in works]
    results = cast("dict[str, r4.Observation]", record.read_many(bench, "Observation", {i for of in ids for i in of}))
    reports = record.read_many(bench, "DiagnosticReport", [facts.report_id(id_) for id_ in orders])
    wider = {id_: facts.members(result) for id_, result in results.items() if result.hasMember}
    if wider:
        wanted = [id_ for of in wider.values() for id_ in of]
        results |= cast("dict[str, r4.Observation]", record.read_many(bench, "Observation", wanted))
    for work, of in zip(works, ids, strict=True):
        whole = [*of, *(member for id_ in of for member in wider.get(id_, ()))]
        work.results.update({id_: results[id_] for id_ in whole if id_ in results})
        work.reports.update({key: reports[key] for id_ in work.orders if (key := facts.report_id(id_)) in reports})
    return works


def recall(asker: Asker, works: Iterable[Work]) -> None:
    """Read what was last released of the persons of tubes: what jumps are judged by."""
    works = list(works)
    codes = {analyte.loinc for work in works for _, analyte in work.places()}
    codes |= {analytes()[rule.analyte].loinc for work in works for _, rule in work.calculated()}
    own = {id_ for work in works for id_ in work.results}
    found = newest(asker, {work.tube.patient for work in works}, codes, beyond=own)
    for work in works:
        past = found.get(work.tube.patient, {})
        others = {code: [r for r in results if r.id not in work.results] for code, results in past.items()}
        work.before = {code: results[0] for code, results in others.items() if results}


def _judges(asker: Asker, tubes: Sequence[Tube], orders: Mapping[str, r4.ServiceRequest]) -> list[Judge]:
    """The rules of today for the person of each tube. Pregnancy is asked for where limits ask for it."""
    today = timezone.localdate()
    day = today.isoformat()
    books = {facility: in_force(facility) for facility in {tube.facility for tube in tubes}}
    people = record.read_many(asker, "Patient", {tube.patient for tube in tubes})
    known: dict[str, Person] = {}
    for id_, one in people.items():
        if isinstance(one, r4.Patient):
            known[id_] = Person(one.gender or "", age_days(one.birthDate or "", today))
    asked = {
        tube.patient
        for tube in tubes
        if _fertile(known.get(tube.patient)) and _differs(books[tube.facility], tube, orders, day)
    }
    expecting = pregnant(asker, asked)
    made = []
    for tube in tubes:
        who = known.get(tube.patient, Person())
        person = Person(who.sex, who.age, pregnant=tube.patient in expecting)
        made.append(Judge(books[tube.facility], person, day))
    return made


def _fertile(who: Person | None) -> bool:
    if who is None or who.sex != "female" or who.age is None:
        return False
    return FERTILE[0] <= who.age / 365.25 < FERTILE[1]


def _differs(book: Book, tube: Tube, orders: Mapping[str, r4.ServiceRequest], day: str) -> bool:
    """Whether a limit of what was ordered is another one in pregnancy."""
    tests = (facts.ordered_test(orders[id_]) for id_ in tube.orders if id_ in orders)
    keys = {analyte.key for what in tests if what for analyte in what.analytes}
    return any(rule.pregnant for key in keys for kind in (Normal, Critical) for rule in book.limits(kind, key, day))
