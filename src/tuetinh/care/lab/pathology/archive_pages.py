"""Pages of the archive and what is printed: labels of blocks and slides, the report."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.lab.barcode import code128_svg
from tuetinh.care.lab.errors import LabError
from tuetinh.care.lab.pathology import facts, queries, reports
from tuetinh.care.lab.pathology.models import PathologyCase, PathologyPiece
from tuetinh.care.lab.pathology.tables import morphology, services
from tuetinh.care.lab.prints import label_of, written_day
from tuetinh.care.lab.samples import zpl
from tuetinh.commons.access.api import asker, desk, owner_names, place_name
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate
from tuetinh.record import api as record


@desk("lab")
@require_GET
@never_cache
def archive(request: HttpRequest) -> HttpResponse:
    """Blocks and slides with their places, and what is lent out."""
    me, text = asker(request), request.GET.get("q", "").strip()
    lent = request.GET.get("list") == "lent"
    page = paginate(request, queries.archive(me.facility, text[:60], lent=lent))
    context = {"page": page, "rows": page.object_list, "q": text, "lent": lent}
    return render(request, "lab/pathology_archive.html", context)


def _piece(request: HttpRequest, piece_id: int) -> PathologyPiece:
    rows = PathologyPiece.objects.filter(pk=piece_id, case__facility=asker(request).facility)
    found = rows.select_related("case").first()
    if not found or not found.case.number:
        raise Http404
    return found


@desk("lab")
@require_POST
def move(request: HttpRequest, piece_id: int, step: str) -> HttpResponse:
    """Keep at a place, lend or take back."""
    me, found, told = asker(request), _piece(request, piece_id), request.POST
    steps: dict[str, tuple[Callable[[], object], str]] = {
        "keep": (lambda: reports.keep_at(me, piece_id, told.get("place", "")), _("Đã ghi nơi lưu.")),
        "lend": (
            lambda: reports.lend(me, piece_id, told.get("borrower", ""), told.get("purpose", "")),
            _("Đã ghi cho mượn."),
        ),
        "back": (lambda: reports.take_back(me, piece_id), _("Đã nhận lại.")),
    }  # fmt: skip
    if step not in steps:
        raise Http404
    do, done = steps[step]
    try:
        do()
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    query = urlencode({"q": f"{found.case.number}-{found.label}"})
    return redirect(f"{reverse('lab:pathology-archive')}?{query}")


@desk("lab")
@require_GET
def label_zpl(request: HttpRequest, piece_id: int) -> HttpResponse:
    """The label of a part, block or slide for a thermal printer, with DataMatrix."""
    found = _piece(request, piece_id)
    about = banner(asker(request), found.case.patient)
    number = f"{found.case.number}-{found.label}"
    text = zpl.label(number=number, name=about.name, about=about.birth[:4], tests=found.what, urgent=found.case.urgent)
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="nhan-{number}.zpl"'
    return response


@desk("lab")
@require_GET
def label_pdf(request: HttpRequest, piece_id: int) -> HttpResponse:
    """The same label, 50 × 30 mm."""
    found = _piece(request, piece_id)
    about = banner(asker(request), found.case.patient)
    number = f"{found.case.number}-{found.label}"
    paper = label_of(number=number, name=about.name, about=about.birth[:4], tests=found.what, urgent=found.case.urgent)
    return respond_pdf(request, paper, f"nhan-{number}.pdf")


@desk("lab", "doctor", "nurse")
@require_GET
def report(request: HttpRequest, case_id: int) -> HttpResponse:
    """The signed report on paper."""
    me = asker(request)
    case = PathologyCase.objects.filter(pk=case_id, facility=me.facility, stage="signed").first()
    made = reports.current(me, case) if case else None
    if not case or not made:
        raise Http404
    about, sections = banner(me, case.patient), reports.sections(me, case)
    asked = record.read_many(me, "ServiceRequest", [case.request]).get(case.request)
    code = facts.code_of(made)
    data = {
        "facility": {"name": place_name("Organization", case.facility)},
        "patient": {"name": about.name, "number": about.number, "sex": about.sex, "birth": written_day(about.birth)},
        "number": case.number, "barcode": code128_svg(case.number or ""), "service": services()[case.service].names[0],
        "clinical": next((note.text for note in getattr(asked, "note", None) or []), ""),
        "parts": [f"{piece.label}: {piece.what}" for piece in case.pieces.filter(level="part").order_by("label")],
        "received": case.received_at, "signed": case.signed_at, "status": made.status,
        "signer": owner_names({case.signed_by}, ())[0].get(case.signed_by, ""),
        "sections": [
            {
                "name": (one.code.text if one.code else None) or "", "text": one.valueString or "",
                "notes": [note.text or "" for note in one.note or []],
            }
            for one in sections.values()
        ],
        "code": f"{code} {morphology().get(code, '')}".strip() if code else "",
    }  # fmt: skip
    return respond_pdf(request, pdf("lab/pathology_report.typ", data, "A4"), f"giai-phau-benh-{case.number}.pdf")
