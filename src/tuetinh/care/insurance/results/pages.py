"""The officer's pages of what comes back: a month, one claim line by line, disputes, what rules would have caught."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.insurance.errors import InsuranceError
from tuetinh.care.insurance.models import Adjudication, Dispute
from tuetinh.care.insurance.results import caught as catching
from tuetinh.care.insurance.results import disputes as disputing
from tuetinh.care.insurance.results import queries, wire
from tuetinh.care.insurance.results.work import bounds
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.runs import latest, start
from tuetinh.commons.access.api import asker, desk, owner_names
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate

State = Adjudication.State
LARGEST = 20_000_000  # bytes of a file of results
STATES = {
    Adjudication.State.ACCEPTED: gettext_lazy("Chấp nhận"),
    Adjudication.State.REDUCED: gettext_lazy("Giảm trừ"),
    Adjudication.State.REFUSED: gettext_lazy("Từ chối"),
    Adjudication.State.PENDING: gettext_lazy("Cần bổ sung"),
}
DISPUTES = {
    Dispute.State.OPEN: gettext_lazy("Đang soạn"),
    Dispute.State.SENT: gettext_lazy("Đã gửi"),
    Dispute.State.ACCEPTED: gettext_lazy("Được chấp nhận"),
    Dispute.State.REFUSED: gettext_lazy("Bị bác"),
    Dispute.State.WITHDRAWN: gettext_lazy("Đã rút"),
}


@desk("cashier")
@require_GET
@never_cache
def month(request: HttpRequest) -> HttpResponse:
    """The answers to the claims of a month (`?month=`), those of one `state`; what is settled; work under way."""
    me, when = asker(request), month_of(request)
    here, state = me.facility, request.GET.get("state", "")
    rows = queries.of_month(here, *when["bounds"], state if state in STATES else "")
    page = paginate(request, rows)
    people = names_of(me, {row.case.patient for row in page.object_list})
    context = when | {
        "sums": queries.sums(here, *when["bounds"]), "settlements": queries.settlements(here, when["month"]),
        "page": page, "state": state, "states": STATES.items(), "facility": here,
        "rows": [(row, people.get(row.case.patient, ""), STATES[State(row.state)]) for row in page.object_list],
        "runs": latest(here, "fetch", "results"), "tab": "results",
    }  # fmt: skip
    return render(request, "insurance/results.html", context)


@desk("cashier")
@require_POST
def fetch(request: HttpRequest) -> HttpResponse:
    """Ask the gateway for results."""
    return act(request, lambda: start(asker(request), "fetch"), _("Đang hỏi cổng giám định."), "insurance:results")


@desk("cashier")
@require_POST
def take(request: HttpRequest) -> HttpResponse:
    """Take a `file` of results."""
    file = request.FILES.get("file")
    if file is None or (file.size or 0) > LARGEST:
        messages.error(request, _("Chọn tệp kết quả, không quá 20 MB."))
        return redirect("insurance:results")
    name, data = file.name or "", file.read()
    if name.rpartition(".")[2].lower() not in ("json", "xml", "xlsx", "csv"):
        messages.error(request, str(wire.BadResults("kind", name)))
        return redirect("insurance:results")
    return act(
        request, lambda: start(asker(request), "results", file=data, name=name), _("Đang đọc tệp."), "insurance:results"
    )


@desk("cashier")
@require_GET
@never_cache
def claim(request: HttpRequest, case_id: int) -> HttpResponse:
    """One claim beside its answer, line by line."""
    me = asker(request)
    one = Adjudication.objects.select_related("case", "transmission").filter(case=case_id, facility=me.facility).first()
    if one is None:
        raise Http404
    live = queries.live_disputes(one.case)
    over = {where: DISPUTES[Dispute.State(found.state)] for where, found in live.items()}
    reduced = {(line.table, line.place): line for line in one.reduced.all()}
    lines = [
        (line, reduced.get(line.line.where), live.get(line.line.where), over.get(line.line.where))
        for line in queries.compared(me, one)
    ]
    until = disputing.last_day(one)
    context = {
        "one": one, "case": one.case, "state": STATES[State(one.state)], "lines": lines, "until": until,
        "may_dispute": timezone.localdate() <= until, "grounds": disputing.GROUNDS.items(),
        "person": banner(me, one.case.patient), "gap": one.claimed - one.accepted,
        "month": timezone.localtime(one.ended).strftime("%Y-%m"),
    }  # fmt: skip
    return render(request, "insurance/result.html", context)


@desk("cashier")
@require_POST
def dispute(request: HttpRequest, case_id: int) -> HttpResponse:
    """Open a dispute of a line: `table`, `place`, `ground`, `text`."""
    me, told = asker(request), request.POST
    one = Adjudication.objects.select_related("case").filter(case=case_id, facility=me.facility).first()
    if one is None:
        raise Http404
    place = told.get("place", "")
    where = (told.get("table", ""), int(place) if place.isdigit() else -1)
    try:
        made = disputing.open_dispute(me, one.case, where, ground=told.get("ground", ""), text=told.get("text", ""))
    except InsuranceError as error:
        messages.error(request, str(error))
        return redirect("insurance:result", case_id)
    messages.success(request, _("Đã mở khiếu nại. Gửi công văn trước ngày %s.") % made.until.strftime("%d/%m/%Y"))
    return redirect("insurance:dispute", made.pk)


@desk("cashier")
@require_GET
@never_cache
def disputes(request: HttpRequest) -> HttpResponse:
    """The disputes of the facility, those of one `state`, with sums."""
    here, state = asker(request).facility, request.GET.get("state", "")
    page = paginate(request, queries.disputes(here, state if state in DISPUTES else ""))
    sums = queries.dispute_sums(here)
    context = {
        "page": page, "state": state, "facility": here, "today": timezone.localdate(), "tab": "disputes",
        "sums": [(name, label, sums[name]) for name, label in DISPUTES.items()],
        "rows": [(row, DISPUTES[Dispute.State(row.state)]) for row in page.object_list],
    }  # fmt: skip
    return render(request, "insurance/disputes.html", context)


@desk("cashier")
@require_GET
@never_cache
def one_dispute(request: HttpRequest, dispute_id: int) -> HttpResponse:
    """One dispute with its history, and what can be done next."""
    me, found = asker(request), _dispute(request, dispute_id)
    steps = list(found.steps.order_by("id"))
    people = owner_names({step.account for step in steps}, ())[0]
    context = {
        "one": found, "state": DISPUTES[Dispute.State(found.state)], "ground": disputing.GROUNDS[found.ground],
        "steps": [
            (step, DISPUTES[Dispute.State(step.state)], people.get(step.account, step.account)) for step in steps
        ],
        "next": disputing.NEXT[found.state], "late": timezone.localdate() > found.until,
        "person": banner(me, found.case.patient),
    }  # fmt: skip
    return render(request, "insurance/dispute.html", context)


@desk("cashier")
@require_POST
def go_on(request: HttpRequest, dispute_id: int) -> HttpResponse:
    """Take a dispute to a `state`, with `words`, the `number` of the paper, or what was `won`."""
    found, told = _dispute(request, dispute_id), request.POST

    def work() -> None:
        won = wire.amount(told.get("won", "").strip())
        number, words = told.get("number", ""), told.get("words", "")
        disputing.go_on(asker(request), found, told.get("state", ""), words, number=number, won=won)

    return act(request, work, _("Đã ghi."), "insurance:dispute", dispute_id)


@desk("cashier")
@require_GET
@never_cache
def caught(request: HttpRequest) -> HttpResponse:
    """For each reason of the refused lines of a month, which rules would have caught them; lines of one `reason`."""
    me, when = asker(request), month_of(request)
    here, reason = me.facility, request.GET.get("reason", "")
    reasons = catching.by_reason(here, *when["bounds"])
    rules = in_force(here).rules
    page = paginate(request, queries.reduced_lines(here, *when["bounds"], reason)) if reason else None
    found, missed = sum(one.found for one in reasons), sum(one.missed for one in reasons)
    context = when | {
        "reasons": [
            (one, [(code, n, rules.get(code)) for code, n in sorted((one.caught or {}).items(), key=lambda c: -c[1])])
            for one in reasons
        ],
        "found": found, "missed": missed, "total": found + missed, "reason": reason, "page": page, "facility": here,
        "missed_amount": sum((one.missed_amount for one in reasons), Decimal(0)),
        "stale": catching.is_stale(here, *when["bounds"]), "runs": latest(here, "weigh"), "tab": "caught",
    }  # fmt: skip
    return render(request, "insurance/caught.html", context)


@desk("cashier")
@require_POST
def weigh(request: HttpRequest) -> HttpResponse:
    """Ask the present rules of the refused lines of a `month` again."""
    when = month_of(request, request.POST.get("month", ""))
    back = f"{reverse('insurance:caught')}?month={when['month']}"

    def work() -> None:
        start(asker(request), "weigh", when["month"], what={"month": when["month"]})

    return act(request, work, _("Đang hỏi lại các quy tắc."), back)


def act(request: HttpRequest, work: Callable[[], object], said: str, to: str, *given: object) -> HttpResponse:
    """Do it, say so or why not, and go back."""
    try:
        work()
    except InsuranceError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect(to, *given)


def month_of(request: HttpRequest, asked: str = "") -> dict[str, Any]:
    """The month that a page is about (`?month=YYYY-MM`, else this one), its bounds and its neighbours."""
    now = timezone.localtime()
    try:
        begin, end = bounds(asked or request.GET.get("month", ""))
    except ValueError:
        begin, end = bounds(f"{now:%Y-%m}")
    following = timezone.localtime(end)
    return {
        "month": _named(begin), "bounds": (begin, end), "first": begin.date(),
        "before": _named(begin - timedelta(days=1)), "after": _named(following) if following <= now else "",
    }  # fmt: skip


def _named(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def _dispute(request: HttpRequest, dispute_id: int) -> Dispute:
    found = Dispute.objects.select_related("case").filter(pk=dispute_id, facility=asker(request).facility).first()
    if found is None:
        raise Http404
    return found
