"""The administrator's pages of the rules of results: the list, and one rule with its history."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import analytes, test
from tuetinh.care.lab.errors import BadRule, NeedsReason
from tuetinh.care.lab.results import changes
from tuetinh.care.lab.results.book import LEDGER, in_force
from tuetinh.care.lab.results.rule_forms import KIND_NAMES, RuleForm, initial
from tuetinh.care.lab.results.rules import (
    WORDS,
    Automatic,
    Counting,
    Delta,
    Formula,
    Indicator,
    Intrinsic,
    Limits,
    OfTests,
    Rule,
    Told,
    Westgard,
    Worded,
    of_isolates,
)
from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.ui.api import paginate
from tuetinh.record.text import fold


@desk("admin", "lab")
@require_GET
@never_cache
def rules(request: HttpRequest) -> HttpResponse:
    """The rules of a `kind`, or with a scrap `q` of their code or words."""
    kind, scrap = request.GET.get("kind", "normal"), fold(request.GET.get("q", "").strip())
    kind = kind if kind in KIND_NAMES else "normal"
    here = asker(request)
    known = [rule for rule in in_force(here.facility).rules.values() if changes.kind_of(rule) == kind]
    told = [(rule, about(rule), says(rule)) for rule in known]
    told = [row for row in told if not scrap or scrap in fold(f"{row[0].code} {row[1]} {row[2]}")]
    changed = LEDGER.changed(here.facility)
    page = paginate(request, told)
    rows = [(rule, name, said, rule.code in changed) for rule, name, said in page.object_list]
    context = {
        "rows": rows, "page": page, "kinds": KIND_NAMES.items(), "kind": kind, "q": request.GET.get("q", ""),
        "may": here.role == "admin",
    }  # fmt: skip
    return render(request, "lab/rules.html", context)


def about(rule: Rule) -> str:
    """The analytes that a rule is about, by name."""
    keys = getattr(rule, "analytes", None) or (getattr(rule, "analyte", ""),)
    return ", ".join(analytes()[key].name for key in keys if key in analytes())


def says(rule: Rule) -> str:
    """A rule in one line."""
    if isinstance(rule, Limits):
        people = {"male": _("nam"), "female": _("nữ")}.get(rule.sex, "")
        ages = f"{rule.age_from or '0'} – {rule.age_to or '…'}" if rule.age_from or rule.age_to else ""
        pregnant = _("mang thai") if rule.pregnant else ""
        who = " · ".join(filter(None, (people, ages, pregnant, rule.method)))
        return f"{facts.written_range(rule.low, rule.high)} {analytes()[rule.analyte].shown}" + (
            f" ({who})" if who else ""
        )
    if isinstance(rule, Delta):
        parts = (
            f"{rule.percent:f} %" if rule.percent is not None else "",
            f"{rule.absolute:f}" if rule.absolute else "",
        )
        far = " / ".join(filter(None, parts))
        return _("đổi quá %(far)s trong %(days)s ngày") % {"far": far, "days": rule.days}
    if isinstance(rule, Formula):
        return rule.expression
    if isinstance(rule, Westgard):
        return f"{rule.rule}: {_('chặn trả kết quả') if rule.action == 'reject' else _('chỉ lưu ý')}"
    if isinstance(rule, Intrinsic):
        return f"{' '.join(rule.organisms)}: {' '.join(rule.antibiotics)}"
    if isinstance(rule, Indicator):
        return rule.number
    if isinstance(rule, Counting):
        return _("từ %(count)s chủng") % {"count": rule.minimum}
    if isinstance(rule, OfTests):
        named = ", ".join(known.name for code in rule.tests if (known := test(code)))
        if isinstance(rule, Worded):
            return f"{rule.text}: {named}"
        if isinstance(rule, Automatic):
            return named
        hours = getattr(rule, "hours", 0)
        return _("%(hours)s giờ: %(tests)s") % {"hours": hours, "tests": named}
    return f"{rule.text}: {rule.condition}" if isinstance(rule, Told) else ""


@desk("admin")
@require_http_methods(["GET", "POST"])
@never_cache
def rule(request: HttpRequest, code: str) -> HttpResponse:
    """One rule, or with the code `new` one to be, of the `kind` that the address says. POST keeps it."""
    me, new = asker(request), code == "new"
    known = None if new else changes.known(me, code)
    kind = changes.kind_of(known) if known else request.GET.get("kind", "normal")
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
    except BadRule as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return _page(request, code, kind, form, status=422)
    except NeedsReason as error:
        form.add_error("why", str(error))
        return _page(request, code, kind, form, status=422)
    messages.success(request, _("Quy tắc có hiệu lực từ bây giờ."))
    return redirect(f"{reverse('lab:rules')}?kind={kind}")


def _words(kind: str) -> Iterable[str]:
    """What the expressions of a kind may name beside the person."""
    if kind in ("formula", "reflex"):
        return analytes()
    return of_isolates().words if kind in ("expert", "marker") else ()


def _page(request: HttpRequest, code: str, kind: str, form: RuleForm, status: int = 200) -> HttpResponse:
    past = [] if code == "new" else changes.history(asker(request), code)
    words = WORDS if kind in ("hold", "notifiable") else {}
    context = {
        "form": form, "code": code, "new": code == "new", "kind": kind, "kind_name": KIND_NAMES[kind],
        "history": [(one, says(changes.read(one))) for one in past], "vocabulary": words.items(),
        "keys": sorted(_words(kind)),
    }  # fmt: skip
    return render(request, "lab/rule.html", context, status=status)
