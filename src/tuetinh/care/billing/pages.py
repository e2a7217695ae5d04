"""The cashier's desk: who owes, one bill with its split, cash, transfer, receipt; and the bank's webhook."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.care.billing import actions, queries, receipts
from tuetinh.care.billing.errors import BillingError, NoBill, NoPayment, NoReason
from tuetinh.care.billing.forms import BackForm, CashForm, DayForm, ReasonForm
from tuetinh.care.billing.models import Bill, Payment
from tuetinh.care.billing.wire_bank import HEADER
from tuetinh.care.insurance.api import Finding, Stopped, reasons_given, shown, standing
from tuetinh.commons.access.api import asker, desk, open_to_all
from tuetinh.commons.documents.api import Paper, respond_pdf
from tuetinh.commons.identity.api import banner, names_of
from tuetinh.commons.ui.api import paginate

STATES = {"open": gettext_lazy("Chờ thu"), "back": gettext_lazy("Phải hoàn lại"), "paid": gettext_lazy("Đã thu")}
REASONS = {
    "unknown-bill": gettext_lazy("Nội dung không có mã bảng kê"),
    "wrong-amount": gettext_lazy("Số tiền khác số phải trả"),
    "already-paid": gettext_lazy("Bảng kê đã thanh toán đủ"),
}
KINDS = {
    "taken": gettext_lazy("Đã thu"),
    "cancelled": gettext_lazy("Hủy biên lai"),
    "returned": gettext_lazy("Hoàn tiền"),
}
METHODS = {"cash": gettext_lazy("Tiền mặt"), "transfer": gettext_lazy("Chuyển khoản")}
WEBHOOK_LIMIT = 64_000  # bytes


@desk("cashier")
@require_GET
def worklist(request: HttpRequest) -> HttpResponse:
    """Bills of the facility, paged; those that wait first."""
    state = request.GET.get("state", "open")
    state = state if state in STATES else "open"
    page = paginate(request, queries.worklist(_here(request), state))
    names = names_of(asker(request), {bill.patient for bill in page.object_list})
    rows = [(row, names.get(row.patient, ""), row.due - row.paid) for row in page.object_list]
    context = {"page": page, "rows": rows, "state": state, "states": STATES.items(), "facility": _here(request)}
    return render(request, "billing/worklist.html", context)


@desk("cashier")
@require_GET
@never_cache
def bill(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """One bill: who pays what, what was paid, and the two ways to pay."""
    return _bill_page(request, _owned(request, encounter_id))


@desk("cashier")
@require_POST
def cash(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Take cash; the amount on the page must still be what is owed."""
    row = _owned(request, encounter_id)
    form = CashForm(request.POST)
    if not form.is_valid():
        return _bill_page(request, row, form=form, status=422)
    amount, part = form.cleaned_data["amount"], form.cleaned_data["part"]
    try:
        payment = actions.pay_cash(
            asker(request), encounter_id, amount, facility=row.facility, part=part, reasons=reasons_given(request.POST)
        )
    except Stopped as error:
        found = shown(asker(request), error.problems)
        return _bill_page(request, row, form=form, stopped=found, status=error.status)
    except BillingError as error:
        messages.error(request, str(error))
        return redirect("billing:bill", encounter_id)
    received = form.cleaned_data["received"]
    if received is not None and received > payment.amount:
        messages.success(request, _("Đã thu. Trả lại khách %(change)s.") % {"change": _dong(received - payment.amount)})
    elif payment.amount < amount:
        left = _dong(amount - payment.amount)
        messages.success(request, _("Đã thu một phần. Còn phải thu %(left)s.") % {"left": left})
    else:
        messages.success(request, _("Đã thu đủ tiền."))
    return redirect(f"{request.path.removesuffix('/cash')}?receipt={payment.pk}")


@desk("cashier")
@require_POST
def give_back(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Give back what was paid too much."""
    row = _owned(request, encounter_id)
    form = BackForm(request.POST)
    try:
        if not form.is_valid():
            raise NoReason
        given = form.cleaned_data
        paper = actions.give_back(asker(request), encounter_id, given["amount"], given["reason"], facility=row.facility)
    except BillingError as error:
        messages.error(request, str(error))
        return redirect("billing:bill", encounter_id)
    messages.success(request, _("Đã hoàn tiền."))
    return redirect(f"{request.path.removesuffix('/back')}?receipt={paper.pk}")


@desk("cashier")
@require_POST
def transfer(request: HttpRequest, encounter_id: str) -> HttpResponse:
    """Show the transfer code of what is left to pay."""
    row = _owned(request, encounter_id)
    try:
        text, svg, amount = actions.request_transfer(asker(request), encounter_id, facility=row.facility)
    except BillingError as error:
        messages.error(request, str(error))
        return redirect("billing:bill", encounter_id)
    return _bill_page(request, row, code={"text": text, "svg": svg, "amount": amount})


@desk("cashier")
@require_POST
def cancel(request: HttpRequest, payment_id: int) -> HttpResponse:
    """Cancel a payment, with the reason."""
    payment = _payment(request, payment_id)
    form = ReasonForm(request.POST)
    try:
        reason = form.cleaned_data["reason"] if form.is_valid() else ""
        actions.cancel_payment(asker(request), payment_id, reason, facility=_here(request))
        messages.success(request, _("Đã hủy khoản thu. Bảng kê trở lại danh sách chờ thu."))
    except BillingError as error:
        messages.error(request, str(error))
    return redirect("billing:bill", payment.bill.encounter)


@desk("cashier")
@require_GET
def receipt(request: HttpRequest, payment_id: int) -> HttpResponse:
    """The receipt of a payment as PDF; `?paper=80mm` for the roll."""
    payment = _payment(request, payment_id)
    paper: Paper = "80mm" if request.GET.get("paper") == "80mm" else "A5"
    document = receipts.receipt(asker(request), payment, paper, cashier=str(request.user))
    return respond_pdf(request, document, f"bien-lai-{payment.year}-{payment.number:06d}")


@desk("cashier")
@require_GET
def day(request: HttpRequest) -> HttpResponse:
    """One's own day of the cash book, or the facility's: every movement, the sums, and what must be in the drawer."""
    form, found = _day(request)
    people = names_of(asker(request), {m.payment.bill.patient for m in found.movements})
    rows = [
        (m, KINDS[m.kind], METHODS.get(m.payment.method, m.payment.method), people.get(m.payment.bill.patient, ""))
        for m in found.movements
    ]
    sums = [
        (_("Tiền mặt đã thu"), found.sum_of("cash")), (_("Tiền mặt trả lại"), found.sum_of("cash", out=True)),
        (_("Chuyển khoản đến"), found.sum_of("transfer")), (_("Chuyển khoản hủy"), found.sum_of("transfer", out=True)),
    ]  # fmt: skip
    context = {"form": form, "found": found, "rows": rows, "sums": sums, "query": request.GET.urlencode()}
    return render(request, "billing/day.html", context)


@desk("cashier")
@require_GET
def day_paper(request: HttpRequest) -> HttpResponse:
    """The day as PDF."""
    form, found = _day(request)
    whose = str(request.user) if form.cleaned_data["who"] == "me" else ""
    document = receipts.day_report(asker(request), found, facility=_here(request), cashier=whose)
    return respond_pdf(request, document, f"so-quy-{found.day:%Y%m%d}.pdf")


def _day(request: HttpRequest) -> tuple[DayForm, queries.CashDay]:
    """What was asked for; today and one's own where the question is no question."""
    today = f"{timezone.localdate():%d/%m/%Y}"
    form = DayForm({"day": request.GET.get("day", today), "who": request.GET.get("who", "me")})
    if not form.is_valid():
        form = DayForm({"day": today, "who": "me"})
        form.full_clean()
    account = asker(request).account if form.cleaned_data["who"] == "me" else None
    return form, queries.cash_day(_here(request), form.cleaned_data["day"], account)


@desk("cashier")
@require_GET
def unmatched(request: HttpRequest) -> HttpResponse:
    """Transfers that fit no bill, for a person to settle."""
    page = paginate(request, queries.unmatched(_here(request)))
    rows = [(told, REASONS.get(told.reason, "")) for told in page.object_list]
    return render(request, "billing/unmatched.html", {"page": page, "rows": rows})


@desk("cashier")
@require_POST
def settle(request: HttpRequest, transaction_id: int) -> HttpResponse:
    """Give an unmatched transfer to the bill whose code was typed."""
    code = request.POST.get("code", "").strip().upper()[:25]
    row = Bill.objects.filter(code=code, facility=_here(request)).first()
    try:
        if row is None:
            raise NoBill
        actions.settle_unmatched(asker(request), transaction_id, row.encounter, facility=_here(request))
    except BillingError as error:
        messages.error(request, str(error))
        return redirect("billing:unmatched")
    messages.success(request, _("Đã ghi tiền vào bảng kê."))
    return redirect("billing:bill", row.encounter)


FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


@open_to_all
@csrf_exempt
@require_http_methods(["POST"])
def bank_webhook(request: HttpRequest) -> JsonResponse:
    """What the bank tells, proved by its signature. 401 without; 200 once booked, and for the same one again."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > WEBHOOK_LIMIT:
        return JsonResponse({"error": "too-large"}, status=413)
    if request.content_type in FORMS:  # which is read as a form before anybody can see what was signed
        return JsonResponse({"error": "not-json"}, status=415)
    try:
        told = actions.receive_transfer(request.body, request.headers.get(HEADER, ""))
    except BillingError as error:
        return JsonResponse({"error": error.code}, status=error.status)
    return JsonResponse({"id": told.transaction, "state": told.state, "reason": told.reason})


def _bill_page(
    request: HttpRequest,
    row: Bill,
    *,
    form: CashForm | None = None,
    code: dict[str, object] | None = None,
    stopped: Sequence[Finding] = (),
    status: int = 200,
) -> HttpResponse:
    who = asker(request)
    now = queries.bill(who, row.encounter)
    asked = request.GET.get("receipt", "")
    paid = next((p for p in now.payments if str(p.pk) == asked and p.cancelled is None), None)
    context = {
        "bill": now,
        "row": row,
        "banner": banner(who, row.patient),
        "standing": standing(row.patient) if now.card else None,
        "form": form or CashForm(initial={"amount": now.left}),
        "code": code,
        "stopped": stopped,
        "payments": [(p, METHODS.get(p.method, p.method)) for p in now.payments],
        "receipt": paid,
        "too_much": -now.left if now.left < 0 else None,
    }
    return render(request, "billing/bill.html", context, status=status)


def _dong(amount: Decimal) -> str:
    return f"{amount:,.0f} ₫".replace(",", ".")


def _here(request: HttpRequest) -> str:
    return request.user.facility  # type: ignore[union-attr]


def _owned(request: HttpRequest, encounter_id: str) -> Bill:
    try:
        return queries.owned(_here(request), encounter_id)
    except NoBill as error:
        raise Http404 from error


def _payment(request: HttpRequest, payment_id: int) -> Payment:
    found = Payment.objects.filter(pk=payment_id, facility=_here(request)).select_related("bill").first()
    if found is None:
        raise Http404(NoPayment.code)
    return found
