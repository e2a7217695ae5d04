"""Whom the citizen lets see the record: forbids a facility or a purpose by a FHIR Consent, and takes it back."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tuetinh.commons.access.api import asker, desk, forbidding, place_name
from tuetinh.community.portal.family import decides
from tuetinh.record import api as record
from tuetinh.record import errors, r4
from tuetinh.record.asker import Asker

PURPOSES = {
    "": gettext_lazy("Mọi mục đích"),
    "TREAT": gettext_lazy("Khám và chữa bệnh"),
    "HOPERAT": gettext_lazy("Quản lý hồ sơ"),
    "HRESCH": gettext_lazy("Nghiên cứu"),
}


@dataclass(frozen=True, slots=True)
class Forbidden:
    """What was forbidden. place: name of the facility, "" for every one. purpose: in words. since: ISO time."""

    id: str
    place: str
    purpose: str
    since: str


@desk("citizen")
@never_cache
@require_http_methods(["GET", "POST"])
def sharing(request: HttpRequest) -> HttpResponse:
    """What I have forbidden; forbid more."""
    who = asker(request)
    places = _places(who)
    fault = False
    if request.method == "POST":
        if not decides(request):
            raise Http404
        facility, purpose = request.POST.get("facility", ""), request.POST.get("purpose", "")
        fault = purpose not in PURPOSES or (facility not in places and facility != "*")
        if not fault:
            forbidding.forbid(who, str(who.patient), "" if facility == "*" else facility, purpose)
            return redirect("portal:sharing")
    shown = [_told(one) for one in forbidding.forbidden(who, str(who.patient))]
    context = {"forbidden": shown, "places": places.items(), "purposes": PURPOSES.items(), "fault": fault}
    context["decides"] = decides(request)
    return render(request, "portal/sharing.html", context, status=422 if fault else 200)


@desk("citizen")
@require_POST
def take_back(request: HttpRequest, consent_id: str) -> HttpResponse:
    """Let them see it again."""
    who = asker(request)
    if not decides(request):
        raise Http404
    try:
        consent = record.read(who, "Consent", consent_id)
    except (errors.NotFound, errors.Gone, errors.BadRequest) as error:
        raise Http404 from error
    if isinstance(consent, r4.Consent):
        forbidding.take_back(who, consent)
    return redirect("portal:sharing")


def _told(consent: r4.Consent) -> Forbidden:
    provision = consent.provision or r4.ConsentProvision()
    named = [(one.reference.reference or "") if one.reference else "" for one in provision.actor or ()]
    places = [place_name("Organization", name.rpartition("/")[2]) for name in named if name]
    purposes = [str(PURPOSES.get(one.code or "", one.code)) for one in provision.purpose or ()]
    told = ", ".join(purposes) or str(PURPOSES[""])
    return Forbidden(str(consent.id), ", ".join(places), told, consent.dateTime or "")


def _places(who: Asker) -> dict[str, str]:
    """Facilities that have looked at or written the record, by id."""
    ids = {one.facility for one in record.accesses(who, str(who.patient), limit=500) if one.facility}
    return {id_: place_name("Organization", id_) for id_ in sorted(ids)}
