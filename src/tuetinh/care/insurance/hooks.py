"""What the insurance module adds to the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

if TYPE_CHECKING:
    from django.http import HttpRequest


def _waiting(request: HttpRequest) -> int:
    from tuetinh.care.insurance.sending.lists import needing_people

    return needing_people(request.user.facility).count()  # type: ignore[union-attr]


MENU = [
    MenuItem(
        roles=("cashier",),
        url="insurance:day",
        icon="shield-check",
        label=gettext_lazy("Gửi giám định BHYT"),
        order=40,
        badge=_waiting,
    ),
    MenuItem(
        roles=("admin",),
        url="insurance:account",
        icon="shield-check",
        label=gettext_lazy("Cổng giám định"),
        order=60,
        rare=True,
        at="facility",
    ),
    MenuItem(
        roles=("admin", "cashier"),
        url="insurance:rules",
        icon="shield-check",
        label=gettext_lazy("Quy tắc BHYT"),
        order=61,
        rare=True,
    ),
]
