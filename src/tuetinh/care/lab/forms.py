"""What the laboratory types about its analysers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from tuetinh.care.lab.catalogue import analytes

UNUSED = "-"  # the choice of a code that is never reported


class AnalyserForm(forms.Form):
    """Who an analyser is: its name for people, its name in messages, and from where it calls."""

    name = forms.CharField(label=_("Tên máy"), max_length=200)
    application = forms.CharField(
        label=_("Tên gửi (MSH-3)"), max_length=140, help_text=_("Đúng như máy ghi trong bản tin, ví dụ XN-1000.")
    )
    sending_facility = forms.CharField(label=_("Nơi gửi (MSH-4)"), max_length=140, required=False)
    address = forms.GenericIPAddressField(
        label=_("Địa chỉ IP"), required=False, help_text=_("Để trống nếu chỉ có một máy mang tên gửi này.")
    )
    enabled = forms.BooleanField(label=_("Nhận kết quả từ máy này"), required=False, initial=True)


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
