"""A desk that has seen the papers corrects what is known of a person."""

from __future__ import annotations

import re
from typing import cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from tuetinh.commons.access import api as access
from tuetinh.commons.identity import editing, queries
from tuetinh.commons.identity.errors import IdentityError
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.errors import Gone, NotFound, RecordError


class DetailsForm(forms.Form):
    """Name, birth, sex, personal number, telephone, address; the version that was shown comes back."""

    name = forms.CharField(label=gettext_lazy("Họ và tên"), max_length=150)
    birth = forms.CharField(
        label=gettext_lazy("Ngày sinh"), max_length=10, required=False, help_text=gettext_lazy("dd/mm/yyyy hoặc yyyy")
    )
    gender = forms.ChoiceField(
        label=gettext_lazy("Giới tính"),
        choices=[
            ("male", gettext_lazy("Nam")),
            ("female", gettext_lazy("Nữ")),
            ("other", gettext_lazy("Khác")),
            ("unknown", gettext_lazy("Chưa rõ")),
        ],
    )
    cccd = forms.CharField(label=gettext_lazy("Số định danh (CCCD)"), max_length=20, required=False)
    phone = forms.CharField(label=gettext_lazy("Điện thoại"), max_length=20, required=False)
    address = forms.CharField(label=gettext_lazy("Địa chỉ"), max_length=300, required=False)
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)

    def clean_birth(self) -> str:
        """dd/mm/yyyy, mm/yyyy or yyyy → as in FHIR; what is no date is told by the action."""
        return "-".join(part.zfill(2) for part in reversed(re.split(r"[/.]", self.cleaned_data["birth"])) if part)

    def clean_cccd(self) -> str:
        """Typed in groups or not."""
        return re.sub(r"[\s.\-]", "", self.cleaned_data["cccd"])

    def clean_phone(self) -> str:
        """Digits, with an optional plus sign."""
        text = re.sub(r"[\s.\-]", "", self.cleaned_data["phone"])
        if text and not re.fullmatch(r"\+?[0-9]{8,14}", text):
            raise forms.ValidationError(_("Số điện thoại chỉ gồm chữ số."))
        return text


@access.desk(*access.CITIZENS_DESKS)
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, patient_id: str) -> HttpResponse:
    """What is known, to be corrected."""
    asker = access.asker(request)
    try:
        banner = queries.banner(asker, patient_id)
        known = editing.details(cast("r4.Patient", record.read(asker, "Patient", patient_id)))
    except (NotFound, Gone) as error:
        raise Http404 from error
    shown = {name: getattr(known, name) for name in DetailsForm.base_fields}
    shown["birth"] = "/".join(reversed(known.birth.split("-")))
    form = DetailsForm(request.POST or None, initial=shown)
    if request.method == "POST" and form.is_valid():
        try:
            editing.correct(asker, patient_id, editing.Details(**form.cleaned_data))
        except IdentityError as error:
            form.add_error(error.field if error.field in form.fields else None, str(error))
        except RecordError:
            form.add_error(None, _("Hồ sơ vừa được nơi khác sửa. Hãy mở lại trang này."))
        else:
            messages.success(request, _("Đã sửa. Bản cũ vẫn được giữ."))
            return redirect("identity:person", patient_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "identity/edit.html", {"form": form, "person": banner}, status=status)
