"""What the access module adds to the house."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from tuetinh.commons.access.queries import to_review, waiting
from tuetinh.commons.ui.api import MenuItem

MENU = [
    MenuItem(
        roles=("admin",),
        url="access:accounts",
        icon="users",
        label=gettext_lazy("Tài khoản"),
        order=10,
        badge=lambda request: to_review(request.user).count(),  # type: ignore[arg-type]
    ),
    MenuItem(
        roles=("admin",),
        url="access:policy",
        icon="shield-lock",
        label=gettext_lazy("Quy định đăng nhập"),
        order=12,
        rare=True,
    ),
    MenuItem(roles=("admin",), url="access:rules", icon="shield-check", label=gettext_lazy("Quyền xem"), order=15),
    MenuItem(
        roles=("admin",),
        url="access:glasses",
        icon="alert-triangle",
        label=gettext_lazy("Mở khẩn cấp"),
        order=16,
        badge=lambda request: waiting(request.user).count(),  # type: ignore[arg-type]
    ),
    MenuItem(
        roles=("admin",), url="access:log", icon="history", label=gettext_lazy("Nhật ký truy cập"), order=18, rare=True
    ),
    MenuItem(roles=("admin",), url="access:apps", icon="plug", label=gettext_lazy("Ứng dụng"), order=20),
]
