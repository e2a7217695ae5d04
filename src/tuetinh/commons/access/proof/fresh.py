"""Proving who one is again before what matters (step-up): the page asks, and then goes on with what was sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.commons.access import limits
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.proof import entering, passkeys, policy

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PASSWORD, CODE, PASSKEY = "prove-password", "prove-code", "prove-passkey"
PATH = "prove-path"
OWN = frozenset({PASSWORD, CODE, PASSKEY, PATH, "csrfmiddlewaretoken"})
WHY = {
    "sign": gettext_lazy("Bạn sắp ký. Xác nhận để không ai khác ký thay khi bạn rời máy."),
    "open": gettext_lazy("Mở hồ sơ khẩn cấp được ghi tên bạn. Hãy xác nhận đúng là bạn."),
    "rules": gettext_lazy("Việc này đổi quyền hoặc hồ sơ của người khác. Hãy xác nhận đúng là bạn."),
    "take": gettext_lazy("Dữ liệu sẽ rời khỏi đây. Hãy xác nhận đúng là bạn."),
    "factors": gettext_lazy("Việc này đổi cách đăng nhập của bạn. Hãy xác nhận đúng là bạn."),
}


def demand(request: HttpRequest, action: str) -> HttpResponse | None:
    """The page that asks for a proof, or None where the last one is fresh enough or comes with the request.

    action: one of `policy.ACTIONS`. The page sends everything again that came with this request.
    """
    minutes = getattr(policy.now(), f"{action}_minutes")
    if not minutes or time.time() - request.session.get("proved", 0) < minutes * 60:
        return None
    account: Account = request.user  # type: ignore[assignment]
    if not {PASSWORD, PASSKEY} & request.POST.keys():
        return _page(request, account, action, "")
    given = [request.POST.get(name, "") for name in (PASSWORD, CODE, PASSKEY)]
    try:
        way = entering.again(request, account, *given)
    except limits.Slow as slow:
        return limits.answer(request, slow)
    if not way:
        return _page(request, account, action, _("Chưa đúng. Hãy thử lại."))
    request.session["proved"] = int(time.time())
    return None


def carried(request: HttpRequest) -> list[tuple[str, str]]:
    """What was sent, without the proof: to be sent again after it."""
    return [(name, text) for name, texts in request.POST.lists() if name not in OWN for text in texts]


def _page(request: HttpRequest, account: Account, action: str, fault: str) -> HttpResponse:
    context = {
        "why": WHY[action],
        "fault": fault,
        "carried": carried(request),
        "outside": request.session.get(entering.OUTSIDE, {}).get("provider"),
        "with_password": account.has_usable_password(),
        "with_code": account.has_factor,
        "options": passkeys.question(request, account) if account.passkeys.exists() else None,
    }
    response = render(request, "access/prove.html", context, status=422 if fault else 403)
    add_never_cache_headers(response)
    return response
