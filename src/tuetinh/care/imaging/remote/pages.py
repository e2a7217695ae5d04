"""Pages of pictures at a distance: looking at them by the server's drawings, questions about them, what is sent."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.imaging import reports
from tuetinh.care.imaging.ai import queries as ai
from tuetinh.care.imaging.errors import ImagingError
from tuetinh.care.imaging.models import Exam, Opinion, Sending
from tuetinh.care.imaging.reading import keys
from tuetinh.care.imaging.reading.queries import case_of
from tuetinh.care.imaging.remote import looking, opinions, sending
from tuetinh.care.imaging.remote.forms import QuestionForm
from tuetinh.care.imaging.viewer.queries import Look, number_in
from tuetinh.care.imaging.viewer.queries import opened as opened_studies
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.errors import Gone, NotFound
from tuetinh.record.text import concept_text

TABS = {
    "received": gettext_lazy("Hỏi chúng tôi"),
    "asked": gettext_lazy("Chúng tôi hỏi"),
    "closed": gettext_lazy("Đã kết thúc"),
}
PARTIES = ("doctor", "imaging", "station")


@desk("doctor", "nurse", "imaging", "station", "archivist")
@require_GET
@never_cache
def look(request: HttpRequest) -> HttpResponse:
    """Look at studies of one person (`?studies=`): for a reading (`?exam=`), or together (`?opinion=`)."""
    me = asker(request)
    studies = opened_studies(me, request.GET.get("studies", "").split(","))
    if not studies:
        raise Http404
    exam = _exam(me, request.GET.get("exam", ""))
    opinion = opinions.find_open(me, request.GET.get("opinion", ""))
    viewer = Look(tuple(one.study_instance_uid for one in studies)).url
    chosen = [[one.instance, one.frame] for one in keys.chosen(case_of(exam))] if exam else []
    context = {
        "studies": ",".join(one.study_instance_uid for one in studies),
        "viewer": f"{viewer}&opinion={opinion.pk}" if opinion else viewer,
        "series": looking.series(me, studies),
        "exam": exam,
        "suggestions": ai.beside(me, studies),
        "judges": reports.may_report(me),
        "keys": chosen,
        "opinion": opinion,
        "asks": me.role in PARTIES and bool(me.facility),
        "sends": me.role in sending.SENDS and sending.upstream() is not None,
        "banner": banner(me, studies[0].patient) if studies[0].patient else None,
    }
    return render(request, "imaging/quick.html", context)


def _exam(me: Asker, asked: str) -> Exam | None:
    """The examination that is read while its pictures are looked at."""
    number = number_in(asked)
    if number is None or me.role != "imaging":
        return None
    rows = Exam.objects.filter(pk=number, facility=me.facility, stage__in=reports.READ)
    return rows.select_related("case").first()


@desk(*PARTIES)
@require_GET
@never_cache
def opinion_list(request: HttpRequest) -> HttpResponse:
    """Questions about pictures (`?list=`): to us, from us, ended."""
    me = asker(request)
    which = request.GET.get("list", "")
    which = which if which in TABS else ("received" if me.role in opinions.ANSWER else "asked")
    page = paginate(request, opinions.visible(me, which))
    rows = list(page.object_list)
    recent = opinions.recent(me) if which == "asked" else []
    names = names_of(me, {one.patient for one in rows} | {str(one.patient) for one in recent})
    told = {key: opinions.visible(me, key).count() for key in ("received", "asked")}
    context = {
        "page": page,
        "rows": [(one, names.get(one.patient, ""), *_sides(one)) for one in rows],
        "tabs": [(key, label, told.get(key)) for key, label in TABS.items()],
        "recent": [(one, names.get(str(one.patient), ""), Look((one.study_instance_uid,))) for one in recent],
        "which": which,
        "facility": me.facility,
        "now": timezone.now(),
    }
    return render(request, "imaging/opinions.html", context)


def _sides(row: Opinion) -> tuple[str, str]:
    """Where a question comes from, and where it went."""
    return place_name("Organization", row.facility), place_name("Organization", row.to_facility)


@desk(*PARTIES)
@require_http_methods(["GET", "POST"])
@never_cache
def new_opinion(request: HttpRequest) -> HttpResponse:
    """Ask about studies of one person (`?studies=`)."""
    me = asker(request)
    studies = opened_studies(me, request.GET.get("studies", "").split(","))
    if not studies or not studies[0].patient:
        raise Http404
    form = QuestionForm(me, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = opinions.ask(me, [one.study_instance_uid for one in studies], form.question())
        except ImagingError as error:
            form.add_error(None, str(error))
        else:
            if sending.upstream() is not None:
                for one in studies:
                    sending.send(me, one.study_instance_uid)
            messages.success(request, _("Đã gửi câu hỏi."))
            return redirect("imaging:opinion", row.pk)
    context = {
        "form": form,
        "studies": studies,
        "look": Look(tuple(one.study_instance_uid for one in studies)),
        "banner": banner(me, studies[0].patient),
    }
    return render(request, "imaging/new_opinion.html", context, status=422 if request.method == "POST" else 200)


def _found(request: HttpRequest, opinion_id: int) -> Opinion:
    row = opinions.find(asker(request), opinion_id)
    if row is None:
        raise Http404
    return row


@desk(*PARTIES)
@require_GET
@never_cache
def opinion(request: HttpRequest, opinion_id: int) -> HttpResponse:
    """One question: its pictures, what bears on it in the record, the answer, and when what happened."""
    return _page(request, _found(request, opinion_id))


def _page(request: HttpRequest, row: Opinion, error: str = "", typed: str = "") -> HttpResponse:
    me = asker(request)
    studies = opinions.studies(me, row) if row.closed_at is None or opinions.has_asked(me, row) else []
    from_, to = _sides(row)
    people = {row.asked_by, row.opened_by, row.answered_by, row.to_account}
    said = opinions.words(me, row)
    context = {
        "row": row,
        "from": from_,
        "to": to,
        "names": _names(people),
        "said": said,
        "typed": typed or said.answer,
        "studies": studies,
        "look": Look(tuple(one.study_instance_uid for one in studies)) if studies else None,
        "banner": _banner(me, row.patient) if studies else None,
        "known": _known(me, row.patient) if studies else {},
        "answers": opinions.is_asked(me, row) and row.closed_at is None,
        "closes": opinions.has_asked(me, row) and row.closed_at is None,
        "facility": me.facility,
        "now": timezone.now(),
        "error": error,
    }
    return render(request, "imaging/opinion.html", context, status=422 if error else 200)


def _banner(me: Asker, patient: str) -> Any:
    try:
        return banner(me, patient)
    except (NotFound, Gone):
        return None


def _names(accounts: set[str]) -> dict[str, str]:
    ids = {int(one) for one in accounts if one.isdigit()}
    rows = get_user_model().objects.filter(pk__in=ids).values_list("pk", "full_name")
    return {str(pk): name for pk, name in rows}


def _known(me: Asker, patient: str) -> dict[str, list[str]]:
    """What bears on pictures in the record, as far as the asker sees it: diagnoses, and earlier readings."""
    about = f"patient=Patient/{patient}"
    conditions = record.search(me, "Condition", f"{about}&_count=50&_sort=-recorded-date").resources
    reports_ = record.search(me, "DiagnosticReport", f"{about}&_count=10&_sort=-issued&category=RAD").resources
    told = dict.fromkeys(concept_text(one.code) for one in conditions if isinstance(one, r4.Condition))
    return {
        "conditions": list(told)[:10],
        "reports": [
            f"{concept_text(one.code)}: {one.conclusion}"
            for one in reports_
            if isinstance(one, r4.DiagnosticReport) and one.conclusion and one.status != "preliminary"
        ],
    }


@desk("doctor", "imaging")
@require_POST
def answer(request: HttpRequest, opinion_id: int) -> HttpResponse:
    """Answer; it is in the person's record, and on the page of who asked."""
    row, text = _found(request, opinion_id), request.POST.get("text", "")
    try:
        opinions.answer(asker(request), row.pk, text)
    except ImagingError as error:
        return _page(request, row, str(error), text)
    messages.success(request, _("Đã trả lời."))
    return redirect("imaging:opinion", row.pk)


@desk(*PARTIES)
@require_POST
def close_opinion(request: HttpRequest, opinion_id: int) -> HttpResponse:
    """End the question; whom it asked sees the record no more."""
    row = _found(request, opinion_id)
    try:
        opinions.close(asker(request), row.pk)
    except ImagingError as error:
        return _page(request, row, str(error))
    messages.success(request, _("Đã kết thúc; nơi được hỏi không còn xem được hồ sơ."))
    return redirect("imaging:opinions")


@desk("doctor", "imaging", "station")
@require_GET
@never_cache
def sending_list(request: HttpRequest) -> HttpResponse:
    """Studies on their way to the node above, and how far they are."""
    me = asker(request)
    rows = Sending.objects.filter(facility=me.facility).select_related("device")
    page = paginate(request, rows.order_by("done_at", "-asked_at", "-pk"))
    context = {
        "page": page,
        "rows": sending.lines(me, list(page.object_list)),
        "upstream": sending.upstream(),
        "facility": me.facility,
    }
    return render(request, "imaging/sending.html", context)


@desk("doctor", "imaging", "station")
@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """Send studies (`studies`) to a machine (`device`) or the node above, or try again at once."""
    me, device = asker(request), number_in(request.POST.get("device", ""))
    studies = opened_studies(me, request.POST.get("studies", "").split(","))
    if not studies:
        raise Http404
    try:
        for one in studies:
            sending.send(me, one.study_instance_uid, device)
    except ImagingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã xếp hàng gửi; mất mạng thì gửi tiếp khi có lại."))
    return redirect("imaging:sending")
