"""The administrators' page of the policy: what it is, and who changed it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.commons.access.api import desk, fresh
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Policy, PolicyChange
from tuetinh.commons.access.proof import policy as policies
from tuetinh.commons.access.roles import ROLES

CHECKBOXES = forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"})
YES, NO = gettext_lazy("có"), gettext_lazy("không")
FACTOR_ROLES = gettext_lazy("Phải xác thực hai bước")


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # it has no parameter at run time
    """The whole policy."""

    factor_roles = forms.MultipleChoiceField(label=FACTOR_ROLES, required=False, widget=CHECKBOXES)

    class Meta:
        model = Policy
        fields = tuple(field.name for field in Policy._meta.fields if not field.primary_key)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["factor_roles"].choices = [(name, role.label) for name, role in ROLES.items()]  # type: ignore[attr-defined]
        self.initial["factor_roles"] = self.instance.factor_roles.split()

    def clean_factor_roles(self) -> str:
        """As it is kept."""
        return " ".join(name for name in ROLES if name in self.cleaned_data["factor_roles"])


@fresh("rules")
@desk("admin")
@never_cache
@require_http_methods(["GET", "POST"])
def policy(request: HttpRequest) -> HttpResponse:
    """What holds; the province's administrators change it."""
    by: Account = request.user  # type: ignore[assignment]
    form = PolicyForm(request.POST or None, instance=Policy.objects.first() or Policy())
    if request.method == "POST" and form.is_valid():
        try:
            is_new = policies.change(by, form.cleaned_data)
        except AccessError as error:
            form.add_error(None, str(error.message))
        else:
            messages.success(request, _("Đã đổi quy định đăng nhập.") if is_new else _("Không có gì thay đổi."))
            return redirect("access:policy")
    if by.facility:
        for field in form.fields.values():
            field.disabled = True
    changes = PolicyChange.objects.select_related("by").order_by("-pk")[:50]
    context = {"form": form, "may_change": not by.facility, "changes": [(one, _told(one)) for one in changes]}
    return render(request, "access/policy.html", context, status=422 if request.method == "POST" else 200)


def _told(change: PolicyChange) -> list[tuple[str, str, str]]:
    """What was changed: the field, what it was, what it became."""
    labels = {name: str(field.label) for name, field in PolicyForm.base_fields.items()}
    return [
        (labels[name], _value(change.before.get(name)), _value(after))
        for name, after in change.after.items()
        if name in labels and after != change.before.get(name)
    ]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(YES if value else NO)
    if isinstance(value, str):
        return ", ".join(str(ROLES[name].label) for name in value.split() if name in ROLES) or "—"
    return str(value)
