"""The lists of the pharmacist and of the archivist: what the doctors' desks have left for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.care.clinic import worklists
from tuetinh.commons.access.api import asker, desk


def _listed(request: HttpRequest, ask: Callable[[str | None], worklists.Listed]) -> worklists.Listed:
    """The page that `next` asks for; one that nobody gave out is not found."""
    try:
        return ask(request.GET.get("next") or None)
    except ValueError as error:
        raise Http404 from error


@desk("pharmacist")
@require_GET
@never_cache
def prescriptions(request: HttpRequest) -> HttpResponse:
    """What was prescribed on a day (`day`, ISO; today), to be handed out."""
    today = timezone.localdate()
    try:
        day = date.fromisoformat(request.GET.get("day", "") or today.isoformat())
    except ValueError as error:
        raise Http404 from error
    if not date.min.year < day.year < date.max.year:  # no day before or after
        raise Http404
    listed = _listed(request, lambda page: worklists.prescriptions(asker(request), day, page))
    after = day + timedelta(days=1) if day < today else None
    return render(
        request,
        "clinic/prescriptions.html",
        {"listed": listed, "day": day, "before": day - timedelta(days=1), "after": after},
    )


@desk("archivist")
@require_GET
@never_cache
def files(request: HttpRequest) -> HttpResponse:
    """Visits that are over (`state=open`: that are not), and what their files lack."""
    closed = request.GET.get("state") != "open"
    listed = _listed(request, lambda page: worklists.files(asker(request), closed=closed, page=page))
    return render(request, "clinic/files.html", {"listed": listed, "closed": closed})
