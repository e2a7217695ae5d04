"""The administrators' pages of subscriptions: which fail, what can be done, and which topics there are."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tuetinh.commons.access.api import asker, desk, owner_names
from tuetinh.commons.messages import facts
from tuetinh.commons.messages.forms import DropForm, SetBackForm, TopicForm
from tuetinh.commons.ui.api import paginate
from tuetinh.record import api as record
from tuetinh.record.errors import BadRequest, NotFound, RecordError
from tuetinh.record.sight import ALL_LABELS, Sight
from tuetinh.record.subscriptions import api as record_subscriptions


@desk("admin")
@require_GET
def subscriptions(request: HttpRequest) -> HttpResponse:
    """Subscriptions of the facility, those that fail longest first; all of them with `all=1`."""
    every = request.GET.get("all") == "1"
    page = paginate(request, record_subscriptions.Lines(_facility(request), failing=not every))
    lines = list(page)
    people, systems = owner_names((one.account for one in lines), (one.client for one in lines))
    rows = [(one, systems.get(one.client) or people.get(one.account) or one.account) for one in lines]
    most = record_subscriptions.MOST_COUNTED
    return render(request, "messages/subscriptions.html", {"page": page, "rows": rows, "every": every, "most": most})


@desk("admin")
@require_POST
def change(request: HttpRequest, subscription_id: str, verb: str) -> HttpResponse:
    """Try again, pause, go on, end with a reason, or tell everything again from a moment on."""
    try:
        told = _change(request, subscription_id, verb)
    except NotFound:
        messages.error(request, _("Đăng ký này không thuộc cơ sở bạn quản trị."))
    except BadRequest:
        messages.error(request, _("Chưa làm được: hãy điền đủ, và đăng ký phải đang bật."))
    else:
        messages.success(request, told)
    return redirect("messages:subscriptions")


def _change(request: HttpRequest, id_: str, verb: str) -> str:
    """Do it and say so. Raises NotFound, BadRequest."""
    who, facility = asker(request), _facility(request)
    if verb == "retry":
        record_subscriptions.retry(who, facility, id_)
        return _("Đang gửi lại.")
    if verb in ("pause", "resume"):
        record_subscriptions.pause(who, facility, id_, paused=verb == "pause")
        return _("Đã tạm dừng; tin mới vẫn được giữ lại.") if verb == "pause" else _("Đã gửi tiếp.")
    form = DropForm(request.POST) if verb == "drop" else SetBackForm(request.POST)
    if not form.is_valid():
        raise BadRequest("the form is not filled in")
    if verb == "drop":
        record_subscriptions.drop(who, facility, id_, form.cleaned_data["reason"])
        return _("Đã kết thúc đăng ký; bên nhận thấy lý do.")
    record_subscriptions.set_back(who, facility, id_, form.cleaned_data["since"])
    return _("Đang gửi lại từ thời điểm đã chọn.")


@desk("admin")
@require_http_methods(["GET", "POST"])
def topics(request: HttpRequest) -> HttpResponse:
    """The topics that one may subscribe to; the province adds one, which holds for all facilities."""
    if request.method == "POST" and _facility(request):
        raise PermissionDenied
    form = TopicForm(request.POST or None, initial={"interactions": ["create", "update"]})
    if request.method == "POST" and form.is_valid():
        try:
            sight = Sight("Basic", labels=ALL_LABELS)
            who = replace(asker(request), scopes=frozenset({"system/Basic.c"}), sight=sight)
            record.create(who, facts.topic(**form.cleaned_data))
        except RecordError as error:
            form.add_error("current" if "current" in error.issues[0].expression else "previous", error.issues[0].text)
        else:
            messages.success(request, _("Đã thêm chủ đề."))
            return redirect("messages:topics")
    context = {"form": form, "topics": record_subscriptions.known_topics()}
    return render(request, "messages/topics.html", context, status=422 if request.method == "POST" else 200)


def _facility(request: HttpRequest) -> str:
    """The facility that the administrator answers for; "" for all of them."""
    return asker(request).facility
