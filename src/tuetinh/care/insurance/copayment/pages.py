"""The page of a person's co-payment in the year, where the insurer's paper is entered."""

from __future__ import annotations

from decimal import Decimal

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.care.insurance.copayment.actions import YearPaper, enter, take_back
from tuetinh.care.insurance.copayment.standing import standing
from tuetinh.care.insurance.errors import BadYearPaper, InsuranceError
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import DayField, DongField
from tuetinh.record import api as record
from tuetinh.record.errors import Gone, NotFound


class PaperForm(forms.Form):
    """What stands on the paper."""

    amount = DongField(label=gettext_lazy("Số tiền đã cùng chi trả trong năm"))
    on = DayField(label=gettext_lazy("Tính đến ngày"))
    exempt_from = DayField(
        label=gettext_lazy("Không cùng chi trả từ ngày"),
        required=False,
        help_text=gettext_lazy("Để trống nếu giấy chỉ xác nhận số tiền."),
    )
    number = forms.CharField(label=gettext_lazy("Số giấy"), max_length=60, required=False)

    def paper(self) -> YearPaper:
        """The paper."""
        told = self.cleaned_data
        return YearPaper(Decimal(told["amount"] or 0), told["on"], told["exempt_from"], told["number"].strip())


@desk("reception", "cashier")
@require_http_methods(["GET", "POST"])
@never_cache
def copayment(request: HttpRequest, patient_id: str) -> HttpResponse:
    """How the person stands; POST enters the paper, with `withdraw` takes it back."""
    me = asker(request)
    try:
        record.read(me, "Patient", patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    form = PaperForm(request.POST) if request.method == "POST" and "withdraw" not in request.POST else None
    if request.method == "POST":
        done = _done(request, patient_id, form)
        if done:
            messages.success(request, done)
            return redirect(f"{request.path}?{request.GET.urlencode()}" if request.GET else request.path)
    found = standing(patient_id)
    initial = {"on": f"{timezone.localdate():%d/%m/%Y}"}
    if found and found.card.copaid_on:
        initial = {
            "amount": f"{found.card.copaid or 0:f}", "number": found.card.paper,
            "on": _shown(found.card.copaid_on), "exempt_from": _shown(found.card.exempt_from),
        }  # fmt: skip
    context = {
        "form": form or PaperForm(initial=initial), "standing": found, "person": banner(me, patient_id),
        "back": back_to(request),
    }  # fmt: skip
    return render(request, "insurance/copayment.html", context, status=200 if form is None else 422)


def _done(request: HttpRequest, patient_id: str, form: PaperForm | None) -> str:
    """What was done, in words; "" when it was not, which the form says then."""
    me = asker(request)
    if form is None:
        take_back(me, patient_id)
        return _("Đã bỏ giấy đã nhập.")
    if not form.is_valid():
        return ""
    try:
        enter(me, patient_id, form.paper())
    except BadYearPaper as error:
        form.add_error(error.field, str(error))
    except InsuranceError as error:
        form.add_error(None, str(error))
    else:
        return _("Đã ghi giấy. Mức hưởng của các lượt khám đang mở đã tính lại.")
    return ""


def back_to(request: HttpRequest) -> str:
    """The page that this one was opened from (`from`), else where the desk begins."""
    told = request.GET.get("from", "")
    return told if url_has_allowed_host_and_scheme(told, allowed_hosts=None) else "/"


def _shown(iso: str) -> str:
    return "/".join(reversed(iso.split("-")))
