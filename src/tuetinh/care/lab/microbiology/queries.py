"""What the bench of cultures asks: the incubator, one culture with its isolates, the isolates of a period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import cast

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from tuetinh.care.lab import facts as lab_facts
from tuetinh.care.lab.actions import HANOI
from tuetinh.care.lab.catalogue import Test
from tuetinh.care.lab.microbiology import facts
from tuetinh.care.lab.models import CultureStep, IsolateProposal, Tube
from tuetinh.care.lab.results.work import Work
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker

BENCH = "culture"
OPEN = (Tube.Stage.RECEIVED, Tube.Stage.RESULTED, Tube.Stage.VERIFIED)
ORGANISM = "41852-5"  # LOINC: microorganism or agent identified
PAGE = 500


def cultures(facility: str, *, done: bool = False, text: str = "") -> QuerySet[Tube]:
    """Tubes with cultures at work, the longest in the incubator first; or those handed out, newest first."""
    rows = Tube.objects.filter(facility=facility, benches__contains=[BENCH], number__contains=text)
    rows = rows.annotate(waiting=Count("proposals", filter=Q(proposals__handled_at__isnull=True)))
    if done:
        return rows.filter(stage=Tube.Stage.RELEASED).order_by("-released_at", "-id")
    return rows.filter(stage__in=OPEN).order_by("received_at", "id")


def last_steps(tubes: list[Tube]) -> dict[int, CultureStep]:
    """The newest line of the journal of each tube, in one query."""
    rows = CultureStep.objects.filter(tube__in=tubes).order_by("tube_id", "-id").distinct("tube_id")
    return {row.tube_id: row for row in rows}


def hours(tube: Tube) -> int:
    """Whole hours since a tube was received."""
    return int((timezone.now() - tube.received_at).total_seconds() // 3600) if tube.received_at else 0


@dataclass(frozen=True, slots=True)
class Culture:
    """One culture of a tube, for its page."""

    order: str
    test: Test
    outcome: str
    said: str
    status: str
    interim: bool
    isolates: tuple[facts.Isolate, ...]
    steps: tuple[CultureStep, ...]
    proposals: tuple[IsolateProposal, ...]


def of_tube(work: Work) -> list[Culture]:
    """The cultures of a tube with their journals and proposals, in two queries."""
    steps = list(CultureStep.objects.filter(tube=work.tube).order_by("-id"))
    waiting = list(IsolateProposal.objects.filter(tube=work.tube, handled_at__isnull=True).order_by("number"))
    found = []
    for id_, order in work.orders.items():
        what = lab_facts.ordered_test(order)
        if not what or not facts.is_culture(what) or order.status == "revoked":
            continue
        result = work.results.get(facts.culture_id(id_))
        members = [work.results[one] for one in (lab_facts.members(result) if result else ()) if one in work.results]
        found.append(
            Culture(
                id_, what, facts.outcome_of(result), lab_facts.value_of(result) if result else "",
                (result.status or "") if result else "", bool(result and facts.is_interim(result)),
                tuple(facts.read_isolate(one) for one in members), tuple(s for s in steps if s.order == id_),
                tuple(p for p in waiting if p.order == id_),
            )
        )  # fmt: skip
    return found


def isolates(asker: Asker, facility: str, first: date, last: date) -> Iterator[r4.Observation]:
    """The final isolates of a laboratory of a period of days, oldest first."""
    begin = datetime.combine(first, time(), HANOI).isoformat()
    end = datetime.combine(last + timedelta(days=1), time(), HANOI).isoformat()
    query = (
        f"code={lab_facts.LOINC}|{ORGANISM}&status=final,amended,corrected&performer=Organization/{facility}"
        f"&date=ge{begin.replace('+', '%2B')}&date=lt{end.replace('+', '%2B')}&_sort=date&_count={PAGE}"
    )
    page: str | None = None
    while True:
        found = record.search(asker, "Observation", query, page)
        yield from cast("list[r4.Observation]", found.resources)
        page = found.next
        if not page:
            return
