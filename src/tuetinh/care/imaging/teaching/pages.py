"""The page of pictures for teaching, at the desk of who reports them."""

from __future__ import annotations

from django import forms
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.care.imaging.errors import ImagingError, MustLook
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.teaching import actions
from tuetinh.commons.access.api import asker, desk
from tuetinh.record.contents.files import Away


class TeachingForm(forms.Form):
    """What for, and that somebody has looked."""

    why = forms.CharField(label=gettext_lazy("Dùng vào việc gì"), max_length=500, widget=forms.Textarea({"rows": 3}))
    seen = forms.BooleanField(
        label=gettext_lazy("Tôi đã xem từng ảnh này, không có chữ nào cho biết là của ai"), required=False
    )


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def teaching(request: HttpRequest, exam_id: int) -> HttpResponseBase:
    """What there is to give of an examination; the ZIP by POST."""
    me = asker(request)
    exam = Exam.objects.filter(pk=exam_id, facility=me.facility).first()
    if exam is None:
        raise Http404
    form, looked, fault = TeachingForm(request.POST or None), None, ""
    try:
        if request.method == "POST" and form.is_valid():
            told = form.cleaned_data
            file = actions.export(me, exam, told["why"], seen=told["seen"])
            return FileResponse(file, as_attachment=True, filename=f"giang-day-{exam.pk}.zip")
    except (ImagingError, Away) as error:
        form.add_error("seen" if isinstance(error, MustLook) else "why", str(error))
    try:
        looked = actions.look(me, exam)
    except (ImagingError, Away) as error:
        fault = str(error)
    context = {"exam": exam, "form": form, "looked": looked, "fault": fault}
    return render(request, "imaging/teaching.html", context, status=422 if request.method == "POST" else 200)
