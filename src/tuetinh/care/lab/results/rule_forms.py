"""A rule as a person writes it: one form, with the fields of its kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
from django import forms
from django.utils.translation import gettext_lazy as _

from tuetinh.care.lab.catalogue import analytes, tests
from tuetinh.care.lab.quality.westgard import RULES
from tuetinh.care.lab.results.rules import KINDS, Rule
from tuetinh.commons.ui.api import DayField

KIND_NAMES = {
    "normal": _("Khoảng tham chiếu"),
    "critical": _("Giới hạn nguy kịch"),
    "delta": _("So với lần trước"),
    "formula": _("Chỉ số tính"),
    "hold": _("Giữ lại để xem"),
    "reflex": _("Làm thêm tự động"),
    "notifiable": _("Bệnh phải báo cáo"),
    "westgard": _("Nội kiểm (Westgard)"),
    "intrinsic": _("Đề kháng tự nhiên"),
    "expert": _("Quy tắc chuyên gia kháng sinh đồ"),
    "marker": _("Vi khuẩn đa kháng"),
    "counting": _("Kháng sinh đồ tích lũy"),
    "profile": _("Gói xét nghiệm"),
    "stability": _("Mẫu còn dùng được"),
    "interval": _("Khoảng chỉ định lại"),
    "indicator": _("Mã chỉ số dùng chung"),
    "automatic": _("Duyệt tự động"),
    "paused": _("Tạm ngừng"),
}
_SEXES = [("", _("Mọi người")), ("male", _("Nam")), ("female", _("Nữ"))]
_SIGNS = {"": _("Không hỏi"), "yes": _("Đang mang thai")}


def _analyte(label: object, *, required: bool = True) -> forms.ChoiceField:
    named = sorted((f"{one.name} ({one.unit or '—'})", one.key) for one in analytes().values())
    return forms.ChoiceField(label=label, required=required, choices=[("", "—"), *((key, said) for said, key in named)])


def _amount(label: object) -> forms.DecimalField:
    return forms.DecimalField(label=label, required=False, max_digits=18, decimal_places=6, localize=True)


def _text(label: object, length: int = 300, *, required: bool = True) -> forms.CharField:
    return forms.CharField(label=label, max_length=length, required=required)


def _expression(label: object) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
    return forms.CharField(label=label, max_length=4000, widget=widget)


FIELDS: dict[str, Callable[[], forms.Field]] = {
    "code": lambda: _text(_("Mã quy tắc"), 60),
    "on": lambda: forms.BooleanField(label=_("Đang dùng"), required=False, initial=True),
    "analyte": lambda: _analyte(_("Chỉ số")),
    "number": lambda: forms.CharField(
        label=_("Mã chỉ số"),
        max_length=7,
        help_text=_("7 chữ số, theo QĐ 1227/QĐ-BYT; gửi kèm kết quả trong hồ sơ BHYT."),
    ),
    "host": lambda: _analyte(_("Đi cùng chỉ định có chỉ số")),
    "analytes": lambda: forms.CharField(
        label=_("Của các chỉ số"), max_length=500, required=False, help_text=_("Mã cách nhau bằng dấu cách, như K NA.")
    ),
    "tests": lambda: forms.MultipleChoiceField(
        label=_("Xét nghiệm"),
        choices=[(one.code, one.name) for one in tests()],
        widget=forms.SelectMultiple(attrs={"size": 12}),
    ),
    "sex": lambda: forms.ChoiceField(label=_("Giới"), choices=_SEXES, required=False),
    "age_from": lambda: forms.CharField(
        label=_("Từ tuổi"), max_length=8, required=False, help_text=_("15a là 15 năm, 6mo tháng, 28d ngày.")
    ),
    "age_to": lambda: _text(_("Dưới tuổi"), 8, required=False),
    "pregnant": lambda: forms.ChoiceField(label=_("Thai"), choices=list(_SIGNS.items()), required=False),
    "method": lambda: forms.CharField(
        label=_("Phương pháp"), max_length=200, required=False, help_text=_("Tên máy; để trống là mọi máy.")
    ),
    "low": lambda: _amount(_("Giới hạn dưới")),
    "high": lambda: _amount(_("Giới hạn trên")),
    "percent": lambda: _amount(_("Đổi quá, %")),
    "absolute": lambda: _amount(_("Đổi quá, đơn vị")),
    "days": lambda: forms.IntegerField(label=_("So với kết quả trong số ngày"), min_value=1, max_value=730),
    "expression": lambda: _expression(_("Công thức")),
    "condition": lambda: _expression(_("Khi")),
    "digits": lambda: forms.IntegerField(label=_("Số chữ số thập phân"), min_value=0, max_value=6),
    "order": lambda: forms.ChoiceField(label=_("Làm thêm"), choices=[(one.pick, one.name) for one in tests()]),
    "rule": lambda: forms.ChoiceField(label=_("Quy tắc Westgard"), choices=[(name, name) for name in RULES]),
    "action": lambda: forms.ChoiceField(
        label=_("Khi vi phạm"), choices=[("reject", _("Chặn trả kết quả")), ("warn", _("Chỉ lưu ý"))]
    ),
    "organisms": lambda: forms.CharField(
        label=_("Vi sinh vật hoặc nhóm"),
        max_length=500,
        help_text=_("Mã WHONET hoặc tên nhóm, cách nhau bằng dấu cách."),
    ),
    "antibiotics": lambda: forms.CharField(
        label=_("Kháng sinh"), max_length=500, required=False, help_text=_("Mã WHONET cách nhau bằng dấu cách.")
    ),
    "result": lambda: forms.ChoiceField(
        label=_("Kết quả"), required=False, choices=[("", _("Chỉ lưu ý")), *((one, one) for one in "SIR")]
    ),
    "mark": lambda: _text(_("Tên gọi tắt"), 12),
    "alert": lambda: forms.BooleanField(label=_("Cảnh báo kiểm soát nhiễm khuẩn"), required=False),
    "minimum": lambda: forms.IntegerField(label=_("Số chủng tối thiểu"), min_value=1, max_value=1000),
    "icd10": lambda: _text(_("Mã ICD-10"), 8),
    "group": lambda: forms.ChoiceField(label=_("Nhóm bệnh"), choices=[(one, one) for one in "ABC"]),
    "hours": lambda: forms.IntegerField(label=_("Báo trong số giờ"), min_value=1, max_value=720),
    "vi": lambda: _text(_("Lời báo")),
    "en": lambda: _text(_("Lời báo tiếng Anh"), required=False),
    "from_": lambda: DayField(label=_("Từ ngày"), required=False),
    "to": lambda: DayField(label=_("Đến ngày"), required=False),
    "source": lambda: _text(_("Căn cứ"), required=False),
}
LISTS = ("analytes", "organisms", "antibiotics")  # fields of codes
WIDE = frozenset({"expression", "condition", "vi", "en", "source", "tests", *LISTS})
HOURS = {"stability": _("Số giờ sau khi lấy mẫu"), "interval": _("Không chỉ định lại trong số giờ")}


class RuleForm(forms.Form):
    """The fields of one kind of rule, and why it is changed."""

    def __init__(self, kind: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = KINDS[kind]
        for name, made in FIELDS.items():
            if name in self.kind.__struct_fields__:
                self.fields[name] = made()
        if kind == "delta":
            self.fields["analyte"] = _analyte(_("Chỉ số (trống: mọi chỉ số khác)"), required=False)
        if kind in HOURS:
            self.fields["hours"] = forms.IntegerField(label=HOURS[kind], min_value=1, max_value=8760)
        if kind == "profile":
            self.fields["vi"].label, self.fields["en"].label = _("Tên gói"), _("Tên gói tiếng Anh")
        if kind == "paused":
            self.fields["vi"].label, self.fields["en"].label = _("Vì sao"), _("Vì sao, tiếng Anh")
        self.fields["why"] = _text(_("Lý do thay đổi"), 500)

    def short(self) -> list[forms.BoundField]:
        """Fields that stand beside each other."""
        return [self[name] for name in self.fields if name not in WIDE | {"on", "why", "code"}]

    def wide(self) -> list[forms.BoundField]:
        """Fields that need a line."""
        return [self[name] for name in self.fields if name in WIDE]

    def rule(self) -> Rule:
        """The rule that was written."""
        told = {name: value for name, value in self.cleaned_data.items() if name != "why"}
        for name in ("from_", "to"):
            told[name] = told[name].isoformat() if told[name] else ""
        told |= {name: tuple(told[name].split()) for name in LISTS if name in told}
        if "tests" in told:
            told["tests"] = tuple(told["tests"])
        return self.kind(**told)


def initial(rule: Rule | None) -> dict[str, Any]:
    """What the form shows of a rule."""
    if rule is None:
        return {"on": True, "days": 365, "digits": 2, "hours": 48, "minimum": 30}
    told = msgspec.structs.asdict(rule)
    for name in ("from_", "to"):
        told[name] = date.fromisoformat(told[name]) if told[name] else None
    return told | {name: " ".join(told.get(name, ())) for name in LISTS}
