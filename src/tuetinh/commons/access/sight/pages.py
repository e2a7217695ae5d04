"""The administrator's pages of rules, and of why somebody may or may not."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from tuetinh.commons.access.api import asker, asker_of, desk, fresh
from tuetinh.commons.access.models import Account, SightChange
from tuetinh.commons.access.places import place_name
from tuetinh.commons.access.queries import administered
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.access.sight import administering, reasons, rules
from tuetinh.commons.access.sight.forms import RuleForm, WhyForm, initial
from tuetinh.commons.access.sight.words import FIELDS, KINDS, LABELS, PURPOSES, SHUT
from tuetinh.record import api as record
from tuetinh.record import audit
from tuetinh.record.asker import SYSTEM

YES, NO = gettext_lazy("có"), gettext_lazy("không")


@desk("admin")
@require_GET
@never_cache
def all_rules(request: HttpRequest) -> HttpResponse:
    """What each role sees at the administrator's facility."""
    facility, known = _by(request).facility, rules.now()
    shown = [(name, ROLES[name].label, known.of(name, facility)) for name in administering.RULED]
    rows = [(name, label, rule, _named(rule.labels), _named(rule.own_labels)) for name, label, rule in shown]
    return render(request, "access/rules.html", {"rows": rows, "place": place_name("Organization", facility)})


@fresh("rules")
@desk("admin")
@never_cache
@require_http_methods(["GET", "POST"])
def rule(request: HttpRequest, role: str) -> HttpResponse:
    """One role: its rule, to be changed, and who changed it."""
    by = _by(request)
    if role not in administering.RULED:
        raise Http404
    held = administering.made(by.facility, role)
    form = RuleForm(request.POST or None, initial=initial(held), of_province=not by.facility)
    if request.method == "POST" and form.is_valid():
        if administering.change(by, role, form.rule()):
            messages.success(request, _("Đã đổi quyền xem; có hiệu lực trong vài giây."))
        else:
            messages.info(request, _("Không có gì thay đổi."))
        return redirect("access:rule", role)
    context = {
        "form": form,
        "label": ROLES[role].label,
        "place": place_name("Organization", by.facility),
        "changes": [(one, _told(one)) for one in administering.changes(by, role)[:50]],
    }
    return render(request, "access/rule.html", context, status=422 if request.method == "POST" else 200)


@desk("admin")
@never_cache
@sensitive_post_parameters("patient")
@require_http_methods(["GET", "POST"])
def why(request: HttpRequest) -> HttpResponse:
    """Whether an account may see a person's record, and what that comes from."""
    form = WhyForm(request.POST or None)
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        account = administered(_by(request)).filter(username=form.cleaned_data["username"].strip()).first()
        patient = _patient(form.cleaned_data["patient"].strip())
        if account is None:
            form.add_error("username", _("Không có tài khoản này ở cơ sở bạn quản trị."))
        if not patient:
            form.add_error("patient", _("Không có hồ sơ nào mang số này."))
        if account is not None and patient:
            audit.note(asker(request), "read", "Patient", patient, patient)
            context |= _explained(account, patient)
    status = 422 if request.method == "POST" and form.errors else 200
    return render(request, "access/why.html", context, status=status)


def _explained(account: Account, patient: str) -> dict[str, Any]:
    who, role = asker_of(account), ROLES[account.role]
    held = rules.now().of(account.role, account.facility)
    found = reasons.why(account, who, held, role.types, patient)
    return {
        "shown": account,
        "label": role.label,
        "found": found,
        "patient": patient,
        "purpose": PURPOSES.get(who.purpose, who.purpose),
        "labels": [(LABELS[one], one in found.labels, one in found.own_labels) for one in LABELS],
        "ties": [(KINDS.get(tie.kind, tie.kind), tie, SHUT.get(tie.shut, "")) for tie in found.ties if tie.holds],
        "past": [(KINDS.get(tie.kind, tie.kind), tie) for tie in found.ties if not tie.holds],
        "denials": [
            (account.full_name if "/" in whom else place_name("Organization", whom), PURPOSES.get(purpose, purpose))
            for whom, purpose in found.denials
        ],
    }


def _patient(number: str) -> str:
    """The id of the one person with this id or identifier, or ""."""
    escaped = quote("".join(f"\\{sign}" if sign in "\\,|$" else sign for sign in number), safe="")
    for query in (f"_id={escaped}", f"identifier={escaped}"):
        found = record.search(SYSTEM, "Patient", f"{query}&_count=2").resources
        if len(found) == 1:
            return str(found[0].id)
    return ""


def _named(labels: frozenset[str]) -> list[str]:
    if labels.issuperset(LABELS):
        return [_("Tất cả")]
    return [str(LABELS[one]) for one in LABELS if one in labels]


def _told(change: SightChange) -> list[tuple[str, str, str]]:
    """What was changed: the field, what it was, what it became."""
    return [
        (str(FIELDS[name]), _value(name, change.before.get(name)), _value(name, after))
        for name, after in change.after.items()
        if after != change.before.get(name)
    ]


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(YES if value else NO)
    if name in ("labels", "own_labels"):
        return ", ".join(str(LABELS.get(one, one)) for one in str(value).split()) or "—"
    if name == "purpose":
        return str(PURPOSES.get(value, value)) or "—"
    return str(value) or "—"


def _by(request: HttpRequest) -> Account:
    return request.user  # type: ignore[return-value]
