"""Discs, sticks and folders of other places at the desk of imaging."""

from __future__ import annotations

from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.care.imaging.archive import persons
from tuetinh.care.imaging.capture import arriving
from tuetinh.care.imaging.capture.disc import actions
from tuetinh.care.imaging.capture.disc.models import Disc
from tuetinh.care.imaging.capture.pages import FULL, piece_words
from tuetinh.care.imaging.errors import ImagingError
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate
from tuetinh.record.contents import NoSpace


class DiscForm(forms.Form):
    """Whose the disc is, and what stands on it."""

    patient = forms.CharField(
        label=gettext_lazy("Mã người bệnh"),
        max_length=64,
        help_text=gettext_lazy("Quét vòng tay, thẻ, hoặc gõ số hồ sơ."),
    )
    name = forms.CharField(
        label=gettext_lazy("Đĩa, USB của"),
        max_length=200,
        help_text=gettext_lazy("Ví dụ: Bệnh viện Bạch Mai, CLVT 10/2026."),
    )


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def discs(request: HttpRequest) -> HttpResponse:
    """The discs that were read in, newest first; begin another one by POST."""
    me, form = asker(request), DiscForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        person = persons.find(form.cleaned_data["patient"].strip(), me.facility)
        try:
            made = actions.begin(me, str(person.id) if person else "", form.cleaned_data["name"])
        except ImagingError as error:
            form.add_error("patient", str(error))
        else:
            return redirect("imaging:disc", made.pk)
    page = paginate(request, Disc.objects.filter(facility=me.facility).order_by("-at", "-pk"))
    names = names_of(me, {one.patient for one in page.object_list})
    rows = [(one, names.get(one.patient, "")) for one in page.object_list]
    context = {"form": form, "page": page, "rows": rows}
    return render(request, "imaging/discs.html", context, status=422 if form.errors else 200)


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def disc(request: HttpRequest, disc_id: int) -> HttpResponse:
    """One disc: what became of its files; take more of them by POST, of a form, or each by itself from a script."""
    me = asker(request)
    row = Disc.objects.filter(pk=disc_id, facility=me.facility).first()
    if row is None:
        raise Http404
    if request.method == "POST":
        return _taken(request, row)
    context = {
        "disc": row,
        "banner": banner(me, row.patient),
        "lost": actions.lost(row) if row.listed else 0,
        "capture": {
            "arriving": reverse("imaging:arriving"),
            "add": reverse("imaging:disc", args=[row.pk]),
            "piece": arriving.PIECE,
            "many": True,
            "words": piece_words(),
        },
    }
    return render(request, "imaging/disc.html", context)


def _taken(request: HttpRequest, row: Disc) -> HttpResponse:
    me, single = asker(request), request.FILES.get("file")
    if single is None and "key" not in request.POST:
        for file in request.FILES.getlist("files"):
            try:
                actions.take(me, row.pk, arriving.set_down(me, str(uuid4()), file.file))
            except (ImagingError, NoSpace) as error:
                messages.error(request, f"{file.name}: {FULL if isinstance(error, NoSpace) else error}")
        return redirect("imaging:disc", row.pk)
    try:
        if single is not None:
            path = arriving.set_down(me, str(uuid4()), single.file)
        else:
            size = request.POST.get("size", "")
            path = arriving.arrived(me, request.POST["key"], int(size) if size.isdecimal() else -1)
        outcome = actions.take(me, row.pk, path)
    except (ImagingError, NoSpace) as error:
        return JsonResponse({"ok": False, "text": str(FULL if isinstance(error, NoSpace) else error)}, status=422)
    return JsonResponse({"ok": True, "text": str(actions.OUTCOMES[outcome]), "is": outcome})
