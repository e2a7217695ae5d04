"""What is given to the patient, at the desk of imaging: a code to open at home, a file for a stick or a disc."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.imaging.errors import ImagingError
from tuetinh.care.imaging.handover import actions, showing
from tuetinh.care.imaging.handover.doors import Made, Terms, door
from tuetinh.care.imaging.handover.forms import GiveForm
from tuetinh.care.imaging.handover.models import Package
from tuetinh.care.imaging.models import Exam
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.documents.api import pdf, qr, qr_on_screen, respond_pdf
from tuetinh.commons.identity.api import banner

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

SHOWN = 20
CODE = frozenset("abcdefghjkmnpqrstuvwxyz23456789")


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def hand_over(request: HttpRequest, exam_id: int) -> HttpResponse:
    """What of an examination was given, and what can be; make a code by POST, which is shown once."""
    exam = _owned(request, exam_id)
    form = GiveForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        terms = Terms(form.cleaned_data["days"], form.cleaned_data["most"])
        try:
            made = door().give(asker(request), cast("Account", request.user), exam.order, exam.patient, terms)
        except ImagingError as error:
            form.add_error(None, str(error))
        else:
            return _made_page(request, exam, made, terms)
    me = asker(request)
    packages = exam.packages.exclude(state=Package.State.EXPIRED).order_by("-pk")[:SHOWN]
    context = {
        "exam": exam,
        "banner": banner(me, exam.patient),
        "form": form,
        "given": door().given(exam.order)[:SHOWN],
        "packages": packages,
        "running": any(one.state == Package.State.WAITING for one in packages),
        "pictures": showing.studies_of(me, exam).exists(),
        "signed": exam.stage == Exam.Stage.REPORTED,
    }
    return render(request, "imaging/handover.html", context, status=422 if form.errors else 200)


def _owned(request: HttpRequest, exam_id: int) -> Exam:
    exam = Exam.objects.filter(pk=exam_id, facility=asker(request).facility).first()
    if exam is None:
        raise Http404
    return exam


def _made_page(request: HttpRequest, exam: Exam, made: Made, terms: Terms) -> HttpResponse:
    link = request.build_absolute_uri(made.path)
    context = {
        "exam": exam,
        "banner": banner(asker(request), exam.patient),
        "made": made,
        "terms": terms,
        "link": link,
        "code": _grouped(made.code),
        "qr": mark_safe(qr_on_screen(link)),  # noqa: S308 - drawn here, of our own link
    }
    return render(request, "imaging/handover_made.html", context)


def _grouped(code: str) -> str:
    """In groups of four, to be read and typed."""
    return " ".join(code[at : at + 4] for at in range(0, len(code), 4))


@desk("imaging")
@require_POST
@never_cache
def slip(request: HttpRequest, exam_id: int, given_id: int) -> HttpResponse:
    """The paper with the code that was just made, which the page sends along: nobody else knows it any more."""
    exam = _owned(request, exam_id)
    one = next((given for given in door().given(exam.order) if given.id == given_id), None)
    link = request.POST.get("link", "")
    if one is None or not link.startswith(request.build_absolute_uri("/")) or not set(link.rpartition("#")[2]) <= CODE:
        raise Http404
    person = banner(asker(request), exam.patient)
    address, _hash, code = link.rpartition("#")
    data = {
        "facility": {"name": place_name("Organization", exam.facility)},
        "name": person.name,
        "number": exam.accession_number,
        "service": exam.description,
        "until": one.until,
        "most": one.most,
        "link": address,
        "code": _grouped(code),
        "scan": qr(link),
    }
    return respond_pdf(request, pdf("imaging/handover.typ", data, "A5"), f"xem-anh-{exam.accession_number}")


@desk("imaging")
@require_POST
def take_back(request: HttpRequest, exam_id: int, given_id: int) -> HttpResponse:
    """End a code."""
    exam = _owned(request, exam_id)
    if not door().take_back(asker(request), exam.order, given_id):
        raise Http404
    messages.success(request, _("Đã thu lại. Không ai mở được bằng mã đó nữa."))
    return redirect("imaging:hand-over", exam.pk)


@desk("imaging")
@require_POST
def pack(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Have a file made (`kind`: zip or iso)."""
    exam = _owned(request, exam_id)
    try:
        actions.ask(asker(request), exam, request.POST.get("kind", ""))
    except ImagingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đang chuẩn bị tệp. Có thể rời trang này."))
    return redirect("imaging:hand-over", exam.pk)


@desk("imaging")
@require_GET
@never_cache
def package(request: HttpRequest, exam_id: int, package_id: int) -> HttpResponseBase:
    """Fetch a file."""
    exam = _owned(request, exam_id)
    one = exam.packages.select_related("exam").filter(pk=package_id).first()
    if one is None:
        raise Http404
    try:
        place = actions.take(asker(request), one)
    except ImagingError as error:
        messages.error(request, str(error))
        return redirect("imaging:hand-over", exam.pk)
    answer = FileResponse(place.open("rb"), as_attachment=True, filename=f"anh-{exam.accession_number}.{one.kind}")
    answer["Cache-Control"] = "private, no-store"
    return answer
