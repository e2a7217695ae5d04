"""The administrator's page of the machines that procedures are done with."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.care.clinic.errors import ClinicError, Implausible
from tuetinh.care.clinic.procedures.machines import machines, register, retire
from tuetinh.care.insurance.api import MACHINE_CODE
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.ui.api import paginate


class MachineForm(forms.Form):
    """A machine to register."""

    name = forms.CharField(label=gettext_lazy("Tên máy"), max_length=200)
    code = forms.RegexField(
        f"^{MACHINE_CODE}$", label=gettext_lazy("Mã máy BHYT (MA_MAY)"), max_length=100,
        error_messages={"invalid": gettext_lazy("Cần dạng nhóm.nguồn.số máy, ví dụ TNT.1.4008S-12345.")},
        help_text=gettext_lazy("Nhóm máy; nguồn 1 ngân sách, 2 tài trợ, 3 khác; số hiệu máy."),
    )  # fmt: skip


@desk("admin", at="facility")
@require_http_methods(["GET", "POST"])
@never_cache
def known(request: HttpRequest) -> HttpResponse:
    """The machines with a code; POST registers one (`name code`) or, with `retire`, takes one of them away."""
    me, form = asker(request), MachineForm(request.POST if "code" in request.POST else None)
    if request.method == "POST" and "retire" in request.POST:
        try:
            retire(me, request.POST["retire"])
        except ClinicError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Máy không còn trong danh sách chọn."))
        return redirect("clinic:machines")
    if form.is_valid():
        try:
            register(me, **form.cleaned_data)
        except Implausible:
            form.add_error("code", _("Mã máy này đã có trong danh sách."))
        else:
            messages.success(request, _("Đã ghi máy."))
            return redirect("clinic:machines")
    context = {"form": form, "page": paginate(request, machines(me))}
    return render(request, "clinic/machines.html", context, status=422 if form.is_bound else 200)
