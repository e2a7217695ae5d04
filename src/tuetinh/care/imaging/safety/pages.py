"""The page of the checks of one examination, and the list of those that are stopped."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.imaging.errors import ImagingError
from tuetinh.care.imaging.models import Exam
from tuetinh.care.imaging.safety import actions, queries
from tuetinh.care.imaging.safety.checks import Needed, needed, told
from tuetinh.care.imaging.safety.models import SafetyCheck
from tuetinh.care.imaging.safety.questions import ANSWERS
from tuetinh.commons.access.api import asker, desk, fresh
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate

RADIO = forms.RadioSelect(attrs={"class": "form-check-input"})


class AnswersForm(forms.Form):
    """The questions of an examination."""

    def __init__(self, wanted: Needed, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for question in wanted.questions:
            self.fields[question.key] = forms.ChoiceField(
                label=question.words, choices=list(ANSWERS.items()), widget=RADIO
            )


def _exam(request: HttpRequest, exam_id: int) -> Exam:
    found = Exam.objects.filter(pk=exam_id, facility=asker(request).facility).first()
    if found is None:
        raise Http404
    return found


@desk("imaging", "doctor")
@require_http_methods(["GET", "POST"])
@never_cache
def check(request: HttpRequest, exam_id: int) -> HttpResponse:
    """The questions of an examination, what the record tells, what stops it. POST keeps the answers."""
    exam, me = _exam(request, exam_id), asker(request)
    wanted = needed(me, [exam]).get(exam.pk)
    if wanted is None or request.method != "POST":
        return _page(request, exam, wanted)
    form = AnswersForm(wanted, request.POST)
    if not form.is_valid():
        return _page(request, exam, wanted, form)
    try:
        row = actions.answer(me, exam.pk, form.cleaned_data)
    except ImagingError as error:
        return _page(request, exam, wanted, form, error=str(error))
    if row.blocks:
        messages.warning(request, _("Đã ghi. Bác sĩ cần xem trước khi chụp."))
        return redirect("imaging:safety-check", exam.pk)
    messages.success(request, _("Đã ghi. Được phép chụp."))
    return redirect("imaging:exam", exam.pk) if me.role == "imaging" else redirect("imaging:safety-check", exam.pk)


@desk("imaging", "doctor")
@fresh("sign")
@require_POST
def override(request: HttpRequest, exam_id: int) -> HttpResponse:
    """A doctor lets the examination go on."""
    exam, me = _exam(request, exam_id), asker(request)
    try:
        actions.override(me, exam.pk, request.POST.get("why", "")[:500])
    except ImagingError as error:
        return _page(request, exam, needed(me, [exam]).get(exam.pk), error=str(error))
    messages.success(request, _("Đã cho phép chụp."))
    return redirect("imaging:safety-check", exam.pk)


def _page(
    request: HttpRequest, exam: Exam, wanted: Needed | None, form: AnswersForm | None = None, *, error: str = ""
) -> HttpResponse:
    me = asker(request)
    answers = actions.answers_of(me, exam) if wanted else {}
    facts = told(me, wanted, answers) if wanted else None
    row = SafetyCheck.objects.filter(exam=exam).first()
    passed = set(row.overridden) if row else set()
    context = {
        "exam": exam, "banner": banner(me, exam.patient), "wanted": wanted, "row": row, "error": error,
        "form": form or (AnswersForm(wanted, initial=answers) if wanted else None),
        "facts": facts, "findings": [(one, one.key in passed) for one in facts.findings] if facts else [],
        "stops": any(one.stops and one.key not in passed for one in facts.findings) if facts else False,
        "why": answers.get(actions.WHY, ""), "who": queries.names(row), "may": actions.is_doctor(me),
        "asks": exam.stage in actions.ASKING, "limit": queries.limit(wanted),
    }  # fmt: skip
    bad = error or (form is not None and form.errors)
    return render(request, "imaging/safety_check.html", context, status=422 if bad else 200)


@desk("imaging", "doctor")
@require_GET
@never_cache
def stopped(request: HttpRequest) -> HttpResponse:
    """Examinations that wait for a doctor's word."""
    me = asker(request)
    page = paginate(request, queries.stopped(me.facility))
    rows = list(page.object_list)
    names = names_of(me, {row.exam.patient for row in rows})
    shown = [(row.exam, names.get(row.exam.patient, ""), row) for row in rows]
    return render(request, "imaging/safety.html", {"page": page, "rows": shown, "facility": me.facility})
