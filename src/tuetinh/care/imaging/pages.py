"""Pages of imaging: what waits for a decision, whose a study is, and the machines."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.care.imaging import devices
from tuetinh.care.imaging.archive import deciding, fixing, persons
from tuetinh.care.imaging.archive import unreadable as unreadables
from tuetinh.care.imaging.errors import REASONS, UNREADABLE, BadAttribute, ImagingError, NoPerson
from tuetinh.care.imaging.forms import DecisionForm, DeviceForm, PersonForm
from tuetinh.care.imaging.models import Device, Held
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate


@desk("imaging")
@require_GET
@never_cache
def waiting(request: HttpRequest) -> HttpResponse:
    """Objects that wait for a decision (`?list=nobody`: studies of nobody; `unreadable`: what cannot be opened)."""
    me = asker(request)
    lists = {
        "held": deciding.waiting(me.facility),
        "nobody": deciding.nobodys(me),
        "unreadable": unreadables.listed(me),
    }
    chosen = request.GET.get("list", "")
    chosen = chosen if chosen in lists else "held"
    page = paginate(request, lists[chosen])
    words = {"held": lambda row: REASONS[row.reason], "unreadable": lambda row: UNREADABLE[row.fault]}
    context = {
        "page": page,
        "rows": [(row, words[chosen](row) if chosen in words else "") for row in page.object_list],
        "list": chosen,
        "counts": {name: rows.count() for name, rows in lists.items()},
        "facility": me.facility,
    }
    return render(request, "imaging/waiting.html", context)


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def unreadable(request: HttpRequest, row_id: int) -> HttpResponse:
    """One picture that cannot be opened: why, which it is, and what can be done about it."""
    me = asker(request)
    row = unreadables.listed(me).filter(pk=row_id).first()
    if row is None:
        raise Http404
    form = DecisionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        decide = unreadables.leave if form.cleaned_data["action"] == "leave" else unreadables.ask_again
        try:
            decide(me, row.pk, form.cleaned_data["why"])
        except ImagingError as error:
            form.add_error("why", str(error))
        else:
            messages.success(request, _("Đã ghi quyết định."))
            return redirect(f"{reverse('imaging:waiting')}?list=unreadable")
    study = row.instance.study
    context = {
        "row": row,
        "one": row.instance,
        "study": study,
        "reason": UNREADABLE[row.fault],
        "known": banner(me, study.patient) if study.patient else None,
        "form": form,
    }
    return render(request, "imaging/unreadable.html", context, status=422 if request.method == "POST" else 200)


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def held(request: HttpRequest, held_id: int) -> HttpResponse:
    """One object that waits: why, what it tells, and what can be done with it."""
    me = asker(request)
    row = Held.objects.filter(pk=held_id, facility=me.facility).first()
    if row is None:
        raise Http404
    form = DecisionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            _decide(request, row.pk, form.cleaned_data)
        except BadAttribute as error:
            form.add_error(None, str(error))
        except ImagingError as error:
            form.add_error("patient" if form.cleaned_data["action"] in ("assign", "fix") else "why", str(error))
        else:
            messages.success(request, _("Đã ghi quyết định."))
            return redirect("imaging:waiting")
    told = fixing.values(row) or {}
    person = persons.find(told.get("PatientID", row.patient_id), me.facility)
    typed = request.POST if request.POST.get("action") == "fix" else told
    context = {
        "row": row,
        "told": [(fixing.FIELDS[keyword], value) for keyword, value in told.items()],
        "fields": [(key, label, typed.get(key, "")) for key, label in fixing.FIELDS.items()] if told else [],
        "fixes": request.POST.get("action") == "fix",
        "reason": REASONS[row.reason],
        "form": form,
        "known": banner(me, str(person.id)) if person else None,
        "waits": row.state == Held.State.WAITING,
        "blind": row.reason == "changed"
        and unreadables.listed(me).filter(instance__sop_instance_uid=row.sop_instance_uid),
    }
    return render(request, "imaging/held.html", context, status=422 if request.method == "POST" else 200)


def _decide(request: HttpRequest, held_id: int, told: dict[str, str]) -> None:
    me, why = asker(request), told["why"]
    if told["action"] == "assign":
        person = persons.find(told["patient"].strip(), me.facility)
        deciding.assign(me, held_id, str(person.id) if person else "", why)
    elif told["action"] == "fix":
        named = told["patient"].strip()
        person = persons.find(named, me.facility) if named else None
        if named and person is None:
            raise NoPerson
        values = {keyword: request.POST[keyword] for keyword in fixing.FIELDS if keyword in request.POST}
        deciding.fix(me, held_id, values, why, str(person.id) if person else "")
    elif told["action"] == "replace":
        deciding.replace(me, held_id, why)
    else:
        deciding.reject(me, held_id, why)


@desk("imaging")
@require_http_methods(["GET", "POST"])
@never_cache
def whose(request: HttpRequest, study_id: int) -> HttpResponse:
    """Say whose a study is that came without a person whom the record knows."""
    me = asker(request)
    row = deciding.nobodys(me).filter(pk=study_id).first()
    if row is None:
        raise Http404
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        person = persons.find(form.cleaned_data["patient"].strip(), me.facility)
        try:
            deciding.give_study(me, row.pk, str(person.id) if person else "", form.cleaned_data["why"])
        except ImagingError as error:
            form.add_error("patient", str(error))
        else:
            messages.success(request, _("Đã gắn ca chụp với người bệnh."))
            return redirect("imaging:waiting")
    context = {"row": row, "form": form}
    return render(request, "imaging/whose.html", context, status=422 if request.method == "POST" else 200)


@desk("admin", at="facility")
@require_GET
def device_list(request: HttpRequest) -> HttpResponse:
    """The machines of the facility, and what each may."""
    return render(request, "imaging/devices.html", {"page": paginate(request, devices.listed(asker(request)))})


@desk("admin", at="facility")
@require_http_methods(["GET", "POST"])
def new_device(request: HttpRequest) -> HttpResponse:
    """Register a machine."""
    return _device_page(request, None)


@desk("admin", at="facility")
@require_http_methods(["GET", "POST"])
def device(request: HttpRequest, device_id: int) -> HttpResponse:
    """Change a machine."""
    row = devices.listed(asker(request)).filter(pk=device_id).first()
    if row is None:
        raise Http404
    return _device_page(request, row)


def _device_page(request: HttpRequest, row: Device | None) -> HttpResponse:
    known: dict[str, Any] = {name: getattr(row, name) for name in DeviceForm.base_fields} if row else {}
    form = DeviceForm(request.POST or None, initial=known)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data | {"address": form.cleaned_data["address"] or None}
        try:
            devices.save(asker(request), row.pk if row else None, devices.Draft(**told))
        except ImagingError as error:
            form.add_error("title", str(error))
        else:
            messages.success(request, _("Đã ghi."))
            return redirect("imaging:devices")
    status = 422 if request.method == "POST" else 200
    return render(request, "imaging/device.html", {"form": form, "row": row}, status=status)
