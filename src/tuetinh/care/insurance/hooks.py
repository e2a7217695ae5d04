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


def _to_send(request: HttpRequest) -> int:
    from tuetinh.care.insurance.results.queries import due

    return due(request.user.facility)  # type: ignore[union-attr]


def _without_code(request: HttpRequest) -> int:
    from tuetinh.commons.catalogues.api import without_code

    return len(without_code(request.user.facility))  # type: ignore[union-attr]


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
        roles=("cashier",),
        url="insurance:results",
        icon="scale",
        label=gettext_lazy("Kết quả giám định"),
        order=41,
        badge=_to_send,
    ),
    MenuItem(
        roles=("official",),
        url="insurance:rates",
        icon="chart-bar",
        label=gettext_lazy("Gửi BHYT trong ngày"),
        order=62,
    ),
    MenuItem(
        roles=("admin",),
        url="insurance:rates",
        icon="chart-bar",
        label=gettext_lazy("Gửi BHYT trong ngày"),
        order=62,
        rare=True,
    ),
    MenuItem(
        roles=("admin",),
        url="insurance:approved",
        icon="list-check",
        label=gettext_lazy("Danh mục BHXH phê duyệt"),
        order=62,
        rare=True,
        at="facility",
    ),
    MenuItem(
        roles=("admin",),
        url="insurance:medicines",
        icon="pill",
        label=gettext_lazy("Mã thuốc BHYT"),
        order=62,
        rare=True,
        at="facility",
        badge=_without_code,
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
        url="insurance:imports",
        icon="upload",
        label=gettext_lazy("Nhập hồ sơ BHYT"),
        order=62,
        rare=True,
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
