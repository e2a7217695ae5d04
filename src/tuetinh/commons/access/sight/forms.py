"""Forms of the pages of rules."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from tuetinh.commons.access.sight.rules import Rule
from tuetinh.commons.access.sight.words import FIELDS, LABELS, PURPOSES
from tuetinh.record.types import RESOURCE_TYPES


class RuleForm(forms.Form):
    """What a role sees. A facility's form has no purpose: that is the province's."""

    by_relation = forms.BooleanField(
        label=FIELDS["by_relation"],
        required=False,
        help_text=gettext_lazy("Đang khám, đã đăng ký, được chuyển đến, được mời hội chẩn, hoặc đã mở khẩn cấp."),
    )
    labels = forms.MultipleChoiceField(
        label=FIELDS["labels"],
        choices=list(LABELS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    own_labels = forms.MultipleChoiceField(
        label=FIELDS["own_labels"],
        choices=list(LABELS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Thêm vào các mục ở trên, chỉ trong những gì cơ sở của mình đã ghi."),
    )
    after_days = forms.IntegerField(label=FIELDS["after_days"], min_value=0, max_value=3650)
    glass_hours = forms.IntegerField(
        label=FIELDS["glass_hours"],
        min_value=0,
        max_value=72,
        help_text=gettext_lazy("0: vai trò này không được mở khẩn cấp."),
    )
    purpose = forms.ChoiceField(label=FIELDS["purpose"], choices=list(PURPOSES.items()))
    whole = forms.CharField(
        label=FIELDS["whole"],
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Tên FHIR, cách nhau bằng dấu cách; chỉ có nghĩa khi xem theo quan hệ."),
    )

    def __init__(self, *args: Any, of_province: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not of_province:
            del self.fields["purpose"]

    def clean_whole(self) -> str:
        """Names of resource types."""
        names: list[str] = self.cleaned_data["whole"].split()
        unknown = [name for name in names if name not in RESOURCE_TYPES]
        if unknown:
            text = gettext_lazy("Không có loại tài nguyên này: %(name)s")
            raise forms.ValidationError(text, params={"name": unknown[0]})
        return " ".join(sorted(set(names)))

    def rule(self) -> Rule:
        """What was filled in."""
        data = self.cleaned_data
        return Rule(
            by_relation=data["by_relation"],
            whole=frozenset(data["whole"].split()),
            labels=frozenset(data["labels"]),
            own_labels=frozenset(data["own_labels"]),
            purpose=data.get("purpose", ""),
            after_days=data["after_days"],
            glass_hours=data["glass_hours"],
        )


def initial(rule: Rule) -> dict[str, Any]:
    """The form's beginning."""
    return {
        "by_relation": rule.by_relation,
        "whole": " ".join(sorted(rule.whole)),
        "labels": sorted(rule.labels),
        "own_labels": sorted(rule.own_labels),
        "purpose": rule.purpose,
        "after_days": rule.after_days,
        "glass_hours": rule.glass_hours,
    }


class WhyForm(forms.Form):
    """Who, and whose record."""

    username = forms.CharField(label=gettext_lazy("Tên đăng nhập"), max_length=100)
    patient = forms.CharField(label=gettext_lazy("Mã hồ sơ hoặc số định danh của người bệnh"), max_length=64)
