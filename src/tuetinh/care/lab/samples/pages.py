"""Pages of specimens: drawing, labels, aliquots and storage, what goes to and comes from other laboratories."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab import queries, words
from tuetinh.care.lab.actions import HANOI, at_bench
from tuetinh.care.lab.barcode import code128_svg
from tuetinh.care.lab.errors import REFUSALS, LabError, NoTube
from tuetinh.care.lab.models import Shipment, Tube
from tuetinh.care.lab.samples import actions, zpl
from tuetinh.care.lab.samples import queries as samples
from tuetinh.care.lab.samples.zpl_preview import preview
from tuetinh.commons.access.api import asker, desk, place_name
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate

DRAWING = ("lab", "nurse", "station", "doctor")
LISTED = 100  # tubes to choose from, where nobody scans


@desk(*DRAWING)
@require_GET
@never_cache
def to_draw(request: HttpRequest) -> HttpResponse:
    """Whom to draw from, urgent first."""
    me = asker(request)
    page = paginate(request, samples.to_draw(me.facility))
    names = names_of(me, {row["patient"] for row in page.object_list})
    rows = [(row, names.get(row["patient"], "")) for row in page.object_list]
    return render(request, "lab/to_draw.html", {"rows": rows, "page": page, "facility": me.facility})


@desk(*DRAWING)
@require_http_methods(["GET", "POST"])
@never_cache
def draw(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """What to draw from the person of a visit, in the order of draw; POST notes that it was drawn."""
    me = asker(request)
    lines = samples.drawing(me, me.facility, encounter_id)
    if not lines:
        raise Http404
    error, status, second = "", 200, request.POST.get("second", "")
    if request.method == "POST":
        chosen = {line.tube.number for line in lines} & set(request.POST.getlist("number"))
        try:
            if chosen:
                actions.collect(me, sorted(chosen), second)
                messages.success(request, _("Đã ghi lấy mẫu."))
                return redirect("lab:to-draw")
            error, status = _("Chọn ít nhất một ống."), 422
        except LabError as refused:
            error, status = str(refused), 422
    context = {
        "lines": lines, "banner": banner(me, lines[0].tube.patient), "error": error, "second": second,
        "encounter": encounter_id,
    }  # fmt: skip
    return render(request, "lab/draw.html", context, status=status)


@desk(*DRAWING)
@require_GET
def zpl_label(request: HttpRequest, number: str) -> HttpResponse:
    """The label of a tube for a thermal printer."""
    tube = _tube(request, number)
    response = HttpResponse(_zpl(request, tube), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="nhan-{tube.number}.zpl"'
    return response


@desk(*DRAWING)
@require_GET
def zpl_preview(request: HttpRequest, number: str) -> HttpResponse:
    """What a thermal printer would draw of the label, with the way to its file and to the paper."""
    tube = _tube(request, number)
    drawn = mark_safe(preview(_zpl(request, tube)))  # noqa: S308 - our own drawing, its text escaped
    return render(request, "lab/zpl.html", {"tube": tube, "drawn": drawn})


def _zpl(request: HttpRequest, tube: Tube) -> str:
    me = asker(request)
    person, [line] = banner(me, tube.patient), queries.lines(me, [tube])
    about = " · ".join(filter(None, (person.sex, person.birth[:4])))
    return zpl.label(number=tube.number, name=person.name, about=about, tests=line.tests, urgent=tube.urgent)


def _tube(request: HttpRequest, number: str) -> Tube:
    found = Tube.objects.filter(facility=asker(request).facility, number=number).first()
    if not found:
        raise Http404
    return found


def _step(request: HttpRequest, number: str, do: Callable[[], Tube], done: str) -> HttpResponse:
    try:
        tube = do()
    except NoTube as error:
        raise Http404 from error
    except REFUSALS as error:
        messages.error(request, str(error))
        return redirect("lab:tube", number)
    messages.success(request, done)
    return redirect("lab:tube", tube.number)


@desk("lab")
@require_POST
def part(request: HttpRequest, number: str) -> HttpResponse:
    """Part an aliquot from a tube."""
    bench = request.POST.get("bench", "")
    done = _("Đã chia mẫu; in nhãn cho ống mới.")
    return _step(request, number, lambda: actions.part(asker(request), number, bench), done)


@desk("lab")
@require_POST
def store(request: HttpRequest, number: str) -> HttpResponse:
    """Note where a tube is kept."""
    place = request.POST.get("storage", "")
    return _step(request, number, lambda: actions.store(asker(request), number, place), _("Đã ghi nơi lưu mẫu."))


@desk("lab", "doctor", "nurse", "station")
@require_POST
def add(request: HttpRequest, number: str) -> HttpResponse:
    """Order further tests from a tube; back to the page of ours that asked (`back`)."""
    codes, back = request.POST.get("codes", "").split(), request.POST.get("back", "")
    shown = _step(request, number, lambda: actions.add_tests(asker(request), number, codes), _("Đã thêm chỉ định."))
    return redirect(back) if url_has_allowed_host_and_scheme(back, None) else shown


@desk("lab", "station", "nurse")
@require_http_methods(["GET", "POST"])
@never_cache
def shipments(request: HttpRequest) -> HttpResponse:
    """What goes to and comes from other laboratories; POST sends the scanned tubes."""
    me = asker(request)
    numbers, receiver, status = request.POST.get("numbers", ""), request.POST.get("receiver", ""), 200
    if request.method == "POST":
        try:
            made = actions.send(me, _scanned(request), receiver)
        except LabError as error:
            messages.error(request, str(error))
            status = 422
        else:
            messages.success(request, _("Đã lập chuyến mẫu; in bảng kê đi cùng."))
            return redirect("lab:shipment", made.number)
    page = paginate(request, samples.shipments(me.facility))
    places = [(id_, place_name("Organization", id_)) for id_ in actions.laboratories() if id_ != me.facility]
    rows = [samples.parcel(one) for one in page.object_list]
    here = [] if me.role == "lab" else queries.lines(me, list(samples.sendable(me.facility)[:LISTED]))
    context = {
        "rows": rows, "page": page, "places": places, "numbers": numbers, "facility": me.facility, "here": here,
        "chosen": request.POST.getlist("number"), "receiver": receiver or samples.usual_receiver(me.facility),
    }  # fmt: skip
    return render(request, "lab/shipments.html", context, status=status)


def _scanned(request: HttpRequest) -> list[str]:
    """The numbers of tubes that were scanned or chosen."""
    return [*request.POST.get("numbers", "").split(), *request.POST.getlist("number")]


@desk("lab", "station", "nurse")
@require_http_methods(["GET", "POST"])
@never_cache
def shipment(request: HttpRequest, number: str) -> HttpResponse:
    """One shipment and what became of its tubes.

    POST takes in those that were scanned or chosen at the receiver, and takes them back at the sender.
    """
    me = asker(request)
    found = samples.shipments(me.facility).filter(number=number).first()
    if not found:
        raise Http404
    if request.method == "POST":
        try:
            (_take_in if found.receiver == me.facility else _withdraw)(request, found)
        except LabError as error:
            messages.error(request, str(error))
        return redirect("lab:shipment", number)
    tubes = samples.carried(me, found)
    refused, told = samples.refusals(at_bench(me), tubes), queries.reported(me, tubes)
    rows = [
        (line, _became(found, line.tube), refused.get(line.tube.number, ""), line.tube.number in told)
        for line in queries.lines(me, tubes)
    ]
    context = {
        "parcel": samples.parcel(found), "rows": rows, "sends": found.sender == me.facility,
        "takes": found.receiver == me.facility and me.role == "lab",
    }  # fmt: skip
    return render(request, "lab/shipment.html", context)


def _became(shipment: Shipment, tube: Tube) -> tuple[object, str]:
    """Where a tube of a shipment is by now: word and icon."""
    if tube.shipment_id == shipment.pk:
        return (_("Chưa thấy"), "alert-triangle") if shipment.received_at else (_("Đang đi"), "truck-delivery")
    if tube.facility == shipment.sender and tube.stage != Tube.Stage.REJECTED:
        return _("Không gửi nữa"), "arrow-back-up"
    return words.STAGES[tube.stage]


def _take_in(request: HttpRequest, shipment: Shipment) -> None:
    numbers = _scanned(request)
    here, missing = actions.take_in(asker(request), shipment.number, numbers)
    messages.success(request, _("Đã nhận %(count)s mẫu.") % {"count": len(here)})
    if missing:
        messages.warning(request, _("%(count)s mẫu chưa thấy trong chuyến.") % {"count": len(missing)})
    if strange := sorted(set(numbers) - {tube.number for tube in here}):
        told = _("Không nhận, vì không đang đi trong chuyến này: %(numbers)s.")
        messages.warning(request, told % {"numbers": ", ".join(strange)[:300]})


def _withdraw(request: HttpRequest, shipment: Shipment) -> None:
    back = actions.withdraw(asker(request), shipment.number, _scanned(request))
    messages.success(request, _("Đã rút %(count)s mẫu khỏi chuyến.") % {"count": len(back)})


@desk("lab", "station", "nurse")
@require_GET
def manifest(request: HttpRequest, number: str) -> HttpResponse:
    """The manifest that goes with a shipment: every tube with its barcode."""
    me = asker(request)
    found = Shipment.objects.filter(number=number, sender=me.facility).first()
    if not found:
        raise Http404
    lines = queries.lines(me, samples.carried(me, found))
    data = {
        "facility": {"name": place_name("Organization", found.sender)},
        "receiver": place_name("Organization", found.receiver),
        "number": found.number,
        "barcode": code128_svg(found.number),
        "sent": found.sent_at,
        "printed": datetime.now(HANOI),
        "rows": [
            {
                "number": line.tube.number, "barcode": code128_svg(line.tube.number), "name": line.name,
                "tests": line.tests,
            }
            for line in lines
        ],
    }  # fmt: skip
    return respond_pdf(request, pdf("lab/manifest.typ", data, "A4"), f"bang-ke-mau-{number}.pdf")
