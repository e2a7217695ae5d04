"""The register at the officer's desk, changed by the province, and printed; consents on the citizen's pages."""

from __future__ import annotations

import csv
from datetime import date
from typing import TYPE_CHECKING, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access.api import ALL_PURPOSES, asker, desk, ward
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import ConsentText, ImpactStep, Purpose
from tuetinh.governance.privacy.person_export.archive import plain
from tuetinh.governance.privacy.purposes import consents, register
from tuetinh.governance.privacy.words import DPIA_STEPS, GROUNDS, RETENTION

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

COLUMNS = ("code", "name", "ground", "clause", "kinds", "recipients", "retention", "unit", "since")


def _day(label: object, *, required: bool = True) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=required, input_formats=["%Y-%m-%d", "%d/%m/%Y"], widget=widget)


class PurposeForm(forms.ModelForm):
    """A new version of a purpose."""

    ground = forms.ChoiceField(label=gettext_lazy("Căn cứ"), choices=list(GROUNDS.items()))
    retention = forms.ChoiceField(label=gettext_lazy("Thời hạn lưu"), choices=list(RETENTION.items()))
    since = _day(gettext_lazy("Áp dụng từ ngày"))

    class Meta:
        model = Purpose
        fields = ("name", "ground", "clause", "kinds", "recipients", "retention", "unit", "since", "ended")
        labels = {  # noqa: RUF012
            "name": gettext_lazy("Mục đích"),
            "clause": gettext_lazy("Điều khoản"),
            "kinds": gettext_lazy("Loại dữ liệu"),
            "recipients": gettext_lazy("Bên nhận"),
            "unit": gettext_lazy("Bộ phận, người phụ trách bảo vệ dữ liệu"),
            "ended": gettext_lazy("Không còn xử lý cho mục đích này"),
        }
        widgets = {  # noqa: RUF012
            "kinds": forms.Textarea(attrs={"rows": 2}),
            "recipients": forms.Textarea(attrs={"rows": 2}),
        }


def _rows() -> list[tuple[Purpose, object, object, register.Due]]:
    """Purposes in force with words for ground and retention, and when the assessment is due."""
    purposes = register.now()
    known: dict[str, list[ImpactStep]] = {code: [] for code in purposes}
    for one in ImpactStep.objects.filter(code__in=purposes).order_by("day", "pk"):
        known[one.code].append(one)
    return [
        (one, GROUNDS[one.ground], RETENTION[one.retention], register.due(code, purposes, known[code]))
        for code, one in purposes.items()
    ]


@desk("admin")
@require_GET
@never_cache
def purposes(request: HttpRequest) -> HttpResponse:
    """The register: what data is processed for, on which ground, and which impact assessment is due."""
    rows = _rows()
    late = sum(1 for *_rest, due in rows if due.late)
    context = {"rows": rows, "late": late, "changes": not _by(request).facility}
    return render(request, "privacy/purposes.html", context)


@desk("admin")
@require_GET
def table(request: HttpRequest) -> HttpResponse:
    """The register as CSV, for a spreadsheet."""
    answer = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="so-muc-dich-xu-ly.csv"'
    out = csv.writer(answer)
    out.writerow([*COLUMNS, "dpia_due"])
    for one, _ground, _retention, due in _rows():
        out.writerow([*(plain(str(getattr(one, name))) for name in COLUMNS), due.by.isoformat()])
    return answer


@desk("admin")
@require_GET
def printed(request: HttpRequest) -> HttpResponse:
    """The register on paper."""
    with translation.override("vi"):
        rows = [
            {"code": one.code, "name": one.name, "ground": str(ground), "clause": one.clause, "kinds": one.kinds,
             "recipients": one.recipients, "retention": str(retention), "unit": one.unit, "since": one.since,
             "due": due.by}
            for one, ground, retention, due in _rows()
        ]  # fmt: skip
        data = {"facility": {"name": "Sở Y tế"}, "rows": rows, "day": timezone.localdate()}
        return respond_pdf(request, pdf("privacy/register.typ", data), "so-muc-dich-xu-ly")


@desk("admin")
@require_http_methods(["GET", "POST"])
@never_cache
def purpose(request: HttpRequest, code: str) -> HttpResponse:
    """One purpose: its versions, its texts, its assessments; POST makes a new version."""
    if code not in ALL_PURPOSES or not (known := register.versions(code)):
        raise Http404
    start = {"since": timezone.localdate(), **{name: getattr(known[0], name) for name in COLUMNS[1:-1]}}
    form, fault = PurposeForm(request.POST or None, initial=start), ""
    if request.method == "POST":
        if form.is_valid():
            made = form.save(commit=False)
            made.code = code
            try:
                register.change(_by(request), made)
            except PrivacyError as error:
                fault = str(error.message)
            else:
                messages.success(request, _("Đã ghi bản mới. Đánh giá tác động phải cập nhật trong 10 ngày."))
                return redirect("privacy:purpose", code)
        fault = fault or _("Hãy xem lại ô đã điền.")
    return _page(request, code, known, form, fault)


def _page(request: HttpRequest, code: str, known: list[Purpose], form: PurposeForm, fault: str) -> HttpResponse:
    context = {
        "code": code, "one": known[0], "label": ALL_PURPOSES[code], "form": form, "fault": fault,
        "versions": [(one, GROUNDS[one.ground], RETENTION[one.retention]) for one in known],
        "due": register.due(code), "changes": not _by(request).facility, "text": register.text_of(code),
        "texts": ConsentText.objects.filter(code=code).order_by("-version"),
        "steps": [(s, DPIA_STEPS[s.step]) for s in ImpactStep.objects.filter(code=code).order_by("-day", "-pk")],
        "today": timezone.localdate(),
    }  # fmt: skip
    return render(request, "privacy/purpose.html", context, status=422 if fault else 200)


@desk("admin")
@require_POST
def purpose_step(request: HttpRequest, code: str, verb: str) -> HttpResponse:
    """Write a new text, or that the impact assessment was filed or brought up to date."""
    if code not in ALL_PURPOSES or not (known := register.versions(code)):
        raise Http404
    by, told = _by(request), request.POST
    try:
        if verb == "text":
            register.write_text(by, code, told.get("text", "")[:10000])
        else:
            day = date.fromisoformat(told.get("day", ""))
            register.assessed(by, code, verb, day, told.get("number", "")[:100])
    except ValueError:
        return _page(request, code, known, PurposeForm(), _("Hãy ghi đúng ngày."))
    except PrivacyError as error:
        return _page(request, code, known, PurposeForm(), str(error.message))
    messages.success(request, _("Đã ghi."))
    return redirect("privacy:purpose", code)


@desk("citizen")
@require_http_methods(["GET", "POST"])
@never_cache
def mine(request: HttpRequest) -> HttpResponse:
    """What my data is processed for; give or withdraw a consent by POST (`code`, `version`, `agree` or `withdraw`)."""
    who, tie, fault = asker(request), ward(request), ""
    if request.method == "POST":
        told = request.POST
        try:
            _decided(request)
        except PrivacyError as error:
            fault = str(error.message)
        else:
            messages.success(request, _("Đã rút lại.") if "withdraw" in told else _("Đã ghi sự đồng ý của bạn."))
            return redirect("privacy:consents")
    held = {one.text.code: one for one in consents.held(str(who.patient))}
    rows = [
        (one, ALL_PURPOSES[code], register.text_of(code) if one.ground == "consent" else None, held.get(code))
        for code, one in register.now().items()
    ]
    context = {"rows": rows, "decides": tie is None or tie.decides, "acts": tie is not None, "fault": fault}
    return render(request, "privacy/consents.html", context, status=422 if fault else 200)


def _decided(request: HttpRequest) -> None:
    who, tie, told = asker(request), ward(request), request.POST
    code = told.get("code", "")
    if tie is not None and not tie.decides:
        raise Http404
    if "withdraw" in told:
        consents.withdraw(who, code)
        return
    if told.get("agree") != "yes":
        raise PrivacyError("agree")
    version = told.get("version", "")
    consents.give(
        who, _by(request), tie, code, int(version) if version.isdecimal() else 0, minor_agreed="minor" in told
    )


def _by(request: HttpRequest) -> Account:
    return cast("Account", request.user)
