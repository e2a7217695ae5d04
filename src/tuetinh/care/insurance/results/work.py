"""What runs beside the pages: ask the gateway for results, read a file of them, ask the rules of refused lines."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date, datetime, timedelta

from django.utils import timezone

from tuetinh.care.insurance.actions import connection
from tuetinh.care.insurance.errors import GatewayRefused
from tuetinh.care.insurance.gateway import SENDING, Gateway
from tuetinh.care.insurance.models import ClaimCase, GatewayAccount, Run
from tuetinh.care.insurance.results import wire
from tuetinh.care.insurance.results.actions import BATCH, Taken, keep_all, settle
from tuetinh.care.insurance.results.caught import weigh_month
from tuetinh.care.insurance.runs import Progress
from tuetinh.care.insurance.situations import HANOI
from tuetinh.record.asker import SYSTEM, Asker

MONTHS_BACK = 3  # results of a month come until its quarter is settled
WRONG_SHOWN = 200


def fetch(run: Run, progress: Progress) -> None:
    """Ask the gateway for the results of the last months and what is settled. Raises GatewayError.

    What was taken before an outage stays; asked again, the same results change nothing.
    """
    account = GatewayAccount.objects.filter(facility=run.facility).first()
    site = _site(run.facility)
    if account is None or not site:
        raise GatewayRefused
    gateway, asker, taken = connection(account, SENDING), by(run), Taken()
    for month in months(timezone.localdate()):
        for one in gateway.rounds(site, month):
            results = wire.read_answer(gateway.results(site, one.ma_dot))
            progress.total(run.total + len(results))
            _keep(asker, run, results, taken, progress)
    _settlements(gateway, asker, run.facility, site)
    _tell(run, taken)


def take_file(run: Run, progress: Progress) -> None:
    """Read the results of the file that was given. Raises BadResults."""
    results = wire.read(bytes(run.file or b""), run.name)
    progress.total(len(results))
    taken = Taken()
    _keep(by(run), run, results, taken, progress)
    _tell(run, taken)


def weigh(run: Run, progress: Progress) -> None:
    """Ask the present rules of the refused lines of a month (`what.month`, YYYY-MM)."""
    begin, end = bounds(run.what["month"])
    weigh_month(run.facility, begin, end, progress)


def bounds(month: str) -> tuple[datetime, datetime]:
    """The first moment of a month (YYYY-MM) in Vietnam and that of the next. Raises ValueError."""
    first = date.fromisoformat(f"{month}-01")
    if not date.min.year < first.year < date.max.year:
        raise ValueError(month)
    begin = datetime(first.year, first.month, 1, tzinfo=HANOI)
    return begin, (begin + timedelta(days=32)).replace(day=1)


def months(today: date) -> list[date]:
    """The first days of this month and those before it of which results still come, the oldest first."""
    found = [today.replace(day=1)]
    while len(found) < MONTHS_BACK:
        found.append((found[-1] - timedelta(days=1)).replace(day=1))
    return found[::-1]


def by(run: Run) -> Asker:
    """Who the run works for: the house, in the name of who started it, at the facility."""
    return replace(SYSTEM, account=run.account, facility=run.facility, purpose="HPAYMT")


def _keep(asker: Asker, run: Run, results: list[wire.Result], taken: Taken, progress: Progress) -> None:
    for start in range(0, len(results), BATCH):
        part = results[start : start + BATCH]
        keep_all(asker, run.facility, part, taken)
        progress.step(len(part))


def _settlements(gateway: Gateway, asker: Asker, facility: str, site: str) -> None:
    """What is settled for the months asked about, and for their quarters."""
    asked = {f"{month:%Y-%m}": f"{month:%m/%Y}" for month in months(timezone.localdate())}
    quarters = {(month.year, (month.month + 2) // 3) for month in months(timezone.localdate())}
    asked |= {f"{year}-Q{quarter}": f"Q{quarter}/{year}" for year, quarter in sorted(quarters)}
    for period, name in asked.items():
        if told := gateway.settlement(site, name):
            settle(asker, facility, period, told)


def _tell(run: Run, taken: Taken) -> None:
    run.told = asdict(taken) | {"wrong": taken.wrong[:WRONG_SHOWN], "wrong_count": len(taken.wrong)}


def _site(facility: str) -> str:
    """MA_CSKCB of a facility, as its claims say it."""
    known = ClaimCase.objects.filter(facility=facility).exclude(site="").order_by("-id")
    return known.values_list("site", flat=True).first() or ""
