"""What identity adds to the house."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

MENU = [
    MenuItem(roles=("station",), url="identity:residents", icon="users", label=gettext_lazy("Người dân"), order=10),
    MenuItem(roles=("archivist",), url="identity:review", icon="users", label=gettext_lazy("Hồ sơ trùng"), order=10),
    MenuItem(roles=("archivist",), url="identity:merges", icon="history", label=gettext_lazy("Đã gộp"), order=20),
    MenuItem(
        roles=("admin",),
        url="identity:model",
        icon="adjustments",
        label=gettext_lazy("So hồ sơ"),
        order=30,
        rare=True,
        at="province",
    ),
]
