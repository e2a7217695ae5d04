"""What the cashier types."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class CashForm(forms.Form):
    """amount: what was left to pay when the page was shown; received: what the person handed over."""

    amount = forms.DecimalField(min_value=1, max_digits=13, decimal_places=0, widget=forms.HiddenInput)
    received = forms.CharField(
        label=_("Khách đưa"),
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "data-focus": ""}),
    )

    def clean_received(self) -> int | None:
        """Read `500.000`, `500 000 ₫` or nothing, which is the exact amount."""
        typed = "".join(c for c in self.cleaned_data["received"] if c not in ".,₫đ \u00a0")
        if not typed:
            return None
        if not (typed.isascii() and typed.isdigit()) or len(typed) > 13:
            raise forms.ValidationError(_("Ghi số tiền bằng chữ số, ví dụ 500.000."))
        return int(typed)

    def clean(self) -> dict[str, object]:
        """What was handed over must be enough."""
        data = super().clean() or {}
        received, amount = data.get("received"), data.get("amount")
        if received is not None and amount is not None and received < amount:
            self.add_error("received", _("Chưa đủ số tiền phải trả."))
        return data


class ReasonForm(forms.Form):
    """Why a payment is cancelled."""

    reason = forms.CharField(label=_("Lý do hủy"), max_length=300)
