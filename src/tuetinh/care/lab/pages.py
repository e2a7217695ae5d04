"""The technician's desk: the worklist, one tube with its results, the inbox of analysers' messages, prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.insurance.api import Finding, Stopped, reasons_given, shown
from tuetinh.care.lab import actions, prints, queries, words
from tuetinh.care.lab.errors import REASONS, BadValue, LabError, NoTube, UnknownAnalyte
from tuetinh.care.lab.forms import CodeForm
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines import wire_hl7v2 as wire
from tuetinh.care.lab.models import Message, Tube
from tuetinh.commons.access.api import asker, desk, fresh
from tuetinh.commons.documents.api import Paper, respond_pdf
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate

LISTS = {
    "receive": gettext_lazy("Chờ nhận mẫu"),
    "analyse": gettext_lazy("Đang phân tích"),
    "validate": gettext_lazy("Chờ duyệt"),
    "done": gettext_lazy("Đã trả hôm nay"),
}
_SHOWN = 64_000  # characters of a message on its page


def _here(request: HttpRequest) -> str:
    return str(request.user.facility)  # type: ignore[union-attr]


@desk("lab")
@require_GET
def worklist(request: HttpRequest) -> HttpResponse:
    """Tubes of the facility by what is to do with them; a scanned number opens its tube at once."""
    text = request.GET.get("q", "").strip()
    if text and (found := Tube.objects.filter(facility=_here(request), number=text).first()):
        return redirect("lab:tube", found.number)
    which = request.GET.get("list", "receive")
    which = which if which in LISTS else "receive"
    counts = queries.counts(_here(request))
    page = paginate(request, queries.worklist(_here(request), which, text[:20]))
    rows = [(line, *words.STAGES[line.tube.stage]) for line in queries.lines(asker(request), list(page.object_list))]
    tabs = [(key, label, counts[key]) for key, label in LISTS.items()]
    context = {"page": page, "rows": rows, "which": which, "tabs": tabs, "q": text, "facility": _here(request)}
    return render(request, "lab/worklist.html", context)


@desk("lab")
@require_GET
@never_cache
def tube(request: HttpRequest, number: str) -> HttpResponse:
    """One tube: its person, its results with what was before, and the next step as the one big button."""
    return _tube_page(request, _owned(request, number), edit="edit" in request.GET)


def _tube_page(
    request: HttpRequest,
    found: Tube,
    *,
    edit: bool = False,
    wrong: str = "",
    typed: dict[str, str] | None = None,
    stopped: Sequence[Finding] = (),
    status: int = 200,
) -> HttpResponse:
    who = asker(request)
    work = actions.work_on(who, found)
    rows = [
        {
            "row": row,
            "flag": words.FLAGS.get(row.flag),
            "typed": (typed or {}).get(row.id, ""),
            "wrong": row.id == wrong,
            "line": _sparkline(row),
        }
        for row in queries.grid(who, work)
    ]
    stage, icon = words.STAGES[found.stage]
    context = {
        "tube": found,
        "rows": rows,
        "banner": banner(who, found.patient),
        "stage": stage,
        "stage_icon": icon,
        "stopped": stopped,
        "edit": edit or found.stage == Tube.Stage.RECEIVED,
        "error": str(BadValue("").message) if wrong else "",
        "open": found.stage in (Tube.Stage.ORDERED, Tube.Stage.RECEIVED),
        "has_results": bool(work.results),
        "others": Tube.objects.filter(encounter=found.encounter).exclude(pk=found.pk).order_by("id"),
    }
    return render(request, "lab/tube.html", context, status=400 if wrong else 200)


def _sparkline(row: queries.Row) -> str:
    """Points of a small SVG line of 100 × 24 through the last values, where there are at least two."""
    values = [value for _at, value in row.points]
    if len(values) < 2:
        return ""
    low, span = min(values), (max(values) - min(values)) or 1
    step = 96 / (len(values) - 1)
    return " ".join(
        f"{2 + place * step:.1f},{22 - 20 * (value - low) / span:.1f}" for place, value in enumerate(values)
    )


def _owned(request: HttpRequest, number: str) -> Tube:
    found = Tube.objects.filter(facility=_here(request), number=number).first()
    if not found:
        raise Http404
    return found


def _step(request: HttpRequest, number: str, do: Callable[[], object], done: str) -> HttpResponse:
    """Do one thing with a tube and show it again, with what came of it."""
    try:
        do()
    except NoTube as error:
        raise Http404 from error
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("lab:tube", number)


@desk("lab")
@require_POST
def receive(request: HttpRequest, number: str) -> HttpResponse:
    """Take the tube in."""
    return _step(request, number, lambda: actions.receive_specimen(asker(request), number), _("Đã nhận mẫu."))


@desk("lab")
@require_POST
def reject(request: HttpRequest, number: str) -> HttpResponse:
    """Refuse the tube."""
    reason = request.POST.get("reason", "")
    return _step(request, number, lambda: actions.reject_specimen(asker(request), number, reason), _("Đã từ chối mẫu."))


@desk("lab")
@require_POST
def cancel(request: HttpRequest, number: str) -> HttpResponse:
    """Revoke the orders of the tube."""
    reason = request.POST.get("reason", "")
    return _step(request, number, lambda: actions.cancel_orders(asker(request), number, reason), _("Đã hủy chỉ định."))


@desk("lab")
@require_POST
def results(request: HttpRequest, number: str) -> HttpResponse:
    """Keep typed results; a wrong one is told beside its field, and nothing that was typed is lost."""
    found = _owned(request, number)
    typed = {
        key: str(value)[:200] for key, value in request.POST.items() if key not in ("csrfmiddlewaretoken", "reason")
    }
    try:
        actions.enter_results(asker(request), number, typed, reason=request.POST.get("reason", ""))
    except BadValue as error:
        return _tube_page(request, found, edit=True, wrong=error.field, typed=typed)
    except LabError as error:
        messages.error(request, str(error))
        return _tube_page(request, found, edit=True, typed=typed)
    messages.success(request, _("Đã ghi kết quả."))
    return redirect("lab:tube", number)


@desk("lab")
@require_POST
def critical(request: HttpRequest, number: str) -> HttpResponse:
    """Note who was told of the critical values."""
    told = request.POST.get("told", "")
    return _step(request, number, lambda: actions.acknowledge_critical(asker(request), number, told), _("Đã xác nhận."))


@fresh("sign")
@desk("lab")
@require_POST
def release(request: HttpRequest, number: str) -> HttpResponse:
    """Validate and hand out."""
    reasons = reasons_given(request.POST)
    try:
        release = lambda: actions.release(asker(request), number, reasons=reasons)  # noqa: E731
        return _step(request, number, release, _("Đã trả kết quả."))
    except Stopped as error:
        found = shown(asker(request), error.problems)
        return _tube_page(request, _owned(request, number), stopped=found, status=error.status)


@desk("lab", "doctor", "nurse", "station")
@require_GET
def label(request: HttpRequest, number: str) -> HttpResponse:
    """The label of the tube, 50 × 30 mm."""
    return respond_pdf(request, prints.label(asker(request), _owned(request, number)), f"nhan-{number}.pdf")


@desk("lab", "doctor", "nurse", "station")
@require_GET
def sheet(request: HttpRequest, number: str) -> HttpResponse:
    """The sheet of results, A5 or with `?paper=A4` A4."""
    paper: Paper = "A4" if request.GET.get("paper") == "A4" else "A5"
    return respond_pdf(request, prints.sheet(asker(request), _owned(request, number), paper), f"ket-qua-{number}.pdf")


@desk("lab")
@require_GET
def inbox_list(request: HttpRequest) -> HttpResponse:
    """Messages of analysers that wait for a person; with `?all=1` every message."""
    everything = request.GET.get("all") == "1"
    page = paginate(request, queries.inbox(_here(request), everything=everything))
    rows = [(row, words.STATES[row.state], REASONS.get(row.reason, row.reason)) for row in page.object_list]
    context = {"page": page, "rows": rows, "everything": everything, "facility": _here(request)}
    return render(request, "lab/inbox.html", context)


@desk("lab")
@require_GET
@never_cache
def message(request: HttpRequest, message_id: int) -> HttpResponse:
    """One message: why it waits, what it says, and what can be done with it."""
    row = Message.objects.filter(pk=message_id, facility__in=[_here(request), ""]).select_related("tube").first()
    if not row:
        raise Http404
    raw = bytes(row.raw)
    try:
        read: wire.Message | None = wire.read(raw)
    except wire.Refused:
        read = None
    unknown = inbox.unknown_codes(row, read) if read else []
    context = {
        "row": row,
        "state": words.STATES[row.state],
        "reason": REASONS.get(row.reason, row.reason),
        "waits": row.state in (Message.State.UNMATCHED, Message.State.BROKEN),
        "unknown": unknown,
        "teachable": inbox.workable(row),
        "code_form": CodeForm(initial={"code": unknown[0].code}) if unknown else None,
        "read": read,
        "keys": sorted({key for order in (read.orders if read else []) for key in order.keys}),
        "raw": _lines(raw.decode("utf-8", "replace")[:_SHOWN]),
        "amends": bool(row.tube and row.tube.stage == Tube.Stage.RELEASED),
    }
    return render(request, "lab/message.html", context)


def _lines(text: str) -> Iterable[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").split("\n")


def _with_message(request: HttpRequest, message_id: int, do: Callable[[], Message], done: str) -> HttpResponse:
    if not Message.objects.filter(pk=message_id, facility__in=[_here(request), ""]).exists():
        raise Http404
    try:
        row = do()
    except LabError as error:
        messages.error(request, str(error))
        return redirect("lab:message", message_id)
    if row.state in (Message.State.UNMATCHED, Message.State.BROKEN):
        messages.warning(request, _("Bản tin vẫn chưa ghép được."))
        return redirect("lab:message", message_id)
    messages.success(request, done)
    return redirect("lab:inbox")


@desk("lab")
@require_POST
def match(request: HttpRequest, message_id: int) -> HttpResponse:
    """Give the message to a tube by hand."""
    number, reason = request.POST.get("number", ""), request.POST.get("reason", "")
    return _with_message(
        request,
        message_id,
        lambda: inbox.match(asker(request), message_id, number, reason=reason),
        _("Đã ghép bản tin với mẫu."),
    )


@desk("lab")
@require_POST
def retry(request: HttpRequest, message_id: int) -> HttpResponse:
    """Try the message again."""
    return _with_message(
        request, message_id, lambda: inbox.retry(asker(request), message_id), _("Đã xử lý lại bản tin.")
    )


@desk("lab")
@require_POST
def teach(request: HttpRequest, message_id: int) -> HttpResponse:
    """Say what a code of the message means to its analyser; then the message is processed again."""
    form = CodeForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(UnknownAnalyte.message))
        return redirect("lab:message", message_id)
    return _with_message(
        request,
        message_id,
        lambda: inbox.teach(asker(request), message_id, **form.cleaned_data),
        _("Đã ghi mã của máy và xử lý lại bản tin."),
    )


@desk("lab")
@require_POST
def aside(request: HttpRequest, message_id: int) -> HttpResponse:
    """Put the message aside."""
    reason = request.POST.get("reason", "")
    return _with_message(
        request, message_id, lambda: inbox.set_aside(asker(request), message_id, reason), _("Đã để riêng bản tin.")
    )
