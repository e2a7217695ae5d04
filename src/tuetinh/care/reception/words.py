"""Words of the desk."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

STATES = {
    "waiting": _("Đang chờ"),
    "called": _("Đã gọi"),
    "in-progress": _("Đang khám"),
    "away": _("Vắng mặt"),
    "finished": _("Đã khám xong"),
    "cancelled": _("Đã hủy"),
}
KINDS = {
    "own": _("Tự đến"),
    "referral": _("Có giấy chuyển cơ sở KCB"),
    "revisit": _("Có giấy hẹn khám lại"),
    "emergency": _("Cấp cứu"),
}
