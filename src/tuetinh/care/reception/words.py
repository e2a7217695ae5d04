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
CARD_WARNINGS = {
    "length": _("Số định danh không đủ 12 chữ số."),
    "province": _("Ba chữ số đầu của số định danh không phải mã tỉnh."),
    "sex": _("Số định danh không khớp giới tính hoặc thế kỷ sinh."),
    "year": _("Số định danh không khớp năm sinh."),
}
KINDS = {
    "own": _("Tự đến"),
    "referral": _("Có giấy chuyển cơ sở KCB"),
    "revisit": _("Có giấy hẹn khám lại"),
    "emergency": _("Cấp cứu"),
}
