"""De-identified exports at the desk of the province: asked for, approved by a second person, fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django import forms
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.commons.access.api import ALL_PURPOSES, desk, fresh
from tuetinh.commons.ui.api import paginate
from tuetinh.governance.privacy.deidentify import actions, elements
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import ResearchExport
from tuetinh.governance.privacy.words import EXPORT_STATES
from tuetinh.record.labels import BITS

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account


class ExportForm(forms.Form):
    """What is asked for."""

    title = forms.CharField(label=gettext_lazy("Tên đề tài, số liệu"), max_length=200)
    purpose = forms.ChoiceField(
        label=gettext_lazy("Mục đích"), choices=[(code, ALL_PURPOSES[code]) for code in actions.PURPOSES]
    )
    reason = forms.CharField(
        label=gettext_lazy("Lý do, số quyết định"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )
    types = forms.MultipleChoiceField(
        label=gettext_lazy("Loại dữ liệu"),
        choices=[(name, name) for name in elements.table().elements],
        widget=forms.SelectMultiple(attrs={"size": "8"}),
    )
    labels = forms.MultipleChoiceField(
        label=gettext_lazy("Nhãn nhạy cảm được phép"),
        choices=[(name, name) for name in BITS],
        required=False,
        widget=forms.SelectMultiple(attrs={"size": "5"}),
        help_text=gettext_lazy("Không chọn: bỏ mọi mục có nhãn nhạy cảm."),
    )
    k = forms.IntegerField(label=gettext_lazy("Nhóm nhỏ nhất (k)"), required=False, min_value=1, max_value=1000)
    keeps_key = forms.BooleanField(
        label=gettext_lazy("Giữ khóa bí danh (niêm phong) để nối với bản sau"), required=False
    )


@desk("admin")
@require_http_methods(["GET", "POST"])
@never_cache
def exports(request: HttpRequest) -> HttpResponse:
    """Exports that were asked for, newest first; ask for one by POST."""
    form = ExportForm(request.POST or None, initial={"k": elements.table().k})
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            actions.ask(
                _by(request), told["purpose"], told["title"], told["reason"], told["types"],
                labels=told["labels"], k=told["k"], keeps_key=told["keeps_key"],
            )  # fmt: skip
        except PrivacyError as error:
            form.add_error(error.code if error.code in form.fields else None, str(error.message))
        else:
            messages.success(request, _("Đã ghi. Một người quản trị khác của tỉnh phải duyệt."))
            return redirect("privacy:research")
    page = paginate(request, ResearchExport.objects.select_related("asked_by", "decided_by").order_by("-pk"))
    context = {
        "form": form,
        "page": page,
        "rows": [(one, ALL_PURPOSES[one.purpose], EXPORT_STATES[one.state]) for one in page],
        "may": not _by(request).facility,
    }
    return render(request, "privacy/research.html", context, status=422 if request.method == "POST" else 200)


@fresh("rules")
@desk("admin")
@require_POST
def decide(request: HttpRequest, export_id: int) -> HttpResponse:
    """Approve or refuse it (`verdict`), with a `note`."""
    approve = request.POST.get("verdict") == "approve"
    try:
        actions.decide(_by(request), export_id, approve=approve, note=request.POST.get("note", "")[:2000])
    except PrivacyError as error:
        messages.error(request, str(error.message))
    else:
        messages.success(request, _("Đã duyệt. Tệp đang được lập.") if approve else _("Đã ghi không duyệt."))
    return redirect("privacy:research")


@fresh("take")
@desk("admin")
@require_POST
@never_cache
def take(request: HttpRequest, export_id: int) -> HttpResponseBase:
    """Fetch the file."""
    try:
        path = actions.take(_by(request), export_id)
    except PrivacyError as error:
        messages.error(request, str(error.message))
        return redirect("privacy:research")
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"khu-nhan-dang-{export_id}.zip")


def _by(request: HttpRequest) -> Account:
    return cast("Account", request.user)
