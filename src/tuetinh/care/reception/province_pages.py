"""What the health department sees of the visits of the province: numbers, never a person."""

from __future__ import annotations

import json
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.care.reception import queries
from tuetinh.commons.access.api import desk
from tuetinh.commons.ui.api import paginate

DAYS = 14


@desk("official")
@require_GET
@never_cache
def province(request: HttpRequest) -> HttpResponse:
    """Who came today, facility by facility, and on the days before."""
    today = queries.today()
    rows = queries.province(today)
    days = queries.came_by_day(today - timedelta(days=DAYS - 1), today)
    chart = {
        "xAxis": {"type": "category", "data": [f"{day:%d/%m}" for day, _ in days]},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": [{"type": "bar", "data": [came for _, came in days]}],
    }
    totals = {name: sum(getattr(row, name) for row in rows) for name in ("came", "waiting", "in_progress", "finished")}
    page = paginate(request, rows)
    context = {"page": page, "totals": totals, "days": days, "chart": json.dumps(chart), "today": today}
    return render(request, "reception/province.html", context)
