"""Breaches at the officer's desk: the list with its clocks, one breach, whom it concerns, the notice on paper."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import messages
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.documents.api import respond_pdf
from tuetinh.commons.identity.api import display_name, home, phone
from tuetinh.commons.ui.api import paginate
from tuetinh.governance.privacy.breaches import actions, paper, queries
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import Breach
from tuetinh.governance.privacy.words import BREACH_STEPS, NATURES, WAYS
from tuetinh.record import api as record
from tuetinh.record import r4

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

MOST = 2**31 - 1
_FORMATS = ["%Y-%m-%dT%H:%M", "%d/%m/%Y %H:%M"]


def _moment(label: Any, *, required: bool = False, help_text: Any = "") -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_FORMATS[0])
    return forms.DateTimeField(
        label=label, required=required, help_text=help_text, input_formats=_FORMATS, widget=widget
    )


def _text(label: Any, rows: int = 3) -> forms.CharField:
    return forms.CharField(label=label, required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": rows}))


class BreachForm(forms.Form):
    """What the notice to the authority asks for; what is not known yet is filled in later."""

    title = forms.CharField(label=gettext_lazy("Vụ việc"), max_length=200)
    nature = forms.ChoiceField(label=gettext_lazy("Tính chất"), choices=list(NATURES.items()))
    detected = _moment(
        gettext_lazy("Phát hiện lúc"), help_text=gettext_lazy("Để trống: bây giờ. Đồng hồ chạy từ lúc này.")
    )
    happened = _moment(gettext_lazy("Xảy ra từ"))
    happened_until = _moment(gettext_lazy("Đến"))
    place = forms.CharField(label=gettext_lazy("Địa điểm"), max_length=300, required=False)
    conduct = forms.CharField(label=gettext_lazy("Hành vi"), max_length=5000, widget=forms.Textarea(attrs={"rows": 3}))
    actors = _text(gettext_lazy("Tổ chức, cá nhân liên quan"), 2)
    kinds = _text(gettext_lazy("Các loại dữ liệu cá nhân"), 2)
    amount = forms.IntegerField(
        label=gettext_lazy("Số lượng dữ liệu"), required=False, min_value=0, max_value=2**31 - 1
    )
    sensitive = forms.BooleanField(
        label=gettext_lazy("Có dữ liệu nhạy cảm (sức khỏe, sinh trắc học…): phải báo cho từng người trong 72 giờ"),
        required=False,
        initial=True,
    )
    consequences = _text(gettext_lazy("Hậu quả, thiệt hại có thể xảy ra"))
    measures = _text(gettext_lazy("Biện pháp đã làm và sẽ làm"))
    contact = forms.CharField(label=gettext_lazy("Người phụ trách bảo vệ dữ liệu"), max_length=200, required=False)
    contact_phone = forms.CharField(label=gettext_lazy("Điện thoại"), max_length=30, required=False)
    contact_mail = forms.EmailField(label=gettext_lazy("Thư điện tử"), required=False)

    def told(self) -> actions.Description:
        """What was typed, for the action."""
        given = self.cleaned_data
        texts = tuple((name, given[name]) for name in actions.TEXTS)
        return actions.Description(
            given["title"], given["nature"], given["conduct"], given["detected"] or timezone.now(), given["happened"],
            given["happened_until"], given["sensitive"], given["amount"], texts,
        )  # fmt: skip


class TraceForm(forms.Form):
    """Who saw something, and when."""

    username = forms.CharField(label=gettext_lazy("Tên đăng nhập"), max_length=100, required=False)
    client = forms.CharField(label=gettext_lazy("Mã hệ thống kết nối"), max_length=100, required=False)
    ip = forms.GenericIPAddressField(label=gettext_lazy("Địa chỉ mạng"), required=False)
    since = _moment(gettext_lazy("Từ"), required=True)
    until = _moment(gettext_lazy("Đến"), required=True)


@desk("admin")
@require_GET
@never_cache
def breaches(request: HttpRequest) -> HttpResponse:
    """Every breach with its clocks: the open ones first, by the time that is left."""
    by = _by(request)
    page = paginate(request, queries.breaches(by))
    rows = [(one, NATURES[one.nature], *queries.clocks(one, one.untold)) for one in page]
    context = {"page": page, "rows": rows, "late": queries.late(by).count(), "channel": f"breaches:{by.facility}"}
    return render(request, "privacy/breaches.html", context)


@desk("admin")
@require_http_methods(["GET", "POST"])
@never_cache
def new(request: HttpRequest) -> HttpResponse:
    """Begin a record; `title`, `conduct` and `happened` may come with the address."""
    form = BreachForm(request.POST or None, initial=request.GET.dict())
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.open_breach(_by(request), form.told())
        except PrivacyError as error:
            _tell(form, error)
        else:
            messages.success(request, _("Đã lập hồ sơ vi phạm. Đồng hồ đang chạy."))
            return redirect("privacy:breach", made.pk)
    return render(request, "privacy/breach_form.html", {"form": form}, status=_status(request))


@desk("admin")
@require_http_methods(["GET", "POST"])
@never_cache
def edit(request: HttpRequest, breach_id: int) -> HttpResponse:
    """Say more of it; when it was detected stays."""
    found = _found(request, breach_id)
    form = BreachForm(request.POST or None, initial={name: getattr(found, name) for name in BreachForm.base_fields})
    del form.fields["detected"]
    if request.method == "POST" and form.is_valid():
        form.cleaned_data["detected"] = found.detected
        try:
            actions.describe(_by(request), breach_id, form.told())
        except PrivacyError as error:
            _tell(form, error)
        else:
            return redirect("privacy:breach", breach_id)
    return render(request, "privacy/breach_form.html", {"form": form, "one": found}, status=_status(request))


@desk("admin")
@require_GET
@never_cache
def breach(request: HttpRequest, breach_id: int) -> HttpResponse:
    """One breach: its clocks, what is known, whom it concerns, what is to be done."""
    return _page(request, _found(request, breach_id))


def _page(request: HttpRequest, found: Breach, fault: str = "", trace: TraceForm | None = None) -> HttpResponse:
    concerned, untold = found.people.count(), found.people.filter(told=None).count()
    authority, people = queries.clocks(found, untold)
    context = {
        "one": found, "nature": NATURES[found.nature], "authority": authority, "people": people, "fault": fault,
        "concerned": concerned, "untold": untold, "trace": trace or TraceForm(),
        "traces": found.traces.order_by("pk"),
        "steps": [(step, BREACH_STEPS[step.step]) for step in found.steps.select_related("by").order_by("pk")],
        "channel": f"breaches:{_by(request).facility}",
    }  # fmt: skip
    return render(request, "privacy/breach.html", context, status=422 if fault else 200)


@desk("admin")
@require_POST
def step(request: HttpRequest, breach_id: int, verb: str) -> HttpResponse:
    """Trace it in the access log, say that the authority was told, tell people, or close it."""
    found, by, told = _found(request, breach_id), _by(request), request.POST
    form = TraceForm(told if verb == "trace" else None)
    if verb == "trace" and not form.is_valid():
        return _page(request, found, _("Hãy xem lại ô đã điền."), form)
    verbs: dict[str, Callable[[], object]] = {
        "trace": lambda: actions.trace(by, breach_id, **form.cleaned_data),
        "report": lambda: actions.report(
            by, breach_id, told.get("number", "")[:100], told.get("late_reason", "")[:5000], _at(told.get("at", ""))
        ),
        "tell": lambda: actions.tell(by, breach_id, told.get("notice", "")[:5000]),
        "close": lambda: actions.close(by, breach_id, told.get("note", "")[:5000]),
    }
    try:
        verbs[verb]()
    except PrivacyError as error:
        return _page(request, found, str(error.message), form if verb == "trace" else None)
    messages.success(request, _("Đã ghi."))
    return redirect("privacy:breach", breach_id)


@desk("admin", "archivist")
@require_http_methods(["GET", "POST"])
@never_cache
def concerned(request: HttpRequest, breach_id: int) -> HttpResponse:
    """Whom it concerns, those who have not been told first; by name where the desk may read people.

    POST says that `person` was told by letter or telephone (`how`).
    """
    found, fault = _found(request, breach_id), ""
    if request.method == "POST":
        try:
            number = request.POST.get("person", "")
            actions.told_otherwise(
                _by(request), breach_id, int(number) if number.isdecimal() else 0, request.POST.get("how", "")
            )
            return redirect("privacy:breach-people", breach_id)
        except PrivacyError as error:
            fault = str(error.message)
    page = paginate(request, found.people.order_by(F("told").asc(nulls_first=True), "pk"))
    me = asker(request)
    ids = [one.patient for one in page]
    known = cast("dict[str, r4.Patient]", record.read_many(me, "Patient", ids)) if me.may("r", "Patient") else {}
    nobody = r4.Patient()
    people = [(one, known.get(one.patient, nobody), WAYS.get(one.how, "")) for one in page]
    shown = [(one, display_name(person), phone(person), home(person)[0], how) for one, person, how in people]
    ways = [(code, label) for code, label in WAYS.items() if code != "portal"]
    context = {"one": found, "page": page, "rows": shown, "ways": ways, "fault": fault}
    return render(request, "privacy/breach_people.html", context, status=422 if fault else 200)


@desk("admin")
@require_GET
def notice(request: HttpRequest, breach_id: int) -> HttpResponse:
    """The notice to the authority, to be signed and sent."""
    found = _found(request, breach_id)
    return respond_pdf(request, paper.notice(found), f"thong-bao-vi-pham-{found.pk}")


def _tell(form: forms.Form, error: PrivacyError) -> None:
    form.add_error(error.code if error.code in form.fields else None, str(error.message))


def _status(request: HttpRequest) -> int:
    return 422 if request.method == "POST" else 200


def _at(text: str) -> datetime | None:
    try:
        return cast("datetime", _moment("").clean(text)) if text else None
    except forms.ValidationError as error:
        raise PrivacyError("period") from error


def _found(request: HttpRequest, breach_id: int) -> Breach:
    found = actions.kept_by(_by(request)).filter(pk=breach_id).first()
    if found is None:
        raise Http404
    return found


def _by(request: HttpRequest) -> Account:
    return cast("Account", request.user)
