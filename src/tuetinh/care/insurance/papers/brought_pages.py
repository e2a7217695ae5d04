"""The desk's page of the paper that a person came with."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.care.insurance.copayment.pages import back_to
from tuetinh.care.insurance.errors import BadBroughtPaper, InsuranceError
from tuetinh.care.insurance.papers.brought import Brought, bring, brought
from tuetinh.care.insurance.visited import patient_of, visit_of
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner

KINDS = {
    "": gettext_lazy("Không có giấy"),
    "referral": gettext_lazy("Giấy chuyển cơ sở KCB"),
    "revisit": gettext_lazy("Giấy hẹn khám lại"),
}


class BroughtForm(forms.Form):
    """What stands on the paper."""

    kind = forms.ChoiceField(label=gettext_lazy("Giấy người bệnh mang theo"), required=False, choices=[*KINDS.items()])
    number = forms.CharField(label=gettext_lazy("Số giấy"), max_length=50, required=False)
    origin = forms.CharField(
        label=gettext_lazy("Mã cơ sở chuyển đến"), max_length=5, required=False,
        help_text=gettext_lazy("5 ký tự, chỉ với giấy chuyển."),
    )  # fmt: skip

    def paper(self) -> Brought:
        """The paper; only a referral is from somewhere. Raises BadBroughtPaper for what is of no kind."""
        told = {name: value.strip() for name, value in self.cleaned_data.items()}
        if not told["kind"] and told["number"]:
            raise BadBroughtPaper("kind", "kind")
        return Brought(told["kind"], told["number"], told["origin"].upper() if told["kind"] == "referral" else "")


@desk("reception", "cashier")
@require_http_methods(["GET", "POST"])
@never_cache
def came_with(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The paper of a visit; POST enters, changes or takes it away: `kind number origin`."""
    me, encounter = asker(request), visit_of(request, encounter_id)
    told = brought(encounter)
    initial = {"kind": told.kind, "number": told.number, "origin": told.origin}
    form = BroughtForm(request.POST if request.method == "POST" else None, initial=initial)
    back = back_to(request)
    if request.method == "POST" and form.is_valid():
        try:
            bring(me, encounter_id, form.paper())
        except BadBroughtPaper as error:
            form.add_error(error.field, str(error))
        except InsuranceError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Đã ghi giấy. Mức hưởng của lượt khám đã tính lại."))
            return redirect(back)
    context = {"form": form, "person": banner(me, patient_of(encounter)), "back": back}
    return render(request, "insurance/brought.html", context, status=422 if request.method == "POST" else 200)
