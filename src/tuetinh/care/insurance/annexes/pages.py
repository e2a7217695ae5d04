"""The page of the lists of TT 01/2025: what holds, since when and by whom; an annex entered anew."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.care.insurance.annexes.lists import ANNEXES, change, standing
from tuetinh.care.insurance.errors import BadList
from tuetinh.commons.access.api import asker, desk, owner_names


@desk("admin")
@require_http_methods(["GET", "POST"])
@never_cache
def annexes(request: HttpRequest) -> HttpResponse:
    """The three annexes; POST enters one `annex` anew with its `codes`."""
    me, wrong, typed = asker(request), {}, {}
    if request.method == "POST" and (annex := request.POST.get("annex", "")) in ANNEXES:
        try:
            change(me, annex, request.POST.get("codes", ""))
        except BadList as error:
            wrong[annex], typed[annex] = str(error), request.POST.get("codes", "")
        else:
            messages.success(request, _("Danh mục có hiệu lực từ bây giờ."))
            return redirect("insurance:annexes")
    known = standing(me.facility)
    people = owner_names({one.account for one in known.values()}, ())[0]
    rows = [
        (
            annex,
            label,
            known.get(annex),
            people.get(known[annex].account, known[annex].account) if annex in known else "",
            typed.get(annex, "; ".join(known[annex].codes) if annex in known else ""),
            wrong.get(annex, ""),
        )
        for annex, label in ANNEXES.items()
    ]
    return render(request, "insurance/annexes.html", {"rows": rows}, status=422 if wrong else 200)
