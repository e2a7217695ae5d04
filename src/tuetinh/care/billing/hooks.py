"""What the billing module adds to the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

if TYPE_CHECKING:
    from django.http import HttpRequest


def _waiting(request: HttpRequest) -> int:
    from tuetinh.care.billing.queries import unmatched

    return unmatched(request.user.facility).count()  # type: ignore[union-attr]


def _to_give_back(request: HttpRequest) -> int:
    from tuetinh.care.billing.queries import to_give_back

    return to_give_back(request.user.facility).count()  # type: ignore[union-attr]


MENU = [
    MenuItem(
        roles=("cashier",),
        url="billing:worklist",
        icon="cash",
        label=gettext_lazy("Thu viện phí"),
        order=10,
        badge=_to_give_back,
    ),
    MenuItem(
        roles=("cashier",),
        url="billing:unmatched",
        icon="help-circle",
        label=gettext_lazy("Tiền chưa khớp"),
        order=20,
        badge=_waiting,
    ),
    MenuItem(roles=("cashier",), url="billing:day", icon="notebook", label=gettext_lazy("Sổ quỹ ngày"), order=30),
]
