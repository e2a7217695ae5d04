"""The administrator's page of what the insurer has approved for the facility."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.insurance.approved.wire_xlsx import catalogues
from tuetinh.care.insurance.models import ApprovedItem, ClaimCase
from tuetinh.care.insurance.results.pages import act
from tuetinh.care.insurance.runs import latest, start
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.ui.api import paginate

LARGEST = 20_000_000  # bytes of a catalogue


@desk("admin", at="facility")
@require_GET
@never_cache
def items(request: HttpRequest) -> HttpResponse:
    """One `catalogue` (03 when left out), those with a scrap `q` of their code or name; `all` with what is over."""
    here = asker(request).facility
    number = request.GET.get("catalogue", "03")
    number = number if number in catalogues() else "03"
    scrap, over = request.GET.get("q", "").strip(), "all" in request.GET
    today = timezone.localdate()
    holding = Q(since__lte=today) & (Q(until=None) | Q(until__gte=today))
    counts = dict(
        ApprovedItem.objects.filter(holding, facility=here).values_list("catalogue").annotate(Count("id")).order_by()
    )
    rows = ApprovedItem.objects.filter(facility=here, catalogue=number)
    if scrap:
        rows = rows.filter(Q(code__icontains=scrap) | Q(name__icontains=scrap))
    if not over:
        rows = rows.filter(holding)
    page = paginate(request, rows.order_by("code", "-since", "id"))
    context = {
        "page": page, "number": number, "q": request.GET.get("q", ""), "over": over, "today": today, "facility": here,
        "catalogues": [(code, one.name, counts.get(code, 0)) for code, one in catalogues().items()],
        "columns": ", ".join(catalogues()[number].columns), "name": catalogues()[number].name,
        "runs": latest(here, "approved"),
    }  # fmt: skip
    return render(request, "insurance/approved.html", context)


@desk("admin", at="facility")
@require_POST
def take(request: HttpRequest) -> HttpResponse:
    """Take a `file` of a `catalogue`."""
    number, file = request.POST.get("catalogue", ""), request.FILES.get("file")
    back = f"{reverse('insurance:approved')}?catalogue={number}"
    if number not in catalogues() or file is None or (file.size or 0) > LARGEST:
        messages.error(request, _("Chọn tệp Excel của danh mục, không quá 20 MB."))
        return redirect(back if number in catalogues() else "insurance:approved")
    me, data, name = asker(request), file.read(), file.name or ""
    known = ClaimCase.objects.filter(facility=me.facility).exclude(site="").order_by("-id")
    site = known.values_list("site", flat=True).first() or me.facility

    def work() -> None:
        start(me, "approved", number, what={"catalogue": number, "site": site}, file=data, name=name)

    return act(request, work, _("Đang đọc danh mục."), back)
