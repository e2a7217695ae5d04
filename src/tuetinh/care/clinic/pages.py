"""The consulting room: the queue, one person, one page with four tabs; the record of any person; the prints."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tuetinh.care.billing.api import BillingError
from tuetinh.care.clinic import actions, prints, queries
from tuetinh.care.clinic.errors import ClinicError, Incomplete, Warned
from tuetinh.care.clinic.forms import CloseForm, ExaminationForm, VitalsForm, prescription_lines
from tuetinh.care.clinic.vitals import VITALS
from tuetinh.care.imaging.api import looks
from tuetinh.care.insurance.api import InsuranceError, Stopped, claim, papers_of_visit, reasons_given, shown
from tuetinh.care.lab.api import (
    FLAGS,
    STAGES,
    Again,
    LabError,
    awaited,
    cancel_orders,
    further_tests,
    ordered_lately,
    profiles,
    refusals,
    tests,
    tubes,
)
from tuetinh.care.reception import api as reception
from tuetinh.care.reception.api import STATES, NoVisit, ReceptionError, Visit
from tuetinh.commons.access.api import apps_to_launch, asker, desk, fresh, may_open
from tuetinh.commons.catalogues.api import icd10
from tuetinh.commons.documents.api import respond_pdf
from tuetinh.commons.identity.api import banner
from tuetinh.record import api as record
from tuetinh.record.errors import Gone, NotFound
from tuetinh.record.text import concept_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuetinh.care.clinic.models import Draft
    from tuetinh.commons.access.api import Account

    Drafts = Mapping[str, Draft]

TABS = {
    "exam": gettext_lazy("Khám"),
    "orders": gettext_lazy("Chỉ định"),
    "prescription": gettext_lazy("Đơn thuốc"),
    "close": gettext_lazy("Kết thúc"),
}
MOMENTS = {"exam": "diagnose", "orders": "order", "prescription": "prescribe", "close": "claim"}
DRAFTED = ("vitals", "examination", "prescription", "close")
MAX_DRAFT = 64 * 1024
FAVOURITES = ("CBC", "GLU", "HBA1C", "CREA", "UREA", "AST", "ALT", "CHOL", "TRIG", "ELEC", "URINE", "CRP")


@desk("doctor", "nurse")
@require_GET
@never_cache
def worklist(request: HttpRequest) -> HttpResponse:
    """The queue of the room, and its next step."""
    room = _room(request)
    context = {"queue": _queue(request, room), "room": room, "states": STATES}
    return render(request, "clinic/worklist.html", context)


@desk("doctor", "nurse")
@require_POST
def call_next(request: HttpRequest) -> HttpResponse:
    """Call the next number of the room."""
    visit = reception.call_next(asker(request), _room(request))
    if visit is None:
        messages.info(request, _("Không còn ai chờ ở phòng này."))
        return redirect("clinic:worklist")
    return redirect("clinic:visit", visit.encounter)


@desk("doctor")
@require_POST
def start(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Begin the consultation."""
    _visit(request, encounter_id)
    return _done(request, encounter_id, "exam", lambda: reception.start(asker(request), encounter_id))


@desk("doctor", "nurse")
@require_POST
def call(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Call this number, again if need be."""
    _visit(request, encounter_id)
    return _done(request, encounter_id, "exam", lambda: reception.call(asker(request), encounter_id))


@desk("doctor", "nurse")
@require_POST
def away(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The person did not come."""
    _visit(request, encounter_id)
    return _done(request, encounter_id, "exam", lambda: reception.set_away(asker(request), encounter_id))


@desk("doctor", "nurse")
@require_GET
@never_cache
def visit(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """One person being seen."""
    return _page(request, _visit(request, encounter_id), request.GET.get("tab", "exam"))


def _page(request: HttpRequest, here: Visit, tab: str, *, status: int = 200, **given: Any) -> HttpResponse:
    me = asker(request)
    tab = tab if tab in TABS else "exam"
    told = queries.known(me, here.patient)
    context: dict[str, Any] = {
        "visit": here,
        "tab": tab,
        "tabs": TABS.items(),
        "state": STATES[here.state],
        "states": STATES,
        "queue": _queue(request, here.room),
        "room": here.room,
        "banner": banner(me, here.patient),
        "known": told,
        "pressure": json.dumps(told.pressure) if told.pressure else "",
        "moment": MOMENTS[tab],
        "open": here.state == "in-progress",
        "window": queries.new_window(),
        "drafts": queries.drafts(me, here.encounter),
        "doctor": _account(request).role == "doctor",
    }
    parts = {"exam": _exam, "orders": _orders, "prescription": _prescription, "close": _close}
    context |= parts[tab](request, here, context["drafts"]) | given
    return render(request, "clinic/visit.html", context, status=status)


def _exam(request: HttpRequest, here: Visit, drafts: Drafts) -> dict[str, Any]:
    me = asker(request)
    history, examination, version = queries.examination(me, here.encounter)
    values = queries.vital_values(me, here.encounter)
    shown = {key: f"{value:f}".replace(".", ",") for key, value in values.items()}
    told = {"reason": here.reason, "history": history, "examination": examination, "seen": version}
    diagnoses = [_named(c) for c in queries.conditions(me, here.encounter)]
    if draft := drafts.get("examination"):
        codes = [*draft.fields.get("principal", [""]), *draft.fields.get("secondary", [])]
        diagnoses = _chosen(codes, {d["code"]: d["name"] for d in diagnoses})
    return {
        "vitals": VitalsForm(initial=shown | _typed(drafts, "vitals")),
        "units": VITALS,
        "bmi": shown.get("bmi", ""),
        "examination": ExaminationForm(initial=told | _typed(drafts, "examination")),
        "diagnoses": diagnoses,
    }


def _chosen(codes: list[str], named: dict[str, str]) -> list[dict[str, str]]:
    """Typed diagnoses as the page shows them, an unknown principal one as none."""
    chosen = ((code, icd10(code)) for code in codes)
    found = [{"code": code, "name": named.get(code) or entry.vi} for code, entry in chosen if entry]
    if found and found[0]["code"] != codes[0]:
        found.insert(0, {"code": "", "name": ""})
    return found


def _typed(drafts: Drafts, form: str) -> dict[str, str]:
    """The fields of a draft as a form's initial values."""
    return {name: values[0] for name, values in drafts[form].fields.items() if values} if form in drafts else {}


def _named(condition: Any) -> dict[str, str]:
    coding = (condition.code.coding or [None])[0] if condition.code else None
    return {"code": (coding.code or "") if coding else "", "name": concept_text(condition.code)}


def _orders(request: HttpRequest, here: Visit, drafts: Drafts) -> dict[str, Any]:
    me = asker(request)
    images = queries.imaging(me, here.encounter)
    seen = looks(me, {image.id for image in images})
    known = tests()
    first = [t for key in FAVOURITES for t in known if t.key == key]
    drawn = tubes(here.encounter)
    refused = refusals(me, drawn)
    more = further_tests(drawn) if here.state == "in-progress" and me.role == "doctor" else {}
    return {
        "tests": [*first, *(t for t in known if t not in first)],
        "favourites": len(first),
        "profiles": profiles(me.facility),
        "tubes": [
            (tube, STAGES[tube.stage][0], refused.get(tube.number, ""), more.get(tube.number, ())) for tube in drawn
        ],
        "results": [(result, FLAGS.get(result.flag, ("", ""))) for result in queries.lab_of(me, here.encounter)],
        "images": [(image, seen.get(image.id)) for image in images],
    }


def _prescription(request: HttpRequest, here: Visit, drafts: Drafts) -> dict[str, Any]:
    standing = queries.prescription(asker(request), here.encounter)
    if draft := drafts.get("prescription"):
        lines = queries.typed_rows(draft.fields)
    else:
        lines = [queries.line_values(m) for m in standing]
    return {
        "lines": lines,
        "printable": bool(standing and queries.conditions(asker(request), here.encounter)),
        "blank": range(max(3, 5 - len(lines))),
        "warnings": (),
    }


def _close(request: HttpRequest, here: Visit, drafts: Drafts) -> dict[str, Any]:
    me = asker(request)
    advice, follow_up = queries.advice(me, here.encounter)
    initial = {"advice": advice, "follow_up": "/".join(reversed(follow_up.split("-"))) if follow_up else ""}
    kinds, kind = queries.kinds_of_care(me, here.encounter)
    context: dict[str, Any] = {
        "form": CloseForm(initial=initial | {"care": kind} | _typed(drafts, "close"), kinds=kinds),
        "finished": here.state == "finished",
    }
    if here.state == "finished" and _account(request).role == "doctor":
        context["claim"] = claim(me, here.encounter)
    return context


@desk("doctor", "nurse")
@require_POST
def vitals(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Keep vital signs: `systolic diastolic pulse temperature respiration spo2 weight height`."""
    here, form = _visit(request, encounter_id), VitalsForm(request.POST)
    if not form.is_valid():
        return _page(request, here, "exam", status=422, vitals=form)
    try:
        actions.save_vitals(asker(request), encounter_id, form.values())
    except ClinicError as error:
        form.add_error(error.field or None, str(error))
        return _page(request, here, "exam", status=error.status, vitals=form)
    actions.drop_draft(asker(request), encounter_id, "vitals")
    messages.success(request, _("Đã lưu sinh hiệu."))
    return _to(encounter_id, "exam")


@desk("doctor")
@require_POST
def examination(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Keep `reason history examination` and the diagnoses: `principal`, `secondary` (repeated)."""
    here, form = _visit(request, encounter_id), ExaminationForm(request.POST)
    if not form.is_valid():
        return _page(request, here, "exam", status=422, examination=form)
    principal = request.POST.get("principal", "").strip()
    secondary = [code.strip() for code in request.POST.getlist("secondary") if code.strip()]
    told = dict(form.cleaned_data)
    try:
        warnings = actions.examine(
            asker(request), encounter_id, told, principal=principal, secondary=secondary, seen=told.pop("seen"),
            reasons=reasons_given(request.POST),
        )  # fmt: skip
        for warning in warnings:
            messages.warning(request, warning)
    except ClinicError as error:
        chosen = _chosen([principal, *secondary], {})
        return _page(request, here, "exam", status=error.status, examination=form, refused=str(error), diagnoses=chosen)
    except Stopped as error:
        chosen = _chosen([principal, *secondary], {})
        return _stopped(request, here, "exam", error, examination=form, diagnoses=chosen)
    actions.drop_draft(asker(request), encounter_id, "examination")
    return _to(encounter_id, "orders" if request.POST.get("next") else "exam")


@desk("doctor")
@require_POST
def orders(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Order laboratory `tests` and `imaging` (repeated service codes), imaging with `question site urgent`.

    `profiles` are sets of tests by their codes. Tests that were lately ordered are asked about first, unless `again`.
    """
    here = _visit(request, encounter_id)
    sets = {one.code: one.tests for one in profiles(asker(request).facility)}
    named = [code for one in request.POST.getlist("profiles") for code in sets.get(one, ())]
    chosen = list(dict.fromkeys([*request.POST.getlist("tests"), *named]))
    images = [code for code in request.POST.getlist("imaging") if code.strip()]
    question, site = (request.POST.get(name, "")[:300] for name in ("question", "site"))
    pictures = actions.Pictures([code.strip() for code in images], question, site, bool(request.POST.get("urgent")))

    lately = [] if request.POST.get("again") else _ordered_lately(request, encounter_id, chosen)
    if lately:
        return _page(request, here, "orders", status=409, lately=lately, chosen=chosen, pictures=pictures)

    def order() -> None:
        reasons = reasons_given(request.POST)
        for remark in actions.order(asker(request), encounter_id, chosen, pictures, reasons=reasons):
            messages.warning(request, remark)

    try:
        return _done(request, encounter_id, "orders", order, _("Đã gửi chỉ định.") if chosen or images else "")
    except Stopped as error:
        return _stopped(request, here, "orders", error, chosen=chosen, pictures=pictures)


def _ordered_lately(request: HttpRequest, encounter_id: str, codes: list[str]) -> list[Again]:
    """What was ordered too lately to be ordered again; what waits for its specimen is not ordered twice anyway."""
    waits = awaited(encounter_id)
    return ordered_lately(asker(request), encounter_id, [code for code in codes if code not in waits])


@desk("doctor")
@require_POST
def cancel_order(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Take back what was not begun: the imaging order `order`, or the laboratory orders of the tube `tube`."""
    _visit(request, encounter_id)
    tube, order = request.POST.get("tube", ""), request.POST.get("order", "")

    def cancel() -> None:
        if tube and any(tube == one.number for one in tubes(encounter_id)):
            cancel_orders(asker(request), tube, _("Bác sĩ hủy chỉ định"))
        else:
            actions.cancel_imaging(asker(request), encounter_id, order)

    return _done(request, encounter_id, "orders", cancel, _("Đã hủy chỉ định."))


@desk("doctor", "nurse")
@require_POST
def allergy(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Write down an allergy: `substance reaction`; back to the tab `tab`."""
    _visit(request, encounter_id)
    substance, reaction = (request.POST.get(name, "")[:200] for name in ("substance", "reaction"))
    tab = request.POST.get("tab", "exam")

    def write() -> None:
        actions.record_allergy(asker(request), encounter_id, substance, reaction)

    return _done(request, encounter_id, tab if tab in TABS else "exam", write, _("Đã ghi dị ứng."))


@desk("doctor", "nurse")
@require_POST
def draft(request: HttpRequest, encounter_id: str, form: str) -> HttpResponse:
    """Keep a form as it stands, typed by `window`; answers in words when, or why not."""
    _visit(request, encounter_id)
    told = {name: values for name, values in request.POST.lists() if name not in ("csrfmiddlewaretoken", "window")}
    if form not in DRAFTED or sum(map(len, chain(*told.values()))) > MAX_DRAFT:
        raise Http404
    try:
        at = actions.keep_draft(asker(request), encounter_id, form, told, request.POST.get("window", "")[:40])
    except ClinicError as error:
        return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
    words = _("Đã lưu nháp %(time)s") % {"time": f"{timezone.localtime(at):%H:%M}"}
    return HttpResponse(words, content_type="text/plain; charset=utf-8")


@desk("doctor")
@require_POST
def prescription(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Make the prescription: `drug times dose days quantity note` by line; `sure` after warnings."""
    here = _visit(request, encounter_id)
    try:
        lines = prescription_lines(request.POST)
        sure, reasons = bool(request.POST.get("sure")), reasons_given(request.POST)
        actions.prescribe(asker(request), encounter_id, lines, sure=sure, reasons=reasons)
    except Stopped as error:
        return _stopped(request, here, "prescription", error, lines=queries.typed_lines(lines), sure=sure)
    except Warned as error:
        return _page(
            request, here, "prescription", status=409, warnings=error.warnings, lines=queries.typed_lines(lines)
        )
    except (ClinicError, ValueError) as error:
        typed = queries.typed_rows(dict(request.POST.lists()))
        return _page(request, here, "prescription", status=422, lines=typed, refused=str(error))
    actions.drop_draft(asker(request), encounter_id, "prescription")
    return _to(encounter_id, "close" if request.POST.get("next") else "prescription")


@fresh("sign")
@desk("doctor")
@require_POST
def close(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """End the visit: `result disposition advice follow_up care`."""
    here = _visit(request, encounter_id)
    form = CloseForm(request.POST, kinds=queries.kinds_of_care(asker(request), encounter_id)[0])
    if not form.is_valid():
        return _page(request, here, "close", status=422, form=form)
    try:
        actions.close_visit(asker(request), encounter_id, **form.cleaned_data)
    except (ClinicError, ReceptionError) as error:
        form.add_error(None, str(error))
        if isinstance(error, Incomplete) and "advice" in error.missing:
            form.add_error("advice", _("Ghi lời dặn cho người bệnh."))
        undiagnosed = isinstance(error, Incomplete) and "principal" in error.missing
        return _page(request, here, "close", status=error.status, form=form, undiagnosed=undiagnosed)
    messages.success(request, _("Đã kết thúc lượt khám."))
    return _to(encounter_id, "close")


@desk("doctor")
@require_POST
def reopen(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Take a finished visit up again, with a `reason`."""
    _visit(request, encounter_id)
    reason = request.POST.get("reason", "")
    return _done(request, encounter_id, "close", lambda: actions.reopen(asker(request), encounter_id, reason))


@desk("doctor", "nurse")
@require_GET
@never_cache
def person(request: HttpRequest, patient_id: str) -> HttpResponse:
    """The record of a person, wherever it was written, as far as the asker's desk may see it."""
    me = asker(request)
    try:
        record.read(me, "Patient", patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    told, shown = queries.known(me, patient_id, visits=60), banner(me, patient_id)
    context = {
        "banner": shown,
        "known": told,
        "pressure": json.dumps(told.pressure) if told.pressure else "",
        "conditions": queries.diagnosed(me, patient_id),
        "medicines": queries.medicines(me, patient_id),
        "apps": apps_to_launch(),
        "opens": may_open(_account(request)),
        "patient": patient_id,
    }
    return render(request, "clinic/person.html", context)


@desk("doctor", "nurse")
@require_GET
@never_cache
def past(request: HttpRequest, patient_id: str, encounter_id: str) -> HttpResponse:
    """One visit of the past, wherever it was."""
    me = asker(request)
    try:
        found = queries.seen(me, patient_id, encounter_id)
        shown = banner(me, patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    if found is None:
        raise Http404
    results = [(result, FLAGS.get(result.flag, ("", ""))) for result in found.results]
    context = {"banner": shown, "seen": found, "results": results, "papers": papers_of_visit(me, encounter_id)}
    return render(request, "clinic/past.html", context | {"encounter": encounter_id})


@desk("doctor", "nurse", "pharmacist")
@require_GET
def prescription_pdf(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The prescription on A5."""
    here = _visit(request, encounter_id)
    return respond_pdf(request, prints.prescription(asker(request), here), f"don-thuoc-{here.number:03}.pdf")


@desk("archivist", "doctor", "nurse")
@require_GET
def summary_pdf(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The summary of the visit on A4."""
    here = _visit(request, encounter_id)
    return respond_pdf(request, prints.summary(asker(request), here), f"tom-tat-{here.number:03}.pdf")


@desk("doctor")
@require_GET
def claim_xml(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """The insurance file of the visit."""
    _visit(request, encounter_id)
    try:
        built = claim(asker(request), encounter_id)
    except InsuranceError as error:
        raise Http404 from error
    headers = {"Content-Disposition": f'attachment; filename="{built.ma_lk}.xml"', "Cache-Control": "private, no-store"}
    return HttpResponse(built.xml, content_type="application/xml", headers=headers)


def _stopped(request: HttpRequest, here: Visit, tab: str, error: Stopped, **typed: Any) -> HttpResponse:
    """The page as it was typed, with what the rules of the insurance stop it for."""
    return _page(request, here, tab, status=error.status, stopped=shown(asker(request), error.problems), **typed)


def _done(request: HttpRequest, encounter_id: str, tab: str, act: Any, said: str = "") -> HttpResponse:
    """Do something and go to a tab; a refusal is told there."""
    try:
        act()
    except Stopped:
        raise
    except (ClinicError, ReceptionError, LabError, BillingError, InsuranceError) as error:
        messages.error(request, str(error))
    else:
        if said:
            messages.success(request, said)
    return _to(encounter_id, tab)


def _to(encounter_id: str, tab: str) -> HttpResponse:
    return redirect(f"{reverse('clinic:visit', args=[encounter_id])}?tab={tab}")


def _queue(request: HttpRequest, room: str) -> list[Visit]:
    return reception.waiting(asker(request), room, ("waiting", "called", "in-progress", "away"))


def _visit(request: HttpRequest, encounter_id: str) -> Visit:
    try:
        return reception.visit(asker(request), encounter_id)
    except NoVisit as error:
        raise Http404 from error


def _room(request: HttpRequest) -> str:
    return _account(request).room


def _account(request: HttpRequest) -> Account:
    return cast("Account", request.user)
