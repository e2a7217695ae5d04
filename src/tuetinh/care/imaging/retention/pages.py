"""The page of studies that are held, at the desk of the records office."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.care.imaging.errors import ImagingError, NotThere
from tuetinh.care.imaging.retention import actions
from tuetinh.commons.access.api import asker, desk, owner_names
from tuetinh.commons.ui.api import paginate


class HoldForm(forms.Form):
    """Which study is held, and why."""

    study = forms.CharField(label=gettext_lazy("Số chỉ định hoặc mã ca chụp"), max_length=64)
    reason = forms.CharField(
        label=gettext_lazy("Lý do giữ lại"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


@desk("archivist")
@require_http_methods(["GET", "POST"])
@never_cache
def study_holds(request: HttpRequest) -> HttpResponse:
    """Studies that are held; hold one more by POST, or end a hold (`release`)."""
    me = asker(request)
    ends = request.POST.get("release", "")
    form = HoldForm(request.POST if request.method == "POST" and not ends else None)
    try:
        if ends:
            actions.release(me, int(ends) if ends.isdecimal() else 0)
            messages.success(request, _("Đã thôi giữ ca chụp."))
            return redirect("imaging:holds")
        if form.is_valid():
            actions.hold(me, form.cleaned_data["study"], form.cleaned_data["reason"])
            messages.success(request, _("Đã giữ ca chụp. Ca này không bị hủy cho tới khi thôi giữ."))
            return redirect("imaging:holds")
    except ImagingError as error:
        if ends:
            messages.error(request, str(error))
        else:
            form.add_error("study" if isinstance(error, NotThere) else "reason", str(error))
    page = paginate(request, actions.holds(me))
    rows = list(page.object_list)
    names, _clients = owner_names([one for row in rows for one in (row.by, row.released_by)], [])
    told = [(row, names.get(row.by, ""), names.get(row.released_by, "")) for row in rows]
    context = {"form": form, "page": page, "rows": told}
    return render(request, "imaging/holds.html", context, status=422 if request.method == "POST" else 200)
