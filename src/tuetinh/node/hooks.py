"""What the node itself adds to the house."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem
from tuetinh.node.backup import service


def _alarm(_: HttpRequest) -> int:
    return int(service.health(Path(settings.DATA)).state not in ("ok", "off"))


MENU = [
    MenuItem(
        roles=("admin",),
        url="backups",
        icon="database",
        label=gettext_lazy("Sao lưu"),
        order=40,
        badge=_alarm,
        at="province",
    ),
]
