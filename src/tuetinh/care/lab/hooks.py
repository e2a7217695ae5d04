"""What the laboratory adds to the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

if TYPE_CHECKING:
    from django.http import HttpRequest


def _waiting(request: HttpRequest) -> int:
    from tuetinh.care.lab.machines.queries import inbox

    return inbox(request.user.facility).count()  # type: ignore[union-attr]


def _silent(request: HttpRequest) -> int:
    from tuetinh.care.lab.machines.queries import silent
    from tuetinh.commons.access.api import asker

    here = asker(request)
    return len(silent(here)) if here.role == "lab" else 0  # whoever stands beside the machine is told


def _unassigned(request: HttpRequest) -> int:
    from tuetinh.care.lab.machines.unassigned import senders
    from tuetinh.commons.access.api import asker

    return senders(asker(request)).count()


def _calls_due(request: HttpRequest) -> int:
    from tuetinh.care.lab.results.board import to_call

    return to_call(request.user.facility).count()  # type: ignore[union-attr]


def _proposals(request: HttpRequest) -> int:
    from tuetinh.care.lab.models import IsolateProposal

    waiting = IsolateProposal.objects.filter(handled_at__isnull=True)
    return waiting.filter(tube__facility=request.user.facility).count()  # type: ignore[union-attr]


def _frozen(request: HttpRequest) -> int:
    from tuetinh.care.lab.models import PathologyCase

    return PathologyCase.objects.filter(facility=request.user.facility, call_due=True).count()  # type: ignore[union-attr]


def _blood_orders(request: HttpRequest) -> int:
    from tuetinh.care.lab.blood.queries import orders

    return orders(request.user.facility, "open").count()  # type: ignore[union-attr]


def _stopped(request: HttpRequest) -> int:
    from tuetinh.care.lab.quality.cold import alarms
    from tuetinh.care.lab.quality.queries import blocks

    facility = request.user.facility  # type: ignore[union-attr]
    return blocks(facility).count() + alarms(facility)


MENU = [
    MenuItem(roles=("lab",), url="lab:worklist", icon="microscope", label=gettext_lazy("Xét nghiệm"), order=10),
    MenuItem(
        roles=("lab",), url="lab:inbox", icon="inbox", label=gettext_lazy("Bản tin máy"), order=20, badge=_waiting
    ),
    *(
        MenuItem(
            roles=(role,),
            url="lab:machines",
            icon="cpu",
            label=gettext_lazy("Máy xét nghiệm"),
            order=30,
            badge=_silent,
            rare=role == "lab",
        )
        for role in ("lab", "admin")
    ),
    MenuItem(
        roles=("admin",),
        url="lab:unassigned",
        icon="inbox",
        label=gettext_lazy("Máy chưa có phòng"),
        order=31,
        badge=_unassigned,
        at="province",
        rare=True,
    ),
    MenuItem(
        roles=("lab",), url="lab:board", icon="dashboard", label=gettext_lazy("Theo dõi"), order=15, badge=_calls_due
    ),
    MenuItem(roles=("lab", "nurse"), url="lab:to-draw", icon="test-pipe", label=gettext_lazy("Lấy mẫu"), order=12),
    MenuItem(
        roles=("lab",),
        url="lab:cultures",
        icon="virus-search",
        label=gettext_lazy("Nuôi cấy"),
        order=18,
        badge=_proposals,
    ),
    MenuItem(
        roles=("lab",), url="lab:shipments", icon="truck-delivery", label=gettext_lazy("Gửi mẫu"), order=25, rare=True
    ),
    MenuItem(
        roles=("lab",), url="lab:quality", icon="chart-dots", label=gettext_lazy("Chất lượng"), order=28, badge=_stopped
    ),
    *(
        MenuItem(
            roles=(role,),
            url="lab:rules",
            icon="adjustments",
            label=gettext_lazy("Quy tắc XN"),
            order=35,
            rare=True,
        )
        for role in ("lab", "admin")
    ),
    *(
        MenuItem(
            roles=(role,),
            url="lab:statistics",
            icon="chart-bar",
            label=gettext_lazy("Thống kê XN"),
            order=29,
            rare=True,
            at="facility",
        )
        for role in ("lab", "admin")
    ),
    MenuItem(
        roles=("admin",),
        url="lab:breakpoints",
        icon="pill",
        label=gettext_lazy("Điểm gãy kháng sinh"),
        order=37,
        rare=True,
    ),
    MenuItem(
        roles=("admin",), url="lab:signatories", icon="signature", label=gettext_lazy("Ký kết quả"), order=36, rare=True
    ),
    MenuItem(
        roles=("lab",),
        url="lab:blood-orders",
        icon="droplet",
        label=gettext_lazy("Dự trù máu"),
        order=26,
        badge=_blood_orders,
    ),
    MenuItem(roles=("lab",), url="lab:blood-stock", icon="fridge", label=gettext_lazy("Kho máu"), order=27, rare=True),
    MenuItem(
        roles=("nurse", "doctor"), url="lab:blood-bedside", icon="droplet", label=gettext_lazy("Truyền máu"), order=40
    ),
    *(
        MenuItem(
            roles=(role,),
            url="lab:poct",
            icon="device-watch",
            label=gettext_lazy("XN tại chỗ"),
            order=42,
            rare=role == "lab",
        )
        for role in ("lab", "nurse", "station")
    ),
    MenuItem(
        roles=("lab",),
        url="lab:pathology",
        icon="zoom-scan",
        label=gettext_lazy("Giải phẫu bệnh"),
        order=29,
        badge=_frozen,
    ),
]
