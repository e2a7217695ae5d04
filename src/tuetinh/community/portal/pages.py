"""The citizen's pages: today, results, medicines, visits, payments, one's record, and who has looked at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from tuetinh.care.billing import api as billing
from tuetinh.care.clinic import api as clinic
from tuetinh.care.insurance.api import cards, standing
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import ROLES, asker, desk, in_words, notices, owner_names, place_name
from tuetinh.commons.documents.api import respond_pdf
from tuetinh.commons.identity import api as identity
from tuetinh.commons.ui.api import paginate
from tuetinh.community.portal import queries
from tuetinh.community.portal.words import PURPOSES, TURN
from tuetinh.record import api as record
from tuetinh.record import errors, r4
from tuetinh.record.asker import Asker

P = ParamSpec("P")
ACCESSES, BILLS = 20, 10


def own(view: Callable[Concatenate[HttpRequest, Asker, P], HttpResponse]) -> Any:
    """A page of the citizen's own record: asks as the citizen, is kept nowhere, and 404 for what is not there."""

    @wraps(view)
    def page(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            answer = view(request, asker(request), *args, **kwargs)
        except (errors.NotFound, errors.Gone, errors.BadRequest) as error:
            raise Http404 from error
        add_never_cache_headers(answer)
        return answer

    return desk("citizen")(require_safe(page))


def _turns(who: Asker) -> list[dict[str, Any]]:
    """The open visits of today with what to say of each."""
    return [
        {
            "visit": one,
            "says": TURN[one.state],
            "ahead": reception.ahead(one) if one.state == "waiting" else None,
            "place": place_name("Organization", one.facility),
        }
        for one in reception.of_person(who, str(who.patient))
    ]


@own
def today(request: HttpRequest, who: Asker) -> HttpResponse:
    """Where I am in the queue, what is new, what to take, who has looked."""
    shown = queries.tests(who)
    now, _before = queries.medicines(who)
    first = next((t for t in shown if t.tone in ("warn", "danger") and t.latest.number is not None), None)
    first = first or next((t for t in shown if t.latest.number is not None), None)
    week = timezone.now() - timedelta(days=7)
    looked = record.accesses(who, str(who.patient), limit=50)
    context = {
        "turns": _turns(who),
        "test": queries.test(who, first.code) if first else None,
        "others": [t for t in shown if first is None or t.code != first.code][:3],
        "medicines": now[:4],
        "more": len(now) - 4,
        "looked": sum(1 for one in looked if one.last >= week),
        "known": bool(shown or now),
        "notices": notices(who),
        "standing": standing(str(who.patient)),
    }
    return render(request, "portal/today.html", context)


@own
def turn(request: HttpRequest, who: Asker) -> HttpResponse:
    """The part of the page that changes while one waits."""
    return render(request, "portal/turn.html", {"turns": _turns(who)})


@own
def results(request: HttpRequest, who: Asker) -> HttpResponse:
    """The newest result of every test."""
    return render(request, "portal/results.html", {"page": paginate(request, queries.tests(who))})


@own
def result(request: HttpRequest, who: Asker, code: str) -> HttpResponse:
    """One test: what it means, its curve and its table."""
    found = queries.test(who, code)
    if found is None:
        raise Http404
    return render(request, "portal/result.html", {"test": found})


@own
def medicines(request: HttpRequest, who: Asker) -> HttpResponse:
    """What I take now, and took before."""
    now, before = queries.medicines(who)
    return render(request, "portal/medicines.html", {"now": now, "before": before})


@own
def visits(request: HttpRequest, who: Asker) -> HttpResponse:
    """My visits at every facility."""
    try:
        shown, following = queries.visits(who, request.GET.get("next") or None)
    except ValueError as error:  # a token that was tampered with, or is of another person
        raise Http404 from error
    return render(request, "portal/visits.html", {"visits": shown, "next": following})


@own
def visit(request: HttpRequest, who: Asker, encounter_id: str) -> HttpResponse:
    """One visit: what was found, what was given, what to do, what it cost."""
    told = queries.visit(who, encounter_id)
    charged = billing.bill(_with_directory(who), encounter_id)
    papers = []
    if _finished(who, encounter_id):
        papers = ["summary", "prescription"] if told.medicines else ["summary"]
    context = {"told": told, "bill": charged if charged.lines else None, "papers": papers}
    return render(request, "portal/visit.html", context)


def _finished(who: Asker, encounter_id: str) -> reception.Visit | None:
    """The visit once it was closed here; a visit that came from elsewhere brought its papers there."""
    try:
        found = reception.visit(who, encounter_id)
    except reception.NoVisit:
        return None
    return found if found.state == "finished" and found.patient == who.patient else None


@own
def paper(request: HttpRequest, who: Asker, encounter_id: str, kind: str) -> HttpResponse:
    """The summary or the prescription of a closed visit."""
    closed = _finished(who, encounter_id)
    if closed is None or kind not in ("summary", "prescription"):
        raise Http404
    if kind == "summary":
        return respond_pdf(request, clinic.summary_paper(who, closed), f"tom-tat-{closed.number}")
    return respond_pdf(request, clinic.prescription_paper(who, closed), f"don-thuoc-{closed.number}")


@own
def payments(request: HttpRequest, who: Asker) -> HttpResponse:
    """My bills with their receipts."""
    page = paginate(request, billing.of_person(who, str(who.patient)), BILLS)
    shown = [
        (one, place_name("Organization", one.facility), [p for p in one.payments.all() if p.cancelled is None])
        for one in page
    ]
    return render(request, "portal/payments.html", {"page": page, "bills": shown})


@own
def receipt(request: HttpRequest, who: Asker, payment_id: int) -> HttpResponse:
    """The receipt of one of my payments."""
    mine = billing.of_person(who, str(who.patient)).filter(payments__pk=payment_id).first()
    paid = mine.payments.filter(pk=payment_id).first() if mine else None
    if paid is None:
        raise Http404
    document = billing.receipt(_with_directory(who), paid, "A5", cashier="")
    return respond_pdf(request, document, f"bien-lai-{paid.number}")


def _with_directory(who: Asker) -> Asker:
    """The citizen for what was proved to be their own, when level and name of the facility decide the sums."""
    return replace(who, patient=None, scopes=frozenset({"user/*.rs"}))


@own
def mine(request: HttpRequest, who: Asker) -> HttpResponse:
    """Who I am here: card, insurance, allergies, problems, vaccinations."""
    person = record.read(who, "Patient", str(who.patient))
    assert isinstance(person, r4.Patient)  # noqa: S101
    today_ = timezone.localdate()
    context = {
        "name": identity.display_name(person),
        "birth": person.birthDate or "",
        "sex": identity.gender_text(person.gender or "unknown"),
        "number": identity.identifier(person, "cccd"),
        "phone": identity.phone(person),
        "home": identity.home(person)[0],
        "cards": [
            (card, card.holds_on(today_), place_name("Organization", card.facility), queries.days_until(card.valid_to))
            for card in cards(who, str(who.patient))
        ],
        "mine": queries.mine(who),
        "standing": standing(str(who.patient)),
    }
    return render(request, "portal/mine.html", context)


def _who(role: str) -> str:
    if role == "share":
        return _("Người có mã chia sẻ")
    return str(ROLES[role].label) if role in ROLES else _("Phần mềm của ngành y tế")


@own
def accesses(request: HttpRequest, who: Asker) -> HttpResponse:
    """Who has looked at my record, when and what for."""
    asked = request.GET.get("before", "")
    before = int(asked) if asked.isdecimal() and len(asked) < 19 else None
    rows = record.accesses(who, str(who.patient), before, ACCESSES + 1)
    people, _clients = owner_names([one.account for one in rows], [])
    shown = [
        {
            "access": one,
            "who": people.get(one.account) or _who(one.role),
            "place": place_name("Organization", one.facility),
            "why": PURPOSES.get(one.purpose, ""),
            "what": in_words(one.types) or _("phần khác của hồ sơ"),
        }
        for one in rows[:ACCESSES]
    ]
    following = rows[ACCESSES - 1].position if len(rows) > ACCESSES else None
    return render(request, "portal/accesses.html", {"shown": shown, "next": following, "first": before is None})
