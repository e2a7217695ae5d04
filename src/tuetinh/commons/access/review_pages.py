"""The administrators' regular look at accounts: who still works here, at which desk, and who has not come for long."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.commons.access import actions, idle
from tuetinh.commons.access.api import desk, fresh
from tuetinh.commons.access.models import OF_STAFF, Account, AccountEvent
from tuetinh.commons.access.places import place_name
from tuetinh.commons.access.queries import administered, idle_clients, review_days, to_review
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.ui.api import paginate

SYSTEMS = 20  # systems that are shown; the rest comes up as these are seen to


@fresh("rules")
@desk("admin")
@never_cache
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest) -> HttpResponse:
    """Accounts that should be looked at, or with `all=1` every one; those that are ticked are right as they are."""
    by: Account = request.user  # type: ignore[assignment]
    every = request.GET.get("all") == "1"
    if request.method == "POST":
        ids = [int(text) for text in request.POST.getlist("account")[:100] if text.isascii() and text.isdigit()]
        sure = actions.confirm(by, [one for one in ids if one < 2**63])
        said = ngettext("Đã xác nhận %(count)d tài khoản.", "Đã xác nhận %(count)d tài khoản.", sure)
        (messages.success if sure else messages.info)(request, said % {"count": sure})
        return redirect(request.get_full_path())
    wanted = administered(by).filter(OF_STAFF) if every else to_review(by)
    last = AccountEvent.objects.filter(account=OuterRef("pk"), what__in=("reviewed", "created")).order_by("-at", "-pk")
    wanted = wanted.annotate(reviewer=Subquery(last.values("by__full_name")[:1])).order_by("reviewed", "pk")
    page = paginate(request, wanted)
    days = review_days()
    overdue = timezone.now() - timedelta(days=days) if days else None
    rows = [
        {
            "account": account,
            "may": account.pk != by.pk or not actions.another_administers(by),
            "label": ROLES[account.role].label,
            "place": place_name("Organization", account.facility),
            "late": overdue is not None and account.reviewed < overdue,
            "going": idle.going_on(account),
            "used": account.for_emergency and account.last_used > account.reviewed,
        }
        for account in page
    ]
    context = {"page": page, "rows": rows, "every": every, "systems": idle_clients(by)[:SYSTEMS]}
    return render(request, "access/review.html", context)
