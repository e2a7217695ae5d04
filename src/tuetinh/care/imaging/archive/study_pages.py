"""Pages of the archive's studies: find one, and put right what machines or people told wrongly of it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.care.imaging.archive import browsing, correcting, persons
from tuetinh.care.imaging.archive.correcting import OF_SERIES, OF_STUDY
from tuetinh.care.imaging.archive.fixing import FIELDS
from tuetinh.care.imaging.errors import ImagingError, NoPerson
from tuetinh.care.imaging.models import Series, Study
from tuetinh.care.imaging.remote import sending
from tuetinh.care.imaging.viewer.queries import Look
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate

SERIES_SHOWN = 60


@desk("imaging")
@require_GET
@never_cache
def study_list(request: HttpRequest) -> HttpResponse:
    """The studies of the facility, the newest first (`?q=`, `?modality=`, `?day=`)."""
    me, told = asker(request), request.GET
    wanted = browsing.Asked(*(told.get(name, "").strip()[:80] for name in ("q", "modality", "day")))
    page = paginate(request, browsing.find(me, wanted))
    rows = [(one, Look((one.study_instance_uid,))) for one in browsing.lines(me, list(page.object_list))]
    context = {"page": page, "rows": rows, "asked": wanted, "modalities": browsing.MODALITIES}
    return render(request, "imaging/studies.html", context)


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def correct(request: HttpRequest, study_id: int) -> HttpResponse:
    """One study: whose it is, of which order, what it tells, and what was done with it."""
    me = asker(request)
    study = correcting.studies(me).filter(pk=study_id).first()
    if study is None:
        raise Http404
    series = list(Series.objects.filter(study=study).order_by("series_number", "pk")[:SERIES_SHOWN])
    error = ""
    if request.method == "POST":
        try:
            _correct(request, study, series)
        except ImagingError as refused:
            error = str(refused)
        else:
            messages.success(request, _("Đã sửa. Các ảnh được viết lại trong ít phút, bản cũ vẫn giữ."))
            return redirect("imaging:correct", study.pk)
    changes = correcting.history(study)
    accounts = {one.account for one in changes if one.account.isdigit()}
    who = dict(get_user_model().objects.filter(pk__in=accounts).values_list("pk", "full_name"))
    context = {
        "study": study,
        "look": Look((study.study_instance_uid,)),
        "known": banner(me, study.patient) if study.patient else None,
        "told": _told(request, study.attributes, OF_STUDY, ""),
        "series": [(one, _told(request, one.attributes, OF_SERIES, f"{one.pk}-")) for one in series],
        "patient": request.POST.get("patient", ""),
        "accession": request.POST.get("accession", ""),
        "why": request.POST.get("why", ""),
        "history": [(one, who.get(_number(one.account), ""), _said(one.after)) for one in changes],
        "machines": sending.machines(me),
        "error": error,
    }
    return render(request, "imaging/correct.html", context, status=422 if error else 200)


def _number(account: str) -> int:
    return int(account) if account.isdigit() else 0


def _correct(request: HttpRequest, study: Study, series: list[Series]) -> None:
    me, told = asker(request), request.POST
    number, patient = told.get("patient", "").strip(), ""
    if number:
        person = persons.find(number, me.facility)
        if person is None:
            raise NoPerson
        patient = str(person.id)
    correcting.correct(
        *(me, study.pk, {keyword: told[keyword] for keyword in OF_STUDY if keyword in told}, told.get("why", "")),
        patient=patient,
        accession=told.get("accession", "").strip(),
        series={one.pk: _typed(told, f"{one.pk}-") for one in series},
    )


def _typed(told: Any, prefix: str) -> dict[str, str]:
    return {keyword: told[f"{prefix}{keyword}"] for keyword in OF_SERIES if f"{prefix}{keyword}" in told}


def _told(
    request: HttpRequest, attributes: dict[str, Any], keywords: tuple[str, ...], prefix: str
) -> list[tuple[str, str, str]]:
    """Name, label and value of what can be changed: as it was typed, else as it is."""
    known = correcting.values_of(attributes, keywords)
    return [
        (f"{prefix}{keyword}", str(FIELDS[keyword]), request.POST.get(f"{prefix}{keyword}", known[keyword]))
        for keyword in keywords
    ]


def _said(after: dict[str, Any]) -> str:
    """What a change says now, in words of the page."""
    flat = dict(after.get("study") or {})
    for one in (after.get("series") or {}).values():
        flat |= one
    return "; ".join(f"{FIELDS[keyword]}: {value or '—'}" for keyword, value in flat.items() if keyword in FIELDS)
