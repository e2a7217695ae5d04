"""What the messages module adds to the house."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

MENU = [
    MenuItem(roles=("admin",), url="messages:subscriptions", icon="bell", label=gettext_lazy("Gửi tin"), order=30),
]
