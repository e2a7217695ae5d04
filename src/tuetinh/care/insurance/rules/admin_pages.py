"""The administrator's pages of the rules: the list, one rule with its history and a trial, what was let pass."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.care.insurance.checks import NUMBER, Problem
from tuetinh.care.insurance.errors import BadRule
from tuetinh.care.insurance.forms.writing import dotted
from tuetinh.care.insurance.models import RuleChange, RuleOverride
from tuetinh.care.insurance.papers.catalogue import PAPERS
from tuetinh.care.insurance.rules import changes, vocabulary
from tuetinh.care.insurance.rules.book import GROUPS, in_force
from tuetinh.care.insurance.rules.language import Rule, fault_of, fields, is_number
from tuetinh.care.insurance.rules.weigh import problem_of, reads_english
from tuetinh.care.insurance.tables import decision
from tuetinh.commons.access.api import asker, desk, owner_names
from tuetinh.commons.ui.api import DayField, paginate

SEVERITY = [("block", gettext_lazy("Chặn")), ("warn", gettext_lazy("Lưu ý")), ("hint", gettext_lazy("Gợi ý"))]
MOMENT = [
    ("diagnose", gettext_lazy("Chẩn đoán")), ("order", gettext_lazy("Chỉ định")), ("prescribe", gettext_lazy("Kê đơn")),
    ("result", gettext_lazy("Trả kết quả")), ("pay", gettext_lazy("Thu tiền")), ("claim", gettext_lazy("Lập hồ sơ")),
]  # fmt: skip
MAY = [
    ("doctor", gettext_lazy("Bác sĩ")), ("lab", gettext_lazy("Xét nghiệm")), ("cashier", gettext_lazy("Thu ngân")),
    ("admin", gettext_lazy("Quản trị")),
]  # fmt: skip
OF_PAPERS = sorted(
    [*((one.table, one.title) for one in PAPERS.values()), ("XML14", gettext_lazy("Giấy hẹn khám lại"))],
    key=lambda paper: int(paper[0].removeprefix("XML")),
)
TABLES = [
    ("XML0", gettext_lazy("bảng 0: báo đến khám")),
    ("XML1", gettext_lazy("bảng 1: tổng hợp")), ("XML2", gettext_lazy("bảng 2: thuốc")),
    ("XML3", gettext_lazy("bảng 3: dịch vụ, vật tư")), ("XML4", gettext_lazy("bảng 4: kết quả")),
    ("XML5", gettext_lazy("bảng 5: diễn biến")),
    *(
        (table, format_lazy(gettext_lazy("bảng {number}: {title}"), number=table.removeprefix("XML"), title=title))
        for table, title in OF_PAPERS
    ),
]  # fmt: skip


class RuleForm(forms.Form):
    """A rule as a person writes it."""

    code = forms.CharField(label=gettext_lazy("Mã quy tắc"), max_length=60)
    on = forms.BooleanField(label=gettext_lazy("Đang dùng"), required=False)
    group = forms.ChoiceField(label=gettext_lazy("Nhóm"), choices=list(GROUPS.items()))
    severity = forms.ChoiceField(label=gettext_lazy("Mức"), choices=SEVERITY)
    table = forms.ChoiceField(label=gettext_lazy("Xét từng dòng của"), choices=TABLES)
    field = forms.CharField(label=gettext_lazy("Trường báo lỗi"), max_length=60)
    condition = forms.CharField(
        label=gettext_lazy("Có lỗi khi"),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    vi = forms.CharField(label=gettext_lazy("Lời báo"), max_length=500)
    en = forms.CharField(label=gettext_lazy("Lời báo tiếng Anh"), max_length=500, required=False)
    clause = forms.CharField(label=gettext_lazy("Căn cứ"), max_length=300)
    from_ = DayField(label=gettext_lazy("Từ ngày"), required=False)
    to = DayField(label=gettext_lazy("Đến ngày"), required=False)
    when = forms.MultipleChoiceField(
        label=gettext_lazy("Hỏi lúc"),
        choices=MOMENT,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    override = forms.MultipleChoiceField(
        label=gettext_lazy("Ai được cho qua"),
        choices=MAY,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        required=False,
    )
    why = forms.CharField(label=gettext_lazy("Lý do thay đổi"), max_length=500, required=False)

    def rule(self) -> Rule:
        """The rule that was written."""
        told = {name: value for name, value in self.cleaned_data.items() if name != "why"}
        days = {name: told[name].isoformat() if told[name] else "" for name in ("from_", "to")}
        return Rule(**told | days | {"when": tuple(told["when"]), "override": tuple(told["override"])})


@desk("admin", "cashier")
@require_GET
@never_cache
def rules(request: HttpRequest) -> HttpResponse:
    """All rules; those of a `group`, or with a scrap `q` of their code or words. First those that cannot be asked."""
    group, scrap = request.GET.get("group", ""), request.GET.get("q", "").strip().casefold()
    here = asker(request)
    book = in_force(here.facility)
    known = [
        rule
        for rule in (*book.unsound.values(), *book.rules.values())
        if group in ("", rule.group) and (not scrap or scrap in f"{rule.code} {rule.vi} {rule.clause}".casefold())
    ]
    changed = set(RuleChange.objects.filter(facility__in={"", here.facility}).values_list("code", flat=True))
    page = paginate(request, known)
    severity, moments, may = dict(SEVERITY), dict(MOMENT), dict(MAY)
    rows = [
        (
            rule,
            severity.get(rule.severity, rule.severity),
            [moments.get(one, one) for one in rule.when],
            [may.get(one, one) for one in rule.override],
            rule.code in changed,
            fault_of(rule) if book.unsound.get(rule.code) is rule else "",
        )
        for rule in page.object_list
    ]
    context = {"rows": rows, "page": page, "groups": GROUPS.items(), "group": group, "q": request.GET.get("q", "")}
    return render(request, "insurance/rules.html", context)


@desk("admin")
@require_http_methods(["GET", "POST"])
@never_cache
def rule(request: HttpRequest, code: str) -> HttpResponse:
    """One rule, or with the code `new` one to be; POST keeps it with `why`, or with `try` asks it of past claims."""
    me, new = asker(request), code == "new"
    known = None if new else changes.known(me, code)
    if known is None and not new:
        raise Http404
    if request.method != "POST":
        fault = fault_of(known) if known and known.on else ""
        return _page(request, code, RuleForm(initial=_initial(known)), fault=fault)
    form = RuleForm(request.POST if new else _with(request, code))
    if not form.is_valid():
        return _page(request, code, form, status=422)
    written = form.rule()
    try:
        if new and changes.known(me, written.code):
            raise BadRule("code", _("Đã có quy tắc mang mã này."))
        if "try" in request.POST:
            return _page(request, code, form, trial=changes.attempt(me, written))
        changes.change(me, written, form.cleaned_data["why"])
    except BadRule as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return _page(request, code, form, status=422)
    messages.success(request, _("Quy tắc có hiệu lực từ bây giờ."))
    return redirect("insurance:rule", written.code)


@desk("admin", "cashier")
@require_GET
@never_cache
def overrides(request: HttpRequest) -> HttpResponse:
    """Blocks that somebody went on against at the facility, newest first."""
    page = paginate(request, RuleOverride.objects.filter(facility=asker(request).facility).order_by("-at", "-id"))
    known, roles = in_force(asker(request).facility).rules, dict(MAY)
    people = owner_names({one.account for one in page.object_list}, ())[0]
    rows = [
        (
            one,
            _said(known.get(one.rule), one),
            _read(one),
            roles.get(one.role, one.role),
            people.get(one.account, one.account),
        )
        for one in page.object_list
    ]
    return render(request, "insurance/overrides.html", {"rows": rows, "page": page})


def _said(rule: Rule | None, one: RuleOverride) -> Problem | None:
    """What the rule said of the value then; None for one that is no longer there."""
    return problem_of(rule, 0, {one.field: one.value}, english=reads_english()) if rule else None


def _read(one: RuleOverride) -> str:
    """The value as people read it: amounts with dots."""
    told = fields(one.table).get(one.field) if one.table in decision("3176").tables else None
    amount = told is not None and is_number(told) and NUMBER.fullmatch(one.value)
    return dotted(Decimal(one.value)) if amount else one.value


def _with(request: HttpRequest, code: str) -> Any:
    posted = request.POST.copy()
    posted["code"] = code
    return posted


def _initial(known: Rule | None) -> dict[str, Any]:
    if known is None:
        return {"on": True, "severity": "warn", "when": ["claim"]}
    told = {name: getattr(known, name) for name in known.__struct_fields__}
    return told | {name: date.fromisoformat(told[name]) if told[name] else None for name in ("from_", "to")}


def _page(
    request: HttpRequest,
    code: str,
    form: RuleForm,
    *,
    trial: changes.Trial | None = None,
    fault: str = "",
    status: int = 200,
) -> HttpResponse:
    table = form["table"].value() or "XML1"
    table = table if table in dict(TABLES) else "XML1"
    history = [] if code == "new" else changes.history(asker(request), code)
    people = owner_names({one.account for one in history}, ())[0]
    context = {
        "form": form, "code": code, "new": code == "new", "trial": trial, "fault": fault, "table": table,
        "vocabulary": vocabulary.words(table), "functions": vocabulary.EXPLAINED.items(),
        "history": [(one, people.get(one.account, one.account)) for one in history],
    }  # fmt: skip
    return render(request, "insurance/rule.html", context, status=status)
