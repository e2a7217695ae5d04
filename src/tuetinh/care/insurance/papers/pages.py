"""The papers of a visit: which there are, one to issue or change, its print."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.insurance.annexes.lists import YEARLY, annexes_of, standing
from tuetinh.care.insurance.errors import BadPaper, InsuranceError
from tuetinh.care.insurance.papers import actions, prefill, prints
from tuetinh.care.insurance.papers.catalogue import OF_WOMEN, PAPERS, REFERRAL, Paper
from tuetinh.care.insurance.papers.facts import Answered, holds_a_year
from tuetinh.care.insurance.papers.forms import PaperForm, initial
from tuetinh.care.insurance.papers.queries import appointment, issued, place_of, principal_code, referral_order
from tuetinh.care.insurance.visited import patient_of, seen_visit_of, visit_of
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.documents.api import respond_pdf
from tuetinh.commons.identity.api import Banner, banner


@desk("doctor", "nurse", "station")
@require_GET
@never_cache
def papers(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The papers that were issued in a visit, and those that can be."""
    me, encounter = asker(request), visit_of(request, encounter_id)
    standing, person = issued(me, encounter_id), banner(me, patient_of(encounter))
    offered = [one for one in PAPERS.values() if person.gender != "male" or one not in OF_WOMEN or one.name in standing]
    rows = [(paper, number, one) for paper in offered for number, one in _places(paper, standing)]
    context = {
        "encounter": encounter_id, "rows": rows, "may": me.role in actions.ISSUERS,
        "appointment": appointment(me, encounter_id), "person": person,
    }  # fmt: skip
    return render(request, "insurance/papers.html", context)


def _places(paper: Paper, standing: dict[str, list[Answered]]) -> list[tuple[int, Answered | None]]:
    """The papers of a kind with their place; of one that there may be several of, the next is free."""
    mine = standing.get(paper.name, [])
    if not paper.many:
        return [(1, mine[0] if mine else None)]
    taken = [(place_of(paper, one), one) for one in mine]
    return [*taken, (max((place for place, _ in taken), default=0) + 1, None)]


@desk("doctor", "station")
@require_http_methods(["GET", "POST"])
@never_cache
def paper(request: HttpRequest, encounter_id: str, name: str, place: int) -> HttpResponse:
    """Issue a paper or change it: its answers by field."""
    me, encounter, what = asker(request), visit_of(request, encounter_id), _paper(name, place)
    id_ = actions.paper_id(encounter_id, what, place)
    old = next((one for one in issued(me, encounter_id).get(name, []) if one.id == id_), None)
    places = {code: one.name or code for code, one in actions.facilities().items()} if _asks_where(what) else {}
    person = banner(me, patient_of(encounter))
    asked: dict[str, Any] = {"facilities": places, "male": person.gender == "male"}
    if request.method == "POST":
        form = PaperForm(what, request.POST, **asked)
        if form.is_valid():
            try:
                actions.issue(
                    me, encounter_id, what, form.cleaned_data, place=place,
                    diagnosis=principal_code(me, encounter_id), yearly="yearly" in request.POST,
                )  # fmt: skip
            except BadPaper as error:
                form.refuse(error.wrong)
            else:
                messages.success(request, _("Đã cấp giấy."))
                return redirect("insurance:papers", encounter_id)
        return _form(request, person, encounter_id, what, place, old, form, status=422)
    told = old.answers if old else prefill.known(encounter_id, what)
    form = PaperForm(what, initial=initial(what, told), **asked)
    return _form(request, person, encounter_id, what, place, old, form)


def _form(  # noqa: PLR0917
    request: HttpRequest,
    person: Banner,
    encounter_id: str,
    what: Paper,
    place: int,
    old: Answered | None,
    form: PaperForm,
    status: int = 200,
) -> HttpResponse:
    yearly = "yearly" in request.POST if request.method == "POST" else _holds_a_year(request, encounter_id, what, old)
    context: dict[str, Any] = {
        "encounter": encounter_id, "paper": what, "which": place, "old": old, "form": form, "person": person,
        "asks_validity": what is REFERRAL, "yearly": yearly,
    }  # fmt: skip
    return render(request, "insurance/paper.html", context, status=status)


def _holds_a_year(request: HttpRequest, encounter_id: str, what: Paper, old: Answered | None) -> bool:
    """Whether the referral holds a year, or, not issued yet, is for a disease of annex III."""
    me = asker(request)
    if what is not REFERRAL:
        return False
    if old and (order := referral_order(me, old.id)):
        return holds_a_year(order)
    return YEARLY in annexes_of(principal_code(me, encounter_id), standing(me.facility).values())


@desk("doctor", "station")
@require_POST
def withdraw(request: HttpRequest, encounter_id: str, name: str, place: int) -> HttpResponse:
    """Take a paper back."""
    what = _paper(name, place)
    visit_of(request, encounter_id)
    try:
        actions.withdraw(asker(request), encounter_id, what, place=place)
    except InsuranceError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã thu hồi giấy."))
    return redirect("insurance:papers", encounter_id)


@desk("doctor", "nurse", "station")
@require_GET
def paper_pdf(request: HttpRequest, encounter_id: str, name: str, place: int) -> HttpResponse:
    """The print of a paper, A4, also for those who go on where its facility ends."""
    me, what = asker(request), _paper(name, place)
    encounter = seen_visit_of(request, encounter_id)
    id_ = actions.paper_id(encounter_id, what, place)
    one = next((one for one in issued(me, encounter_id).get(name, []) if one.id == id_), None)
    if one is None:
        raise Http404
    order = referral_order(me, id_) if what is REFERRAL else None
    return respond_pdf(
        request, prints.paper(encounter, what, one, order), f"{name}-{one.number.rpartition('/')[2]}.pdf"
    )


@desk("doctor", "nurse", "station")
@require_GET
def appointment_pdf(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The print of the appointment to be seen again, A5."""
    encounter = visit_of(request, encounter_id)
    one = appointment(asker(request), encounter_id)
    if one is None:
        raise Http404
    return respond_pdf(request, prints.appointment(encounter, one), "hen-kham-lai.pdf")


def _asks_where(what: Paper) -> bool:
    return any(what.kind(name) == "facility" for name in what.asked)


def _paper(name: str, place: int) -> Paper:
    what = PAPERS.get(name)
    if what is None or not 1 <= place <= (20 if what.many else 1):
        raise Http404
    return what
