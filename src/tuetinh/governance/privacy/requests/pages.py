"""Requests at the desk that answers them, at the one where a paper comes in, and at the author's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access.api import PURPOSES, asker, desk, place_name
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import SubjectRequest
from tuetinh.governance.privacy.requests import actions, facts, queries, rules
from tuetinh.governance.privacy.words import CHANNELS, KINDS, REFUSALS, STATES, STEPS
from tuetinh.record.errors import RecordError

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

OFFICERS = ("archivist", "admin")
DESKS = ("reception", "archivist", "station")
AUTHORS = ("doctor", "nurse", "lab", "imaging", "pharmacist", "station", "reception")
LONGEST = 2000  # characters


class PaperForm(forms.Form):
    """A request on paper, as the desk that has it types it."""

    applicant = forms.CharField(label=gettext_lazy("Họ tên người yêu cầu"), max_length=200)
    papers = forms.CharField(
        label=gettext_lazy("Giấy tờ đã xem"),
        max_length=200,
        help_text=gettext_lazy("CCCD; giấy khai sinh, quyết định giám hộ hoặc giấy ủy quyền khi làm thay."),
    )
    received = forms.DateTimeField(
        label=gettext_lazy("Ngày giờ nhận"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%d/%m/%Y %H:%M", "%Y-%m-%d"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("Để trống: bây giờ."),
    )
    kind = forms.ChoiceField(label=gettext_lazy("Yêu cầu"), choices=list(KINDS.items()))
    about = forms.ChoiceField(label=gettext_lazy("Về mục nào"), required=False)
    purpose = forms.ChoiceField(
        label=gettext_lazy("Hạn chế, phản đối mục đích nào"),
        required=False,
        choices=[("", gettext_lazy("Mọi mục đích")), *PURPOSES.items()],
    )
    what = forms.CharField(
        label=gettext_lazy("Nội dung yêu cầu"), max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 4})
    )

    def wish(self, facility: str) -> actions.Wish:
        """What is asked for, of the facility."""
        told = self.cleaned_data
        received: datetime | None = told["received"]
        purpose = told["purpose"] if told["kind"] in actions.LIMITING else ""
        return actions.Wish(
            told["kind"], told["what"], facility, told["about"], purpose,
            applicant=told["applicant"], papers=told["papers"], received=received,
        )  # fmt: skip


@desk(*OFFICERS)
@require_GET
@never_cache
def queue(request: HttpRequest) -> HttpResponse:
    """Requests by the time that they are due; `state` names one, the open ones without."""
    by, state = _by(request), request.GET.get("state", "")
    state = state if state in STATES else ""
    page = paginate(request, queries.queue(by, state))
    people = queries.names(asker(request), page.object_list)
    context = {
        "page": page,
        "rows": [(one, people.get(one.patient, ""), *_shown(one)) for one in page],
        "state": state,
        "states": STATES.items(),
        "late": queries.late(by).count(),
        "channel": f"requests:{by.facility}",
    }
    return render(request, "privacy/requests.html", context)


def _shown(one: SubjectRequest) -> tuple[object, ...]:
    """Words for a row: kind, state, facility, the deadline that runs, whether it has passed."""
    return KINDS[one.kind], STATES[one.state], place_name("Organization", one.facility), *queries.next_due(one)


@desk(*OFFICERS)
@require_GET
@never_cache
def one(request: HttpRequest, request_id: int) -> HttpResponse:
    """One request: what is asked, what was done, what can be done next."""
    return _page(request, _found(request, request_id))


def _page(request: HttpRequest, found: SubjectRequest, fault: str = "") -> HttpResponse:
    me = asker(request)
    kind, state, place, due, late = _shown(found)
    context = {
        "one": found, "kind": kind, "state": state, "place": place, "due": due, "late": late, "fault": fault,
        "channel": CHANNELS[found.channel], "purpose": PURPOSES.get(found.purpose, ""),
        "person": banner(me, found.patient) if me.may("r", "Patient") else None,
        "own": found.about == f"Patient/{found.patient}", "entries": _entries(request, found),
        "export": found.exports.filter(by=_by(request)).order_by("-pk").first(),
        "refusal": REFUSALS.get(found.refusal, ""),
        "refusals": [(r.code, REFUSALS[r.code], r.clause) for r in rules.refusals().values() if found.kind in r.kinds],
        "steps": [(step, STEPS[step.step]) for step in found.steps.select_related("by").order_by("pk")],
        "may": [name for name, (states, _to) in actions.STEPS.items() if found.state in states],
    }  # fmt: skip
    return render(request, "privacy/request.html", context, status=422 if fault else 200)


def _entries(request: HttpRequest, found: SubjectRequest) -> list[tuple[str, str]]:
    """What the officer can say that the request is about."""
    if found.kind != "correct" or found.state == "granted" or not asker(request).may("r", "Patient"):
        return []
    return queries.entries(asker(request), found.patient)


@desk(*OFFICERS)
@require_POST
def step(request: HttpRequest, request_id: int, verb: str) -> HttpResponse:
    """Accept, grant, refuse, finish, or forward to `facility`; with an `answer` to the person."""
    found, by, told = _found(request, request_id), _by(request), request.POST
    answer = told.get("answer", "")[:LONGEST]
    verbs: dict[str, Callable[[], SubjectRequest]] = {
        "accept": lambda: actions.accept(by, request_id),
        "grant": lambda: actions.grant(by, request_id, answer, about=told.get("about", "")[:140]),
        "refuse": lambda: actions.refuse(by, request_id, told.get("reason", ""), answer),
        "finish": lambda: actions.finish(by, request_id, answer),
        "forward": lambda: actions.forward(by, request_id, told.get("facility", "")[:64]),
    }
    try:
        verbs[verb]()
    except PrivacyError as error:
        return _page(request, found, str(error.message))
    messages.success(request, _("Đã ghi. Người yêu cầu được báo."))
    return redirect("privacy:requests") if verb == "forward" else redirect("privacy:request", request_id)


@desk(*DESKS)
@require_http_methods(["GET", "POST"])
@never_cache
def paper(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Take in a request on paper, from the person or somebody with their papers."""
    me = asker(request)
    try:
        person = banner(me, patient_id)
    except RecordError as error:
        raise Http404 from error
    form = PaperForm(request.POST or None)
    about = [("", "—"), *queries.entries(me, patient_id), *queries.consents(me, patient_id)]
    form.fields["about"].choices = about  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.make(me, _by(request), patient_id, form.wish(me.facility))
        except PrivacyError as error:
            form.add_error(error.code if error.code in form.fields else None, str(error.message))
        else:
            messages.success(request, _("Đã nhận yêu cầu số %(number)d.") % {"number": made.pk})
            return redirect("identity:person", patient_id)
    status = 422 if request.method == "POST" else 200
    return render(request, "privacy/paper.html", {"form": form, "person": person}, status=status)


@desk(*AUTHORS)
@require_GET
@never_cache
def corrections(request: HttpRequest) -> HttpResponse:
    """Corrections that were granted and wait for whoever wrote the entry."""
    page = paginate(request, actions.for_author(_by(request)).order_by("due", "pk"))
    people = queries.names(asker(request), page.object_list)
    rows = [(found, people.get(found.patient, ""), *queries.next_due(found)) for found in page]
    return render(request, "privacy/corrections.html", {"page": page, "rows": rows})


@desk(*AUTHORS)
@require_http_methods(["GET", "POST"])
@never_cache
def correction(request: HttpRequest, request_id: int) -> HttpResponse:
    """One of them: the entry, what its person says, and a note beside it by POST."""
    me, by, fault = asker(request), _by(request), ""
    found = actions.for_author(by).filter(pk=request_id).first()
    if found is None:
        raise Http404
    if request.method == "POST":
        try:
            actions.correct(by, request_id, request.POST.get("note", "")[:LONGEST])
        except PrivacyError as error:
            fault = str(error.message)
        else:
            messages.success(request, _("Đã ghi đính chính. Phòng lưu trữ sẽ trả lời người yêu cầu."))
            return redirect("privacy:corrections")
    try:
        person, entry = banner(me, found.patient), facts.entry(me, found.patient, found.about)
    except (RecordError, PrivacyError) as error:
        raise Http404 from error
    context = {
        "one": found, "person": person, "words": queries.words_of(entry), "fault": fault,
        "notes": [note.text for note in getattr(entry, "note", None) or []],
        "own": found.about.startswith("Patient/"), "typed": request.POST.get("note", ""),
    }  # fmt: skip
    return render(request, "privacy/correction.html", context, status=422 if fault else 200)


def _found(request: HttpRequest, request_id: int) -> SubjectRequest:
    found = queries.answered_by(_by(request)).filter(pk=request_id).first()
    if found is None:
        raise Http404
    return found


def _by(request: HttpRequest) -> Account:
    return cast("Account", request.user)
