"""The administrators' page of backups: whether the archive can be relied upon, and what there is in it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tuetinh.commons.access.api import desk
from tuetinh.node.backup import service, state
from tuetinh.node.backup.archive import moment


@desk("admin", at="province")
@require_GET
def backups(request: HttpRequest) -> HttpResponse:
    """How the archive is: the log, the base backups, the last drill, and what is wrong in words."""
    health = service.health(Path(settings.DATA))
    log, base, drill = ({**part, **_times(part)} for part in (health.log, health.base, health.drill))
    kept = [
        {"began": moment(one["name"]), "ended": datetime.fromisoformat(one["ended"]), **_sizes(one)}
        for one in reversed(state.told(Path(settings.DATA), "list").get("bases", []))
    ]
    context = {"state": health.state, "log": log, "base": base, "drill": drill, "kept": kept}
    return render(request, "node/backups.html", context)


def _times(part: dict[str, object]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(str(part[name])) for name in ("at", "ended", "failed") if part.get(name)}


def _sizes(one: dict[str, object]) -> dict[str, object]:
    return {"size": one["size"], "contents": one["contents"]}
