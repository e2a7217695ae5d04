"""What the citizen's pages add to the house: the bar at the bottom of the phone."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

_OURS = ("citizen",)
MENU = [
    MenuItem(roles=_OURS, url="portal:today", icon="home", label=gettext_lazy("Hôm nay"), order=10),
    MenuItem(roles=_OURS, url="portal:results", icon="chart-line", label=gettext_lazy("Kết quả"), order=20),
    MenuItem(roles=_OURS, url="portal:medicines", icon="pill", label=gettext_lazy("Thuốc"), order=30),
    MenuItem(roles=_OURS, url="portal:visits", icon="stethoscope", label=gettext_lazy("Lượt khám"), order=40),
    MenuItem(roles=_OURS, url="portal:mine", icon="clipboard-heart", label=gettext_lazy("Hồ sơ"), order=50),
    MenuItem(
        roles=("doctor", "nurse", "station"),
        url="portal:shared",
        icon="qrcode",
        label=gettext_lazy("Mã chia sẻ"),
        order=90,
    ),
]
