"""The administrator's pages of the rules of imaging: the list, and one rule with its history."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.care.imaging.errors import BadRule, NeedsReason
from tuetinh.care.imaging.rules import changes
from tuetinh.care.imaging.rules.book import LEDGER, in_force
from tuetinh.care.imaging.rules.forms import (
    CHECK_NAMES,
    CONTRAST_NAMES,
    KIND_NAMES,
    QUANTITY_NAMES,
    RuleForm,
    initial,
)
from tuetinh.care.imaging.rules.kinds import QUANTITIES, Assist, Check, Protocol, Reference, Rule, Sheet
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.ui.api import paginate
from tuetinh.record.text import fold


@desk("admin", "imaging")
@require_GET
@never_cache
def rules(request: HttpRequest) -> HttpResponse:
    """The rules of a `kind`, or with a scrap `q` of their code or words."""
    kind, scrap = request.GET.get("kind", "protocol"), fold(request.GET.get("q", "").strip()[:100])
    kind = kind if kind in KIND_NAMES else "protocol"
    here = asker(request)
    told = [
        (rule, name_of(rule), says(rule))
        for rule in in_force(here.facility).rules.values()
        if changes.kind_of(rule) == kind
    ]
    told = [row for row in told if not scrap or scrap in fold(f"{row[0].code} {row[1]} {row[2]}")]
    changed = LEDGER.changed(here.facility)
    page = paginate(request, told)
    context = {
        "rows": [(*row, row[0].code in changed) for row in page.object_list], "page": page,
        "kinds": KIND_NAMES.items(), "kind": kind, "q": request.GET.get("q", ""), "may": here.role == "admin",
    }  # fmt: skip
    return render(request, "imaging/rules.html", context)


def name_of(rule: Rule) -> str:
    """What a rule is called."""
    return str(CHECK_NAMES[rule.check_]) if isinstance(rule, Check) else getattr(rule, "text", "")


def says(rule: Rule) -> str:
    """A rule in one line."""
    if isinstance(rule, Sheet):
        return " ".join(rule.body.split())[:160]
    machines = " ".join(getattr(rule, "modalities", ()))
    contrast = str(CONTRAST_NAMES.get(getattr(rule, "contrast", ""), ""))
    parts = [machines, contrast]
    if isinstance(rule, Protocol):
        parts = [machines, rule.region, _("%(minutes)s phút") % {"minutes": rule.minutes}, contrast]
    elif isinstance(rule, Check):
        parts += [{"male": _("nam"), "female": _("nữ")}.get(rule.sex, ""), _ages(rule)]
        parts.append(f"eGFR < {rule.limit.normalize():f}" if rule.limit is not None else "")
    elif isinstance(rule, Assist):
        parts += [rule.model, " / ".join(rule.words), _ages(rule), " ".join(rule.services)]
    elif isinstance(rule, Reference):
        level = f"{rule.limit.normalize():f}".replace(".", ",")
        parts += [f"{QUANTITY_NAMES[rule.quantity]} {level} {QUANTITIES[rule.quantity]}", _ages(rule)]
    return " · ".join(filter(None, parts))


def _ages(rule: Assist | Check | Reference) -> str:
    if rule.age_from is None and rule.age_to is None:
        return ""
    last = "…" if rule.age_to is None else rule.age_to
    return _("%(first)s–%(last)s tuổi") % {"first": rule.age_from or 0, "last": last}


@desk("admin")
@require_http_methods(["GET", "POST"])
@never_cache
def rule(request: HttpRequest, code: str) -> HttpResponse:
    """One rule, or with the code `new` one to be, of the `kind` that the address says. POST keeps it."""
    me, new = asker(request), code == "new"
    known = None if new else changes.known(me, code)
    kind = changes.kind_of(known) if known else request.GET.get("kind", "protocol")
    if (known is None and not new) or kind not in KIND_NAMES:
        raise Http404
    if request.method != "POST":
        return _page(request, code, kind, RuleForm(kind, initial=initial(known)))
    posted = request.POST.copy()
    if not new:
        posted["code"] = code
    form = RuleForm(kind, posted)
    if not form.is_valid():
        return _page(request, code, kind, form, status=422)
    written = form.rule()
    try:
        if new and changes.known(me, written.code):
            raise BadRule("code", _("Đã có quy tắc mang mã này."))
        changes.change(me, written, form.cleaned_data["why"])
    except (BadRule, NeedsReason) as error:
        name = getattr(error, "field", "why")
        form.add_error(name if name in form.fields else None, str(error))
        return _page(request, code, kind, form, status=422)
    messages.success(request, _("Quy tắc có hiệu lực từ bây giờ."))
    return redirect(f"{reverse('imaging:rules')}?kind={kind}")


def _page(request: HttpRequest, code: str, kind: str, form: RuleForm, status: int = 200) -> HttpResponse:
    past = [] if code == "new" else changes.history(asker(request), code)
    context = {
        "form": form, "code": code, "new": code == "new", "kind": kind, "kind_name": KIND_NAMES[kind],
        "history": [(one, says(changes.read(one))) for one in past],
    }  # fmt: skip
    return render(request, "imaging/rule.html", context, status=status)
