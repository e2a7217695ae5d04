"""What the clinic adds to the house."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from tuetinh.commons.identity.api import PersonLink
from tuetinh.commons.ui.api import MenuItem

MENU = [
    MenuItem(
        roles=("doctor", "nurse"), url="clinic:worklist", icon="stethoscope", label=gettext_lazy("Khám bệnh"), order=10
    ),
    MenuItem(roles=("pharmacist",), url="clinic:prescriptions", icon="pill", label=gettext_lazy("Đơn thuốc"), order=10),
    MenuItem(
        roles=("admin",),
        url="clinic:machines",
        icon="tool",
        label=gettext_lazy("Máy làm thủ thuật"),
        order=63,
        rare=True,
        at="facility",
    ),
    MenuItem(roles=("archivist",), url="clinic:files", icon="archive", label=gettext_lazy("Hồ sơ"), order=10),
]
PEOPLE = [
    PersonLink(
        roles=("doctor", "nurse"), url="clinic:person", icon="folder-open", label=gettext_lazy("Hồ sơ"), order=10
    ),
]
