"""Forms of the reception desk."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override

from tuetinh.care.insurance.api import EXAMINED, kinds_to_choose
from tuetinh.care.reception.words import CARD_WARNINGS, KINDS
from tuetinh.commons.catalogues.api import (
    OCCUPATIONS,
    Commune,
    Place,
    Province,
    communes,
    ethnic_groups,
    parse_address,
    written,
)
from tuetinh.commons.identity.api import PersonDraft, age, check_number

GENDERS = (("male", gettext_lazy("Nam")), ("female", gettext_lazy("Nữ")))
UNSURE = (*GENDERS, ("unknown", gettext_lazy("Chưa rõ")))
OLDEST = 130  # years
BIRTH = re.compile(r"(?:([0-9]{1,2})[/.-])?(?:([0-9]{1,2})[/.-])?([0-9]{4})")


class PersonForm(forms.Form):
    """A new person, as the desk types or the card says."""

    name = forms.CharField(
        label=gettext_lazy("Họ và tên"), max_length=150, widget=forms.TextInput(attrs={"data-focus": ""})
    )
    birth = forms.CharField(
        label=gettext_lazy("Ngày sinh"), max_length=10, help_text=gettext_lazy("dd/mm/yyyy hoặc yyyy")
    )
    gender = forms.ChoiceField(label=gettext_lazy("Giới tính"), choices=GENDERS, widget=forms.RadioSelect)
    cccd = forms.CharField(
        label=gettext_lazy("Số định danh (CCCD)"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    card = forms.CharField(label=gettext_lazy("Số thẻ BHYT hoặc mã BHXH"), max_length=20, required=False)
    phone = forms.CharField(
        label=gettext_lazy("Điện thoại"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "tel"}),
    )
    line = forms.CharField(label=gettext_lazy("Số nhà, thôn bản"), max_length=200, required=False)
    place = forms.CharField(
        label=gettext_lazy("Xã, tỉnh"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Gõ tên xã, không cần dấu; tên cũ cũng được."),
    )
    ethnic = forms.ChoiceField(label=gettext_lazy("Dân tộc"), required=False)
    occupation = forms.ChoiceField(label=gettext_lazy("Nghề nghiệp"), required=False)
    cmnd = forms.CharField(required=False, max_length=9, widget=forms.HiddenInput)
    told = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the ethnic groups of the General Statistics Office and the occupations of the medical record."""
        super().__init__(*args, **kwargs)
        groups = [(group.code, group.name) for group in ethnic_groups()]
        self.fields["ethnic"].choices = [("", "—"), *groups]  # type: ignore[attr-defined]
        self.fields["occupation"].choices = [("", "—"), *OCCUPATIONS.items()]  # type: ignore[attr-defined]
        self.odd: str = self.initial.get("told", "")

    @staticmethod
    def initial_of(draft: PersonDraft) -> dict[str, str]:
        """The form's values for what a card says; an address in old names comes in those of today."""
        home = parse_address(draft.address)
        unit = home.commune or home.province
        return {
            "name": draft.name,
            "birth": "/".join(reversed(draft.birth.split("-"))),
            "gender": draft.gender,
            "cccd": draft.cccd,
            "cmnd": draft.cmnd,
            "card": draft.card or draft.bhxh,
            "phone": draft.phone,
            "line": home.line if unit else draft.address,
            "place": written(unit) if unit else "",
            "told": _odd_key(draft.cccd, draft.birth, draft.gender),
        }

    def clean_birth(self) -> str:
        """dd/mm/yyyy, mm/yyyy or yyyy → as in FHIR."""
        found = read_birth(self.cleaned_data["birth"])
        years = age(found, timezone.localdate()) if found else None
        if years is None or years > OLDEST:
            raise forms.ValidationError(_("Ngày sinh không đúng. Nhập dd/mm/yyyy, hoặc chỉ năm sinh."))
        return found

    def clean_cccd(self) -> str:
        """Twelve digits, typed in groups or not."""
        text = re.sub(r"[\s.\-]", "", self.cleaned_data["cccd"])
        if text and not re.fullmatch(r"[0-9]{12}", text):
            raise forms.ValidationError(_("Số định danh có 12 chữ số, đã nhập %(n)d ký tự.") % {"n": len(text)})
        return text

    def clean_card(self) -> str:
        """A card number (15) or a BHXH number (10)."""
        text: str = re.sub(r"[\s.\-]", "", self.cleaned_data["card"]).upper()
        if text and not re.fullmatch(r"[A-Z]{2}[1-5][0-9]{12}|[0-9]{10}", text):
            raise forms.ValidationError(_("Thẻ BHYT có 15 ký tự, mã BHXH có 10 chữ số."))
        return text

    def clean_phone(self) -> str:
        """Digits, with an optional plus sign."""
        text = re.sub(r"[\s.\-]", "", self.cleaned_data["phone"])
        if text and not re.fullmatch(r"\+?[0-9]{8,14}", text):
            raise forms.ValidationError(_("Số điện thoại chỉ gồm chữ số."))
        return text

    def clean_place(self) -> Commune | Province | None:
        """The commune, or at least the province, in today's or old names."""
        text = " ".join(self.cleaned_data["place"].split())
        if not text:
            return None
        if found := _unit(parse_address(text)):
            return found
        near = communes(text, 2)
        if len(near) == 1:
            return near[0]
        raise forms.ValidationError(_("Chưa rõ là xã nào. Gõ lại rồi chọn một dòng trong danh sách."))

    def clean(self) -> dict[str, Any]:
        """What does not fit between number, birth and sex is asked once; papers that do say so pass the second time."""
        told = self.cleaned_data
        key = _odd_key(told.get("cccd") or "", told.get("birth") or "", told.get("gender") or "")
        if key and told.get("told") != key:
            odd = check_number(told["cccd"], birth=told.get("birth") or "", gender=told.get("gender") or "")
            asked = _("Sửa lại, hoặc bấm đăng ký lần nữa nếu giấy tờ ghi đúng như vậy.")
            self.add_error("cccd", " ".join([*(str(CARD_WARNINGS[code]) for code in odd), asked]))
        self.odd = key
        return told

    def draft(self) -> PersonDraft:
        """The person as typed."""
        told = self.cleaned_data
        unit: Commune | Province | None = told["place"]
        ward = unit.code if isinstance(unit, Commune) else ""
        province = unit.province if isinstance(unit, Commune) else unit.code if unit else ""
        line = told["line"].strip(" ,")
        groups = {group.code: group.name for group in ethnic_groups()}
        card = told["card"]
        return PersonDraft(
            name=" ".join(told["name"].split()),
            birth=told["birth"],
            gender=told["gender"],
            cccd=told["cccd"],
            cmnd=told["cmnd"],
            card=card if len(card) == 15 else "",
            bhxh=card[-10:],
            phone=told["phone"],
            address=", ".join(part for part in (line, written(unit) if unit else "") if part),
            commune=ward,
            province=province,
            ethnic=told["ethnic"],
            ethnic_name=str(groups.get(told["ethnic"], "")),
            occupation=told["occupation"],
            occupation_name=_in_vietnamese(OCCUPATIONS.get(told["occupation"], "")),
        )


def read_birth(text: str) -> str:
    """dd/mm/yyyy, mm/yyyy or yyyy → as in FHIR; "" for anything else."""
    match = BIRTH.fullmatch(text.strip())
    if not match:
        return ""
    first, second, year = match.groups()
    day, month = (first, second) if second else (None, first)
    return "-".join(part.zfill(2) for part in (year, month, day) if part)


def draft_of(text: str) -> PersonDraft:
    """What was typed into the search field, as far as it can be told, when nobody was found by it."""
    told: dict[str, str] = {}
    names = []
    for word in text.split():
        digits = re.sub(r"[.\-+]", "", word)
        if re.fullmatch(r"[0-9]{12}", digits):
            told["cccd"] = digits
        elif re.fullmatch(r"[A-Za-z]{2}[1-5][0-9]{12}", word):
            told["card"] = word.upper()
        elif re.fullmatch(r"0[0-9]{9}", digits):
            told["phone"] = digits
        elif re.search(r"(19|20)[0-9]{2}$", word) and read_birth(word):
            told["birth"] = read_birth(word)
        elif word.isalpha():
            names.append(word[0].upper() + word[1:])
    return PersonDraft(name=" ".join(names), **told)


def _unit(found: Place) -> Commune | Province | None:
    """What an address names, when it names nothing that is unknown."""
    return found.commune or (None if found.line else found.province)


def _odd_key(number: str, birth: str, gender: str) -> str:
    """What is odd about a number, tied to what it was found odd with; "" when nothing is."""
    odd = check_number(number, birth=birth, gender=gender) if number else []
    return "|".join([number, birth, gender]) if odd else ""


def _in_vietnamese(text: object) -> str:
    """The record is written in Vietnamese, whatever the desk reads."""
    with override("vi"):
        return str(text)


class VisitForm(forms.Form):
    """What the desk asks before a visit."""

    room = forms.ChoiceField(label=gettext_lazy("Phòng khám"), widget=forms.RadioSelect)
    reason = forms.CharField(
        label=gettext_lazy("Lý do đến khám"), max_length=300, widget=forms.TextInput(attrs={"data-focus": ""})
    )
    kind = forms.ChoiceField(label=gettext_lazy("Hình thức"), choices=tuple(KINDS.items()), initial="own")
    care = forms.ChoiceField(label=gettext_lazy("Loại hình KCB"), required=False, initial=EXAMINED)
    priority = forms.BooleanField(label=gettext_lazy("Ưu tiên"), required=False)
    checked = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the kinds of care of today."""
        super().__init__(*args, **kwargs)
        kinds = kinds_to_choose(timezone.localdate(), stay=False)
        self.fields["care"].choices = list(kinds.items())  # type: ignore[attr-defined]

    def clean_care(self) -> str:
        """An examination where nothing is chosen."""
        return self.cleaned_data["care"] or EXAMINED


class NewbornForm(forms.Form):
    """A child that was just born, of a mother who is known."""

    gender = forms.ChoiceField(
        label=gettext_lazy("Giới tính"),
        choices=(*GENDERS, ("unknown", gettext_lazy("Chưa rõ"))),
        widget=forms.RadioSelect,
    )
    at = forms.DateTimeField(
        label=gettext_lazy("Giờ, ngày sinh"),
        input_formats=["%Y-%m-%dT%H:%M", "%H:%M %d/%m/%Y", "%d/%m/%Y %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    order = forms.IntegerField(label=gettext_lazy("Con thứ mấy của lần sinh này"), min_value=1, max_value=9, initial=1)
    name = forms.CharField(
        label=gettext_lazy("Họ và tên, nếu đã đặt"),
        max_length=150,
        required=False,
        help_text=gettext_lazy("Để trống: ghi theo tên mẹ, bổ sung khi có giấy khai sinh."),
    )
    insured = forms.BooleanField(
        label=gettext_lazy("Cấp thẻ BHYT tạm cho trẻ dưới 6 tuổi"), required=False, initial=True
    )
    card = forms.CharField(
        label=gettext_lazy("Mã thẻ tạm của cổng BHXH, nếu có"),
        max_length=20,
        required=False,
        help_text=gettext_lazy("TE1, mã tỉnh, 10 chữ số. Để trống: máy đặt mã."),
    )

    def clean_card(self) -> str:
        """TE1 and twelve digits."""
        text: str = re.sub(r"[\s.\-]", "", self.cleaned_data["card"]).upper()
        if text and not re.fullmatch(r"TE1[0-9]{12}", text):
            raise forms.ValidationError(_("Mã thẻ tạm có dạng TE1 rồi 12 chữ số."))
        return text


class UnknownForm(forms.Form):
    """Somebody who cannot say who they are."""

    description = forms.CharField(
        label=gettext_lazy("Đặc điểm nhận ra"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "data-focus": ""}),
        help_text=gettext_lazy("Khoảng tuổi, dáng người, quần áo, dấu vết, đồ mang theo; tìm thấy ở đâu, ai đưa đến."),
    )
    gender = forms.ChoiceField(
        label=gettext_lazy("Giới tính"),
        choices=(*GENDERS, ("unknown", gettext_lazy("Chưa rõ"))),
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(label=gettext_lazy("Tình trạng khi đến"), max_length=300)
    room = forms.ChoiceField(label=gettext_lazy("Phòng khám"), widget=forms.RadioSelect)


class ReasonForm(forms.Form):
    """Why something is taken back."""

    reason = forms.CharField(label=gettext_lazy("Lý do"), max_length=300)
