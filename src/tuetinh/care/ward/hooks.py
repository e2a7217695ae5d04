"""What the ward adds to the house."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

MENU = [
    MenuItem(roles=("doctor", "nurse"), url="ward:list", icon="bed", label=gettext_lazy("Buồng bệnh"), order=20),
]
