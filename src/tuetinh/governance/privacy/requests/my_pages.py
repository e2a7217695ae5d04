"""The citizen's pages of what they may ask about their data, for themselves or for whom they act by law."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from tuetinh.commons.access.api import PURPOSES, asker, desk, ward
from tuetinh.commons.ui.api import paginate
from tuetinh.governance.privacy.breaches.queries import notices
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import SubjectRequest
from tuetinh.governance.privacy.requests import actions, queries, rules
from tuetinh.governance.privacy.requests.pages import LONGEST
from tuetinh.governance.privacy.words import KINDS, REFUSALS, STATES, STEPS

if TYPE_CHECKING:
    from tuetinh.commons.access.api import Account


class WishForm(forms.Form):
    """What a citizen asks for."""

    kind = forms.ChoiceField(label=gettext_lazy("Tôi muốn"), choices=list(KINDS.items()))
    facility = forms.ChoiceField(label=gettext_lazy("Nơi giữ dữ liệu"), required=False)
    about = forms.ChoiceField(
        label=gettext_lazy("Về mục nào"),
        required=False,
        help_text=gettext_lazy("Cần khi chỉnh sửa một mục hoặc rút lại một sự đồng ý."),
    )
    purpose = forms.ChoiceField(
        label=gettext_lazy("Hạn chế, phản đối mục đích nào"),
        required=False,
        choices=[("", gettext_lazy("Mọi mục đích")), *PURPOSES.items()],
    )
    what = forms.CharField(
        label=gettext_lazy("Tôi muốn nói rõ hơn"), max_length=LONGEST, widget=forms.Textarea(attrs={"rows": 4})
    )


@desk("citizen")
@require_http_methods(["GET", "POST"])
@never_cache
def mine(request: HttpRequest) -> HttpResponse:
    """What I asked for and what became of it; ask by POST."""
    who, tie = asker(request), ward(request)
    patient = str(who.patient)
    form = WishForm(request.POST or None)
    form.fields["facility"].choices = [*queries.places(who, patient).items(), ("", _("Sở Y tế"))]  # type: ignore[attr-defined]
    about = [("", _("Tất cả")), *queries.entries(who, patient), *queries.consents(who, patient)]
    form.fields["about"].choices = about  # type: ignore[attr-defined]
    if request.method == "POST":
        if tie is not None and not tie.decides:
            raise Http404
        if form.is_valid() and (made := _made(request, form)):
            return redirect("privacy:mine-one", made.pk)
    page = paginate(request, queries.of_person(patient), 10)
    context = {
        "form": form,
        "page": page,
        "rows": [(one, KINDS[one.kind], STATES[one.state], *queries.next_due(one)) for one in page],
        "decides": tie is None or tie.decides,
        "notices": notices(patient),
    }
    return render(request, "privacy/mine.html", context, status=422 if request.method == "POST" else 200)


def _made(request: HttpRequest, form: WishForm) -> SubjectRequest | None:
    """The request, or what is wrong at its field."""
    who, tie, told = asker(request), ward(request), form.cleaned_data
    purpose = told["purpose"] if told["kind"] in actions.LIMITING else ""
    wish = actions.Wish(
        told["kind"], told["what"], told["facility"], told["about"], purpose, acting=tie.code if tie else ""
    )
    try:
        made = actions.make(who, cast("Account", request.user), str(who.patient), wish)
    except PrivacyError as error:
        field = {"consent": "about"}.get(error.code, error.code)
        form.add_error(field if field in form.fields else None, str(error.message))
        return None
    messages.success(request, _("Đã nhận yêu cầu số %(number)d.") % {"number": made.pk})
    return made


@desk("citizen")
@require_http_methods(["GET", "POST"])
@never_cache
def my_one(request: HttpRequest, request_id: int) -> HttpResponse:
    """One of mine, step by step; POST takes it back."""
    who, tie = asker(request), ward(request)
    found = queries.of_person(str(who.patient)).filter(pk=request_id).first()
    decides = tie is None or tie.decides
    if found is None or (request.method == "POST" and not decides):
        raise Http404
    if request.method == "POST":
        try:
            actions.take_back(who, cast("Account", request.user), request_id)
            messages.success(request, _("Đã rút lại yêu cầu."))
        except PrivacyError as error:
            messages.error(request, str(error.message))
        return redirect("privacy:mine-one", request_id)
    due, late = queries.next_due(found)
    reason = rules.refusals().get(found.refusal)
    context = {
        "one": found, "kind": KINDS[found.kind], "state": STATES[found.state], "due": due, "late": late,
        "refusal": REFUSALS.get(found.refusal, ""), "clause": reason.clause if reason else "",
        "steps": [(step, STEPS[step.step]) for step in found.steps.order_by("pk")],
        "may_take_back": decides and found.state in actions.STEPS["take-back"][0],
    }  # fmt: skip
    return render(request, "privacy/my_request.html", context)
