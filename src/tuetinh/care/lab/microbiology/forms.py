"""What the bench of cultures types: a step, an isolate; and the period of a report, a table of breakpoints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tuetinh.care.lab.microbiology.actions import Draft
from tuetinh.care.lab.microbiology.breakpoints import STANDARDS, Table
from tuetinh.care.lab.microbiology.facts import OUTCOMES, Isolate
from tuetinh.care.lab.microbiology.judging import Susceptibility
from tuetinh.care.lab.microbiology.lists import Organism, antibiotics, organisms, phenotypes, sources
from tuetinh.commons.ui.api import DayField

METHODS = {"disk": _("Đĩa"), "mic": "MIC", "etest": "Etest"}
QUANTITIES = ("", "Rất ít", "1+", "2+", "3+", "4+")
GRAMS = (
    "", "Cầu khuẩn Gram dương", "Trực khuẩn Gram dương", "Cầu khuẩn Gram âm", "Trực khuẩn Gram âm", "Tế bào nấm men",
)  # fmt: skip
_LONGEST = 731  # days of a report


class StepForm(forms.Form):
    """What a culture shows."""

    outcome = forms.ChoiceField(label=_("Thấy gì"), choices=list(OUTCOMES.items()))
    hours = forms.IntegerField(label=_("Sau số giờ"), min_value=0, max_value=24 * 90)
    note = forms.CharField(label=_("Ghi chú"), max_length=500, required=False)
    interim = forms.BooleanField(label=_("Báo kết quả sơ bộ cho khoa"), required=False)
    reason = forms.CharField(label=_("Lý do sửa đổi (khi đã trả)"), max_length=300, required=False)


class IsolateForm(forms.Form):
    """An isolate but for its antibiogram, whose fields are named by the antibiotic."""

    organism = forms.CharField(
        label=_("Vi sinh vật"),
        max_length=100,
        widget=forms.TextInput(attrs={"list": "organisms", "autocomplete": "off"}),
    )
    quantity = forms.ChoiceField(
        label=_("Mức độ mọc"), choices=[(one, one or "—") for one in QUANTITIES], required=False
    )
    count = forms.CharField(label=_("Số khuẩn lạc (CFU/ml)"), max_length=60, required=False)
    gram = forms.ChoiceField(label=_("Nhuộm Gram"), choices=[(one, one or "—") for one in GRAMS], required=False)
    comment = forms.CharField(label=_("Nhận xét"), max_length=300, required=False)
    reason = forms.CharField(label=_("Lý do sửa đổi (khi đã trả)"), max_length=300, required=False)

    def draft(self, device: str = "") -> Draft:
        """The isolate with the antibiogram that was typed beside it."""
        told = self.cleaned_data
        tests = [
            (code, str(self.data.get(f"method-{code}", "disk")), str(self.data.get(f"value-{code}", "")))
            for code in antibiotics()
        ]
        found = {code: str(self.data.get(f"found-{code}", "")) for code in phenotypes()}
        return Draft(
            told["organism"].partition(" – ")[0], told["quantity"], told["gram"], told["count"], told["comment"],
            tests, found, device,
        )  # fmt: skip


def initial(isolate: Isolate) -> dict[str, Any]:
    """What the form shows of an isolate."""
    return {
        "organism": f"{isolate.organism} – {isolate.name}", "quantity": isolate.quantity, "count": isolate.count,
        "gram": isolate.gram, "comment": isolate.comment,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One antibiotic of the grid. limits: of a disk and of a concentration, in words."""

    code: str
    name: str
    method: str
    value: str
    disk: str
    limits: tuple[str, str]
    test: Susceptibility | None
    wrong: bool


def lines(
    organism: Organism | None,
    table: Table,
    *,
    site: str,
    tests: Iterable[Susceptibility],
    typed: dict[str, str],
    wrong: str,
) -> list[Line]:
    """The grid of an antibiogram: what the table has for the organism, and whatever was tested."""
    known = {one.antibiotic: one for one in tests}
    panel = {one.antibiotic: one for one in table.panel(organism, site)} if organism else {}
    made = []
    for code, drug in antibiotics().items():
        limits, test = panel.get(code), known.get(code)
        if not limits and not test:
            continue
        usual = "disk" if limits and limits.zone_s is not None else "mic"
        method = typed.get(f"method-{code}", test.method if test else usual)
        value = typed.get(f"value-{code}", test.shown.replace(".", ",") if test else "")
        said = (table.words(limits, "disk"), table.words(limits, "mic")) if limits else ("", "")
        made.append(Line(code, drug.name, method, value, limits.disk if limits else "", said, test, code == wrong))
    return made


def organism_choices() -> list[str]:
    """The organisms as the type-ahead shows them."""
    return [f"{one.code} – {one.name}" for one in organisms().values()]


class PeriodForm(forms.Form):
    """The days of a report, and of which specimens."""

    first = DayField(label=_("Từ ngày"))
    last = DayField(label=_("Đến ngày"))
    specimen = forms.ChoiceField(label=_("Bệnh phẩm"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from tuetinh.care.lab.catalogue import SPECIMENS

        super().__init__(*args, **kwargs)
        kinds = [(source.whonet, SPECIMENS[key]) for key, source in sources().items()]
        self.fields["specimen"].choices = [("", _("Mọi bệnh phẩm")), *kinds]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """A period that is one, of two years at most."""
        told = super().clean() or {}
        first, last = told.get("first"), told.get("last")
        if first and last and not 0 <= (last - first).days <= _LONGEST:
            raise forms.ValidationError(_("Ngày cuối phải không trước ngày đầu, và không quá hai năm."))
        return told


def this_year() -> dict[str, date]:
    """The period from the first of January to today."""
    today = timezone.localdate()
    return {"first": today.replace(month=1, day=1), "last": today}


class TableForm(forms.Form):
    """A table of breakpoints of another year or standard."""

    standard = forms.ChoiceField(label=_("Tiêu chuẩn"), choices=[(one, one) for one in STANDARDS])
    year = forms.IntegerField(label=_("Năm"), min_value=2000, max_value=2100)
    version = forms.CharField(label=_("Phiên bản"), max_length=20, required=False)
    from_day = DayField(label=_("Dùng từ ngày"))
    table = forms.FileField(label=_("Tệp CSV"))
    why = forms.CharField(label=_("Lý do thay đổi"), max_length=500)
