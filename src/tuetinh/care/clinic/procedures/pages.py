"""The page of surgery and procedures of a visit."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.care.billing.api import BillingError
from tuetinh.care.clinic.errors import ClinicError
from tuetinh.care.clinic.procedures import actions
from tuetinh.care.clinic.procedures.machines import machines
from tuetinh.care.insurance.api import Finding, Stopped, reasons_given, shown
from tuetinh.care.reception import api as reception
from tuetinh.care.reception.api import NoVisit
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.catalogues.api import codes, service
from tuetinh.commons.identity.api import banner
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import Asker
from tuetinh.record.text import concept_text

MOST = 500  # people of a facility to choose from
AGAIN = {
    "": gettext_lazy("làm riêng (100%)"),
    "again_same_team": gettext_lazy("phẫu thuật thứ hai, cùng kíp (50%)"),
    "again_other_team": gettext_lazy("phẫu thuật thứ hai, kíp khác (80%)"),
    "again_procedure": gettext_lazy("thủ thuật thêm trong cuộc mổ (80%)"),
}


class DoneForm(forms.Form):
    """What was done."""

    code = forms.CharField(max_length=50, widget=forms.HiddenInput)
    start = forms.DateTimeField(label=gettext_lazy("Bắt đầu"), widget=forms.DateTimeInput({"type": "datetime-local"}))
    end = forms.DateTimeField(label=gettext_lazy("Kết thúc"), widget=forms.DateTimeInput({"type": "datetime-local"}))
    anaesthesia = forms.ChoiceField(label=gettext_lazy("Vô cảm"), required=False)
    again = forms.ChoiceField(label=gettext_lazy("Lần thực hiện"), required=False, choices=list(AGAIN.items()))
    people = forms.MultipleChoiceField(
        label=gettext_lazy("Người thực hiện"), required=False, widget=forms.CheckboxSelectMultiple
    )
    machines = forms.MultipleChoiceField(
        label=gettext_lazy("Máy đã dùng"), required=False, widget=forms.CheckboxSelectMultiple
    )
    note = forms.CharField(
        label=gettext_lazy("Tường trình"), max_length=2000, required=False, widget=forms.Textarea({"rows": 3})
    )

    def __init__(self, *given: Any, people: dict[str, str], machines: dict[str, str], **more: Any) -> None:
        super().__init__(*given, **more)
        cast(forms.ChoiceField, self.fields["people"]).choices = list(people.items())
        cast(forms.ChoiceField, self.fields["machines"]).choices = list(machines.items())
        kinds = [("", _("không")), *codes("PP_VO_CAM").items()]
        cast(forms.ChoiceField, self.fields["anaesthesia"]).choices = kinds

    def done(self) -> actions.Done:
        """What was typed."""
        told = self.cleaned_data
        return actions.Done(
            told["code"], told["start"], told["end"], tuple(told["people"]), told["anaesthesia"], told["again"],
            told["note"].strip(), tuple(told["machines"]),
        )  # fmt: skip


@desk("doctor", "nurse")
@require_http_methods(["GET", "POST"])
@never_cache
def procedures(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """What was done in the visit; POST by a doctor writes down one more."""
    me = asker(request)
    try:
        visit = reception.visit(me, encounter_id)
    except NoVisit as error:
        raise Http404 from error
    people = staff(me)
    now = f"{timezone.localtime():%Y-%m-%dT%H:%M}"
    form = DoneForm(
        request.POST if request.method == "POST" else None, people=people,
        machines={one.code: f"{one.name} · {one.code}" if one.name else one.code for one in machines(me)},
        initial={"start": now, "people": [me.practitioner]},
    )  # fmt: skip
    stopped: list[Finding] = []
    if request.method == "POST" and form.is_valid():
        try:
            for problem in actions.write_down(me, encounter_id, form.done(), reasons=reasons_given(request.POST)):
                messages.warning(request, problem.reason)
        except Stopped as error:
            stopped = shown(me, error.problems)
        except (ClinicError, BillingError) as error:
            field = getattr(error, "field", "")
            form.add_error(field if field in form.fields else None, str(error))
        else:
            messages.success(request, _("Đã ghi."))
            return redirect("clinic:procedures", encounter_id)
    known = service(str(form["code"].value() or ""))
    rows = [(one, concept_text(one.code), _by(one, people), _how(one)) for one in actions.of_visit(me, encounter_id)]
    context = {
        "visit": visit, "banner": banner(me, visit.patient), "form": form, "stopped": stopped, "rows": rows,
        "name": known.name if known else "", "doctor": me.role == "doctor", "open": visit.state == "in-progress",
    }  # fmt: skip
    status = 409 if stopped else 422 if request.method == "POST" else 200
    return render(request, "clinic/procedures.html", context, status=status)


@desk("doctor")
@require_POST
def take_back(request: HttpRequest, encounter_id: str, procedure_id: str) -> HttpResponse:
    """Take one back."""
    try:
        actions.take_back(asker(request), encounter_id, procedure_id)
    except NoVisit as error:
        raise Http404 from error
    except ClinicError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã hủy."))
    return redirect("clinic:procedures", encounter_id)


def staff(me: Asker) -> dict[str, str]:
    """Names of the practitioners of the facility, by their ids."""
    query = f"organization=Organization/{me.facility}&active=true&_count={MOST}"
    roles = cast("list[r4.PractitionerRole]", record.search(me, "PractitionerRole", query).resources)
    found = {
        (one.practitioner.reference or "").rpartition("/")[2]: one.practitioner.display or ""
        for one in roles
        if one.practitioner
    }
    if me.practitioner and me.practitioner not in found:
        found[me.practitioner] = _("Tôi")
    return dict(sorted(found.items(), key=lambda one: one[1].rpartition(" ")[2]))


def _by(one: r4.Procedure, people: dict[str, str]) -> str:
    ids = ((part.actor.reference or "").rpartition("/")[2] for part in one.performer or [])
    return ", ".join(people.get(id_, "") or id_ for id_ in ids)


def _how(one: r4.Procedure) -> str:
    tools = (tool.display or "" for tool in one.usedReference or [])
    return " · ".join(filter(None, (concept_text(one.usedCode[0]) if one.usedCode else "", *tools)))
