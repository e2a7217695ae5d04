"""What people add to an examination: files, photos of a phone, pictures of a camera at the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.imaging.capture import arriving
from tuetinh.care.imaging.errors import ImagingError
from tuetinh.care.imaging.handover.opened import part_of
from tuetinh.care.imaging.handover.serving import respond_piece
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.reports import READ
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner
from tuetinh.record.contents import NoSpace

if TYPE_CHECKING:
    from tuetinh.care.imaging.capture.adding import Added

KINDS = {
    "XC": gettext_lazy("Ảnh chụp ngoài"),
    "ES": gettext_lazy("Nội soi"),
    "GM": gettext_lazy("Kính hiển vi"),
    "US": gettext_lazy("Siêu âm"),
}
WORDS = {
    "photo": gettext_lazy("Đã thêm ảnh."),
    "film": gettext_lazy("Đã thêm video."),
    "paper": gettext_lazy("Đã thêm tài liệu."),
    "ecg": gettext_lazy("Đã thêm điện tim."),
}
FULL = gettext_lazy("Máy chủ hết chỗ. Hãy báo người quản trị.")


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def add(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Add files to an examination: those of a form, or one of a script's (`name`; `file`, or `key` of its pieces)."""
    from tuetinh.care.imaging.capture import adding

    exam = _owned(request, exam_id)
    if request.method == "GET":
        return render(request, "imaging/add.html", _context(request, exam))
    if "key" in request.POST:
        return _told_to_script(lambda: _arrived(request, exam))
    files = request.FILES.getlist("files")
    wrong = 0
    for file in files:
        try:
            path = arriving.set_down(asker(request), str(uuid4()), file.file)
            added = adding.add(asker(request), exam.pk, path, request.POST.get("kind", ""), file.name or "")
        except (ImagingError, NoSpace) as error:
            wrong += 1
            messages.error(request, f"{file.name}: {FULL if isinstance(error, NoSpace) else error}")
        else:
            messages.success(request, f"{file.name}: {_said(added)}")
    if wrong or not files:
        return render(request, "imaging/add.html", _context(request, exam) | {"empty": not files}, status=422)
    return redirect("imaging:exam", exam.pk)


def _arrived(request: HttpRequest, exam: Exam) -> Added:
    from tuetinh.care.imaging.capture import adding

    if single := request.FILES.get("file"):
        path = arriving.set_down(asker(request), str(uuid4()), single.file)
    else:
        size = request.POST.get("size", "")
        path = arriving.arrived(asker(request), request.POST["key"], int(size) if size.isdecimal() else -1)
    return adding.add(asker(request), exam.pk, path, request.POST.get("kind", ""), request.POST.get("name", "")[:200])


def _said(added: Added) -> str:
    return str(WORDS[added.kind]) if added.fresh else _("Tệp này đã có trong ca.")


def _told_to_script(do: Any) -> JsonResponse:
    """What `capture.js` shows beside the name of a file."""
    try:
        added = do()
    except (ImagingError, NoSpace) as error:
        return JsonResponse({"ok": False, "text": str(FULL if isinstance(error, NoSpace) else error)}, status=422)
    return JsonResponse({"ok": True, "text": _said(added)})


def _owned(request: HttpRequest, exam_id: int) -> Exam:
    exam = Exam.objects.filter(pk=exam_id, facility=asker(request).facility).first()
    if exam is None:
        raise Http404
    return exam


def piece_words() -> dict[str, str]:
    """What `capture.js` says of files on their way."""
    return {
        "sending": _("Đang gửi"),
        "refused": _("Không gửi được. Hãy tải lại trang."),
        "sent": _("Đã gửi"),
    }


def _context(request: HttpRequest, exam: Exam) -> dict[str, Any]:
    from tuetinh.care.imaging.capture import adding

    kind = request.POST.get("kind", "")
    return {
        "exam": exam,
        "banner": banner(asker(request), exam.patient),
        "kinds": KINDS.items(),
        "kind": kind if kind in KINDS else adding.usual_kind(exam),
        "open": exam.stage in READ,
        "capture": {
            "arriving": reverse("imaging:arriving"),
            "add": reverse("imaging:add", args=[exam.pk]),
            "clip": reverse("imaging:clip", args=[exam.pk]),
            "piece": arriving.PIECE,
            "words": piece_words()
            | {
                "no_camera": _("Không mở được máy quay. Hãy cắm thiết bị và cho phép trình duyệt dùng nó."),
                "camera": _("Máy quay"),
                "still": _("Ảnh"),
                "clip": _("Đoạn phim"),
                "record": _("Quay"),
                "stop": _("Dừng quay"),
            },
        },
    }


@desk("imaging")
@require_POST
@never_cache
def arriving_piece(request: HttpRequest) -> JsonResponse:
    """Take a piece of a file (`key`, `at`, `piece`); answers how much of the file is there."""
    at, piece = request.POST.get("at", ""), request.FILES.get("piece")
    if not at.isdecimal() or len(at) > 15 or piece is None:
        raise Http404
    try:
        there = arriving.add(asker(request), request.POST.get("key", ""), int(at), piece.read())
    except ImagingError as error:
        return JsonResponse({"text": str(error)}, status=422)
    except NoSpace:
        return JsonResponse({"text": str(FULL)}, status=507)
    return JsonResponse({"there": there})


@desk("imaging")
@require_GET
@never_cache
def camera(request: HttpRequest, exam_id: int) -> HttpResponse:
    """Pictures and clips of a video device at this computer: a frame grabber of ultrasound or endoscopy, a camera."""
    return render(request, "imaging/camera.html", _context(request, _owned(request, exam_id)))


@desk("imaging")
@require_POST
@never_cache
def clip(request: HttpRequest, exam_id: int) -> JsonResponse:
    """Add a clip of stills (`clip`: one JPEG after the other, `sizes`, `rate`, `kind`)."""
    from tuetinh.care.imaging.capture import adding

    exam, data = _owned(request, exam_id), request.FILES.get("clip")
    if data is None:
        raise Http404
    rate = request.POST.get("rate", "")
    told = {"sizes": request.POST.get("sizes", ""), "kind": request.POST.get("kind", "")}
    speed = float(rate) if rate.isdecimal() else 0.0
    return _told_to_script(lambda: adding.add_clip(asker(request), exam.pk, data.read(), rate=speed, **told))


@desk("imaging")
@require_GET
def part(request: HttpRequest, exam_id: int, uid: str, frame: int) -> HttpResponseBase:
    """A picture, a film, a paper or curves of an examination; see `handover.opened.part_of`."""
    piece = part_of(asker(request), _owned(request, exam_id).order, uid, frame)
    if piece is None:
        raise Http404
    return respond_piece(request, piece)
