"""What the pages of the blood bank ask for."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from tuetinh.care.lab.blood.groups import ABO
from tuetinh.care.lab.blood.models import BloodOrder
from tuetinh.care.lab.blood.tables import components, words
from tuetinh.care.lab.blood.wire_isbt128 import HANOI
from tuetinh.commons.ui.api import DayField

GROUPS = [(f"{abo}{rhd}", f"{abo} Rh(D){'+' if rhd == '+' else '−'}") for abo in ABO for rhd in "+-"]
URGENCIES = [
    (BloodOrder.Urgency.ROUTINE, _("Thường")),
    (BloodOrder.Urgency.URGENT, _("Khẩn")),
    (BloodOrder.Urgency.STAT, _("Tối khẩn")),
]


class UnitForm(forms.Form):
    """A unit that comes in; what its barcodes say is filled in."""

    din = forms.CharField(label=_("Mã đơn vị máu"), max_length=20)
    product = forms.CharField(label=_("Mã sản phẩm"), max_length=8, required=False)
    component = forms.ChoiceField(label=_("Chế phẩm"))
    group = forms.ChoiceField(label=_("Nhóm máu trên nhãn"), choices=[("", "—"), *GROUPS])
    volume = forms.IntegerField(label=_("Thể tích (ml)"), min_value=1, max_value=1000)
    expires = DayField(label=_("Hạn dùng"), help_text=_("Đến 23:59 của ngày này, nếu mã vạch không ghi giờ."))
    until = forms.TimeField(label=_("Giờ hết hạn"), required=False, widget=forms.TimeInput(format="%H:%M"))
    collected = DayField(label=_("Ngày lấy máu"), required=False)
    donor = forms.CharField(label=_("Mã người hiến"), max_length=40, required=False)
    supplier = forms.CharField(label=_("Nơi cung cấp"), max_length=200, required=False)
    storage = forms.CharField(label=_("Tủ / ngăn"), max_length=100, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = [(key, one.name) for key, one in components().items()]
        self.fields["component"].choices = [("", "—"), *named]  # type: ignore[attr-defined]

    def told(self) -> dict[str, Any]:
        """The cleaned fields as `stock.receive` takes them."""
        told = dict(self.cleaned_data)
        group, until = told.pop("group"), told.pop("until") or time(23, 59)
        told["abo"], told["rhd"] = group[:-1], group[-1:]
        told["expires"] = datetime.combine(told["expires"], until, HANOI).astimezone(UTC)
        return told


class OrderForm(forms.Form):
    """A doctor's order for blood."""

    component = forms.ChoiceField(label=_("Chế phẩm"))
    quantity = forms.IntegerField(label=_("Số đơn vị"), min_value=1, max_value=20, initial=1)
    urgency = forms.ChoiceField(label=_("Mức độ"), choices=URGENCIES)
    indication = forms.ChoiceField(label=_("Chỉ định vì"))
    note = forms.CharField(label=_("Ghi chú lâm sàng"), max_length=500, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, found in (("component", components()), ("indication", words("indication"))):
            self.fields[name].choices = [(key, one.name) for key, one in found.items()]  # type: ignore[attr-defined]
