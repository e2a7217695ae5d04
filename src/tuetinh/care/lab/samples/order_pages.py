"""Pages of orders: what is ordered every day, a test measured again, one cancelled, further tests of a tube."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.care.lab import facts
from tuetinh.care.lab.actions import HANOI
from tuetinh.care.lab.catalogue import Test, test, tests
from tuetinh.care.lab.errors import REFUSALS, LabError, NoTube
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results.work import Work
from tuetinh.care.lab.samples import actions, orders
from tuetinh.care.lab.samples import standing as daily
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import DayField
from tuetinh.record import api as record
from tuetinh.record import r4

ORDERING = ("doctor", "nurse", "station")


@dataclass(frozen=True, slots=True)
class Ordered:
    """One order of a tube, that may be measured again or cancelled."""

    id: str
    name: str
    measured: bool


def ordered(work: Work) -> list[Ordered]:
    """The orders of a tube that stand."""
    found = []
    for id_, order in work.orders.items():
        what = facts.ordered_test(order)
        if what and order.status != "revoked":
            keys = [facts.observation_id(id_, one.key) for one in (*what.analytes, *what.also)]
            found.append(Ordered(id_, what.name, any(key in work.results for key in keys)))
    return found


def addable(work: Work) -> list[Test]:
    """The tests that may still be ordered from a tube that is there, by name."""
    if work.tube.stage not in orders.SERVING:
        return []
    have = {what.code: what for order in work.orders.values() if (what := facts.ordered_test(order))}
    kind = facts.ordered_specimen(work.orders.values())
    return sorted((one for one in tests() if one.specimen == kind and one.code not in have), key=lambda one: one.name)


class StandingForm(forms.Form):
    """Which tests come every day, at what hour, from when, for how long."""

    tests = forms.MultipleChoiceField(
        label=gettext_lazy("Xét nghiệm"), required=False, widget=forms.SelectMultiple(attrs={"size": 12})
    )
    profile = forms.ChoiceField(label=gettext_lazy("Gói xét nghiệm"), required=False)
    hour = forms.TimeField(
        label=gettext_lazy("Giờ"), input_formats=["%H:%M"], widget=forms.TimeInput(format="%H:%M"),
        help_text=gettext_lazy("Giờ phút, như 05:00."),
    )  # fmt: skip
    first = DayField(label=gettext_lazy("Từ ngày"))
    days = forms.IntegerField(label=gettext_lazy("Số ngày"), min_value=1, max_value=daily.MOST)
    urgent = forms.BooleanField(label=gettext_lazy("Khẩn"), required=False)
    note = forms.CharField(label=gettext_lazy("Ghi chú"), max_length=300, required=False)

    def __init__(self, facility: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sets = {one.code: one for one in daily.profiles(facility)}
        self.fields["tests"].choices = sorted(((one.code, one.name) for one in tests()), key=lambda row: row[1])  # type: ignore[attr-defined]
        self.fields["profile"].choices = [("", "—"), *((code, one.text) for code, one in self.sets.items())]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """At least one test."""
        data = super().clean() or {}
        named = self.sets.get(data.pop("profile", ""))
        data["codes"] = [*data.pop("tests", []), *(named.tests if named else ())]
        if not data["codes"]:
            self.add_error("tests", _("Chọn ít nhất một xét nghiệm."))
        return data


@desk(*ORDERING)
@require_http_methods(["GET", "POST"])
@never_cache
def standing(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """What is ordered every day at a visit; POST orders more."""
    me = asker(request)
    visit = record.read_many(me, "Encounter", [encounter_id]).get(encounter_id)
    if not isinstance(visit, r4.Encounter) or facts.id_of(visit.serviceProvider) != me.facility:
        raise Http404
    usual = {"hour": time(5), "first": datetime.now(HANOI).date(), "days": 3}
    form = StandingForm(me.facility, request.POST or None, initial=usual)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                daily.stand(me, encounter_id, **form.cleaned_data)
            except LabError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, _("Đã ghi; chỉ định được tạo vào giờ này mỗi ngày."))
                return redirect("lab:standing", encounter_id)
    rows = [
        (one, ", ".join(known.name for code in one.tests if (known := test(code))))
        for one in daily.of_visit(me.facility, encounter_id)
    ]
    context = {
        "form": form, "rows": rows, "encounter": encounter_id, "banner": banner(me, facts.id_of(visit.subject)),
        "open": visit.status in daily.OPEN,
    }  # fmt: skip
    return render(request, "lab/standing.html", context, status=status)


@desk(*ORDERING)
@require_POST
def stop(request: HttpRequest, encounter_id: str, standing_id: int) -> HttpResponse:
    """Order no more of it."""
    try:
        daily.stop_standing(asker(request), standing_id, request.POST.get("why", ""))
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã ngừng."))
    return redirect("lab:standing", encounter_id)


@desk("lab")
@require_POST
def repeat(request: HttpRequest, number: str) -> HttpResponse:
    """Measure a test of a tube again."""
    return _with_tube(request, number, actions.repeat, _("Đã ghi làm lại; kết quả mới được giữ cạnh kết quả cũ."))


@desk("lab", *ORDERING)
@require_POST
def cancel_order(request: HttpRequest, number: str) -> HttpResponse:
    """Revoke one order of a tube."""
    return _with_tube(request, number, actions.cancel_order, _("Đã hủy xét nghiệm."))


def _with_tube(request: HttpRequest, number: str, do: Callable[..., Tube], done: str) -> HttpResponse:
    try:
        do(asker(request), number, request.POST.get("order", ""), request.POST.get("reason", ""))
    except NoTube as error:
        raise Http404 from error
    except REFUSALS as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("lab:tube", number)
