"""Forms of the citizen's pages."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.commons.access.api import RELATIONSHIPS, wards
from tuetinh.commons.ui.api import DayField


class CarerForm(forms.Form):
    """Who is to see the record, what they are to its person, until when.

    sees_all: whether who asks sees sensitive data, and so may let others see it.
    """

    number = forms.CharField(
        label=gettext_lazy("Số định danh (CCCD) của người được mời"),
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    name = forms.CharField(label=gettext_lazy("Họ và tên của người được mời"), max_length=150)
    relationship = forms.ChoiceField(
        label=gettext_lazy("Người đó là gì của người có hồ sơ"),
        choices=[(code, RELATIONSHIPS[code]) for code in wards.BY_WILL],
    )
    until = DayField(
        label=gettext_lazy("Xem được đến hết ngày"),
        required=False,
        help_text=gettext_lazy("Để trống: đến khi một trong hai bên thôi."),
    )
    sensitive = forms.BooleanField(
        label=gettext_lazy("Cả thông tin nhạy cảm (HIV, tâm thần, bệnh lây qua đường tình dục…)"),
        required=False,
    )

    def __init__(self, *args: Any, sees_all: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not sees_all:
            del self.fields["sensitive"]

    def clean_number(self) -> str:
        """Twelve digits, typed in groups or not."""
        text = re.sub(r"[\s.\-]", "", self.cleaned_data["number"])
        if not re.fullmatch(r"[0-9]{12}", text):
            raise forms.ValidationError(_("Số định danh có 12 chữ số, đã nhập %(n)d ký tự.") % {"n": len(text)})
        return text

    def clean_until(self) -> str:
        """ISO day, or ""."""
        day: date | None = self.cleaned_data["until"]
        return day.isoformat() if day else ""
