"""Forms of the reception desk."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.care.reception.words import KINDS
from tuetinh.commons.catalogues.api import commune, ethnic_groups, parse_address
from tuetinh.commons.identity.api import PersonDraft

GENDERS = (("male", gettext_lazy("Nam")), ("female", gettext_lazy("Nữ")))
BIRTH = re.compile(r"(?:(\d{1,2})/)?(?:(\d{1,2})/)?(\d{4})")


class PersonForm(forms.Form):
    """A new person, as the desk types or the card says."""

    name = forms.CharField(
        label=gettext_lazy("Họ và tên"), max_length=150, widget=forms.TextInput(attrs={"data-focus": ""})
    )
    birth = forms.CharField(
        label=gettext_lazy("Ngày sinh"), max_length=10, help_text=gettext_lazy("dd/mm/yyyy hoặc yyyy")
    )
    gender = forms.ChoiceField(label=gettext_lazy("Giới tính"), choices=GENDERS, widget=forms.RadioSelect)
    cccd = forms.CharField(label=gettext_lazy("Số định danh (CCCD)"), max_length=12, required=False)
    card = forms.CharField(label=gettext_lazy("Số thẻ BHYT hoặc mã BHXH"), max_length=15, required=False)
    phone = forms.CharField(label=gettext_lazy("Điện thoại"), max_length=15, required=False)
    address = forms.CharField(label=gettext_lazy("Địa chỉ (thôn bản, xã, tỉnh)"), max_length=300, required=False)
    ethnic = forms.ChoiceField(label=gettext_lazy("Dân tộc"), required=False)
    cmnd = forms.CharField(required=False, max_length=9, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the ethnic groups of the General Statistics Office."""
        super().__init__(*args, **kwargs)
        groups = [(group.code, group.name) for group in ethnic_groups()]
        self.fields["ethnic"].choices = [("", "—"), *groups]  # type: ignore[attr-defined]

    @staticmethod
    def initial_of(draft: PersonDraft) -> dict[str, str]:
        """The form's values for what a card says."""
        return {
            "name": draft.name,
            "birth": "/".join(reversed(draft.birth.split("-"))),
            "gender": draft.gender,
            "cccd": draft.cccd,
            "cmnd": draft.cmnd,
            "card": draft.card or draft.bhxh,
            "address": draft.address,
        }

    def clean_birth(self) -> str:
        """dd/mm/yyyy, mm/yyyy or yyyy → as in FHIR."""
        match = BIRTH.fullmatch(self.cleaned_data["birth"].strip())
        if not match:
            raise forms.ValidationError(_("Nhập dd/mm/yyyy, hoặc chỉ năm sinh."))
        first, second, year = match.groups()
        day, month = (first, second) if second else (None, first)
        return "-".join(part.zfill(2) for part in (year, month, day) if part)

    def clean_card(self) -> str:
        """A card number (15) or a BHXH number (10)."""
        text: str = self.cleaned_data["card"].strip().upper()
        if text and not re.fullmatch(r"[A-Z]{2}[1-5]\d{12}|\d{10}", text):
            raise forms.ValidationError(_("Thẻ BHYT có 15 ký tự, mã BHXH có 10 chữ số."))
        return text

    def clean_phone(self) -> str:
        """Digits, with an optional plus sign."""
        text = re.sub(r"[\s.\-]", "", self.cleaned_data["phone"])
        if text and not re.fullmatch(r"\+?\d{8,14}", text):
            raise forms.ValidationError(_("Số điện thoại chỉ gồm chữ số."))
        return text

    def draft(self) -> PersonDraft:
        """The person as typed; the commune is read from the address."""
        told = self.cleaned_data
        place = parse_address(told["address"]) if told["address"] else None
        ward = place.commune.code if place and place.commune else ""
        known = commune(ward) if ward else None
        groups = {group.code: group.name for group in ethnic_groups()}
        card = told["card"]
        return PersonDraft(
            name=" ".join(told["name"].split()),
            birth=told["birth"],
            gender=told["gender"],
            cccd=told["cccd"].strip(),
            cmnd=told["cmnd"],
            card=card if len(card) == 15 else "",
            bhxh=card if len(card) == 10 else card[5:] if card else "",
            phone=told["phone"],
            address=told["address"].strip(),
            commune=ward,
            province=known.province if known else "",
            ethnic=told["ethnic"],
            ethnic_name=str(groups.get(told["ethnic"], "")),
        )


class VisitForm(forms.Form):
    """What the desk asks before a visit."""

    room = forms.ChoiceField(label=gettext_lazy("Phòng khám"), widget=forms.RadioSelect)
    reason = forms.CharField(
        label=gettext_lazy("Lý do đến khám"), max_length=300, widget=forms.TextInput(attrs={"data-focus": ""})
    )
    kind = forms.ChoiceField(label=gettext_lazy("Hình thức"), choices=tuple(KINDS.items()), initial="own")
    priority = forms.BooleanField(label=gettext_lazy("Ưu tiên"), required=False)
    checked = forms.CharField(required=False, widget=forms.HiddenInput)


class ReasonForm(forms.Form):
    """Why something is taken back."""

    reason = forms.CharField(label=gettext_lazy("Lý do"), max_length=300)
