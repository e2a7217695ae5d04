"""What imaging adds to the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

if TYPE_CHECKING:
    from django.http import HttpRequest


def _spoilt(_: HttpRequest) -> int:
    from tuetinh.care.imaging.archive.overview import findings

    return findings().count()


def _stray(_: HttpRequest) -> int:
    from tuetinh.care.imaging.archive import stray

    return int(stray.held().count())


def _waiting(request: HttpRequest) -> int:
    from tuetinh.care.imaging.archive.deciding import waiting
    from tuetinh.care.imaging.archive.unreadable import listed
    from tuetinh.commons.access.api import asker

    me = asker(request)
    return int(waiting(me.facility).count()) + listed(me).filter(asked_at=None).count()


def _stopped(request: HttpRequest) -> int:
    from tuetinh.care.imaging.safety.queries import stopped

    return int(stopped(request.user.facility).count())  # type: ignore[union-attr]


def _calls_due(request: HttpRequest) -> int:
    from tuetinh.care.imaging.reading.board import to_call

    return int(to_call(request.user.facility).count())  # type: ignore[union-attr]


def _opinions_due(request: HttpRequest) -> int:
    from tuetinh.care.imaging.remote.opinions import due
    from tuetinh.commons.access.api import asker

    return due(asker(request))


MENU = [
    *(
        MenuItem(
            roles=(role,),
            url="imaging:opinions",
            icon="messages",
            label=gettext_lazy("Hội chẩn ảnh"),
            order=45,
            badge=_opinions_due,
        )
        for role in ("doctor", "imaging", "station")
    ),
    MenuItem(roles=("imaging",), url="imaging:worklist", icon="photo-scan", label=gettext_lazy("Ca chụp"), order=5),
    MenuItem(roles=("imaging",), url="imaging:schedule", icon="calendar", label=gettext_lazy("Lịch chụp"), order=7),
    MenuItem(
        roles=("imaging",),
        url="imaging:safety",
        icon="shield-check",
        label=gettext_lazy("An toàn chụp"),
        order=9,
        badge=_stopped,
    ),
    MenuItem(
        roles=("doctor",),
        url="imaging:safety",
        icon="shield-check",
        label=gettext_lazy("An toàn chụp"),
        order=45,
        badge=_stopped,
        rare=True,
    ),
    *(
        MenuItem(
            roles=(role,),
            url="imaging:dose",
            icon="radioactive",
            label=gettext_lazy("Liều chiếu"),
            order=29,
            rare=True,
            at="facility",
        )
        for role in ("imaging", "admin")
    ),
    *(
        MenuItem(
            roles=(role,),
            url="imaging:rules",
            icon="adjustments",
            label=gettext_lazy("Quy tắc CĐHA"),
            order=38,
            rare=True,
        )
        for role in ("imaging", "admin")
    ),
    *(
        MenuItem(
            roles=(role,),
            url="imaging:ai",
            icon="robot",
            label=gettext_lazy("Mô hình AI"),
            order=39,
            rare=True,
        )
        for role in ("imaging", "admin")
    ),
    MenuItem(
        roles=("admin",),
        url="imaging:rooms",
        icon="door",
        label=gettext_lazy("Phòng chụp"),
        order=36,
        rare=True,
        at="facility",
    ),
    MenuItem(
        roles=("imaging",), url="imaging:read", icon="eye", label=gettext_lazy("Đọc phim"), order=8, badge=_calls_due
    ),
    MenuItem(
        roles=("admin",),
        url="imaging:readers",
        icon="users",
        label=gettext_lazy("Người đọc phim"),
        order=38,
        rare=True,
        at="facility",
    ),
    MenuItem(
        roles=("imaging",),
        url="imaging:waiting",
        icon="inbox",
        label=gettext_lazy("Ảnh chờ xử lý"),
        order=20,
        badge=_waiting,
    ),
    MenuItem(roles=("imaging",), url="imaging:studies", icon="library-photo", label=gettext_lazy("Kho ảnh"), order=15),
    MenuItem(
        roles=("imaging",),
        url="imaging:discs",
        icon="disc",
        label=gettext_lazy("Nhập từ đĩa, USB"),
        order=25,
    ),
    MenuItem(
        roles=("imaging", "admin"),
        url="imaging:statistics",
        icon="chart-bar",
        label=gettext_lazy("Thống kê chẩn đoán hình ảnh"),
        order=38,
        rare=True,
        at="facility",
    ),
    MenuItem(
        roles=("archivist",),
        url="imaging:holds",
        icon="lock",
        label=gettext_lazy("Ca chụp được giữ lại"),
        order=60,
        rare=True,
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
    MenuItem(
        roles=("admin",),
        url="imaging:strays",
        icon="inbox",
        label=gettext_lazy("Ảnh chưa rõ cơ sở"),
        order=40,
        badge=_stray,
        rare=True,
        at="province",
    ),
    MenuItem(
        roles=("admin",),
        url="imaging:storage",
        icon="database",
        label=gettext_lazy("Lưu trữ ảnh"),
        order=41,
        badge=_spoilt,
        rare=True,
        at="province",
    ),
]
