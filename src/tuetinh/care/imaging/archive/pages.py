"""The page of storage: where the pictures lie, how far the jobs are that keep them, and what they found."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.care.imaging.archive import overview
from tuetinh.care.imaging.archive.elsewhere import address
from tuetinh.commons.access.api import desk
from tuetinh.commons.ui.api import paginate

NAMES = {
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
