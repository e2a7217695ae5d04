"""Checks all claims of a month again, as the record and the rules are now; goes on where it was interrupted.

Claims are read, built and asked in batches, in one process or several; what is found stays with each ClaimCase. One
thing alone cannot be said of a claim by itself: that a machine or a person was at another visit at the same time. The
times of all lines go to a DuckDB file beside the data, and claims that meet there are asked once more with that known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from typing import Any

from django.db import transaction
from django.utils import timezone

from tuetinh.care.insurance.claims import gather_many, tables_of
from tuetinh.care.insurance.models import ClaimCase, Recheck
from tuetinh.care.insurance.rules.apart import begin
from tuetinh.care.insurance.rules.around import Lists, around
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.rules.busy import Busy, Line, Meeting, lines_of
from tuetinh.care.insurance.rules.desk import RULES, let_pass
from tuetinh.care.insurance.rules.weigh import examine
from tuetinh.care.insurance.situations import HANOI, ended
from tuetinh.care.insurance.tables import decision_on

BATCH = 40  # visits read at once: their resources are what memory holds
AHEAD = 4  # batches that wait for each process


@dataclass(slots=True)
class Checked:
    """A batch that was looked at: what each case has against it, how many lines it has, and when they were done."""

    found: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    lines: int = 0
    busy: list[Line] = field(default_factory=list)

    @property
    def faulty(self) -> int:
        """How many have something that blocks."""
        return sum(any(one["severity"] == "block" for one in problems) for problems in self.found.values())


def recheck(
    month: str, facility: str = "", *, processes: int = 1, told: Callable[[Recheck, int], None] | None = None
) -> Recheck:
    """Check the claims of the visits that ended in a month (YYYY-MM) again; of one facility, or of all.

    told: is called after each batch with how far it is, and how many claims there are. Raises ValueError for no month.
    """
    first = date.fromisoformat(f"{month}-01")
    if first.year == date.max.year:
        raise ValueError(month)
    cases = _cases(first, facility)
    run = Recheck.objects.filter(month=month, facility=facility, ended=None).order_by("-began").first()
    if run is None:
        run = Recheck.objects.create(month=month, facility=facility, began=timezone.now())
    total = cases.count()
    with ExitStack() as stack:
        busy = stack.enter_context(Busy(run.pk))
        check = stack.enter_context(_workers(processes))
        for batch, done in check(_batches(cases.filter(pk__gt=run.after))):
            busy.put([pk for pk, _ in batch], done.busy)
            _keep(run, batch, done)
            if told:
                told(run, total)
        for batch, done in check((part, busy.meetings([pk for pk, _ in part])) for part in _met(busy, cases)):
            _keep_meetings(run, batch, done)
        busy.forget()
    run.ended = timezone.now()
    run.save(update_fields=["ended", "found", "faulty"])
    return run


def _cases(first: date, facility: str) -> Any:
    start = datetime(first.year, first.month, 1, tzinfo=HANOI)
    end = (start + timedelta(days=32)).replace(day=1)
    found = ClaimCase.objects.filter(kind=ClaimCase.Kind.CLAIM, ended__gte=start, ended__lt=end)
    return found.filter(facility=facility) if facility else found


Batch = list[tuple[int, str]]
Task = tuple[Batch, dict[int, Meeting]]


def _batches(cases: Any) -> Iterator[Task]:
    """The cases in the order of their keys, read by the page: memory holds one of them."""
    rows = cases.order_by("pk").values_list("pk", "encounter").iterator(chunk_size=2000)
    for part in iter(lambda: list(islice(rows, BATCH)), []):
        yield part, {}


def _met(busy: Busy, cases: Any) -> Iterator[Batch]:
    keys = iter(busy.met())
    for part in iter(lambda: list(islice(keys, BATCH)), []):
        yield list(cases.filter(pk__in=part).values_list("pk", "encounter"))


# Looking at a batch -------------------------------------------------------------------------------------------------


class _workers:
    """Looks at batches, here or in processes of their own, and gives them back in their order."""

    def __init__(self, processes: int) -> None:
        self.pool = ProcessPoolExecutor(processes, get_context("spawn"), begin) if processes > 1 else None
        self.ahead = processes * AHEAD

    def __enter__(self) -> Callable[[Iterable[Task]], Iterator[tuple[Batch, Checked]]]:
        return self._here if self.pool is None else self._apart

    def __exit__(self, *_: object) -> None:
        if self.pool:
            self.pool.shutdown(cancel_futures=True)

    @staticmethod
    def _here(tasks: Iterable[Task]) -> Iterator[tuple[Batch, Checked]]:
        for batch, meetings in tasks:
            yield batch, look_at(batch, meetings)

    def _apart(self, tasks: Iterable[Task]) -> Iterator[tuple[Batch, Checked]]:
        assert self.pool is not None  # noqa: S101 - chosen in __enter__
        waiting, rest = [], iter(tasks)
        while True:
            for batch, meetings in islice(rest, self.ahead - len(waiting)):
                waiting.append((batch, self.pool.submit(look_at, batch, meetings)))
            if not waiting:
                return
            batch, coming = waiting.pop(0)
            yield batch, coming.result()


def look_at(batch: Batch, meetings: dict[int, Meeting]) -> Checked:
    """Build the claims of some visits and ask everything of them. meetings: with what other visits they share what."""
    visits = gather_many(RULES, [encounter for _, encounter in batch])
    lists, done = Lists(), Checked()
    lists.expect(visit for visit, _ in visits.values())
    books = {place: in_force(place) for place in {visit.place for visit, _ in visits.values()}}
    for pk, encounter in batch:
        if encounter not in visits:
            done.found[pk] = []
            continue
        visit, situation = visits[encounter]
        tables = tables_of(visit, situation)
        by = decision_on((ended(visit.encounter) or timezone.localdate()).isoformat())
        known = replace(around(visit, lists), busy=meetings.get(pk, {}))
        problems = let_pass(encounter, examine(tables, books[visit.place], by=by, around=known))
        done.found[pk] = [asdict(problem) for problem in problems if problem.severity != "hint"]
        done.lines += len(tables.get("XML2") or []) + len(tables.get("XML3") or [])
        done.busy += lines_of(pk, tables)
    return done


# Keeping ------------------------------------------------------------------------------------------------------------


def _keep(run: Recheck, batch: Batch, done: Checked) -> None:
    """What was found and how far the run is, together: none is left out or counted twice by whoever goes on."""
    with transaction.atomic():
        _write(done.found)
        run.after, run.visits = batch[-1][0], run.visits + len(batch)
        run.lines, run.faulty = run.lines + done.lines, run.faulty + done.faulty
        run.found = dict(Counter(run.found) + _counted(done.found))
        run.save(update_fields=["after", "visits", "lines", "faulty", "found"])


def _keep_meetings(run: Recheck, batch: Batch, done: Checked) -> None:
    """What came to light beside the others: only rules that speak of two places can have."""
    before = {case.pk: case.findings for case in ClaimCase.objects.filter(pk__in=[pk for pk, _ in batch])}
    with transaction.atomic():
        _write(done.found)
        run.found = dict(Counter(run.found) - _counted(before) + _counted(done.found))
        run.save(update_fields=["found"])


def _write(found: dict[int, list[dict[str, Any]]]) -> None:
    now = timezone.now()
    cases = list(ClaimCase.objects.filter(pk__in=found).only("pk"))
    for case in cases:
        case.findings, case.checked = found[case.pk], now
    ClaimCase.objects.bulk_update(cases, ["findings", "checked"])


def _counted(found: dict[int, list[dict[str, Any]]]) -> Counter[str]:
    return Counter(one["code"] for problems in found.values() for one in problems)
