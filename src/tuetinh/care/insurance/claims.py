"""The claim of a visit: every field is read from the record, and every value says from which fact it came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

from django.utils import timezone

from tuetinh.care.insurance.benefits import Split, split
from tuetinh.care.insurance.checks import Problem
from tuetinh.care.insurance.claim_tables import Sources, beginning, build, tables_by
from tuetinh.care.insurance.entitlement import Situation
from tuetinh.care.insurance.filling.visit import Visit, gather, gather_many
from tuetinh.care.insurance.rules.around import Lists, around
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.rules.desk import let_pass
from tuetinh.care.insurance.rules.language import Book
from tuetinh.care.insurance.rules.vocabulary import Around
from tuetinh.care.insurance.rules.weigh import examine
from tuetinh.care.insurance.situations import ended, line
from tuetinh.care.insurance.tables import Row, Tables, decision_on
from tuetinh.care.insurance.wire_xml3176 import write, write_status
from tuetinh.record.asker import Asker

__all__ = ["Claim", "Visit", "claim", "claims", "gather", "gather_many", "open_tables", "status", "tables_of"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A visit's claim. xml: the file; problems: what stops it; sources: `table.row.field` to the fact behind it.

    facility: MA_CSKCB. warnings: what else the rules find.
    """

    ma_lk: str
    facility: str
    decision: str
    tables: Tables
    split: Split
    xml: bytes
    problems: list[Problem]
    sources: dict[str, str] = field(repr=False, default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)

    @property
    def summary(self) -> Row:
        """The row of table 1, of table 0 for a notice."""
        return (self.tables.get("XML1") or self.tables["XML0"])[0]


BATCH = 40  # visits read at once: their resources are what memory holds


def claim(asker: Asker, encounter_id: str, *, made: date | None = None, by: str = "") -> Claim:
    """Build and check the claim of a visit. made: NGAYLAP, today when left out. Raises NoVisit.

    by: decision to write it by, that of the day on which the visit ended when left out.
    """
    visit, situation = gather(asker, encounter_id, whole=True)
    return _claimed(visit, situation, in_force(visit.place), Lists(), made=made, by=by)


def claims(
    asker: Asker, ids: Iterable[str], *, made: date | None = None, told: bool = False
) -> Iterator[tuple[str, Claim | None]]:
    """Build and check the claims of many visits, a batch in memory at a time; None for what is no visit.

    told: keep where each value is from, too.
    """
    rest = iter(ids)
    for part in iter(lambda: list(islice(rest, BATCH)), []):
        visits = gather_many(asker, part)
        books = {place: in_force(place) for place in {visit.place for visit, _ in visits.values()}}
        lists = Lists()
        lists.expect(visit for visit, _ in visits.values())
        for id_ in part:
            if id_ not in visits:
                yield id_, None
                continue
            visit, situation = visits.pop(id_)
            yield id_, _claimed(visit, situation, books[visit.place], lists, made=made, told=told)


def _claimed(
    visit: Visit,
    situation: Situation,
    book: Book,
    lists: Lists,
    *,
    made: date | None,
    by: str = "",
    told: bool = True,
) -> Claim:
    divided = split([line(item) for item in visit.charges], situation)
    by = by or decision_on((ended(visit.encounter) or timezone.localdate()).isoformat())
    sources = Sources() if told else None
    tables = tables_by(visit, divided, by, sources)
    xml = write(tables, facility=visit.facility.code, made=made or timezone.localdate(), by=by)
    ma_lk = tables["XML1"][0]["MA_LK"]
    found = let_pass(visit.id, examine(tables, book, by=by, around=around(visit, lists)))
    problems = [problem for problem in found if problem.severity == "block"]
    warnings = [problem for problem in found if problem.severity != "block"]
    kept = sources.found if sources else {}
    return Claim(ma_lk, visit.facility.code, by, tables, divided, xml, problems, kept, warnings)


def status(asker: Asker, encounter_id: str) -> Claim:
    """Build and check the notice that a visit has begun, with its first cost (table 0). Raises NoVisit."""
    visit, situation = gather(asker, encounter_id)
    divided = split([line(item) for item in visit.charges], situation)
    by = decision_on(timezone.localdate().isoformat())
    sources = Sources()
    row = beginning(build(visit, divided, sources), sources)
    xml = write_status([row], by=by)
    problems = examine({"XML0": [row]}, in_force(visit.place), by=by)
    return Claim(row["MA_LK"], visit.facility.code, by, {"XML0": [row]}, divided, xml, problems, sources.found)


def open_tables(asker: Asker, encounter_id: str) -> tuple[Tables, Around]:
    """The tables of a visit as they would be if it were claimed now, and what is known around them. Raises NoVisit."""
    visit, situation = gather(asker, encounter_id)
    return tables_of(visit, situation), around(visit)


def tables_of(visit: Visit, situation: Situation) -> Tables:
    """The tables of a visit under the names of the decision that it is claimed by."""
    by = decision_on((ended(visit.encounter) or timezone.localdate()).isoformat())
    return tables_by(visit, split([line(item) for item in visit.charges], situation), by)
