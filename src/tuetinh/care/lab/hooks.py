"""What the laboratory adds to the house."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from tuetinh.commons.ui.api import MenuItem

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest


def _counted(request: HttpRequest) -> dict[str, int]:
    """What waits for a laboratory behind the entries of its rail, in one query a page; no name where nothing does."""
    known: dict[str, int] | None = getattr(request, "lab_waiting", None)
    if known is None:
        known = _count(request)
        request.lab_waiting = known  # type: ignore[attr-defined]
    return known


def _count(request: HttpRequest) -> dict[str, int]:
    from django.db.models import Count, Value

    from tuetinh.care.lab.blood.queries import waiting
    from tuetinh.care.lab.machines.queries import inbox, silent
    from tuetinh.care.lab.models import IsolateProposal, PathologyCase
    from tuetinh.care.lab.quality.cold import alarms
    from tuetinh.care.lab.quality.queries import blocks
    from tuetinh.care.lab.results.board import to_call
    from tuetinh.commons.access.api import asker

    here = asker(request)
    lists = {
        "inbox": inbox(here.facility),
        "calls": to_call(here.facility),
        "silent": silent(here),
        "proposals": IsolateProposal.objects.filter(handled_at__isnull=True, tube__facility=here.facility),
        "frozen": PathologyCase.objects.filter(facility=here.facility, call_due=True),
        "blood": waiting(here.facility),
        "blocks": blocks(here.facility),
        "cold": alarms(here.facility),
    }
    first, *others = (rows.order_by().values_list(Value(name)).annotate(Count("pk")) for name, rows in lists.items())
    return dict(first.union(*others, all=True))


def _badge(*names: str) -> Callable[[HttpRequest], int]:
    return lambda request: sum(_counted(request).get(name, 0) for name in names)


def _unassigned(request: HttpRequest) -> int:
    from tuetinh.care.lab.machines.unassigned import senders
    from tuetinh.commons.access.api import asker

    return senders(asker(request)).count()


MENU = [
    MenuItem(roles=("lab",), url="lab:worklist", icon="microscope", label=gettext_lazy("Xét nghiệm"), order=10),
    MenuItem(
        roles=("lab",),
        url="lab:inbox",
        icon="inbox",
        label=gettext_lazy("Bản tin máy"),
        order=20,
        badge=_badge("inbox"),
    ),
    *(
        MenuItem(
            roles=(role,),
            url="lab:machines",
            icon="cpu",
            label=gettext_lazy("Máy xét nghiệm"),
            order=30,
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
        roles=("lab",),
        url="lab:board",
        icon="dashboard",
        label=gettext_lazy("Theo dõi"),
        order=15,
        badge=_badge("calls", "silent"),
    ),
    MenuItem(
        roles=("lab", "nurse", "station"), url="lab:to-draw", icon="test-pipe", label=gettext_lazy("Lấy mẫu"), order=12
    ),
    MenuItem(
        roles=("lab",),
        url="lab:cultures",
        icon="virus-search",
        label=gettext_lazy("Nuôi cấy"),
        order=18,
        badge=_badge("proposals"),
    ),
    *(
        MenuItem(
            roles=(role,),
            url="lab:shipments",
            icon="truck-delivery",
            label=gettext_lazy("Gửi mẫu"),
            order=25,
            rare=role == "lab",
        )
        for role in ("lab", "station")
    ),
    MenuItem(
        roles=("lab",),
        url="lab:quality",
        icon="chart-dots",
        label=gettext_lazy("Chất lượng"),
        order=28,
        badge=_badge("blocks", "cold"),
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
    MenuItem(
        roles=("lab", "admin", "doctor", "nurse", "station"),
        url="lab:directory",
        icon="list-details",
        label=gettext_lazy("Danh mục xét nghiệm"),
        order=34,
        rare=True,
        at="facility",
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
        badge=_badge("blood"),
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
        badge=_badge("frozen"),
    ),
]
