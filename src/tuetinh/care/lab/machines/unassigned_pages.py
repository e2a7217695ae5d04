"""The province's page of machines that no laboratory has registered: to which one what they send belongs."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.machines import unassigned
from tuetinh.care.lab.models import named
from tuetinh.care.lab.samples.actions import laboratories
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.ui.api import paginate


@desk("admin", at="province")
@require_GET
@never_cache
def senders(request: HttpRequest) -> HttpResponse:
    """Who sends what belongs to no laboratory yet. What it says is not shown: it is of somebody."""
    page = paginate(request, unassigned.senders(asker(request)))
    for row in page.object_list:
        row["name"] = named(row["sender"])
    places = sorted((place_name("Organization", one), one) for one in laboratories())
    return render(request, "lab/unassigned.html", {"page": page, "places": places})


@desk("admin", at="province")
@require_POST
def assign(request: HttpRequest, message_id: int) -> HttpResponse:
    """Give what a machine sends to a laboratory."""
    try:
        given = unassigned.assign(asker(request), message_id, request.POST.get("laboratory", ""))
    except LabError as error:
        messages.error(request, str(error))
    else:
        told = ngettext("Đã giao %(count)d bản tin.", "Đã giao %(count)d bản tin.", given)
        messages.success(request, told % {"count": given})
    return redirect("lab:unassigned")
