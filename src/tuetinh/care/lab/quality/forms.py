"""What the laboratory types about its reagents, machines, rounds, fridges and documents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from tuetinh.care.lab.catalogue import analytes, tests
from tuetinh.care.lab.machines.messages import number
from tuetinh.care.lab.models import Analyser, Upkeep
from tuetinh.care.lab.quality.assessment import words_of
from tuetinh.commons.ui.api import DayField

MOST = 10**12  # what a measured number is below


def amount(label: Any, **kwargs: Any) -> forms.DecimalField:
    """A measured number, with a decimal comma."""
    return forms.DecimalField(label=label, max_digits=18, decimal_places=6, localize=True, **kwargs)


def machines(facility: str, *, by_hand: bool = True) -> list[tuple[str, Any]]:
    """The machines of a laboratory as choices."""
    names = Analyser.objects.filter(facility=facility).order_by("name").values_list("name", flat=True).distinct()
    return [*([("", _("Làm tay"))] if by_hand else []), *((name, name) for name in names)]


def numeric() -> list[tuple[str, str]]:
    """The analytes that are numbers, as choices."""
    return sorted(((one.key, one.name) for one in analytes().values() if one.numeric), key=lambda row: row[1])


def assessed() -> list[tuple[str, str]]:
    """The analytes of which rounds tell: numbers and words, as choices."""
    found = ((one.key, one.name) for one in analytes().values() if one.numeric or one.choices)
    return sorted(found, key=lambda row: row[1])


class ReagentForm(forms.Form):
    """A reagent and for which tests it is."""

    name = forms.CharField(label=_("Tên hóa chất"), max_length=200)
    maker = forms.CharField(label=_("Hãng"), max_length=100, required=False)
    per_pack = forms.IntegerField(label=_("Số xét nghiệm một hộp"), min_value=0, initial=0)
    open_days = forms.IntegerField(
        label=_("Dùng được sau khi mở (ngày)"), min_value=0, initial=0, help_text=_("0: đến hạn của lô.")
    )
    low = forms.IntegerField(label=_("Báo khi còn dưới (hộp)"), min_value=0, initial=0)
    tests = forms.MultipleChoiceField(
        label=_("Dùng cho xét nghiệm"), required=False, widget=forms.SelectMultiple(attrs={"size": 8})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tests"].choices = sorted(((one.code, one.name) for one in tests()), key=lambda row: row[1])  # type: ignore[attr-defined]


class ReceiveForm(forms.Form):
    """Packs that came."""

    lot = forms.CharField(label=_("Số lô"), max_length=60)
    expires = DayField(label=_("Hạn dùng"))
    packs = forms.IntegerField(label=_("Số hộp"), min_value=1)
    price = forms.DecimalField(
        label=_("Giá một hộp (đồng)"), min_value=0, max_digits=15, decimal_places=2, localize=True
    )


class UpkeepForm(forms.Form):
    """What comes again for a machine."""

    machine = forms.ChoiceField(label=_("Máy"))
    kind = forms.ChoiceField(
        label=_("Việc"), choices=[(Upkeep.Kind.CALIBRATION, _("Hiệu chuẩn")), (Upkeep.Kind.MAINTENANCE, _("Bảo trì"))]
    )
    title = forms.CharField(label=_("Nội dung"), max_length=200)
    every_days = forms.IntegerField(label=_("Mỗi (ngày)"), min_value=1, max_value=3660)
    due_on = DayField(label=_("Lần đầu"))

    def __init__(self, facility: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["machine"].choices = machines(facility, by_hand=False)  # type: ignore[attr-defined]


class DoneForm(forms.Form):
    """That it was done."""

    on = DayField(label=_("Ngày làm"))
    by = forms.CharField(label=_("Người làm"), max_length=200)
    passed = forms.TypedChoiceField(
        label=_("Kết quả"), choices=[("yes", _("Đạt")), ("no", _("Không đạt"))], coerce=lambda said: said == "yes"
    )
    paper = forms.CharField(label=_("Số giấy chứng nhận"), max_length=100, required=False)
    note = forms.CharField(label=_("Ghi chú"), max_length=1000, required=False)


class ProficiencyForm(forms.Form):
    """What a round told of one sample."""

    scheme = forms.CharField(label=_("Chương trình"), max_length=100)
    round_ = forms.CharField(label=_("Đợt"), max_length=60)
    sample = forms.CharField(label=_("Mẫu"), max_length=60)
    analyte = forms.ChoiceField(label=_("Chỉ số"), choices=assessed)
    machine = forms.ChoiceField(label=_("Máy"), required=False)
    on = DayField(label=_("Ngày"))
    text = forms.CharField(label=_("Kết quả của ta"), max_length=40, help_text=_("Số, hay từ như Âm tính, Dương tính."))
    expected = forms.CharField(label=_("Giá trị ấn định"), max_length=40)
    sd = amount(_("SD của chương trình"), required=False, min_value=0, help_text=_("Định tính thì để trống."))

    def __init__(self, facility: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["machine"].choices = machines(facility)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Numbers with a deviation, or words, as the analyte is told."""
        data = super().clean() or {}
        if "analyte" not in data:
            return data
        if words := words_of(data["analyte"]):
            for name in ("text", "expected"):
                if name in data and data[name] not in words:
                    self.add_error(name, _("Ghi một trong: %(words)s.") % {"words": ", ".join(words)})
            data["sd"] = None
            return data
        for name, field in (("value", "text"), ("assigned", "expected")):
            found = number(data.pop(field, ""))
            if field not in self.errors and (found is None or found[0] or abs(found[1]) >= MOST):
                self.add_error(field, _("Ghi một số."))
            data[name] = found[1] if found else None
        if not data.get("sd") and "sd" not in self.errors:
            self.add_error("sd", _("Ghi một số lớn hơn 0."))
        return data


class ComparisonForm(forms.Form):
    """Two methods and what they measured."""

    analyte = forms.ChoiceField(label=_("Chỉ số"), choices=numeric)
    first = forms.CharField(label=_("Phương pháp đang dùng"), max_length=200)
    second = forms.CharField(label=_("Phương pháp mới"), max_length=200)
    on = DayField(label=_("Ngày"))
    pairs = forms.CharField(
        label=_("Các cặp kết quả"), max_length=20_000, widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
        help_text=_("Mỗi dòng một mẫu: hai số cách nhau bằng dấu cách hoặc tab; ít nhất 10, nên có 40 mẫu."),
    )  # fmt: skip

    def clean_pairs(self) -> list[tuple[Decimal, Decimal]]:
        """The numbers of each line."""
        found = []
        for place, line in enumerate(self.cleaned_data["pairs"].splitlines(), 1):
            numbers = [number(word) for word in line.replace(";", " ").split()]
            if not numbers:
                continue
            if len(numbers) != 2 or any(one is None or one[0] for one in numbers):
                raise forms.ValidationError(_("Dòng %(line)s không phải hai số."), params={"line": place})
            found.append((numbers[0][1], numbers[1][1]))  # type: ignore[index]
        return found


class FridgeForm(forms.Form):
    """A fridge and the limits that it is to keep."""

    name = forms.CharField(label=_("Tên tủ, phòng"), max_length=100)
    low = forms.DecimalField(label=_("Từ °C"), max_digits=5, decimal_places=1, localize=True)
    high = forms.DecimalField(label=_("Đến °C"), max_digits=5, decimal_places=1, localize=True)
    silent_hours = forms.IntegerField(label=_("Báo khi quá (giờ) không ghi"), min_value=1, max_value=720, initial=12)
    code = forms.CharField(
        label=_("Mã cảm biến"), max_length=60, required=False, help_text=_("Cảm biến gửi nhiệt độ dưới mã mẫu này.")
    )


class TemperatureForm(forms.Form):
    """A reading."""

    value = forms.DecimalField(label=_("Nhiệt độ °C"), max_digits=5, decimal_places=1, localize=True)


class ProcedureForm(forms.Form):
    """A version of a document."""

    number = forms.CharField(label=_("Mã tài liệu"), max_length=40)
    title = forms.CharField(label=_("Tên tài liệu"), max_length=300)
    version = forms.CharField(label=_("Phiên bản"), max_length=20)
    effective_on = DayField(label=_("Hiệu lực"))
    review_on = DayField(label=_("Xem xét lại"))
    place = forms.CharField(label=_("Nơi lưu"), max_length=300, required=False)
