"""What is chosen when pictures are given to a patient."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from tuetinh.care.imaging.handover.doors import DAYS, OPENINGS


class GiveForm(forms.Form):
    """For how long, and how often it can be opened."""

    days = forms.TypedChoiceField(
        label=_("Mở được trong"),
        coerce=int,
        choices=[(n, ngettext_lazy("%(n)d ngày", "%(n)d ngày", n) % {"n": n}) for n in DAYS],
        initial=30,
    )
    most = forms.TypedChoiceField(
        label=_("Số lần mở"),
        coerce=int,
        choices=[(n, ngettext_lazy("%(n)d lần", "%(n)d lần", n) % {"n": n}) for n in OPENINGS],
        initial=20,
    )
