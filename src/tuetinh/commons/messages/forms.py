"""Forms of the pages of subscriptions."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from tuetinh.record.types import RESOURCE_TYPES

INTERACTIONS = [
    ("create", gettext_lazy("Thêm mới")),
    ("update", gettext_lazy("Sửa")),
    ("delete", gettext_lazy("Xóa")),
]


class DropForm(forms.Form):
    """Why a subscription is ended."""

    reason = forms.CharField(max_length=500)


class SetBackForm(forms.Form):
    """From when on everything is sent again."""

    since = forms.DateTimeField(input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


class TopicForm(forms.Form):
    """A topic with one trigger."""

    title = forms.CharField(label=gettext_lazy("Tên chủ đề"), max_length=200)
    url = forms.URLField(
        label=gettext_lazy("Địa chỉ định danh"),
        help_text=gettext_lazy("Ví dụ https://benhvien.example/fhir/SubscriptionTopic/nhap-vien; không cần mở được."),
        max_length=300,
        assume_scheme="https",
    )
    resource = forms.ChoiceField(
        label=gettext_lazy("Loại tài nguyên FHIR"), choices=[("", "—"), *((name, name) for name in RESOURCE_TYPES)]
    )
    interactions = forms.MultipleChoiceField(
        label=gettext_lazy("Khi nào"), choices=INTERACTIONS, widget=forms.CheckboxSelectMultiple
    )
    previous = forms.CharField(
        label=gettext_lazy("Điều kiện trước đó"),
        help_text=gettext_lazy("Như câu tìm kiếm, ví dụ status:not=finished. Để trống nếu không cần."),
        max_length=500,
        required=False,
    )
    current = forms.CharField(
        label=gettext_lazy("Điều kiện bây giờ"),
        help_text=gettext_lazy("Ví dụ status=finished. Có cả hai thì phải đúng cả hai."),
        max_length=500,
        required=False,
    )
