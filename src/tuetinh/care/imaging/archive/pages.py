"""The page of storage: where the pictures lie, how far the jobs are that keep them, and what they found."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.care.imaging.archive import overview, stray
from tuetinh.care.imaging.archive.elsewhere import address
from tuetinh.care.imaging.errors import REASONS, ImagingError
from tuetinh.care.imaging.viewer.queries import number_in
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.ui.api import paginate

NAMES = {
    "try": gettext_lazy("Thử mở ảnh mới nhận"),
    "seal": gettext_lazy("Mã hóa tệp ảnh"),
    "compress": gettext_lazy("Nén không mất dữ liệu"),
    "store": gettext_lazy("Chuyển ảnh cũ vào kho đối tượng"),
    "look": gettext_lazy("Đọc lại để phát hiện hỏng"),
}
FAULTS = {
    "missing": gettext_lazy("Mất tệp"),
    "size": gettext_lazy("Sai dung lượng"),
    "content": gettext_lazy("Nội dung bị thay đổi"),
}


@desk("admin", at="province")
@require_GET
@never_cache
def storage(request: HttpRequest) -> HttpResponse:
    """How the pictures are kept."""
    page = paginate(request, overview.findings())
    rounds = overview.rounds()
    context = {
        "page": page,
        "rows": [(row, FAULTS[row.fault]) for row in page.object_list],
        "rounds": [(NAMES[one.name], one) for one in rounds],
        "failed": any(one.on and one.state and one.state.fault for one in rounds),
        "disk": overview.disk(),
        "stored": overview.stored(),
        "address": address(),
    }
    return render(request, "imaging/storage.html", context)


@desk("admin", at="province")
@require_http_methods(["GET", "POST"])
@never_cache
def strays(request: HttpRequest) -> HttpResponse:
    """What came for no facility (`?list=nobody`: studies of nobody): each is given to one."""
    error, nobody = "", request.GET.get("list") == "nobody"
    if request.method == "POST":
        told = request.POST
        which = {"study_id" if nobody else "held_id": number_in(told.get("row", "")) or 0}
        try:
            stray.give(asker(request), told.get("facility", ""), told.get("why", ""), **which)
        except ImagingError as refused:
            error = str(refused)
        else:
            messages.success(request, _("Đã chuyển về cơ sở."))
            return redirect(request.get_full_path())
    page = paginate(request, stray.studies() if nobody else stray.held())
    context = {
        "page": page,
        "rows": [(row, "" if nobody else REASONS[row.reason]) for row in page.object_list],
        "nobody": nobody,
        "counts": (stray.held().count(), stray.studies().count()),
        "facilities": stray.facilities(),
        "error": error,
    }
    return render(request, "imaging/strays.html", context, status=422 if error else 200)
