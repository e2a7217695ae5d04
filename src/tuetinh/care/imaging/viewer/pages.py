"""The page of the viewer."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from csp.decorators import csp_update
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.care.imaging.remote import opinions
from tuetinh.care.imaging.reports import may_report
from tuetinh.care.imaging.viewer import queries
from tuetinh.commons.access.api import asker, desk

# Decoders are WebAssembly, in workers; pictures are drawn from what they leave in memory.
NEEDS = {
    "script-src": ["'self'", "'wasm-unsafe-eval'"],
    "worker-src": ["'self'", "blob:"],
    "img-src": ["blob:"],
    "connect-src": ["'self'", "blob:", "data:"],
}


@desk("doctor", "nurse", "imaging", "station", "archivist")
@csp_update(NEEDS)  # type: ignore[arg-type]
@require_GET
@never_cache
def viewer(request: HttpRequest) -> HttpResponse:
    """Studies of one person (`?StudyInstanceUIDs=`, commas between them), and all others of theirs beside them.

    opinion: the open question about them in which others look along; of one that the asker takes no part in, nothing.
    """
    me = asker(request)
    studies = queries.opened(me, request.GET.get("StudyInstanceUIDs", "").split(","))
    if not studies:
        raise Http404
    opinion = opinions.find_open(me, request.GET.get("opinion", ""))
    context = {
        "studies": studies,
        "ohif": built(),
        "first": queries.first_picture(studies[0]),
        "may_report": may_report(me),
        "opinion": opinion,
        "words": _words(),
    }
    return render(request, "imaging/viewer.html", context)


def _words() -> dict[str, str]:
    """What our own script of the viewer says."""
    return {
        "title": _("Số đo"),
        "kept": _("Đã lưu số đo vào ca chụp."),
        "none": _("Chưa có số đo nào để lưu."),
        "failed": _("Chưa lưu được số đo."),
        "notYours": _("Chỉ người đọc phim lưu được số đo vào ca chụp."),
        "regions": _("Khoanh vùng"),
        "noColours": _("Bản khoanh vùng này không ghi màu; đã dùng màu có sẵn."),
    }


@cache
def built() -> dict[str, Any]:
    """Where the built viewer is: `folder` among the static files, its first `script`, and those needed `soon`."""
    found = finders.find("vendor/ohif.json")
    if not found:
        message = "page assets are not built: run python tools/assets/build.py"
        raise FileNotFoundError(message)
    told: dict[str, Any] = json.loads(Path(str(found)).read_text(encoding="utf-8"))
    return told
