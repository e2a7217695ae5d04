"""The ward: who lies in which bed, and a day of one of them; the rules of the insurance are shown where one orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.billing.api import BillingError
from tuetinh.care.clinic.api import ClinicError, Line, Warned, order_medicine
from tuetinh.care.insurance.api import IN_BED, Problem, Stopped, kinds_to_choose, reasons_given, shown
from tuetinh.care.reception import api as reception
from tuetinh.care.reception.api import NoVisit, ReceptionError
from tuetinh.care.ward import actions, queries
from tuetinh.care.ward.errors import WardError, WrongQuantity
from tuetinh.care.ward.queries import Inpatient
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.catalogues.api import PriceRow, drug, listed, priced
from tuetinh.commons.identity.api import banner

KINDS = {"bed": "bed", "supply": "package", "drug": "pill", "service": "stethoscope"}  # icons


@dataclass(frozen=True, slots=True)
class Failed:
    """A form that was refused. form: which; stopped, warnings, refused: why; typed: what was typed."""

    form: str
    status: int
    typed: dict[str, str]
    stopped: Any = None
    warnings: tuple[str, ...] = ()
    refused: str = ""


@desk("doctor", "nurse")
@require_GET
@never_cache
def list_(request: HttpRequest) -> HttpResponse:
    """Who lies in, by department; `department` opens one, else the first where somebody lies."""
    found = queries.departments(asker(request))
    wanted = request.GET.get("department", "")
    first = next((one for one in found if one.people), found[0] if found else None)
    chosen = next((one for one in found if one.id == wanted), first)
    return render(request, "ward/list.html", {"departments": found, "chosen": chosen})


@desk("doctor", "nurse")
@require_GET
@never_cache
def stay(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """A day of somebody who lies in."""
    return _page(request, _lying(request, encounter_id), _day(request.GET.get("day", "")))


@desk("doctor")
@require_http_methods(["GET", "POST"])
@never_cache
def admit(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Take somebody who is being seen in: `bed reason care`."""
    me = asker(request)
    try:
        visit = reception.visit(me, encounter_id)
    except NoVisit as error:
        raise Http404 from error
    typed = {name: request.POST.get(name, "") for name in ("bed", "reason", "care")}
    typed["care"] = typed["care"] or IN_BED
    failed = None
    if request.method == "POST":
        if not typed["bed"]:
            failed = Failed("admit", 422, typed, refused=_("Chọn giường."))
        else:

            def act() -> list[Problem]:
                return actions.admit(
                    me, encounter_id, typed["bed"], typed["reason"], care=typed["care"],
                    reasons=reasons_given(request.POST),
                )  # fmt: skip

            failed = _tried(request, "admit", typed, act)
        if failed is None:
            messages.success(request, _("Đã nhập viện."))
            return redirect("ward:stay", encounter_id)
    context = {
        "visit": visit, "banner": banner(me, visit.patient), "departments": queries.departments(me), "failed": failed,
        "kinds": kinds_to_choose(timezone.localdate(), stay=True),
        "typed": typed, "stopped": failed.stopped if failed else None,
    }  # fmt: skip
    return render(request, "ward/admit.html", context, status=failed.status if failed else 200)


@desk("doctor", "nurse")
@require_POST
def move(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Move somebody to another `bed`."""
    bed = request.POST.get("bed", "")
    return _done(
        request, encounter_id, "move", {"bed": bed}, _("Đã chuyển giường."),
        lambda: actions.move(asker(request), encounter_id, bed, reasons=reasons_given(request.POST)),
    )  # fmt: skip


@desk("doctor", "nurse")
@require_POST
def bed_day(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Charge the day in bed of `day`: `code`."""
    code, day = request.POST.get("code", ""), _day(request.POST.get("day", ""))
    return _done(
        request, encounter_id, "bed-day", {"code": code}, _("Đã tính ngày giường."),
        lambda: actions.charge_bed(asker(request), encounter_id, code, day, reasons=reasons_given(request.POST)),
    )  # fmt: skip


@desk("doctor", "nurse")
@require_POST
def supply(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Charge a supply of `day`: `supply quantity`."""
    code, day = request.POST.get("supply", ""), _day(request.POST.get("day", ""))
    quantity = request.POST.get("quantity", "")

    def act() -> list[Problem]:
        given = reasons_given(request.POST)
        return actions.charge_supply(asker(request), encounter_id, code, _number(quantity), day, reasons=given)

    return _done(request, encounter_id, "supply", {"supply": code, "quantity": quantity}, _("Đã ghi vật tư."), act)


@desk("doctor")
@require_POST
def medicine(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Order a medicine: `drug times dose days note`; `sure` after warnings."""
    typed = {name: request.POST.get(name, "") for name in ("drug", "times", "dose", "days", "note")}

    def act() -> list[Problem]:
        numbers = [_number(typed[name]) for name in ("times", "dose", "days")]
        order_medicine(
            asker(request), encounter_id, Line(typed["drug"], *numbers, note=typed["note"][:200]),
            sure=bool(request.POST.get("sure")), reasons=reasons_given(request.POST),
        )  # fmt: skip
        return []

    return _done(request, encounter_id, "medicine", typed, _("Đã ghi y lệnh thuốc."), act)


@desk("doctor", "nurse")
@require_POST
def give(request: HttpRequest, encounter_id: str, order_id: str) -> HttpResponse:
    """Write that a medicine was given now."""
    return _done(
        request, encounter_id, f"give-{order_id}", {}, _("Đã ghi dùng thuốc."),
        lambda: actions.give(asker(request), encounter_id, order_id, reasons=reasons_given(request.POST)),
    )  # fmt: skip


@desk("doctor", "nurse")
@require_POST
def cancel(request: HttpRequest, encounter_id: str, charge_id: str) -> HttpResponse:
    """Take back a day in bed or a supply."""

    def act() -> list[Problem]:
        actions.take_back(asker(request), encounter_id, charge_id)
        return []

    return _done(request, encounter_id, "cancel", {}, _("Đã hủy."), act)


def _page(request: HttpRequest, here: Inpatient, day: date, failed: Failed | None = None) -> HttpResponse:
    me, today = asker(request), timezone.localdate()
    day = min(max(day, here.since.date()), today)
    supply = listed(me.facility, failed.typed.get("supply", ""), day) if failed else None
    known = drug(failed.typed.get("drug", "")) if failed else None
    try:
        state = reception.visit(me, here.encounter).state
    except NoVisit:
        state = "finished"
    lines = queries.lines(me, here.encounter, day)
    context = {
        "here": here, "banner": banner(me, here.patient), "day": day, "today": today, "number": _nth(here, day),
        "before": day - timedelta(days=1) if day > here.since.date() else None,
        "after": day + timedelta(days=1) if day < today else None,
        "open": state == "in-progress", "doctor": me.role == "doctor",
        "lines": [(line, KINDS.get(line.kind, "")) for line in lines],
        "slept": any(line.kind == "bed" for line in lines),
        "medicines": queries.medicines(me, here.encounter, day),
        "bed_days": _bed_days(me.facility, here, day), "departments": queries.departments(me),
        "failed": failed, "typed": failed.typed if failed else {}, "stopped": failed.stopped if failed else None,
        "supply_name": supply.name if supply else "", "drug_name": known.label if known else "",
    }  # fmt: skip
    return render(request, "ward/stay.html", context, status=failed.status if failed else 200)


def _bed_days(facility: str, here: Inpatient, day: date) -> list[PriceRow]:
    """The days in bed of the price list, those of the department first (their codes begin with MA_KHOA)."""
    rows = priced(facility, "bed", day)
    return sorted(rows, key=lambda row: not row.code.startswith(f"{here.department_code}."))


def _nth(here: Inpatient, day: date) -> int:
    return (day - here.since.date()).days + 1


def _done(  # noqa: PLR0917
    request: HttpRequest, encounter_id: str, form: str, typed: dict[str, str], said: str,
    act: Callable[[], list[Problem]],
) -> HttpResponse:  # fmt: skip
    """Do something and show the day; what stops it is told in its form, as it was typed."""
    here, day = _lying(request, encounter_id), _day(request.POST.get("day", ""))
    failed = _tried(request, form, typed, act)
    if failed is not None:
        return _page(request, here, day, failed)
    messages.success(request, said)
    return redirect(f"{reverse('ward:stay', args=[encounter_id])}?day={day.isoformat()}")


def _tried(request: HttpRequest, form: str, typed: dict[str, str], act: Callable[[], list[Problem]]) -> Failed | None:
    try:
        for problem in act():
            messages.warning(request, problem.reason)
    except Stopped as error:
        return Failed(form, error.status, typed, stopped=shown(asker(request), error.problems))
    except Warned as error:
        return Failed(form, error.status, typed, warnings=tuple(error.warnings))
    except (WardError, ClinicError, ReceptionError, BillingError) as error:
        return Failed(form, getattr(error, "status", 409), typed, refused=str(error))
    return None


def _lying(request: HttpRequest, encounter_id: str) -> Inpatient:
    found = queries.inpatient(asker(request), encounter_id)
    if found is None:
        raise Http404
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return timezone.localdate()


def _number(text: str) -> Decimal:
    try:
        found = Decimal(text.strip().replace(",", "."))
    except InvalidOperation as error:
        raise WrongQuantity from error
    if not found.is_finite():
        raise WrongQuantity
    return found
