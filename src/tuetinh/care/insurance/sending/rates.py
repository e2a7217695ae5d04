"""How many claims are received on the day on which the visit ended, by facility and month; the aim is 97 to 100 %."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, F, Q
from django.db.models.functions import TruncDate, TruncMonth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.care.insurance.models import ClaimCase
from tuetinh.care.insurance.results.pages import month_of
from tuetinh.care.insurance.situations import HANOI
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.ui.api import paginate

AIM = 97  # percent
MONTHS = 6  # of the course
CHARTED = 8  # facilities in the chart, those farthest from the aim


class Rate(NamedTuple):
    """Claims of visits that ended in a month, and how many of them were received on that day."""

    ended: int
    in_time: int

    @property
    def share(self) -> float | None:
        """Percent, to one decimal, rounded down: what is not reached is not shown as reached."""
        return (1000 * self.in_time // self.ended) / 10 if self.ended else None

    @property
    def reached(self) -> bool:
        """Whether it is the aim or more."""
        return bool(self.ended) and 100 * self.in_time >= AIM * self.ended


def by_facility(begin: datetime, end: datetime, facility: str = "") -> dict[str, dict[date, Rate]]:
    """The rates of each facility by month, in one query. facility: only that one."""
    rows = ClaimCase.objects.filter(kind=ClaimCase.Kind.CLAIM, ended__gte=begin, ended__lt=end)
    rows = rows.filter(facility=facility) if facility else rows
    same = Q(received=F("day"))
    found: dict[str, dict[date, Rate]] = defaultdict(dict)
    counted = (
        rows.annotate(month=TruncMonth("ended", tzinfo=HANOI), day=TruncDate("ended", tzinfo=HANOI))
        .annotate(received=TruncDate("first_accepted", tzinfo=HANOI))
        .values_list("facility", "month")
        .annotate(all=Count("id"), same=Count("id", filter=same))
        .order_by()
    )
    for place, month, ended, in_time in counted:
        found[place][month.date()] = Rate(ended, in_time)
    return dict(found)


@desk("cashier", "official", "admin")
@require_GET
@never_cache
def rates(request: HttpRequest) -> HttpResponse:
    """The rates of a month (`?month=`), with those of the months before: of all facilities, or of the asker's own."""
    when, me = month_of(request), asker(request)
    begin, end = when["bounds"]
    start = begin
    for _place in range(MONTHS - 1):
        start = (start - timedelta(days=1)).replace(day=1)
    own = "" if me.role == "official" else me.facility  # an official is of the department, which treats nobody
    found = by_facility(start, end, own)
    months = sorted({month for course in found.values() for month in course} | {when["first"]})
    rows = sorted(
        ((place_name("Organization", place), place, course.get(when["first"], Rate(0, 0)), course)
         for place, course in found.items()),
        key=lambda row: (row[2].share if row[2].share is not None else 101, -row[2].ended, row[0]),
    )  # fmt: skip
    page = paginate(request, rows)
    total = _sum(row[2] for row in rows)
    context = when | {
        "page": page, "months": months, "total": total, "aim": AIM, "one": bool(own), "tab": "rates",
        "rows": [(name, rate, [course.get(month) for month in months]) for name, _id, rate, course in page.object_list],
        "missed": sum(not row[2].reached for row in rows if row[2].ended),
        "reached": sum(row[2].reached for row in rows), "course": _course(months, [row[3] for row in rows]),
        "chart": None if own else _bars(rows[:CHARTED]), "charted": min(CHARTED, len(rows)),
    }  # fmt: skip
    return render(request, "insurance/rates.html", context)


def _sum(rates: Any) -> Rate:
    known = list(rates)
    return Rate(sum(one.ended for one in known), sum(one.in_time for one in known))


def _bars(rows: list[Any]) -> str:
    """The facilities farthest from the aim, as an option of ECharts."""
    shown = [row for row in rows if row[2].ended][::-1]
    option = {
        "xAxis": {"type": "value", "max": 100, "axisLabel": {"formatter": "{value} %"}},
        "yAxis": {"type": "category", "data": [row[0] for row in shown]},
        "series": [{
            "type": "bar", "data": [row[2].share for row in shown], "barMaxWidth": 14,
            "markLine": {"symbol": "none", "data": [{"xAxis": AIM}],
            "label": {"formatter": f"{AIM} %", "position": "insideStartTop"}},
        }],
        "tooltip": {"trigger": "axis"},
    }  # fmt: skip
    return json.dumps(option, ensure_ascii=False)


def _course(months: list[date], courses: list[dict[date, Rate]]) -> str:
    """All of them together, month by month, as an option of ECharts."""
    sums = [_sum(course[month] for course in courses if month in course) for month in months]
    option = {
        "xAxis": {"type": "category", "data": [f"{month:%m/%Y}" for month in months]},
        "yAxis": {"type": "value", "min": 0, "max": 100, "axisLabel": {"formatter": "{value} %"}},
        "series": [{
            "type": "line", "name": _("Gửi trong ngày"), "data": [one.share for one in sums],
            "markLine": {"symbol": "none", "data": [{"yAxis": AIM}],
            "label": {"formatter": f"{AIM} %", "position": "insideEndBottom"}},
        }],
        "tooltip": {"trigger": "axis"},
    }  # fmt: skip
    return json.dumps(option, ensure_ascii=False)
