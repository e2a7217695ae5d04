"""The fields of the rules of imaging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from django import forms
from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.rules.kinds import KINDS, QUANTITIES, Rule

KIND_NAMES = {
    "protocol": _("Quy trình chụp"),
    "sheet": _("Phiếu dặn"),
    "check": _("Kiểm tra an toàn"),
    "reference": _("Mức liều tham chiếu"),
    "ai": _("Máy gợi ý (AI)"),
}
CHECK_NAMES = {
    "pregnancy": _("Thai"),
    "allergy": _("Phản ứng với thuốc cản quang"),
    "renal": _("Chức năng thận"),
    "metformin": _("Metformin"),
    "implant": _("Vật cấy ghép, kim loại"),
}
CONTRAST_NAMES = {"iodine": _("Cản quang iod"), "gadolinium": _("Đối quang từ")}
QUANTITY_NAMES = {"ctdi": "CTDIvol", "dlp": "DLP", "dap": "DAP", "agd": _("Liều tuyến vú trung bình (AGD)")}


def _text(label: Any, length: int = 300, *, required: bool = True, help_text: Any = "") -> forms.CharField:
    return forms.CharField(label=label, max_length=length, required=required, help_text=help_text)


def _number(label: Any, most: int, least: int = 0, *, required: bool = False) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=required, min_value=least, max_value=most)


def _models() -> list[tuple[str, str]]:
    """The models that a rule can name, by their newest version."""
    from tuetinh.care.imaging.ai.known import versions

    return list({one.name: f"{one.text} {one.version}" for one in versions()}.items())


FIELDS: dict[str, Callable[[], forms.Field]] = {
    "code": lambda: _text(_("Mã"), 40),
    "on": lambda: forms.BooleanField(label=_("Đang dùng"), required=False, initial=True),
    "check_": lambda: forms.ChoiceField(label=_("Kiểm tra"), choices=list(CHECK_NAMES.items())),
    "vi": lambda: _text(_("Tên")),
    "en": lambda: _text(_("Tên tiếng Anh"), required=False),
    "modalities": lambda: _text(
        _("Loại máy"), 100, required=False, help_text=_("Mã DICOM cách nhau bằng dấu cách, như CT hoặc DX CR.")
    ),
    "region": lambda: _text(_("Vùng cơ thể"), 100, required=False),
    "minutes": lambda: _number(_("Số phút trong phòng"), 600, 5, required=True),
    "contrast": lambda: forms.ChoiceField(
        label=_("Thuốc"), required=False, choices=[("", _("Không")), *CONTRAST_NAMES.items()]
    ),
    "quantity": lambda: forms.ChoiceField(
        label=_("Đại lượng"), choices=[(key, f"{QUANTITY_NAMES[key]} ({unit})") for key, unit in QUANTITIES.items()]
    ),
    "sex": lambda: forms.ChoiceField(
        label=_("Giới"), required=False, choices=[("", _("Mọi người")), ("male", _("Nam")), ("female", _("Nữ"))]
    ),
    "age_from": lambda: _number(_("Từ tuổi"), 150),
    "age_to": lambda: _number(_("Đến hết tuổi"), 150),
    "limit": lambda: forms.DecimalField(
        label=_("Giới hạn"), required=False, max_digits=12, decimal_places=4, localize=True, min_value=0
    ),
    "model": lambda: forms.ChoiceField(label=_("Mô hình"), choices=_models()),
    "services": lambda: _text(
        _("Mã dịch vụ được chỉ định"),
        500,
        required=False,
        help_text=_("Cách nhau bằng dấu cách; để trống là mọi dịch vụ."),
    ),
    "days": lambda: _number(_("Creatinin còn dùng trong số ngày"), 3650, 1),
    "sheets": lambda: _text(_("Phiếu dặn"), 200, required=False, help_text=_("Mã cách nhau bằng dấu cách.")),
    "codes": lambda: _text(
        _("Mã ICD-10 trong hồ sơ"), 300, required=False, help_text=_("Phần đầu của mã, cách nhau bằng dấu cách.")
    ),
    "words": lambda: forms.CharField(
        label=_("Từ nhận biết"),
        max_length=4000,
        required=False,
        help_text=_("Mỗi dòng một cách gọi; các từ phải cùng có nối bằng dấu +, như sọ não + có tiêm."),
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
    ),
    "body": lambda: forms.CharField(
        label=_("Nội dung, mỗi dòng một ý"), max_length=6000, widget=forms.Textarea(attrs={"rows": 10})
    ),
    "source": lambda: _text(_("Căn cứ"), required=False),
}
CODES = ("modalities", "sheets", "codes", "services")  # lists of codes in one line
WIDE = frozenset({"words", "body", "vi", "en", "source", "sheets", "codes", "services"})


class RuleForm(forms.Form):
    """The fields of one kind of rule, and why it is changed."""

    def __init__(self, kind: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = KINDS[kind]
        for name, made in FIELDS.items():
            if name in self.kind.__struct_fields__:
                self.fields[name] = made()
        if kind == "reference":
            self.fields["limit"].required = self.fields["modalities"].required = self.fields["source"].required = True
        elif kind == "ai":
            self.fields["modalities"].required = True
        elif kind == "check":
            self.fields["limit"].label = _("eGFR dưới (mL/phút/1,73 m²)")
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
        told |= {name: tuple(told[name].split()) for name in CODES if name in told}
        if "words" in told:
            told["words"] = tuple(line.strip() for line in told["words"].splitlines() if line.strip())
        return self.kind(**told)


def initial(rule: Rule | None) -> dict[str, Any]:
    """What the form shows of a rule."""
    if rule is None:
        return {"on": True, "minutes": 15}
    told = msgspec.structs.asdict(rule)
    told |= {name: " ".join(told.get(name, ())) for name in CODES}
    return told | {"words": "\n".join(told.get("words", ()))}
