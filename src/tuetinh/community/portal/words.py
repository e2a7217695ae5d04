"""Words of the citizen's pages for what the house writes in codes."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

TURN = {
    "waiting": gettext_lazy("Đang chờ khám"),
    "called": gettext_lazy("Đến lượt, mời vào phòng"),
    "in-progress": gettext_lazy("Đang khám"),
    "away": gettext_lazy("Đã gọi nhưng chưa thấy, hãy báo quầy tiếp đón"),
}
PURPOSES = {
    "TREAT": gettext_lazy("Để khám và chữa bệnh"),
    "HPAYMT": gettext_lazy("Để tính tiền, thanh toán"),
    "HOPERAT": gettext_lazy("Để quản lý hồ sơ"),
    "PUBHLTH": gettext_lazy("Để làm y tế công cộng"),
    "PATRQT": gettext_lazy("Theo yêu cầu của người bệnh"),
    "FAMRQT": gettext_lazy("Xem thay bạn"),
    "ETREAT": gettext_lazy("Cấp cứu"),
    "BTG": gettext_lazy("Mở khẩn cấp, đang được xem xét"),
}
