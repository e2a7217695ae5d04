"""The records office: pairs that may be one person, side by side; merged, kept apart, put off; and undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.commons.access import api as access
from tuetinh.commons.identity import comparing, matching, merging, review
from tuetinh.commons.identity.errors import IdentityError
from tuetinh.commons.identity.linkage.model import WrongModel
from tuetinh.commons.ui.api import paginate
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import run

if TYPE_CHECKING:
    from tuetinh.record.asker import Asker
    from tuetinh.record.merging.api import Outcome

PAGE = 25
MODEL_LIMIT = 1_000_000  # bytes
STATES = ("open", "later", "same", "different")


@access.desk("archivist")
@require_GET
@never_cache
def queue(request: HttpRequest) -> HttpResponse:
    """Pairs of a state, the likeliest first, with the reasons in words."""
    asker = access.asker(request)
    state = request.GET.get("state", "open")
    state = state if state in STATES else "open"
    page = paginate(request, review.Queue(state), PAGE)
    pairs = list(page.object_list)
    people = _people(asker, [id_ for pair in pairs for id_ in (pair.one, pair.other)])
    rows = [(pair, people.get(pair.one), people.get(pair.other), matching.reasons(pair.levels)) for pair in pairs]
    context = {"page": page, "rows": rows, "state": state, "states": comparing.state_words(), "counts": review.counts()}
    return render(request, "identity/review.html", context)


@access.fresh("rules")
@access.desk("archivist")
@require_http_methods(["GET", "POST"])
@never_cache
def pair(request: HttpRequest, pair_id: int) -> HttpResponse:
    """Two records side by side. A decision comes by POST: same (with the record that stays), different, later."""
    asker = access.asker(request)
    found = review.pair(pair_id)
    if found is None:
        raise Http404
    people = _people(asker, [found.one, found.other])
    if len(people) != 2:
        raise Http404
    if request.method == "POST":
        return _decide(request, found)
    one, other = people[found.one], people[found.other]
    keep = request.GET.get("keep", "")
    keep = keep if keep in people else comparing.better(one, other)
    gone = found.other if keep == found.one else found.one
    moves, refused = None, ""
    if found.state in review.OPEN:
        try:
            moves = merging.preview(asker, gone, keep)
        except IdentityError as error:
            refused = error.message
    context = {
        "pair": found,
        "people": [one, other],
        "lines": comparing.lines(one, other),
        "reasons": matching.reasons(found.levels),
        "grade": comparing.grade_words().get(found.grade, ""),
        "keep": keep,
        "gone": gone,
        "moves": moves,
        "counts": _in_words(moves) if moves else [],
        "refused": refused,
        "open": found.state in review.OPEN,
    }
    return render(request, "identity/pair.html", context)


def _in_words(moves: Outcome) -> list[tuple[str, int]]:
    """What would move: kinds of data, and how many of each."""
    return [(access.in_words([type_]), count) for type_, count in moves.counts.items()]


def _decide(request: HttpRequest, found: review.Pair) -> HttpResponse:
    asker = access.asker(request)
    said, keep = request.POST.get("said", ""), request.POST.get("keep", "")
    if said not in ("same", "different", "later") or (said == "same" and keep not in (found.one, found.other)):
        raise Http404
    if found.state not in review.OPEN:
        messages.warning(request, _("Cặp này đã có người xử lý."))
        return redirect("identity:review")
    if said == "same":
        gone = found.other if keep == found.one else found.one
        try:
            outcome = merging.merge(asker, gone, keep)
        except IdentityError as error:
            messages.error(request, error.message)
            return redirect("identity:pair", found.id)
        messages.success(request, _("Đã gộp hai hồ sơ, %(count)s mục đã chuyển.") % {"count": outcome.total})
    review.decide(found.id, said, asker.account)
    rest = review.queue("open", limit=1)
    return redirect("identity:pair", rest[0].id) if rest else redirect("identity:review")


@access.desk("archivist")
@require_http_methods(["GET", "POST"])
@never_cache
def merges(request: HttpRequest) -> HttpResponse:
    """Who was merged into whom, by whom and when, first what a desk doubts; what was undone, and why.

    `right` by POST: the merge was right, the doubt is settled.
    """
    asker = access.asker(request)
    if request.method == "POST":
        review.settle(request.POST.get("right", ""))
        return redirect("identity:merges")
    latest = merging.history(asker, limit=PAGE * 4, person=request.GET.get("person", "")[:64])
    found = [*merging.doubted(asker), *latest] if "person" not in request.GET else latest
    found = list({one.id: one for one in found}.values())
    people = _people(asker, [id_ for one in found for id_ in (one.source, one.target)])
    doubts = review.doubts([one.id for one in found])
    rows = [(one, people.get(one.source), people.get(one.target), doubts.get(one.id)) for one in found]
    rows.sort(key=lambda row: row[0].undone is not None or row[3] is None)
    return render(request, "identity/merges.html", {"rows": rows})


@access.fresh("rules")
@access.desk("archivist")
@require_http_methods(["GET", "POST"])
@never_cache
def unmerge(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Show what goes back, and undo a merge for a reason."""
    asker = access.asker(request)
    if not _people(asker, [patient_id]):
        raise Http404
    error = ""
    if request.method == "POST":
        try:
            outcome = merging.unmerge(asker, patient_id, reason=request.POST.get("reason", ""))
        except IdentityError as refused:
            error = refused.message
        else:
            messages.success(request, _("Đã tách lại hồ sơ, %(count)s mục đã trả về.") % {"count": outcome.total})
            return redirect("identity:merges")
    try:
        moves = merging.unmerge(asker, patient_id, reason="", preview=True)
    except IdentityError as refused:
        messages.error(request, refused.message)
        return redirect("identity:merges")
    people = _people(asker, [moves.source, moves.target])
    context = {
        "moves": moves,
        "counts": _in_words(moves),
        "source": people.get(moves.source),
        "target": people.get(moves.target),
        "error": error,
    }
    return render(request, "identity/unmerge.html", context, status=422 if error else 200)


@access.desk("admin", at="province")
@require_http_methods(["GET", "POST"])
@never_cache
def model(request: HttpRequest) -> HttpResponse:
    """The numbers by which records are compared: shown, given out as a file, and replaced by one."""
    now = run(SYSTEM, matching.model())
    if "file" in request.GET:
        body = msgspec.json.format(msgspec.json.encode(now), indent=1)
        named = {"Content-Disposition": 'attachment; filename="linkage.json"'}
        return HttpResponse(body, content_type="application/json", headers=named)
    error = ""
    if request.method == "POST":
        sent = request.FILES.get("model")
        try:
            review.use_model(sent.read(MODEL_LIMIT) if sent else b"", access.asker(request).account)
        except WrongModel as refused:
            error = str(refused)
        else:
            messages.success(request, _("Đã dùng mô hình mới; mọi người sẽ được so lại."))
            return redirect("identity:model")
    return render(request, "identity/model.html", {"model": now, "error": error}, status=422 if error else 200)


def _people(asker: Asker, ids: list[str]) -> dict[str, r4.Patient]:
    return cast("dict[str, r4.Patient]", record.read_many(asker, "Patient", ids)) if ids else {}
