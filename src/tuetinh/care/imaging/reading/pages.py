"""Pages of the reading room: what waits, one reading, the board, calls, peers, and who reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.imaging import grouped, reports
from tuetinh.care.imaging import queries as exams
from tuetinh.care.imaging.ai import queries as ai
from tuetinh.care.imaging.errors import ImagingError
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.reading import board as boards
from tuetinh.care.imaging.reading import claims, keys, peers, queries, readers, structured, work
from tuetinh.care.imaging.reading.models import PeerReview, Reader
from tuetinh.care.imaging.reading.tables import REGIONS, targets
from tuetinh.care.imaging.reading.work import Typed
from tuetinh.care.imaging.viewer.queries import looks, number_in
from tuetinh.commons.access.api import asker, desk, fresh
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate
from tuetinh.record.asker import Asker

TABS = {
    "first": gettext_lazy("Chờ đọc"),
    "second": gettext_lazy("Chờ đọc lần hai"),
    "mine": gettext_lazy("Tôi đang đọc"),
}
MODALITIES = tuple(modality for modality, _target in targets() if modality)


def _asked(told: Any) -> tuple[str, str, str]:
    """List, modality and region of the worklist that are asked for; of those that there are."""
    which, modality, region = (str(told.get(name, "")) for name in ("list", "modality", "region"))
    return which if which in TABS else "first", modality[:16], region if region in REGIONS else ""


@desk("imaging")
@require_GET
@never_cache
def worklist(request: HttpRequest) -> HttpResponse:
    """What is to be read (`?list=`, `?modality=`, `?region=`): emergencies first, then who waits longest."""
    me = asker(request)
    which, modality, region = _asked(request.GET)
    rights = readers.rights(me)
    page = paginate(request, queries.unread(me, which, modality, region))
    lines = {line.exam.pk: line for line in exams.lines(me, [one.exam for one in page.object_list])}
    who = _names(one.case.reader for one in page.object_list if one.case and not one.is_free)
    context = {
        "page": page,
        "rows": [
            (one, lines[one.exam.pk], who.get(one.case.reader, "") if one.case else "") for one in page.object_list
        ],
        "tabs": [(key, label, len(queries.unread(me, key))) for key, label in TABS.items()],
        "which": which,
        "modality": modality,
        "region": region,
        "modalities": MODALITIES,
        "regions": REGIONS.items(),
        "rights": rights,
        "facility": me.facility,
    }
    return render(request, "imaging/read.html", context)


def _names(accounts: Any) -> dict[str, str]:
    """The names of accounts by their ids."""
    ids = {int(one) for one in accounts if one.isdigit()}
    return {str(pk): name for pk, name in get_user_model().objects.filter(pk__in=ids).values_list("pk", "full_name")}


@desk("imaging")
@require_POST
def take_next(request: HttpRequest) -> HttpResponse:
    """Take the next examination of the list that is shown, which nobody else gets then."""
    which, modality, region = _asked(request.POST)
    back = f"{reverse('imaging:read')}?{urlencode({'list': which, 'modality': modality, 'region': region})}"
    try:
        exam = claims.take_next(asker(request), which if which != "mine" else "first", modality, region)
    except ImagingError as error:
        messages.error(request, str(error))
        return redirect(back)
    if exam is None:
        messages.info(request, _("Không còn ca nào chờ."))
        return redirect(back)
    return redirect("imaging:reading", exam.pk)


def _owned(request: HttpRequest, exam_id: int) -> Exam:
    rows = Exam.objects.filter(pk=exam_id, facility=asker(request).facility, stage__in=reports.READ)
    exam = rows.select_related("device", "case").first()
    if exam is None:
        raise Http404
    return exam


@desk("imaging")
@require_GET
@never_cache
def reading(request: HttpRequest, exam_id: int) -> HttpResponse:
    """One reading: pictures, what was pictured and measured, words or fields (`?template=`), and the next step."""
    return _page(request, _owned(request, exam_id))


def _page(request: HttpRequest, exam: Exam, error: str = "", typed: Typed | None = None) -> HttpResponse:
    me = asker(request)
    case = queries.case_of(exam)
    look = looks(me, {exam.order}).get(exam.order)
    known = reports.reading_of(me, exam)
    said = typed or _kept(exam, known, request.GET.get("template", ""))
    form = structured.form(said.template)
    free = queries.is_free(case, me.account)
    context = {
        "exam": exam,
        "mates": grouped.mates(exam),
        "case": case,
        "banner": banner(me, exam.patient),
        "asked": exams.asked(me, exam),
        "look": look,
        "known": known,
        "typed": said,
        "forms": structured.forms(exam.modality),
        "templates": reports.templates(exam.modality),
        "form": form,
        "fields": [(one, said.fields.get(f"f-{one.key}", "")) for one in form.fields] if form else [],
        "priors": queries.priors(me, exam, look.url if look else ""),
        "measured": queries.measured(me, exam),
        "keys": keys.chosen(case),
        "suggestions": ai.beside(me, queries.studies(me, exam)),
        "judges": True,
        "rights": readers.rights(me),
        "reader": "" if free or case is None else _names([case.reader]).get(case.reader, ""),
        "free": free,
        "to_call": bool(case and case.finding_at and not case.called_at),
        "error": error,
    }
    return render(request, "imaging/reading.html", context, status=422 if error else 200)


def _kept(exam: Exam, known: reports.Reading, wanted: str) -> Typed:
    """What was kept of a reading, begun with a template in words or in fields where nothing was."""
    case = queries.case_of(exam)
    chosen = next((one for one in reports.templates(exam.modality) if one.key == wanted), None)
    if chosen and not known.findings:
        return Typed(chosen.findings, chosen.conclusion)
    form = structured.form(wanted)
    answers = {f"f-{key}": value for key, value in case.answers.items()} if case else {}
    key = form.key if form and form.modality == exam.modality else case.template if case else ""
    return Typed(known.findings, known.conclusion, key, answers)


def _typed(request: HttpRequest) -> Typed:
    told = request.POST
    fields = {name: str(value) for name, value in told.items() if name.startswith("f-")}
    return Typed(
        told.get("findings", "")[:20_000], told.get("conclusion", "")[:5_000], told.get("template", "")[:40], fields
    )


def _do(request: HttpRequest, exam_id: int, do: Callable[[Asker, Typed], object], said: str) -> HttpResponse:
    exam, typed = _owned(request, exam_id), _typed(request)
    try:
        do(asker(request), typed)
    except ImagingError as error:
        return _page(request, exam, str(error), typed if "findings" in request.POST else None)
    messages.success(request, said)
    return redirect("imaging:reading", exam_id)


@desk("imaging")
@require_POST
def take(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Take this examination."""
    return _do(request, exam_id, lambda me, _typed: claims.take(me, exam_id), _("Bạn đang đọc ca này."))


@desk("imaging")
@require_POST
def release(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Give the examination back to the list."""
    claims.release(asker(request), _owned(request, exam_id).pk)
    return redirect("imaging:read")


@desk("imaging")
@require_POST
def keep(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Keep a draft."""
    return _do(request, exam_id, lambda me, typed: work.keep(me, exam_id, typed), _("Đã ghi nháp."))


@desk("imaging")
@require_POST
def compose(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Make the words from the fields."""
    return _do(request, exam_id, lambda me, typed: work.compose(me, exam_id, typed), _("Đã ghép mô tả từ các mục."))


@desk("imaging")
@require_POST
def hand_over(request: HttpRequest, exam_id: int) -> HttpResponse:
    """End the first reading."""
    said = _("Đã chuyển đọc lần hai; bác sĩ lâm sàng thấy bản sơ bộ.")
    return _do(request, exam_id, lambda me, typed: work.hand_over(me, exam_id, typed), said)


@desk("imaging")
@require_POST
def give_back(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Give a first reading back."""
    why = request.POST.get("note", "")
    return _do(request, exam_id, lambda me, _typed: work.give_back(me, exam_id, why), _("Đã trả lại để đọc lại."))


@desk("imaging")
@fresh("sign")
@require_POST
def sign(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Sign the reading; it is given out from now on."""
    why = request.POST.get("why", "")[:500]
    also = {number for one in request.POST.getlist("also") if (number := number_in(one)) is not None}
    said = _("Đã ký và trả kết quả.")
    return _do(request, exam_id, lambda me, typed: work.sign(me, exam_id, typed, why, also), said)


@desk("imaging")
@require_POST
def choose(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Choose a key image, or let it go: of the page of pictures, which is told; else back to the reading."""
    told, frame = request.POST, request.POST.get("frame", "1")
    frame = int(frame) if frame.isdigit() and len(frame) < 6 else 1
    exam = _owned(request, exam_id)
    try:
        chosen = work.choose(asker(request), exam.pk, told.get("instance", "")[:64], frame)
    except ImagingError as error:
        return JsonResponse({"error": str(error)}, status=422)
    return redirect("imaging:reading", exam_id) if "back" in told else JsonResponse({"chosen": chosen})


@desk("imaging")
@require_POST
def tell(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Note a finding that somebody must be called about."""
    finding = request.POST.get("finding", "")
    said = _("Đã ghi dấu hiệu phải báo ngay; ca nằm trong danh sách phải gọi đến khi có người đọc lại.")
    return _do(request, exam_id, lambda me, _typed: work.tell(me, exam_id, finding), said)


@desk("imaging")
@require_POST
def call(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Log a call about it."""
    told, answered = request.POST.get("told", ""), request.POST.get("answered") != "no"
    read_back = request.POST.get("read_back") == "yes"
    return _do(
        request,
        exam_id,
        lambda me, _typed: work.log_call(me, exam_id, told, answered=answered, read_back=read_back),
        _("Đã ghi sổ báo."),
    )


@desk("imaging")
@require_GET
@never_cache
def board(request: HttpRequest) -> HttpResponse:
    """The live board: calls that are due, what is late, the modalities today."""
    me = asker(request)
    due, late = list(boards.to_call(me.facility)[: boards.SHOWN]), boards.late(me.facility)
    names = names_of(me, {exam.patient for exam in due} | {exam.patient for exam, _minutes in late})
    context = {
        "calls": [(exam, names.get(exam.patient, "")) for exam in due],
        "late": [(exam, names.get(exam.patient, ""), minutes) for exam, minutes in late],
        "today": boards.today(me.facility),
        "facility": me.facility,
    }
    return render(request, "imaging/board.html", context)


@desk("imaging")
@require_GET
@never_cache
def calls(request: HttpRequest) -> HttpResponse:
    """Who was called about urgent findings, and who is still to be called."""
    me = asker(request)
    due = list(boards.to_call(me.facility)[: boards.SHOWN])
    page = paginate(request, boards.calls(me))
    names = names_of(me, {exam.patient for exam in due} | {one.patient for one in page.object_list})
    context = {
        "waiting": [(exam, names.get(exam.patient, "")) for exam in due],
        "page": page,
        "rows": [(one, names.get(one.patient, "")) for one in page.object_list],
    }
    return render(request, "imaging/calls.html", context)


@desk("imaging")
@require_GET
@never_cache
def peer_list(request: HttpRequest) -> HttpResponse:
    """How many readings wait for a peer, and what peers have found, by modality."""
    me = asker(request)
    context = {"waiting": peers.waiting(me).count(), "rows": peers.tally(me.facility), "scores": peers.SCORES.items()}
    return render(request, "imaging/peers.html", context)


@desk("imaging")
@require_POST
def peer_next(request: HttpRequest) -> HttpResponse:
    """Take the next reading to judge."""
    try:
        row = peers.take_next(asker(request))
    except ImagingError as error:
        messages.error(request, str(error))
        return redirect("imaging:peers")
    if row is None:
        messages.info(request, _("Không còn bản đọc nào chờ."))
        return redirect("imaging:peers")
    return redirect("imaging:peer", row.pk)


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def peer(request: HttpRequest, review_id: int) -> HttpResponse:
    """One reading to judge: its pictures and its words, not whose they are."""
    me = asker(request)
    rows = PeerReview.objects.filter(pk=review_id, facility=me.facility, reviewer=me.account, done_at=None)
    row = rows.select_related("exam", "exam__case").first()
    if row is None:
        raise Http404
    error = ""
    if request.method == "POST":
        score = request.POST.get("score", "")
        told = {"comment": request.POST.get("comment", ""), "matters": request.POST.get("matters") == "1"}
        try:
            peers.judge(me, row.pk, int(score) if score.isdigit() and len(score) < 3 else 0, **told)
        except ImagingError as refused:
            error = str(refused)
        else:
            messages.success(request, _("Đã ghi nhận xét."))
            return redirect("imaging:peers")
    exam = row.exam
    context = {
        "row": row,
        "exam": exam,
        "asked": exams.asked(me, exam),
        "look": looks(me, {exam.order}).get(exam.order),
        "known": reports.reading_of(me, exam),
        "scores": peers.SCORES.items(),
        "error": error,
    }
    return render(request, "imaging/peer.html", context, status=422 if error else 200)


@desk("admin", at="facility")
@require_http_methods(["GET", "POST"])
@never_cache
def reader_list(request: HttpRequest) -> HttpResponse:
    """Who reads what for the administrator's facility, and how many signed readings a peer reads again."""
    me = asker(request)
    staff = list(readers.staff(me.facility))
    error = ""
    if request.method == "POST":
        percent = request.POST.get("reviewed", "")
        try:
            wanted = [_reader(request, str(one.pk)) for one in staff if request.POST.get(f"level-{one.pk}")]
            readers.name_readers(me, wanted, int(percent) if percent.isdigit() and len(percent) < 4 else 0)
        except ImagingError as refused:
            error = str(refused)
        else:
            messages.success(request, _("Đã ghi người đọc phim."))
            return redirect("imaging:readers")
    known = {row.account: row for row in Reader.objects.filter(facility=me.facility)}
    context = {
        "rows": [(one, known.get(str(one.pk))) for one in staff],
        "reviewed": readers.reviewed_percent(me.facility),
        "modalities": MODALITIES,
        "regions": REGIONS.items(),
        "error": error,
    }
    return render(request, "imaging/readers.html", context, status=422 if error else 200)


def _reader(request: HttpRequest, account: str) -> Reader:
    told = request.POST
    senior = told.get(f"level-{account}") == Reader.Level.SENIOR
    return Reader(
        account=account,
        level=Reader.Level.SENIOR if senior else Reader.Level.RESIDENT,
        modalities=[one for one in told.getlist(f"modality-{account}") if one in MODALITIES],
        regions=told.getlist(f"region-{account}"),
    )
