"""Claims of a facility on their way to the gateway: the day, one claim, what a person may do with it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.insurance.errors import InsuranceError
from tuetinh.care.insurance.models import ClaimCase, Transmission
from tuetinh.care.insurance.sending import lists, queue
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate
from tuetinh.record import audit

State = ClaimCase.State
SHOWN = 20  # of those that wait for a person; the rest comes up as these are done
STATES = {
    State.WAITING: gettext_lazy("Chờ gửi"),
    State.FAULTY: gettext_lazy("Cần sửa"),
    State.SENDING: gettext_lazy("Đang gửi"),
    State.UNCLEAR: gettext_lazy("Chưa rõ cổng đã nhận"),
    State.ACCEPTED: gettext_lazy("Cổng đã nhận"),
    State.REFUSED: gettext_lazy("Bị từ chối"),
    State.HELD: gettext_lazy("Giữ lại"),
    State.RECALLED: gettext_lazy("Đã thu hồi"),
}
OUTCOMES = {
    "sending": gettext_lazy("Đang gửi"),
    "accepted": gettext_lazy("Cổng đã nhận"),
    "refused": gettext_lazy("Bị từ chối"),
    "unclear": gettext_lazy("Không có trả lời"),
    "lost": gettext_lazy("Chưa tới cổng"),
}


@desk("cashier")
@require_GET
@never_cache
def day(request: HttpRequest) -> HttpResponse:
    """The claims of visits that ended on a day (`?on=`), those of one `state`; what waits for a person, of any day."""
    me, on = asker(request), _day(request.GET.get("on", ""))
    here = me.facility
    state = request.GET.get("state", "")
    page = paginate(request, lists.of_day(here, on, state if state in STATES else ""))
    urgent = list(lists.needing_people(here)[:SHOWN])
    people = names_of(me, {case.patient for case in (*page.object_list, *urgent)})
    context = {
        "on": on, "before": on - timedelta(days=1), "after": on + timedelta(days=1), "today": timezone.localdate(),
        "sums": lists.sums(here, on), "due": lists.due(here), "page": page, "state": state, "states": STATES.items(),
        "facility": here,
        "rows": [(case, people.get(case.patient, ""), STATES[State(case.state)]) for case in page.object_list],
        "urgent": [(case, people.get(case.patient, ""), STATES[State(case.state)]) for case in urgent],
    }  # fmt: skip
    return render(request, "insurance/day.html", context)


@desk("cashier")
@require_GET
@never_cache
def case(request: HttpRequest, case_id: int) -> HttpResponse:
    """One claim: what is wrong with it, what was sent and answered, what can be done."""
    found = _case(request, case_id)
    sent = [(one, OUTCOMES[one.outcome]) for one in found.transmissions.defer("file").order_by("-id")]
    context = {
        "case": found, "findings": _beside(found), "state": STATES[State(found.state)], "sent": sent,
        "person": banner(asker(request), found.patient),
        "may_send": found.state in queue.RELEASED - {State.WAITING},
        "may_recall": found.state == State.ACCEPTED and found.kind == ClaimCase.Kind.CLAIM,
        "may_hold": found.state in (State.WAITING, State.FAULTY, State.REFUSED),
    }  # fmt: skip
    return render(request, "insurance/case.html", context)


@desk("cashier")
@require_POST
def send(request: HttpRequest, case_id: int) -> HttpResponse:
    """Send it, again if it was sent; with a `reason` although our checks find problems."""
    found = _case(request, case_id)
    reason = request.POST.get("reason", "").strip()[:500]
    if found.state == State.FAULTY and "despite" in request.POST and not reason:
        messages.error(request, _("Ghi lý do gửi khi hồ sơ còn lỗi."))
        return redirect("insurance:case", case_id)
    return _done(request, case_id, lambda: queue.release(found, reason), _("Hồ sơ sẽ được gửi trong một phút."))


@desk("cashier")
@require_POST
def hold(request: HttpRequest, case_id: int) -> HttpResponse:
    """Keep it back, with a `reason`."""
    found = _case(request, case_id)
    reason = request.POST.get("reason", "").strip()[:500]
    if not reason:
        messages.error(request, _("Ghi lý do giữ hồ sơ lại."))
        return redirect("insurance:case", case_id)
    return _done(request, case_id, lambda: queue.hold(found, reason), _("Hồ sơ được giữ lại."))


@desk("cashier")
@require_POST
def recall(request: HttpRequest, case_id: int) -> HttpResponse:
    """Withdraw it from the insurer, with a `reason`."""
    found = _case(request, case_id)
    reason = request.POST.get("reason", "").strip()[:500]
    if not reason:
        messages.error(request, _("Ghi lý do thu hồi."))
        return redirect("insurance:case", case_id)
    return _done(
        request, case_id, lambda: queue.recall(found, reason), _("Đề nghị thu hồi sẽ được gửi trong một phút.")
    )


@desk("cashier")
@require_POST
def decide(request: HttpRequest, case_id: int) -> HttpResponse:
    """Say what the gateway's portal shows of a file without an answer: its `transaction`, or that it is not there."""
    found = _case(request, case_id)
    number = request.POST.get("transaction", "").strip()[:100]
    if "received" in request.POST and not number:
        messages.error(request, _("Ghi mã giao dịch thấy trên cổng."))
        return redirect("insurance:case", case_id)
    return _done(
        request, case_id, lambda: queue.decide(found, number if "received" in request.POST else ""), _("Đã ghi nhận.")
    )


@desk("cashier")
@require_GET
def file(request: HttpRequest, case_id: int, transmission_id: int) -> HttpResponse:
    """A file as it was sent."""
    case = _case(request, case_id)
    sent = get_object_or_404(Transmission, pk=transmission_id, case=case)
    audit.note(asker(request), "export", "Claim", "", case.patient)
    headers = {"Content-Disposition": f'attachment; filename="{sent.pk}.xml"', "Cache-Control": "private, no-store"}
    return HttpResponse(gzip.decompress(bytes(sent.file)), content_type="application/xml", headers=headers)


def _beside(case: ClaimCase) -> list[dict[str, Any]]:
    """What was found beside the problems that stop the claim, which stand above."""
    return [one for one in case.findings if not (case.problems and one["severity"] == "block")]


def _done(request: HttpRequest, case_id: int, act: Callable[[], None], said: str) -> HttpResponse:
    try:
        act()
    except InsuranceError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect("insurance:case", case_id)


def _case(request: HttpRequest, case_id: int) -> ClaimCase:
    found = ClaimCase.objects.filter(pk=case_id, facility=asker(request).facility).first()
    if found is None:
        raise Http404
    return found


def _day(text: str) -> date:
    """The day of a text, today for none and for one that has no day before or after it."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return timezone.localdate()
    return found if date.min.year < found.year < date.max.year else timezone.localdate()
