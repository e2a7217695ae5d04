"""What has come due, the decisions of councils, their confirmation and proof, at the desk of the records office."""

from __future__ import annotations

from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access.api import asker, desk, fresh, place_name
from tuetinh.commons.documents.api import pdf, respond_pdf
from tuetinh.commons.identity.api import banner
from tuetinh.commons.ui.api import paginate
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import PICTURES, Destruction, DestructionItem, LegalHold
from tuetinh.governance.privacy.retention import actions
from tuetinh.governance.privacy.words import DESTRUCTIONS, RETENTION, SKIPPED
from tuetinh.record.errors import RecordError

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account

SHOWN = 100  # lines of the proof on a page
PRINTED = 20_000  # lines of the proof on paper


@desk("archivist")
@require_http_methods(["GET", "POST"])
@never_cache
def retention(request: HttpRequest) -> HttpResponse:
    """Records whose time is over, and the decisions; write a decision on the chosen ones by POST."""
    by, fault = _by(request), ""
    if request.method == "POST":
        told = request.POST
        try:
            made = actions.propose(
                by, told.get("number", "")[:100], _day(told.get("day", "")),
                told.get("members", "")[:2000].splitlines(), told.getlist("encounter"),
                reason=told.get("reason", "")[:2000],
            )  # fmt: skip
        except PrivacyError as error:
            fault = str(error.message)
        else:
            messages.success(request, _("Đã ghi biên bản. Một người khác phải xác nhận trước khi hủy."))
            return redirect("privacy:destruction", made.pk)
    try:
        rows, following = actions.due(asker(request), by.facility, request.GET.get("next") or None)
        pictures, more = actions.due_pictures(asker(request), _place(request.GET.get("pictures", "")))
    except ValueError as error:
        raise Http404 from error
    decisions = Destruction.objects.filter(facility=by.facility).order_by("-pk")
    page = paginate(request, decisions)
    context = {
        "rows": [(row, RETENTION[row.kind]) for row in rows], "next": following, "page": page, "fault": fault,
        "pictures": [(row, RETENTION[row.kind]) for row in pictures], "more": more,
        "decisions": [(one, DESTRUCTIONS[one.state]) for one in page],
    }  # fmt: skip
    return render(request, "privacy/retention.html", context, status=422 if fault else 200)


@desk("archivist")
@require_GET
@never_cache
def destruction(request: HttpRequest, destruction_id: int) -> HttpResponse:
    """One decision: its minutes, its records, and the proof once it was carried out."""
    one = _found(request, destruction_id)
    items = [
        (item, _named(item, name), RETENTION[item.kind], SKIPPED.get(item.skipped, ""))
        for item, name in actions.named(_by(request), one)
    ]
    proof = list(islice(actions.proof(_by(request), one), SHOWN))
    context = {"one": one, "state": DESTRUCTIONS[one.state], "items": items, "proof": proof}
    context["may"] = one.state == Destruction.State.PROPOSED and one.proposed_by != request.user
    return render(request, "privacy/destruction.html", context)


@fresh("rules")
@desk("archivist")
@require_POST
def decide(request: HttpRequest, destruction_id: int) -> HttpResponse:
    """Confirm or refuse it (`verdict`)."""
    one = _found(request, destruction_id)
    try:
        actions.decide(_by(request), one.pk, confirm=request.POST.get("verdict") == "confirm")
    except PrivacyError as error:
        messages.error(request, str(error.message))
    else:
        messages.success(request, _("Đã ghi."))
    return redirect("privacy:destruction", one.pk)


@desk("archivist")
@require_GET
def minutes(request: HttpRequest, destruction_id: int) -> HttpResponse:
    """The minutes with the list of records and the hashes of what was destroyed, to be signed."""
    one = _found(request, destruction_id)
    found = islice(actions.proof(_by(request), one), PRINTED)
    data = {
        "facility": {"name": place_name("Organization", one.facility)},
        "number": one.number, "day": one.day, "members": one.members.splitlines(), "reason": one.reason,
        "items": [
            {"record": _named(i, name), "kind": str(RETENTION[i.kind]), "ended": i.ended, "until": i.until,
             "versions": i.versions, "skipped": str(SKIPPED.get(i.skipped, ""))}
            for i, name in actions.named(_by(request), one)
        ],
        "proof": [{"what": f"{p.type}/{p.id}", "version": p.version, "sha256": p.sha256, "at": p.at} for p in found],
        "proposed": one.proposed_by.full_name, "confirmed": one.confirmed_by.full_name if one.confirmed_by else "",
    }  # fmt: skip
    return respond_pdf(request, pdf("privacy/minutes.typ", data), f"bien-ban-huy-{one.pk}")


@desk("archivist")
@require_http_methods(["GET", "POST"])
@never_cache
def hold(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Keep everything of a person for now (`reason`), or end that (`release`)."""
    by, fault = _by(request), ""
    try:
        person = banner(asker(request), patient_id)
    except RecordError as error:
        raise Http404 from error
    if request.method == "POST":
        number = request.POST.get("release", "")
        try:
            if number:
                actions.release(by, int(number) if number.isdecimal() else 0)
            else:
                actions.hold(by, patient_id, request.POST.get("reason", "")[:2000])
        except PrivacyError as error:
            fault = str(error.message)
        else:
            return redirect("privacy:hold", patient_id)
    holds = LegalHold.objects.filter(patient=patient_id, facility=by.facility).select_related("by").order_by("-pk")
    context = {"person": person, "holds": holds, "fault": fault}
    return render(request, "privacy/hold.html", context, status=422 if fault else 200)


def _found(request: HttpRequest, destruction_id: int) -> Destruction:
    facility = _by(request).facility
    found = Destruction.objects.select_related("proposed_by", "confirmed_by").filter(
        pk=destruction_id, facility=facility
    )
    if not facility or (one := found.first()) is None:
        raise Http404
    return one


def _named(item: DestructionItem, name: str) -> str:
    return _("ca chụp %(number)s") % {"number": name} if item.encounter.startswith(PICTURES) else name


def _place(text: str) -> int:
    """A place of a list. Raises ValueError."""
    return int(text[:9]) if text.isdecimal() else 0


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise PrivacyError("council") from error


def _by(request: HttpRequest) -> Account:
    return cast("Account", request.user)
