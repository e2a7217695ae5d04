"""What identity adds to the house."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

MENU = [
    MenuItem(roles=("station",), url="identity:residents", icon="users", label=gettext_lazy("Người dân"), order=10),
]
