"""Which rules of the present book speak of a line that the insurer refused: what would have been known before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Max, Min
from django.utils import timezone

from tuetinh.care.insurance.claims import gather_many
from tuetinh.care.insurance.models import Adjudication, ClaimCase, ReducedLine, RuleChange
from tuetinh.care.insurance.results.comparing import sent_file
from tuetinh.care.insurance.results.wire import WHOLE
from tuetinh.care.insurance.rules.around import around
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.rules.desk import RULES
from tuetinh.care.insurance.rules.vocabulary import Around
from tuetinh.care.insurance.rules.weigh import examine
from tuetinh.care.insurance.runs import Progress
from tuetinh.care.insurance.wire_xml3176 import Envelope

Where = tuple[str, int]
Rules = dict[str, list[str]]
"""`line`: rules that speak of the line itself; `visit`: those that speak of its visit as a whole."""


def caught(case: ClaimCase, envelope: Envelope, lines: Iterable[Where]) -> dict[Where, Rules]:
    """What the rules say of some lines of a claim as it was sent, by table and STT."""
    gathered = gather_many(RULES, [case.encounter]).get(case.encounter)
    known = around(gathered[0]) if gathered else Around()
    book = in_force(case.facility)
    said = examine(envelope.tables, book, by=envelope.decision, around=known)
    # What hints would have stopped nobody, and faults of fields have nothing to do with the reason.
    problems = [one for one in said if one.code in book.rules and one.severity != "hint"]
    of_visit = sorted({one.code for one in problems if one.table == "XML1"})
    by_line: dict[Where, set[str]] = {}
    for one in problems:
        if one.table in ("XML2", "XML3") and one.row:
            place = envelope.tables[one.table][one.row - 1].get("STT", "")
            by_line.setdefault((one.table, int(place) if place.isdigit() else one.row), set()).add(one.code)
    return {
        where: {"line": of_visit, "visit": []}
        if where == WHOLE
        else {"line": sorted(by_line.get(where, ())), "visit": of_visit}
        for where in lines
    }


def weigh_month(facility: str, begin: object, end: object, progress: Progress) -> None:
    """Ask the present book of every refused line of a month again; begin, end: of the ends of visits."""
    rows = Adjudication.objects.filter(facility=facility, ended__gte=begin, ended__lt=end, lines__gt=0)
    progress.total(rows.count())
    for one in rows.select_related("case", "transmission").order_by("pk").iterator(chunk_size=20):
        lines = list(one.reduced.all())
        found = caught(one.case, sent_file(one.transmission), [(line.table, line.place) for line in lines])
        for line in lines:
            line.caught = found[line.table, line.place]
        ReducedLine.objects.bulk_update(lines, ["caught"])
        Adjudication.objects.filter(pk=one.pk, digest=one.digest).update(weighed=timezone.now())
        progress.step()


@dataclass(slots=True)
class Reason:
    """A reason for which lines of a month were refused. caught: how often by each rule; missed: by none."""

    code: str
    words: str
    lines: int = 0
    amount: Decimal = Decimal(0)
    missed: int = 0
    missed_amount: Decimal = Decimal(0)
    of_visit: int = 0
    caught: dict[str, int] | None = None

    @property
    def found(self) -> int:
        """How many a rule would have caught."""
        return self.lines - self.missed


def by_reason(facility: str, begin: object, end: object) -> list[Reason]:
    """The refused lines of a month by their reason, the dearest first, in one query."""
    rows = ReducedLine.objects.filter(
        adjudication__facility=facility, adjudication__ended__gte=begin, adjudication__ended__lt=end
    ).values_list("reason", "words", "claimed", "accepted", "caught")
    found: dict[tuple[str, str], Reason] = {}
    for code, words, claimed, accepted, rules in rows.iterator(chunk_size=2000):
        reason = found.setdefault((code, "" if code else words), Reason(code, words, caught={}))
        reason.lines += 1
        reason.amount += claimed - accepted
        speak = (rules or {}).get("line", [])
        if not speak:
            reason.missed += 1
            reason.missed_amount += claimed - accepted
            reason.of_visit += bool((rules or {}).get("visit"))
        assert reason.caught is not None  # noqa: S101 - given above
        for rule in speak:
            reason.caught[rule] = reason.caught.get(rule, 0) + 1
    return sorted(found.values(), key=lambda reason: -reason.amount)


def is_stale(facility: str, begin: object, end: object) -> bool:
    """Whether rules were changed since some refused line of the month was asked."""
    rows = Adjudication.objects.filter(facility=facility, ended__gte=begin, ended__lt=end, lines__gt=0)
    first = rows.aggregate(first=Min("weighed"))["first"]
    changed = RuleChange.objects.filter(facility__in={"", facility}).aggregate(last=Max("at"))["last"]
    return first is not None and changed is not None and changed > first
