"""The inbox of the machines' messages: where each stands and why, what it says, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.lab import words
from tuetinh.care.lab.errors import REASONS, LabError, UnknownAnalyte
from tuetinh.care.lab.forms import CodeForm
from tuetinh.care.lab.machines import analysers, inbox, queries
from tuetinh.care.lab.models import OPEN, Message, Tube
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.ui.api import paginate

# Where messages stand, in the order of the tabs.
TABS = {
    "open": gettext_lazy("Chờ xử lý"),
    "unmatched": gettext_lazy("Chưa ghép mẫu"),
    "unknown": gettext_lazy("Mã chưa biết"),
    "unit": gettext_lazy("Sai đơn vị"),
    "range": gettext_lazy("Ngoài khoảng"),
    "broken": gettext_lazy("Hỏng"),
    "control": gettext_lazy("Nội kiểm"),
    "again": gettext_lazy("Gửi lặp"),
    "live": gettext_lazy("Trực tiếp"),
}
NEWEST = 1000  # messages that are listed of what waits for nobody: all of them need not be counted
_SHOWN = 64_000  # characters of a message on its page


def _here(request: HttpRequest) -> str:
    return str(request.user.facility)  # type: ignore[union-attr]


@desk("lab")
@require_GET
def inbox_list(request: HttpRequest) -> HttpResponse:
    """Messages of machines by where they stand: `?list=` a state, `again` for repeated ones, `live` for all of them."""
    which = request.GET.get("list", "")
    which = which if which in TABS else "open"
    found = queries.inbox(_here(request), which)
    page = paginate(request, found if which in OPEN or which == "open" else found[:NEWEST])
    rows = [(row, words.STATES[row.state], REASONS.get(row.reason, row.reason)) for row in page.object_list]
    counts = queries.inbox_counts(_here(request))
    tabs = [(key, label, counts.get(key)) for key, label in TABS.items()]
    context = {"page": page, "rows": rows, "which": which, "tabs": tabs, "facility": _here(request)}
    return render(request, "lab/inbox.html", context)


@desk("lab")
@require_GET
@never_cache
def message(request: HttpRequest, message_id: int) -> HttpResponse:
    """One message: why it waits, what it says, and what can be done with it."""
    row = queries.inbox(_here(request), "live").filter(pk=message_id).first()
    if not row:
        raise Http404
    raw = bytes(row.raw)
    read = inbox.reread(row)
    unknown = inbox.unknown_codes(row, read) if read else []
    context = {
        "row": row,
        "state": words.STATES[row.state],
        "reason": REASONS.get(row.reason, row.reason),
        "waits": row.waits,
        "unknown": [(analysers.code_of(code), code.text) for code in unknown],
        "teachable": row.state in OPEN,
        "code_form": CodeForm() if unknown else None,
        "read": read,
        "keys": sorted({key for order in (read.orders if read else []) for key in order.keys}),
        "raw": _lines(raw.decode("utf-8", "replace")[:_SHOWN]),
        "amends": row.state == Message.State.RANGE
        or row.reason == "already-released"
        or bool(row.tube and row.tube.stage == Tube.Stage.RELEASED),
    }
    return render(request, "lab/message.html", context)


def _lines(text: str) -> Iterable[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").split("\n")


def _with_message(
    request: HttpRequest, message_id: int, do: Callable[[], Message], done: str, waits: str = ""
) -> HttpResponse:
    """Do something with a message, and say so. waits: what is said when it waits still."""
    if not queries.inbox(_here(request), "live").filter(pk=message_id).exists():
        raise Http404
    try:
        row = do()
    except LabError as error:
        messages.error(request, str(error))
        return redirect("lab:message", message_id)
    if row.waits:
        messages.warning(request, waits or _("Bản tin vẫn chưa ghép được."))
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

    def do() -> Message:
        row, others = inbox.teach(asker(request), message_id, **form.cleaned_data)
        if others:
            told = ngettext("%(count)d bản tin khác cũng đã xong.", "%(count)d bản tin khác cũng đã xong.", others)
            messages.info(request, told % {"count": others})
        return row

    done = _("Đã ghi mã của máy và xử lý lại các bản tin chờ mã này.")
    waits = _("Đã ghi mã của máy. Bản tin còn chờ vì điều khác: xem bên dưới.")
    return _with_message(request, message_id, do, done, waits)


@desk("lab")
@require_POST
def aside(request: HttpRequest, message_id: int) -> HttpResponse:
    """Put the message aside."""
    reason = request.POST.get("reason", "")
    return _with_message(
        request, message_id, lambda: inbox.set_aside(asker(request), message_id, reason), _("Đã để riêng bản tin.")
    )
