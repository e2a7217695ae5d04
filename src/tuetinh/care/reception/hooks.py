"""What reception adds to the house."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from tuetinh.commons.identity.api import PersonLink
from tuetinh.commons.ui.api import MenuItem

MENU = [
    MenuItem(roles=("reception",), url="reception:home", icon="id", label=gettext_lazy("Tiếp đón"), order=10),
    MenuItem(roles=("reception",), url="reception:today", icon="list-numbers", label=gettext_lazy("Hôm nay"), order=20),
    MenuItem(
        roles=("official",), url="reception:province", icon="chart-bar", label=gettext_lazy("Toàn tỉnh"), order=10
    ),
]
PEOPLE = [
    PersonLink(
        roles=("reception",), url="reception:person", icon="user-plus", label=gettext_lazy("Đăng ký khám"), order=10
    ),
]
