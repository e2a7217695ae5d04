"""Pages of the store: the shelves, units coming in, one unit, samples that are grouped, look-back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.lab.asked import number_in
from tuetinh.care.lab.blood import facts, grouping, queries, reactions, stock
from tuetinh.care.lab.blood.forms import UnitForm
from tuetinh.care.lab.blood.groups import GRADES, REAGENTS
from tuetinh.care.lab.blood.models import BloodUnit
from tuetinh.care.lab.blood.tables import components, words
from tuetinh.care.lab.blood.wire_isbt128 import HANOI, check_character
from tuetinh.care.lab.errors import BadValue, LabError
from tuetinh.care.lab.models import Tube
from tuetinh.commons.access.api import asker, desk, owner_names
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate
from tuetinh.record import api as record
from tuetinh.record.errors import Gone, NotFound

STAGES = {
    "quarantined": (gettext_lazy("Cách ly"), "lock"),
    "available": (gettext_lazy("Sẵn sàng"), "check"),
    "reserved": (gettext_lazy("Đã giữ"), "bookmark"),
    "issued": (gettext_lazy("Đã phát"), "package-export"),
    "transfused": (gettext_lazy("Đã truyền"), "droplet"),
    "discarded": (gettext_lazy("Đã hủy"), "trash"),
}


@desk("lab")
@require_GET
@never_cache
def shelves(request: HttpRequest) -> HttpResponse:
    """The stock by component and group, what ends soon, and the units of a stage; a scan opens its unit."""
    me = asker(request)
    text = request.GET.get("q", "").strip()
    if text and (found := _scanned(me.facility, text)):
        return redirect("lab:blood-unit", found.pk)
    stage = request.GET.get("stage", "available")
    stage = stage if stage in STAGES else "available"
    counts = queries.counts(me.facility)
    page = paginate(request, queries.units(me.facility, stage, text[:20]))
    soon = list(queries.expiring(me.facility)[:20])
    context = {
        "shelves": queries.shelves(me.facility), "groups": queries.GROUPS, "page": page, "stage": stage, "q": text,
        "tabs": [(key, label, counts.get(key, 0)) for key, (label, _icon) in STAGES.items()], "now": timezone.now(),
        "soon": [_row(unit) for unit in soon], "rows": [_row(unit) for unit in page.object_list],
        "facility": me.facility,
    }  # fmt: skip
    return render(request, "lab/blood_stock.html", context)


def _row(unit: BloodUnit) -> tuple[BloodUnit, str]:
    return unit, components()[unit.component].name


def _scanned(facility: str, text: str) -> BloodUnit | None:
    try:
        din = stock.read_label(text).din
    except LabError:
        din = text.upper()
    found = list(BloodUnit.objects.filter(facility=facility, din=din)[:2])
    return found[0] if len(found) == 1 else None


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def receive(request: HttpRequest) -> HttpResponse:
    """Take a unit in: scan its barcodes, look at what they say, keep it."""
    me, scan, status = asker(request), request.POST.get("scan", ""), 200
    form, error = UnitForm(), ""
    if request.method == "POST" and scan.strip() and not request.POST.get("din"):
        try:
            form = UnitForm(initial=_initial(me.facility, scan))
        except LabError as refused:
            error, status = str(refused), 422
    elif request.method == "POST":
        form, status = UnitForm(request.POST), 422
        if form.is_valid():
            try:
                made = stock.receive(me, **form.told())
            except LabError as refused:
                form.add_error(None, str(refused))
            else:
                messages.success(request, _("Đã nhập đơn vị máu vào khu cách ly."))
                return redirect("lab:blood-unit", made.pk)
    filled = form.is_bound or bool(form.initial)
    context = {"form": form, "filled": filled, "scan": scan, "error": error}
    return render(request, "lab/blood_receive.html", context, status=status)


def _initial(facility: str, scan: str) -> dict[str, Any]:
    label = stock.read_label(scan)
    component = stock.taught(facility, label.product)
    told: dict[str, Any] = {"din": label.din, "product": label.product, "component": component}
    if component:
        told["volume"] = components()[component].volume
    if label.group:
        told["group"] = f"{label.group.abo}{label.group.rhd}"
    if label.expires:
        local = label.expires.astimezone(HANOI)
        told |= {"expires": local.date(), "until": local.time()}
    return told | {"collected": label.collected}


@desk("lab")
@require_GET
@never_cache
def unit(request: HttpRequest, unit_id: int) -> HttpResponse:
    """One unit: what it is, where it stands, what became of it."""
    me, found = asker(request), _unit(request, unit_id)
    moves = list(found.moves.order_by("-at", "-id"))
    names = owner_names({move.account for move in moves}, ())[0]
    allocations = found.allocations.select_related("order").order_by("-id")
    people = names_of(me, {one.order.patient for one in allocations})
    context = {
        "unit": found, "component": components()[found.component], "stage": STAGES[found.stage], "now": timezone.now(),
        "moves": [(move, STAGES[move.stage][0], names.get(move.account, move.account)) for move in moves],
        "allocations": [(one, people.get(one.order.patient, "")) for one in allocations],
        "discards": words("discard").values(), "groups": queries.GROUPS,
        "check": check_character(found.din),
        "issued": next((one for one in allocations if one.stage == "issued"), None),
    }  # fmt: skip
    return render(request, "lab/blood_unit.html", context)


def _unit(request: HttpRequest, unit_id: int) -> BloodUnit:
    found = BloodUnit.objects.filter(pk=unit_id, facility=asker(request).facility).first()
    if not found:
        raise Http404
    return found


@desk("lab")
@require_POST
def move(request: HttpRequest, unit_id: int, step: str) -> HttpResponse:
    """Do one thing with a unit: release, keep at a place, take back, discard."""
    me, found, told = asker(request), _unit(request, unit_id), request.POST
    group = told.get("group", "")
    steps: dict[str, tuple[Callable[[], object], str]] = {
        "release": (lambda: stock.release(me, found.pk, group[:-1], group[-1:]), _("Đã cho đơn vị vào sử dụng.")),
        "keep": (lambda: stock.keep_at(me, found.pk, told.get("storage", "")), _("Đã ghi nơi để.")),
        "back": (lambda: stock.take_back(me, number_in(told, "allocation")), _("Đã nhận lại vào kho.")),
        "discard": (
            lambda: stock.discard(me, found.pk, told.get("reason", ""), told.get("note", "")), _("Đã hủy đơn vị."),
        ),
    }  # fmt: skip
    if step not in steps:
        raise Http404
    do, done = steps[step]
    try:
        do()
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("lab:blood-unit", found.pk)


@desk("lab")
@require_http_methods(["GET", "POST"])
@never_cache
def sample(request: HttpRequest, number: str) -> HttpResponse:
    """Group a sample: the grades of each reagent, and the antibody screen."""
    me = asker(request)
    tube = Tube.objects.filter(facility=me.facility, number=number).first()
    if not tube:
        raise Http404
    typed = {key: request.POST.get(key, "") for key in REAGENTS}
    screen, status = request.POST.get("screen", ""), 200
    if request.method == "POST":
        try:
            found = grouping.type_sample(me, number, typed, screen, reason=request.POST.get("reason", ""))
        except LabError as error:
            messages.error(request, _("Phản ứng không hợp lệ.") if isinstance(error, BadValue) else str(error))
            status = 422
        else:
            if found.group:
                messages.success(request, _("Nhóm máu: %(group)s.") % {"group": found.group})
            else:
                why = grouping.UNCLEAR[found.reason]
                messages.error(request, _("Chưa kết luận nhóm máu: %(why)s. Làm lại.") % {"why": why})
            return redirect("lab:blood-sample", number)
    kept = record.read_many(me, "Observation", [facts.group_id(tube)]).get(facts.group_id(tube))
    old = {part.code.coding[0].code: part.valueString for part in getattr(kept, "component", None) or []}
    context = {
        "tube": tube, "banner": banner(me, tube.patient), "kept": kept, "group": facts.group_of(kept) if kept else None,
        "reagents": [(key, name, typed[key] or old.get(key, "")) for key, name in grouping.NAMES.items()],
        "grades": GRADES, "state": grouping.known(me, tube.patient), "screen": screen,
        "screens": (grouping.NEGATIVE, grouping.POSITIVE), "ready": tube.stage in grouping.HELD,
    }  # fmt: skip
    return render(request, "lab/blood_sample.html", context, status=status)


@desk("lab")
@require_POST
def resolve(request: HttpRequest, patient_id: str) -> HttpResponse:
    """Mark the group of a sample of a person as entered in error."""
    told = request.POST
    try:
        grouping.resolve_conflict(asker(request), patient_id, told.get("sample", ""), told.get("reason", ""))
    except LabError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Đã đánh dấu kết quả sai."))
    return redirect("lab:blood-person", patient_id)


@desk("lab", "doctor", "nurse")
@require_GET
@never_cache
def person(request: HttpRequest, patient_id: str) -> HttpResponse:
    """What is known of a person's group, sample by sample, and the blood that they had."""
    me = asker(request)
    try:
        about = banner(me, patient_id)
    except (NotFound, Gone) as error:
        raise Http404 from error
    state = grouping.known(me, patient_id)
    samples = [(one, facts.group_of(one)) for one in state.samples]
    given = list(reactions.look_back(me, patient_id)[:50])
    context = {
        "banner": about, "state": state, "samples": samples, "patient": patient_id,
        "given": [(one, components()[one.unit.component].name) for one in given], "resolves": me.role == "lab",
    }  # fmt: skip
    return render(request, "lab/blood_person.html", context)


@desk("lab")
@require_GET
@never_cache
def look_back(request: HttpRequest) -> HttpResponse:
    """Who had blood of a donor or a donation."""
    me, text = asker(request), request.GET.get("donor", "").strip()
    page = paginate(request, reactions.look_back(me, text))
    names = names_of(me, {one.order.patient for one in page.object_list})
    rows = [(one, components()[one.unit.component].name, names.get(one.order.patient, "")) for one in page.object_list]
    return render(request, "lab/blood_lookback.html", {"page": page, "rows": rows, "donor": text})
