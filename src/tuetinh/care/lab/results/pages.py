"""Pages of validation: accepting at once, the board, the log of calls, who signs, and a person's results over time."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab import queries, words
from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.machines.queries import silent
from tuetinh.care.lab.models import Signatory, Tube
from tuetinh.care.lab.results import board as boards
from tuetinh.care.lab.results import bulk, cumulative, signing
from tuetinh.commons.access.api import asker, desk, fresh
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate
from tuetinh.record.errors import Gone, NotFound


@desk("lab")
@require_POST
def verify_passed(request: HttpRequest) -> HttpResponse:
    """Validate the chosen tubes that nothing is held of."""
    return _told(request, "validate", bulk.verify_passed(asker(request), request.POST.getlist("number")))


@fresh("sign")
@desk("lab")
@require_POST
def release_passed(request: HttpRequest) -> HttpResponse:
    """Sign the chosen tubes that nothing is held of."""
    return _told(request, "sign", bulk.release_passed(asker(request), request.POST.getlist("number")))


def _told(request: HttpRequest, which: str, counted: tuple[int, int]) -> HttpResponse:
    done, left = counted
    if done:
        messages.success(request, _("Đã duyệt %(count)s mẫu.") % {"count": done})
    if left:
        messages.warning(request, _("%(count)s mẫu còn lại cần xem từng mẫu.") % {"count": left})
    return redirect(f"{reverse('lab:worklist')}?list={which}")


@desk("lab")
@require_GET
@never_cache
def board(request: HttpRequest) -> HttpResponse:
    """The live board: calls that are due, late samples, silent machines, the benches today."""
    me = asker(request)
    lists = [ask(me.facility)[: boards.SHOWN] for ask in (boards.to_call, boards.late, boards.missing)]
    calls, late, missing = (list(tubes) for tubes in lists)
    shown = {tube.pk: tube for tube in (*calls, *late, *missing)}
    lines = {line.tube.pk: line for line in queries.lines(me, list(shown.values()))}

    def rows(tubes: list[Tube], since: str) -> list[tuple[Any, int]]:
        return [(lines[t.pk], boards.minutes_since(getattr(t, since))) for t in tubes if t.pk in lines]

    context = {
        "calls": rows(calls, "critical_at"), "late": rows(late, "due_at"),
        "missing": rows(missing, "collected_at"), "benches": boards.today(me.facility),
        "silent": silent(me), "facility": me.facility,
    }  # fmt: skip
    return render(request, "lab/board.html", context)


@desk("lab")
@require_GET
@never_cache
def calls(request: HttpRequest) -> HttpResponse:
    """Who was called about critical values, and who is still to be called."""
    me = asker(request)
    due = list(boards.to_call(me.facility)[: boards.SHOWN])
    waiting = [(line, boards.minutes_since(line.tube.critical_at)) for line in queries.lines(me, due)]
    page = paginate(request, boards.calls(me, me.facility, count=200))
    names = names_of(me, {call.patient for call in page.object_list})
    rows = [(call, names.get(call.patient, "")) for call in page.object_list]
    context = {"waiting": waiting, "page": page, "rows": rows}
    return render(request, "lab/calls.html", context)


@desk("admin")
@require_http_methods(["GET", "POST"])
@never_cache
def signatories(request: HttpRequest) -> HttpResponse:
    """Who signs results for the laboratory of the administrator's facility, now and before."""
    me = asker(request)
    if request.method == "POST":
        try:
            signing.name_signers(me, set(request.POST.getlist("account")))
        except LabError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Đã ghi người ký kết quả."))
        return redirect("lab:signatories")
    people, named = signing.staff(me.facility), signing.named(me.facility)
    rows = [(one, str(one.pk) in named) for one in people]
    names = {str(one.pk): one.full_name for one in people}
    past = Signatory.objects.filter(facility=me.facility).order_by("-since", "-id")[:50]
    context = {"rows": rows, "past": [(row, names.get(row.account, row.account)) for row in past]}
    return render(request, "lab/signatories.html", context)


@desk("lab", "doctor", "nurse", "station")
@require_GET
@never_cache
def person(request: HttpRequest, patient_id: str) -> HttpResponse:
    """A person's results over time: one row an analyte, one column a day, and the curve of a chosen one."""
    me = asker(request)
    try:
        about = banner(me, patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    table = cumulative.table(me, patient_id)
    chosen = next((row for row in table.rows if row.key == request.GET.get("analyte")), None)
    curve = cumulative.curve(chosen or next((row for row in table.rows if row.drawable), None))
    context = {"banner": about, "table": table, "curve": curve, "flags": words.FLAGS, "patient": patient_id}
    return render(request, "lab/person.html", context)
