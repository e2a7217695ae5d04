"""What the module adds to the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from tuetinh.commons.identity.api import PersonLink
from tuetinh.commons.ui.api import MenuItem

if TYPE_CHECKING:
    from django.http import HttpRequest

    from tuetinh.commons.access.api import Account


def _late(request: HttpRequest) -> int:
    from tuetinh.governance.privacy.breaches import queries as breaches
    from tuetinh.governance.privacy.requests import queries as requests

    by: Account = request.user  # type: ignore[assignment]
    return requests.late(by).count() + (breaches.late(by).count() if by.role == "admin" else 0)


MENU = [
    MenuItem(
        roles=("archivist", "admin"),
        url="privacy:requests",
        icon="shield-half",
        label=gettext_lazy("Dữ liệu cá nhân"),
        order=35,
        badge=_late,
    ),
    MenuItem(
        roles=("doctor", "nurse", "lab", "imaging", "pharmacist", "station", "reception"),
        url="privacy:corrections",
        icon="pencil",
        label=gettext_lazy("Yêu cầu đính chính"),
        order=80,
        rare=True,
    ),
    MenuItem(
        roles=("citizen",),
        url="privacy:mine",
        icon="shield-half",
        label=gettext_lazy("Quyền với dữ liệu của tôi"),
        order=60,
        rare=True,
    ),
]
PEOPLE = [
    PersonLink(
        roles=("reception", "archivist", "station"),
        url="privacy:paper",
        icon="file-text",
        label=gettext_lazy("Yêu cầu về dữ liệu"),
        order=90,
        leads=False,
    ),
    PersonLink(
        roles=("archivist",),
        url="privacy:hold",
        icon="lock",
        label=gettext_lazy("Giữ theo yêu cầu pháp lý"),
        order=91,
        leads=False,
    ),
]
