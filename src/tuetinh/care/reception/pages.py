"""The reception desk: scan or search, register, receive, print the number; today's list; the waiting-room screen."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.insurance.api import CardCheck, NoCard, cards, check_card, standing
from tuetinh.care.reception import actions, queries, tickets, voice, words
from tuetinh.care.reception.errors import NoVisit, ReceptionError
from tuetinh.care.reception.forms import PersonForm, ReasonForm, VisitForm, draft_of
from tuetinh.care.reception.models import Turn
from tuetinh.commons.access.api import asker, desk, open_to_all
from tuetinh.commons.documents.api import in_words, respond_pdf
from tuetinh.commons.identity.api import (
    YOUNGEST_MOTHER,
    CardError,
    IdentityError,
    PersonDraft,
    SamePerson,
    age,
    banner,
    description,
    find_people,
    identifier,
    likely_duplicates,
    names_of,
    parse_card,
    register,
    unnamed,
)
from tuetinh.commons.ui.api import paginate
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import Gone, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuetinh.commons.access.api import Account
    from tuetinh.commons.identity.api import Hit

SOUGHT, DRAFT = "reception.sought", "reception.draft"  # kept in the session between two pages
MOST_ROOMS = 8
FOUND_TODAY = 100  # visits on the page of those looked for
SHOWN_NEXT = 6  # numbers on the waiting-room screen


@desk("reception")
@require_http_methods(["GET", "POST"])
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """One field for a card or any scrap of a person; a card of somebody known leads straight to them.

    What is typed or scanned comes by POST and waits in the session, so that no address, log or history holds it.
    """
    me = asker(request)
    if request.method == "GET":
        text = request.session.pop(SOUGHT, "")
        return _home(request, text, hits=find_people(me, text) if text else [])
    text = request.POST.get("q", "").strip()
    if "new" in request.POST:
        return _to_new(request, draft_of(text))
    typing = "HX-Request" in request.headers
    if "|" in text and typing:  # a card that the scanner has not finished
        return HttpResponse(status=204)
    if text.count("|") >= 3:
        return _scanned(request, text)
    hits = find_people(me, text) if text else []
    if typing:
        return _home(request, text, hits=hits)
    if len(hits) == 1 and not hits[0].slipped:  # Enter picks the only one
        return redirect("reception:person", hits[0].id)
    request.session[SOUGHT] = text
    return redirect("reception:home")


def _scanned(request: HttpRequest, text: str) -> HttpResponse:
    try:
        card = parse_card(text)
    except CardError as error:
        return _home(request, text, error=str(error), status=422)
    known = [hit for hit in likely_duplicates(asker(request), card.draft()) if hit.certain]
    if len(known) == 1:
        return redirect("reception:person", known[0].id)
    for warning in card.warnings:
        messages.warning(request, str(words.CARD_WARNINGS[warning]))
    return _to_new(request, card.draft())


def _to_new(request: HttpRequest, draft: PersonDraft) -> HttpResponse:
    request.session[DRAFT] = asdict(draft)
    return redirect("reception:new")


def _home(
    request: HttpRequest, text: str, *, hits: Sequence[Hit] | None = None, error: str = "", status: int = 200
) -> HttpResponse:
    rooms = queries.rooms(_account(request).facility)
    context = {"q": text, "hits": hits or [], "error": error, "rooms": rooms, "unnamed": unnamed(asker(request))}
    return render(request, "reception/home.html", context, status=status)


@desk("reception")
@require_http_methods(["GET", "POST"])
@never_cache
def new(request: HttpRequest) -> HttpResponse:
    """Register a person; likely duplicates are shown before they are made."""
    if request.method == "GET":
        told = request.session.pop(DRAFT, None)
        told_draft = PersonDraft(**told) if told else None
        return _new(request, PersonForm(initial=PersonForm.initial_of(told_draft) if told_draft else {}), told_draft)
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _new(request, form, status=422)
    draft, me = form.draft(), asker(request)
    if not request.POST.get("sure") and (alike := likely_duplicates(me, draft)):
        return _new(request, form, draft, alike=alike, status=409)
    try:
        patient = register(me, draft)
    except SamePerson as error:
        messages.warning(request, str(error))
        return redirect("reception:person", error.patient)
    except IdentityError as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return _new(request, form, status=422)
    messages.success(request, _("Đã đăng ký người bệnh mới."))
    return redirect("reception:person", cast(str, patient.id))


def _new(
    request: HttpRequest,
    form: PersonForm,
    draft: PersonDraft | None = None,
    *,
    alike: Sequence[Hit] | None = None,
    status: int = 200,
) -> HttpResponse:
    if alike is None and draft is not None:
        alike = likely_duplicates(asker(request), draft)
    scanned = draft.address if draft and request.method == "GET" else ""
    context = {
        "form": form,
        "alike": alike or [],
        "asked": status == 409,
        "scanned": scanned,
        "province": _account(request).facility[:2],  # a facility's code begins with its province's
    }
    return render(request, "reception/new.html", context, status=status)


@desk("reception")
@require_http_methods(["GET", "POST"])
@never_cache
def person(request: HttpRequest, patient_id: str) -> HttpResponse:
    """A known person: card, why they come, which room; the big button gives the number."""
    patient = _patient(request, patient_id)
    rooms = queries.rooms(_account(request).facility)
    years = age(patient.birthDate or "", queries.today())
    first = request.method == "GET"
    form = VisitForm(
        None if first else request.POST, initial={"priority": years is not None and (years < 6 or years >= 80)}
    )
    form.fields["room"].choices = [(room.id, room.name) for room in rooms]  # type: ignore[attr-defined]
    if not first and form.is_valid():
        told = form.cleaned_data
        try:
            visit = actions.open_visit(
                asker(request),
                patient_id,
                _account(request).facility,
                told["room"],
                told["reason"],
                priority=told["priority"],
                kind=told["kind"],
                care=told["care"],
            )
        except ReceptionError as error:
            form.add_error(None, str(error))
        else:
            if told["checked"] != "valid":
                _checked(request, patient_id, visit.encounter)
            return redirect("reception:visit", visit.encounter)
    context = {
        "form": form,
        "rooms": rooms,
        "patient_id": patient_id,
        "banner": banner(asker(request), patient_id),
        "cards": cards(asker(request), patient_id),
        "today": queries.of_person(asker(request), patient_id),
        "may_bear": patient.gender != "male" and years is not None and years >= YOUNGEST_MOTHER,
        "temporary": identifier(patient, "temporary"),
        "described": description(patient),
    }
    return render(request, "reception/person.html", context, status=200 if first else 422)


@desk("reception")
@require_POST
@never_cache
def card(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Ask the gateway about the person's card and show what it says."""
    _patient(request, patient_id)
    check = _checked(request, patient_id)
    context = {"check": check, "patient_id": patient_id, "standing": standing(patient_id)}
    return render(request, "reception/card.html", context)


def _checked(request: HttpRequest, patient_id: str, encounter: str = "") -> CardCheck | None:
    """The gateway's answer; None when the person has no number to ask with."""
    try:
        return check_card(asker(request), patient_id, facility=_account(request).facility, encounter=encounter)
    except NoCard:
        return None


@desk("reception")
@require_GET
@never_cache
def visit(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The number that was given, ready to print; and what may still be changed."""
    found = _visit(request, encounter_id)
    me = asker(request)
    held = [one for one in cards(me, found.patient) if one.holds_on(queries.today())]
    context = {
        "visit": found,
        "ahead": queries.ahead(found),
        "state": words.STATES[found.state],
        "banner": banner(me, found.patient),
        "held": held,
        "standing": standing(found.patient) if held else None,
        "rooms": [room for room in queries.rooms(found.facility) if room.id != found.room],
        "form": ReasonForm(),
    }
    return render(request, "reception/visit.html", context)


@desk("reception")
@require_GET
def ticket(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The number on 80 mm paper."""
    found = _visit(request, encounter_id)
    return respond_pdf(request, tickets.ticket(asker(request), encounter_id), f"so-{found.number:03}")


@desk("reception")
@require_POST
def cancel(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Cancel a visit that has not begun."""
    _visit(request, encounter_id)
    try:
        actions.cancel(asker(request), encounter_id, request.POST.get("reason", ""))
    except ReceptionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã hủy lượt khám."))
    return redirect("reception:visit", encounter_id)


@desk("reception")
@require_POST
def move(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Send the person to another room."""
    _visit(request, encounter_id)
    try:
        actions.move(asker(request), encounter_id, request.POST.get("room", ""))
    except ReceptionError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã chuyển phòng, số mới ở bên dưới."))
    return redirect("reception:visit", encounter_id)


@desk("reception")
@require_http_methods(["GET", "POST"])
@never_cache
def today(request: HttpRequest) -> HttpResponse:
    """Everyone who came today, newest first, by state; what is looked for among them comes by POST."""
    state = request.GET.get("state", "")
    states = (state,) if state in words.STATES else ()
    rows_of_day = queries.of_day(_account(request).facility, queries.today(), states)
    if typed := request.POST.get("q", "").strip()[:100]:
        rows_of_day = queries.found(asker(request), rows_of_day, typed)
    page = paginate(request, rows_of_day, FOUND_TODAY) if typed else paginate(request, rows_of_day)
    rows = [(found, words.STATES[found.state]) for found in queries.visits(asker(request), list(page.object_list))]
    context = {"page": page, "rows": rows, "state": state if states else "", "q": typed, "states": words.STATES.items()}
    return render(request, "reception/today.html", context)


@open_to_all
@require_GET
@never_cache
def wall(request: HttpRequest, room: str) -> HttpResponse:
    """The waiting-room screen of a room, also of `?rooms=a,b`: numbers called and next; no full name, no reason."""
    asked = list(dict.fromkeys([room, *filter(None, request.GET.get("rooms", "").split(","))]))[:MOST_ROOMS]
    places = cast("dict[str, r4.Location]", record.read_many(SYSTEM, "Location", asked))
    if room not in places:
        raise Http404
    turns = Turn.objects.filter(room__in=places, day=queries.today())
    called = list(turns.filter(state__in=("called", "in-progress")).order_by("-called_at")[:3])
    following = list(turns.filter(state="waiting").order_by("-priority", "number")[:SHOWN_NEXT])
    people = names_of(SYSTEM, {turn.patient for turn in called + following})

    def shown(some: list[Turn]) -> list[Shown]:
        return [
            Shown(
                turn,
                _short(people.get(turn.patient, "")),
                (places[turn.room].name or "") if len(places) > 1 else "",
                _voice(turn) if turn.state == "called" and voice.has_voice() else "",
            )
            for turn in some
        ]

    context = {
        "name": " · ".join(places[id_].name or id_ for id_ in asked if id_ in places),
        "channels": urlencode([("channel", f"queue:{id_}") for id_ in asked if id_ in places]),
        "called": shown(called),
        "next": shown(following),
        "more": max(turns.filter(state="waiting").count() - SHOWN_NEXT, 0),
        "speaks": voice.has_voice(),
    }
    return render(request, "reception/wall.html", context)


class Shown(NamedTuple):
    """One number on the screen. where: the room, when the screen is of several. voice: address of its spoken call."""

    turn: Turn
    short: str
    where: str
    voice: str


def _voice(turn: Turn) -> str:
    """Where the call is spoken; called again is another call."""
    at = int(turn.called_at.timestamp()) if turn.called_at else 0
    return f"{reverse('reception:call', args=[turn.room, turn.number])}?at={at}"


@open_to_all
@require_GET
@never_cache
def call(_request: HttpRequest, room: str, number: int) -> HttpResponse:
    """The spoken call of a number that is called now: number, given name, room, as the screen shows them."""
    turn = Turn.objects.filter(room=room, day=queries.today(), number=number, state="called").first()
    place = cast("r4.Location | None", record.read_many(SYSTEM, "Location", [room]).get(room))
    if turn is None or place is None:
        raise Http404
    given = names_of(SYSTEM, {turn.patient}).get(turn.patient, "").rpartition(" ")[2]
    counted = in_words(number).removesuffix(" đồng").lower()
    try:
        sound = voice.say(f"Mời số {counted}, {given}, vào {place.name or ''}.")
    except voice.NoVoice as error:
        raise Http404 from error
    return HttpResponse(sound, content_type="audio/wav")


def _short(name: str) -> str:
    """ "Lò Thị Pâng" as "L. T. Pâng": enough to know oneself, not enough for others."""
    parts = name.split()
    return " ".join([*(f"{unicodedata.normalize('NFC', part)[0]}." for part in parts[:-1]), *parts[-1:]])


def _patient(request: HttpRequest, patient_id: str) -> r4.Patient:
    try:
        return cast(r4.Patient, record.read(asker(request), "Patient", patient_id))
    except (NotFound, Gone) as error:
        raise Http404 from error


def _visit(request: HttpRequest, encounter_id: str) -> queries.Visit:
    try:
        return queries.visit(asker(request), encounter_id)
    except NoVisit as error:
        raise Http404 from error


def _account(request: HttpRequest) -> Account:
    return cast("Account", request.user)
