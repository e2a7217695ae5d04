"""What people type about machines, examinations and objects that wait."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.dimse.peers import ANYONE
from tuetinh.care.imaging.models import Device
from tuetinh.care.insurance.api import MACHINE_CODE


def _is_title(value: str) -> None:
    """An AE title: 16 characters at most of the basic set, no backslash (PS3.5, 6.2)."""
    if not re.fullmatch(r"[\x20-\x5B\x5D-\x7E]{1,16}", value):
        raise ValidationError(_("Tối đa 16 chữ cái không dấu, chữ số hoặc dấu gạch."))


class DeviceForm(forms.Form):
    """Who a machine is, from where it calls, and what it may."""

    title = forms.CharField(label=_("AE title"), max_length=16, validators=[_is_title])
    name = forms.CharField(label=_("Tên máy"), max_length=100)
    modality = forms.CharField(
        label=_("Loại máy"), max_length=16, required=False, help_text=_("Ví dụ CT, MR, DX, US; để trống với máy đọc.")
    )
    address = forms.GenericIPAddressField(
        label=_("Địa chỉ IP gọi đến"), required=False, help_text=_("Chỉ nhận cuộc gọi từ địa chỉ này; trống: mọi nơi.")
    )
    host = forms.CharField(
        label=_("Nơi nhận ảnh"), max_length=200, required=False, help_text=_("Tên máy hoặc IP khi ta gửi đến.")
    )
    port = forms.IntegerField(label=_("Cổng nhận"), required=False, min_value=1, max_value=65535)
    tls = forms.BooleanField(label=_("Chỉ qua TLS"), required=False)
    stores = forms.BooleanField(label=_("Được gửi ảnh vào kho"), required=False, initial=True)
    finds = forms.BooleanField(label=_("Được tra cứu"), required=False)
    retrieves = forms.BooleanField(label=_("Được lấy ảnh"), required=False)
    works = forms.BooleanField(label=_("Được nhận danh sách chỉ định"), required=False)
    enabled = forms.BooleanField(label=_("Đang dùng"), required=False, initial=True)
    ministry_code = forms.RegexField(
        f"^{MACHINE_CODE}$",
        label=_("Mã máy BHYT (MA_MAY)"), max_length=100, required=False,
        error_messages={"invalid": _("Cần dạng nhóm.nguồn.số máy, ví dụ CL.1.SOMATOM-12345.")},
        help_text=_("Nhóm XQ, CL, MRI, SA…; nguồn 1 ngân sách, 2 tài trợ, 3 khác; số hiệu máy."),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """A machine that is sent to has a place and a port, or neither."""
        values = super().clean() or {}
        if bool(values.get("host")) != bool(values.get("port")):
            self.add_error("port", _("Ghi cả nơi nhận và cổng, hoặc để trống cả hai."))
        return values


class PlanForm(forms.Form):
    """On which machine, and when."""

    device = forms.ChoiceField(label=_("Máy chụp"), required=False)
    at = forms.DateTimeField(
        label=_("Giờ hẹn"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    )

    def __init__(self, facility: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        machines = Device.objects.filter(facility=facility, enabled=True, works=True).exclude(title=ANYONE)
        choices = [(row.pk, row.name) for row in machines.order_by("name")]
        self.fields["device"].choices = [("", _("Máy bất kỳ")), *choices]  # type: ignore[attr-defined]


ACTIONS = ("assign", "reject", "replace", "fix", "ask", "leave")


class DecisionForm(forms.Form):
    """What is to be done with an object that waits, or one that cannot be opened, and why."""

    action = forms.ChoiceField(choices=[(one, "") for one in ACTIONS])
    patient = forms.CharField(label=_("Mã người bệnh"), max_length=64, required=False)
    why = forms.CharField(label=_("Lý do"), max_length=500)


class PersonForm(forms.Form):
    """Whose a study is, and how one knows."""

    patient = forms.CharField(label=_("Mã người bệnh"), max_length=64)
    why = forms.CharField(label=_("Căn cứ"), max_length=500)
