"""What imaging adds to the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

if TYPE_CHECKING:
    from django.http import HttpRequest


def _waiting(request: HttpRequest) -> int:
    from tuetinh.care.imaging.archive.deciding import waiting

    return int(waiting(request.user.facility).count())  # type: ignore[union-attr]


MENU = [
    MenuItem(roles=("imaging",), url="imaging:worklist", icon="photo-scan", label=gettext_lazy("Ca chụp"), order=5),
    MenuItem(
        roles=("imaging",),
        url="imaging:waiting",
        icon="inbox",
        label=gettext_lazy("Ảnh chờ xử lý"),
        order=20,
        badge=_waiting,
    ),
    MenuItem(
        roles=("admin",),
        url="imaging:devices",
        icon="cpu",
        label=gettext_lazy("Máy DICOM"),
        order=37,
        rare=True,
        at="facility",
    ),
]
