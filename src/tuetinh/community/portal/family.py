"""Whose record I may open beside my own, and who may open mine: family, guardians, carers."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.commons.access import api as access
from tuetinh.commons.access.api import (
    RELATIONSHIPS,
    AccessError,
    Tie,
    act_for,
    asker,
    asker_of,
    carers,
    desk,
    guardianship,
    ward,
    wards,
)
from tuetinh.commons.identity.api import whose
from tuetinh.community.portal.forms import CarerForm
from tuetinh.record.asker import Asker
from tuetinh.record.sight import ALL_LABELS


@desk("citizen")
@never_cache
@sensitive_post_parameters("number", "name")
@require_http_methods(["GET", "POST"])
def family(request: HttpRequest) -> HttpResponse:
    """Whose record I may open, who asks me to, who may open the record that is shown; ask somebody by POST."""
    who, own = asker(request), _own(request)
    form = CarerForm(request.POST or None, sees_all=who.sight.labels == ALL_LABELS)
    if request.method == "POST":
        if not decides(request):
            raise Http404
        if form.is_valid() and _asked(who, form):
            messages.success(request, _("Đã gửi lời mời. Người đó đồng ý thì mới xem được hồ sơ."))
            return redirect("portal:family")
    subject = str(who.patient)
    waiting = list(guardianship.waiting(str(own.patient)))
    named = guardianship.carers_of(waiting)
    context = {
        "form": form,
        "decides": decides(request),
        "mine": [(one, RELATIONSHIPS.get(one.code, one.code)) for one in wards.of_carer(str(own.patient))],
        "asked": [(one, RELATIONSHIPS.get(one.code, one.code)) for one in carers.proposed(carer=str(own.patient))],
        "guardians": [(one, named.get(one.carer, "")) for one in waiting],
        "theirs": [(one, RELATIONSHIPS.get(one.code, one.code)) for one in _theirs(subject)],
    }
    return render(request, "portal/family.html", context, status=422 if request.method == "POST" else 200)


def _theirs(subject: str) -> list[Tie]:
    """Who may open a record, and who was asked to."""
    return [*wards.of_ward(subject), *carers.proposed(ward=subject)]


def _asked(who: Asker, form: CarerForm) -> bool:
    """Ask the person of the form; what is wrong is told at its field."""
    told = form.cleaned_data
    carer = whose(told["number"], told["name"])
    if not carer:
        form.add_error("number", _("Chưa có hồ sơ nào mang cả số định danh và họ tên này."))
        return False
    try:
        carers.propose(who, carer, told["relationship"], until=told["until"], sensitive=told.get("sensitive", False))
    except AccessError as error:
        form.add_error("until" if error.code == "carer-until" else None, str(error.message))
        return False
    return True


@desk("citizen")
@require_POST
def answer(request: HttpRequest, tie_id: str, verb: str) -> HttpResponse:
    """Accept or decline to be somebody's carer; end it, from either side; confirm or refuse a guardian of one's own."""
    try:
        if verb == "end":
            carers.end(asker(request) if decides(request) else _own(request), tie_id)
            messages.success(request, _("Đã thôi. Có hiệu lực ngay."))
        elif verb in ("confirm", "refuse"):
            account = cast("access.Account", request.user)
            guardianship.answer(
                account, _own(request), int(tie_id) if tie_id.isdecimal() else 0, accept=verb == "confirm"
            )
            messages.success(request, _("Đã ghi câu trả lời."))
        else:
            tie = carers.answer(_own(request), tie_id, accept=verb == "accept")
            if verb == "accept":
                messages.success(request, _("Bạn đã xem được hồ sơ của %(name)s.") % {"name": tie.ward_name})
    except AccessError as error:
        messages.error(request, str(error.message))
    return redirect("portal:family")


@desk("citizen")
@require_POST
def open_record(request: HttpRequest) -> HttpResponse:
    """Open the record of `patient`, or my own again."""
    if not act_for(request, request.POST.get("patient", "")):
        messages.error(request, _("Bạn không được xem hồ sơ này."))
        return redirect("portal:family")
    return redirect("portal:today")


def decides(request: HttpRequest) -> bool:
    """Whether I decide for the record that is shown: my own, or that of somebody whom I act for by law."""
    tie = ward(request)
    return tie is None or tie.decides


def _own(request: HttpRequest) -> Asker:
    return asker_of(request.user)  # type: ignore[arg-type]
