"""People who come without papers: newborns from the mother's page, the unknown in an emergency; later completed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.care.insurance.api import InsuranceError, give_temporary_card
from tuetinh.care.reception import actions, queries
from tuetinh.care.reception.errors import ReceptionError
from tuetinh.care.reception.forms import NewbornForm, PersonForm, UnknownForm
from tuetinh.commons.access.api import asker, desk, wards
from tuetinh.commons.identity.api import (
    IdentityError,
    Newborn,
    PersonDraft,
    SamePerson,
    banner,
    description,
    register_newborn,
    register_unknown,
    report_one_person,
)
from tuetinh.commons.identity.api import complete as complete_person
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.errors import Gone, NotFound

if TYPE_CHECKING:
    from django.forms import Form


@desk("reception")
@never_cache
@require_http_methods(["GET", "POST"])
def newborn(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Register a child of this mother: her name, a temporary number, her right to see the record, a temporary card."""
    mother, first = _person(request, patient_id), request.method == "GET"
    form = NewbornForm(None if first else request.POST, initial={"at": timezone.localtime()})
    if not first and form.is_valid():
        told, me = form.cleaned_data, asker(request)
        try:
            with transaction.atomic():
                name = " ".join(told["name"].split())
                child = register_newborn(me, patient_id, Newborn(told["at"], told["gender"], name, told["order"]))
                if told["insured"]:
                    give_temporary_card(me, str(child.id), facility=me.facility, number=told["card"])
        except SamePerson as error:
            messages.warning(request, _("Trẻ này đã được đăng ký."))
            return redirect("reception:person", error.patient)
        except (IdentityError, InsuranceError) as error:
            _told(form, error)
        else:
            messages.success(request, _("Đã đăng ký trẻ sơ sinh. Mẹ mở được hồ sơ của con từ tài khoản của mình."))
            return redirect("reception:person", str(child.id))
    children = [one for one in wards.of_carer(patient_id) if one.by_law]
    context = {"form": form, "patient_id": patient_id, "banner": banner(asker(request), patient_id)}
    context |= {"children": children, "called": mother.name[0].text if mother.name else ""}
    return render(request, "reception/newborn.html", context, status=200 if first else 422)


@desk("reception")
@never_cache
@require_http_methods(["GET", "POST"])
def unknown(request: HttpRequest) -> HttpResponse:
    """Receive somebody unknown as an emergency: a person by description, and a number of priority, in one go."""
    me, first = asker(request), request.method == "GET"
    rooms = queries.rooms(me.facility)
    form = UnknownForm(None if first else request.POST)
    form.fields["room"].choices = [(room.id, room.name) for room in rooms]  # type: ignore[attr-defined]
    if not first and form.is_valid():
        told = form.cleaned_data
        try:
            with transaction.atomic():
                person = register_unknown(me, told["gender"], told["description"])
                visit = actions.open_visit(
                    me, str(person.id), me.facility, told["room"], told["reason"], priority=True, kind="emergency"
                )
        except (IdentityError, ReceptionError) as error:
            _told(form, error)
        else:
            messages.warning(request, _("Đã tiếp nhận cấp cứu. Báo UBND xã trong 48 giờ nếu vẫn chưa rõ là ai."))
            return redirect("reception:visit", visit.encounter)
    context = {"form": form, "rooms": rooms}
    return render(request, "reception/unknown.html", context, status=200 if first else 422)


@desk("reception")
@never_cache
@require_http_methods(["GET", "POST"])
def complete(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Give an unnamed person their papers. Whose number it is already: the records office is told to merge the two."""
    person, first = _person(request, patient_id), request.method == "GET"
    form = PersonForm(request.POST or None, initial=_initial(person))
    same: SamePerson | None = None
    if not first and form.is_valid():
        try:
            complete_person(asker(request), patient_id, form.draft())
        except SamePerson as error:
            if request.POST.get("same") == error.patient:
                report_one_person(patient_id, error.patient)
                messages.success(request, _("Đã báo phòng lưu trữ gộp hai hồ sơ; mọi thứ đã ghi được giữ lại."))
                return redirect("reception:person", patient_id)
            same = error
        except IdentityError as error:
            _told(form, error)
        else:
            messages.success(request, _("Đã bổ sung giấy tờ."))
            return redirect("reception:person", patient_id)
    context: dict[str, Any] = {"form": form, "patient_id": patient_id, "banner": banner(asker(request), patient_id)}
    context |= {"same": same, "described": description(person), "province": asker(request).facility[:2]}
    return render(request, "reception/complete.html", context, status=200 if first else 409 if same else 422)


def _initial(person: r4.Patient) -> dict[str, str]:
    draft = PersonDraft("", person.birthDate or "", person.gender or "unknown")
    return PersonForm.initial_of(draft)


def _told(form: Form, error: IdentityError | ReceptionError | InsuranceError) -> None:
    field = getattr(error, "field", "") or None
    form.add_error(field if field in form.fields else None, str(error))


def _person(request: HttpRequest, patient_id: str) -> r4.Patient:
    try:
        return cast(r4.Patient, record.read(asker(request), "Patient", patient_id))
    except (NotFound, Gone) as error:
        raise Http404 from error
