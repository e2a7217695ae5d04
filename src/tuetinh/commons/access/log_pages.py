"""The access log for administrators: who did what with whose record, of the facility or of the whole node."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tuetinh.commons.access.api import asker, desk
from tuetinh.commons.access.kinds import in_words
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.places import place_name
from tuetinh.commons.access.queries import administered, owner_names
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.access.sight.words import ALL_PURPOSES
from tuetinh.commons.access.words import ENTRIES, entry_action, entry_reason
from tuetinh.record import api as record
from tuetinh.record.errors import BadRequest

COUNT: Final = 50
_DEEDS: Final = {
    "see": ("action", "R"),
    "write": ("action", "C,U,D"),
    "come": ("type", "110114"),
    "other": ("action", "E"),
}
"""How an AuditEvent is asked for what stands in `ENTRIES`."""


@desk("admin")
@require_GET
@never_cache
def log(request: HttpRequest) -> HttpResponse:
    """Entries, newest first: of an account, a patient, some days, a kind of deed, refused ones."""
    who = asker(request)
    asked = {name: request.GET.get(name, "").strip()[:100] for name in ("account", "patient", "from", "to", "deed")}
    refused, page = request.GET.get("refused") == "1", request.GET.get("page", "")
    fault, following = "", None
    entries: list[record.Entry] = []
    account = Account.objects.filter(username=asked["account"]).first() if asked["account"] else None
    if asked["account"] and (account is None or not administered(request.user).filter(pk=account.pk).exists()):  # type: ignore[arg-type]
        fault = _("Không có tài khoản nào tên như vậy.")
    else:
        pairs = [
            *([("altid", str(account.pk))] if account else []),
            *([("patient", asked["patient"])] if asked["patient"] else []),
            *([("date", f"ge{asked['from']}")] if asked["from"] else []),
            *([("date", f"le{asked['to']}")] if asked["to"] else []),
            *([_DEEDS[asked["deed"]]] if asked["deed"] in _DEEDS else []),
            *([("outcome", "4")] if refused else []),
            *([("_page", page)] if page else []),
            ("_count", str(COUNT)),
        ]
        try:
            entries, following = record.access_log(who, pairs)
        except BadRequest:
            fault = _("Ngày hoặc mã người bệnh chưa đúng.")
    people, clients = owner_names({one.account for one in entries}, {one.client for one in entries if one.client})
    rows = [
        {
            "entry": one,
            "who": people.get(one.account) or _other(one.account, clients),
            "role": str(ROLES[one.role].label) if one.role in ROLES else "",
            "place": place_name("Organization", one.facility),
            "client": clients.get(one.client, one.client),
            "deed": entry_action(one.action),
            "kinds": in_words(one.type.split(",")),
            "why": ALL_PURPOSES.get(one.purpose, one.purpose),
            "reason": entry_reason(one.reason),
        }
        for one in entries
    ]
    context = {**asked, "since": asked["from"], "refused": refused, "fault": fault, "rows": rows, "deeds": ENTRIES}
    if following:
        context["next"] = urlencode({**request.GET.dict(), "page": following})
    return render(request, "access/log.html", context, status=422 if fault else 200)


def _other(account: str, clients: dict[str, str]) -> str:
    """Who has no account of a person: the house, an app, somebody at the server, a visitor."""
    if account == "system":
        return _("Hệ thống")
    return clients.get(account.removeprefix("client:"), account) or _("Chưa đăng nhập")
