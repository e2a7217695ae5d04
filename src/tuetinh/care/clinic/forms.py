"""Forms of the doctor's page. Field names are stable: connected scripts may post them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.care.clinic.actions import Line
from tuetinh.care.clinic.vitals import VITALS, implausible
from tuetinh.commons.catalogues.api import codes, drug


class Measure(forms.DecimalField):
    """A measured number; a comma or a point before the decimals."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def to_python(self, value: Any) -> Decimal | None:
        """Take a decimal comma as well."""
        return super().to_python(str(value).replace(",", ".") if value else value)


class VitalsForm(forms.Form):
    """One field a vital sign."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Build the fields from vitals.VITALS."""
        super().__init__(*args, **kwargs)
        for vital in VITALS.values():
            self.fields[vital.key] = Measure(label=vital.label, required=False, max_digits=6, decimal_places=2)

    def clean(self) -> dict[str, Any]:
        """Every value that cannot be, beside its field."""
        told = super().clean() or {}
        for key, words in implausible({key: value for key, value in told.items() if value is not None}).items():
            self.add_error(key, words)
        return told

    def values(self) -> dict[str, Decimal]:
        """What was filled in."""
        return {key: value for key, value in self.cleaned_data.items() if value is not None}


class ExaminationForm(forms.Form):
    """What was told and found."""

    seen = forms.CharField(max_length=10, required=False, widget=forms.HiddenInput)
    reason = forms.CharField(label=gettext_lazy("Lý do khám"), max_length=300, required=False)
    history = forms.CharField(
        label=gettext_lazy("Bệnh sử"), max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    examination = forms.CharField(
        label=gettext_lazy("Khám lâm sàng"), max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def clean_seen(self) -> str | None:
        """The version that the page showed; None when whoever posts does not say."""
        return self.cleaned_data["seen"] if "seen" in self.data else None


class CloseForm(forms.Form):
    """How the visit ends."""

    result = forms.ChoiceField(label=gettext_lazy("Kết quả điều trị"))
    disposition = forms.ChoiceField(label=gettext_lazy("Hình thức ra viện"))
    care = forms.ChoiceField(label=gettext_lazy("Loại hình KCB"), required=False)
    advice = forms.CharField(
        label=gettext_lazy("Lời dặn"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    follow_up = forms.CharField(
        label=gettext_lazy("Hẹn khám lại"), max_length=10, required=False, help_text=gettext_lazy("dd/mm/yyyy")
    )

    def __init__(self, *args: Any, kinds: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        """Offer the code lists of the insurance tables. kinds: of care that the visit can be of."""
        super().__init__(*args, **kwargs)
        self.fields["care"].choices = list((kinds or {}).items())  # type: ignore[attr-defined]
        for name, list_ in (("result", "KET_QUA_DTRI"), ("disposition", "MA_LOAI_RV")):
            self.fields[name].choices = list(codes(list_).items())  # type: ignore[attr-defined]
        self.fields["result"].initial, self.fields["disposition"].initial = "2", "1"

    def clean_follow_up(self) -> str:
        """dd/mm/yyyy in the future → ISO."""
        text = self.cleaned_data["follow_up"].strip()
        if not text:
            return ""
        try:
            day, month, year = (int(part) for part in text.split("/"))
            found = date(year, month, day)
        except ValueError as error:
            raise forms.ValidationError(_("Nhập dd/mm/yyyy.")) from error
        if found <= timezone.localdate():
            raise forms.ValidationError(_("Ngày hẹn phải sau hôm nay."))
        return found.isoformat()


def prescription_lines(data: QueryDict) -> list[Line]:
    """The filled lines of a posted prescription; raises ValueError with words for a line that cannot be read."""
    names = ("drug", "times", "dose", "days", "quantity", "note")
    lines = []
    for row in zip_longest(*(data.getlist(name) for name in names), fillvalue=""):
        code, times, dose, days, quantity, note = (text.strip() for text in row)
        if not code:
            continue
        try:
            numbers = [_count(text) for text in (times, dose, days)]
            amount = _count(quantity) if quantity else None
        except InvalidOperation as error:
            known = drug(code)
            told = _("%(name)s: ghi đủ số lần, liều mỗi lần và số ngày bằng số.")
            raise ValueError(told % {"name": known.label if known else code}) from error
        lines.append(Line(code, *numbers, note=note[:200], quantity=amount))
    return lines


def _count(text: str) -> Decimal:
    """A typed number; raises InvalidOperation for anything else, infinity among it."""
    number = Decimal(text.replace(",", "."))
    if not number.is_finite():
        raise InvalidOperation
    return number
