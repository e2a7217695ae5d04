"""What the laboratory types about its analysers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from tuetinh.care.insurance.api import MACHINE_CODE
from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.machines.drivers import drivers

UNUSED = "-"  # the choice of a code that is never reported


class AnalyserForm(forms.Form):
    """Who an analyser is: its name for people, its name in messages, and from where it calls."""

    name = forms.CharField(label=_("Tên máy"), max_length=200)
    application = forms.CharField(
        label=_("Tên gửi (MSH-3, H-5)"),
        max_length=140,
        help_text=_("Đúng như máy ghi trong bản tin, ví dụ XN-1000."),
    )
    sending_facility = forms.CharField(label=_("Nơi gửi (MSH-4)"), max_length=140, required=False)
    address = forms.GenericIPAddressField(
        label=_("Địa chỉ IP"), required=False, help_text=_("Để trống nếu chỉ có một máy mang tên gửi này.")
    )
    enabled = forms.BooleanField(label=_("Nhận kết quả từ máy này"), required=False, initial=True)
    driver = forms.ChoiceField(
        label=_("Loại máy"),
        required=False,
        help_text=_("Để trống nếu không có trong danh sách: mã của máy được dạy dần."),
    )
    silent_minutes = forms.IntegerField(
        label=_("Báo động khi máy im lặng (phút)"),
        required=False,
        min_value=0,
        max_value=100_000,
        help_text=_("0: theo loại máy."),
    )
    serial = forms.CharField(
        label=_("Cổng nối tiếp"), max_length=100, required=False, help_text=_("Ví dụ /dev/ttyUSB0 hoặc COM3.")
    )
    folder = forms.CharField(
        label=_("Thư mục máy để tệp"), max_length=300, required=False, help_text=_("Đường dẫn đầy đủ trên máy chủ này.")
    )
    port = forms.IntegerField(
        label=_("Cổng nhận chỉ định của máy"), required=False, min_value=1, max_value=65535,
        help_text=_("Khi máy nhận chỉ định HL7 tại địa chỉ IP của nó."),
    )  # fmt: skip
    downloads = forms.BooleanField(label=_("Gửi chỉ định cho máy khi nhận mẫu"), required=False)
    bedside = forms.BooleanField(label=_("Máy đặt tại khoa hoặc trạm (xét nghiệm tại chỗ)"), required=False)
    ministry_code = forms.RegexField(
        f"^{MACHINE_CODE}$",
        label=_("Mã máy BHYT (MA_MAY)"), max_length=100, required=False,
        error_messages={"invalid": _("Cần dạng nhóm.nguồn.số máy, ví dụ HH.1.XN1000-12345.")},
        help_text=_("Nhóm HH, SH, VS, DN…; nguồn 1 ngân sách, 2 tài trợ, 3 khác; số hiệu máy."),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = sorted((one.name, key) for key, one in drivers().items())
        self.fields["driver"].choices = [("", _("Loại khác")), *((key, name) for name, key in models)]  # type: ignore[attr-defined]

    def clean_silent_minutes(self) -> int:
        """Minutes; 0 where nothing was typed."""
        return self.cleaned_data["silent_minutes"] or 0

    def clean_folder(self) -> str:
        """An absolute path."""
        folder: str = self.cleaned_data["folder"].strip()
        if folder and not Path(folder).is_absolute():
            raise forms.ValidationError(_("Cần đường dẫn đầy đủ."))
        return folder


class CodeForm(forms.Form):
    """What one code of an analyser means."""

    code = forms.CharField(label=_("Mã của máy"), max_length=100)
    analyte = forms.ChoiceField(label=_("Chỉ số của ta"))
    unit = forms.CharField(
        label=_("Đơn vị của máy"), max_length=40, required=False, help_text=_("Khi bản tin không ghi đơn vị.")
    )
    factor = forms.DecimalField(
        label=_("Hệ số"),
        initial=1,
        min_value=Decimal("0.000000001"),
        max_digits=18,
        decimal_places=9,
        localize=True,
        help_text=_("Số của máy nhân hệ số này thành đơn vị của ta; 1 là giữ nguyên."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = sorted((f"{a.name} ({a.unit or '—'})", a.key) for a in analytes().values())
        choices = [("", _("Chọn chỉ số")), (UNUSED, _("Không dùng")), *((key, label) for label, key in named)]
        self.fields["analyte"].choices = choices  # type: ignore[attr-defined]

    def clean_analyte(self) -> str:
        """A key of ours, or "" for what is never reported."""
        chosen: str = self.cleaned_data["analyte"]
        return "" if chosen == UNUSED else chosen
