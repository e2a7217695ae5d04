"""A desk records who is somebody's parent or guardian, from papers that it has seen; the law gives them the right."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.commons.access import api as access
from tuetinh.commons.identity import queries
from tuetinh.record.errors import Gone, NotFound

if TYPE_CHECKING:
    from tuetinh.record.asker import Asker


@access.fresh("rules")
@access.desk(*access.CITIZENS_DESKS)
@never_cache
@require_http_methods(["GET", "POST"])
def guardians(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Who may open the person's record by law.

    By POST: `q` looks for somebody, `carer` with `code`, `kind` and `number` of a paper records them, for an adult with
    `paper` and `reason` asks for it; `confirm` or `refuse` answers what a colleague asked; `end` ends a record.
    """
    asker = access.asker(request)
    try:
        banner = queries.banner(asker, patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    typed, fault = request.POST.get("q", "").strip(), ""
    try:
        if carer := request.POST.get("carer", ""):
            messages.success(request, _recorded(request, asker, patient_id, carer))
            return redirect("identity:guardians", patient_id)
        for verb in ("confirm", "refuse"):
            if (asked := request.POST.get(verb, "")).isdecimal():
                by = cast("access.Account", request.user)
                access.guardianship.answer(by, asker, int(asked[:18]), accept=verb == "confirm")
                messages.success(request, _("Đã ghi câu trả lời."))
                return redirect("identity:guardians", patient_id)
        if tie := request.POST.get("end", ""):
            access.carers.unlink(asker, patient_id, tie)
            messages.success(request, _("Đã thôi. Có hiệu lực ngay."))
            return redirect("identity:guardians", patient_id)
    except access.AccessError as error:
        fault = str(error.message)
    waiting = list(access.guardianship.waiting(patient_id))
    named = access.guardianship.carers_of(waiting)
    held = [one for one in access.wards.of_ward(patient_id) if one.by_law]
    context = {
        "person": banner,
        "held": [(one, access.RELATIONSHIPS.get(one.code, one.code), _told(one.paper)) for one in held],
        "q": typed,
        "hits": [hit for hit in queries.find_people(asker, typed) if hit.id != patient_id] if typed else [],
        "codes": [(code, access.RELATIONSHIPS[code]) for code in access.wards.BY_LAW],
        "kinds": [(kind, access.papers.WORDS[kind]) for kind in access.papers.SHOWN],
        "kind": request.POST.get("kind", ""),
        "number": request.POST.get("number", "")[: access.papers.LONGEST],
        "carer": request.POST.get("carer", ""),
        "chosen": request.POST.get("code", ""),
        "fault": fault,
        "waiting": [(one, named.get(one.carer, ""), one.by_id != request.user.pk) for one in waiting],
        "minor": access.carers.is_minor_of(banner.birth),
        "paper": request.POST.get("paper", "")[:100],
        "reason": request.POST.get("reason", "")[:500],
        "agrees": access.minor_agrees(),
    }
    return render(request, "identity/guardians.html", context, status=422 if fault else 200)


def _told(paper: access.papers.Paper | None) -> str:
    """A paper in words."""
    words = access.papers.WORDS.get(paper.kind, "") if paper else ""
    return " ".join(filter(None, (str(words), paper.number))) if paper else ""


def _recorded(request: HttpRequest, asker: Asker, patient_id: str, carer: str) -> str:
    """Record a minor's parent or guardian, or ask for an adult's; what was done, in words. Raises AccessError."""
    code, paper = request.POST.get("code", ""), request.POST.get("paper")
    brought = access.papers.Paper(request.POST.get("kind", ""), request.POST.get("number", ""))
    if brought.kind == access.papers.HERE:
        raise access.AccessError("kin-paper")
    if paper is not None and code == "GUARD":
        by, reason = cast("access.Account", request.user), request.POST.get("reason", "")[:500]
        access.guardianship.ask(by, patient_id, carer, paper[:100], reason)
        return _("Đã gửi. Có hiệu lực khi người đó hoặc một đồng nghiệp khác xác nhận.")
    access.carers.link(asker, patient_id, carer, code, brought, agreed=bool(request.POST.get("agreed")))
    return _("Đã ghi. Người này mở được hồ sơ từ tài khoản người dân của mình.")
