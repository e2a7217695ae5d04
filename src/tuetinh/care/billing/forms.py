"""What the cashier types."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from tuetinh.commons.ui.api import DayField, DongField


class CashForm(forms.Form):
    """amount: what was left to pay when the page was shown; part: how much of it is paid now; received: handed over."""

    amount = forms.DecimalField(min_value=1, max_digits=13, decimal_places=0, widget=forms.HiddenInput)
    part = DongField(label=_("Chỉ thu một phần"), required=False, help_text=_("Để trống: thu đủ."))
    received = DongField(label=_("Khách đưa"), required=False)

    def clean(self) -> dict[str, object]:
        """A part must be part of it, and what was handed over enough; nothing handed over is the exact amount."""
        data = super().clean() or {}
        amount, part, received = data.get("amount"), data.get("part"), data.get("received")
        if part is not None and amount is not None and not 0 < part <= amount:
            self.add_error("part", _("Một phần phải lớn hơn 0 và không quá số còn phải thu."))
            return data
        taken = amount if part is None else part
        if received is not None and taken is not None and received < taken:
            self.add_error("received", _("Chưa đủ số tiền phải trả."))
        return data


class BackForm(forms.Form):
    """amount: what was too much when the page was shown; reason: why it is given back."""

    amount = forms.DecimalField(min_value=1, max_digits=13, decimal_places=0, widget=forms.HiddenInput)
    reason = forms.CharField(label=_("Lý do hoàn tiền"), max_length=300)


class DayForm(forms.Form):
    """Which day of the cash book, and whose: one's own, or the whole facility's."""

    day = DayField(label=_("Ngày"))
    who = forms.ChoiceField(label=_("Của"), choices=[("me", _("tôi")), ("all", _("cả cơ sở"))])


class ReasonForm(forms.Form):
    """Why a payment is cancelled."""

    reason = forms.CharField(label=_("Lý do hủy"), max_length=300)
