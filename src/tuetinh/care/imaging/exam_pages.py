"""The desk of the technician and the radiologist: the worklist, one examination, its reading and report."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.imaging import actions, queries, reports
from tuetinh.care.imaging.dose.queries import of_exam as doses_of
from tuetinh.care.imaging.errors import ImagingError
from tuetinh.care.imaging.forms import PlanForm
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.rooms.queries import booking_of, protocol_of, rooms_for
from tuetinh.care.imaging.safety.checks import states
from tuetinh.care.imaging.viewer.queries import looks
from tuetinh.commons.access.api import asker, desk, fresh
from tuetinh.commons.documents.api import respond_pdf
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate

TABS = {
    "waiting": gettext_lazy("Chờ chụp"),
    "started": gettext_lazy("Đang chụp"),
    "done": gettext_lazy("Chờ đọc"),
    "reported": gettext_lazy("Đã trả"),
}
STAGES = {
    "ordered": (gettext_lazy("Chờ chụp"), "clock"),
    "scheduled": (gettext_lazy("Đã hẹn"), "calendar"),
    "started": (gettext_lazy("Đang chụp"), "player-play"),
    "done": (gettext_lazy("Chờ đọc"), "eye"),
    "reported": (gettext_lazy("Đã trả"), "check"),
    "cancelled": (gettext_lazy("Đã hủy"), "ban"),
}


@desk("imaging")
@require_GET
@never_cache
def worklist(request: HttpRequest) -> HttpResponse:
    """Examinations by what is to do with them (`?list=`), of one modality (`?modality=`)."""
    me = asker(request)
    which = request.GET.get("list", "waiting")
    which = which if which in TABS else "waiting"
    modality = request.GET.get("modality", "")[:16]
    page = paginate(request, queries.worklist(me.facility, which, modality))
    told = queries.counts(me.facility)
    context = {
        "page": page,
        "rows": [(line, *STAGES[line.exam.stage]) for line in queries.lines(me, list(page.object_list))],
        "tabs": [(key, label, told.get(key)) for key, label in TABS.items()],
        "which": which,
        "modality": modality,
        "facility": me.facility,
    }
    return render(request, "imaging/worklist.html", context)


def _owned(request: HttpRequest, exam_id: int) -> Exam:
    exam = Exam.objects.filter(pk=exam_id, facility=asker(request).facility).select_related("device").first()
    if exam is None:
        raise Http404
    return exam


@desk("imaging")
@require_GET
@never_cache
def exam(request: HttpRequest, exam_id: int) -> HttpResponse:
    """One examination: its person, its pictures, its reading (`?template=` begins one), and the next step."""
    return _exam_page(request, _owned(request, exam_id))


def _exam_page(
    request: HttpRequest,
    row: Exam,
    *,
    error: str = "",
    typed: reports.Reading | None = None,
    plan: PlanForm | None = None,
) -> HttpResponse:
    me = asker(request)
    known = typed or reports.reading_of(me, row)
    chosen = next((one for one in reports.templates(row.modality) if one.key == request.GET.get("template")), None)
    if chosen and not known.findings:
        known = reports.Reading(chosen.findings, chosen.conclusion, known.status)
    stage, icon = STAGES[row.stage]
    protocol = protocol_of(row)
    context = {
        "exam": row,
        "stage": stage,
        "icon": icon,
        "banner": banner(me, row.patient),
        "asked": queries.asked(me, row),
        "pictures": queries.pictures(me, row),
        "look": looks(me, {row.order}).get(row.order),
        "reading": known,
        "templates": reports.templates(row.modality),
        "reads": row.stage in reports.READ,
        "plan": plan or PlanForm(me.facility, initial={"device": row.device_id, "at": row.scheduled_at}),
        "error": error,
        "booking": booking_of(row),
        "rooms": rooms_for(row, protocol),
        "protocol": protocol,
        "safety": states(me, [row]).get(row.pk, ""),
        "doses": doses_of(row),
    }
    return render(request, "imaging/exam.html", context, status=422 if error or (plan and plan.errors) else 200)


def _done(request: HttpRequest, exam_id: int, do: Callable[[], Exam], said: str) -> HttpResponse:
    row = _owned(request, exam_id)
    try:
        do()
    except ImagingError as error:
        return _exam_page(request, row, error=str(error))
    messages.success(request, said)
    return redirect("imaging:exam", row.pk)


@desk("imaging")
@require_POST
def plan(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Plan the examination on a machine at a time."""
    row, form = _owned(request, exam_id), PlanForm(asker(request).facility, request.POST)
    if not form.is_valid():
        return _exam_page(request, row, plan=form)
    device = int(form.cleaned_data["device"]) if form.cleaned_data["device"] else None
    at = form.cleaned_data["at"]
    return _done(request, exam_id, lambda: actions.schedule(asker(request), exam_id, device, at), _("Đã hẹn chụp."))


@desk("imaging")
@require_POST
def begin(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Begin the examination by hand."""
    return _done(request, exam_id, lambda: actions.begin(asker(request), exam_id), _("Bắt đầu chụp."))


@desk("imaging")
@require_POST
def finish(request: HttpRequest, exam_id: int) -> HttpResponse:
    """End the examination by hand."""
    return _done(request, exam_id, lambda: actions.finish(asker(request), exam_id), _("Đã chụp xong."))


def _typed(request: HttpRequest) -> tuple[str, str]:
    return request.POST.get("findings", "")[:20_000], request.POST.get("conclusion", "")[:5_000]


@desk("imaging")
@require_POST
def write(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Keep a draft of the reading."""
    told = _typed(request)
    return _reading(request, exam_id, lambda: reports.write(asker(request), exam_id, *told), _("Đã ghi nháp."))


@desk("imaging")
@fresh("sign")
@require_POST
def sign(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Sign the reading; it is given out from now on."""
    told, why = _typed(request), request.POST.get("why", "")[:500]
    return _reading(
        request, exam_id, lambda: reports.sign(asker(request), exam_id, *told, why=why), _("Đã ký và trả kết quả.")
    )


def _reading(request: HttpRequest, exam_id: int, do: Callable[[], Exam], said: str) -> HttpResponse:
    row = _owned(request, exam_id)
    try:
        do()
    except ImagingError as error:
        return _exam_page(request, row, error=str(error), typed=reports.Reading(*_typed(request)))
    messages.success(request, said)
    return redirect("imaging:exam", row.pk)


@desk("imaging")
@require_GET
def report(request: HttpRequest, exam_id: int) -> HttpResponse:
    """The report as PDF: what is signed, or the draft so far."""
    row = _owned(request, exam_id)
    known = reports.reading_of(asker(request), row)
    if not known.status:
        raise Http404
    return respond_pdf(request, reports.paper(asker(request), row, known), f"ket-qua-{row.accession_number}")
