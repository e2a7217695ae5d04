"""Results in the words of people: flags with their icons, and sentences for citizens."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

# Interpretation code to word and icon; colour only helps.
FLAGS = {
    "LL": (gettext_lazy("Nguy kịch, rất thấp"), "alert-triangle"),
    "HH": (gettext_lazy("Nguy kịch, rất cao"), "alert-triangle"),
    "L": (gettext_lazy("Thấp"), "arrow-down"),
    "H": (gettext_lazy("Cao"), "arrow-up"),
    "A": (gettext_lazy("Bất thường"), "alert-circle"),
    "AA": (gettext_lazy("Nguy kịch, bất thường"), "alert-triangle"),
    "POS": (gettext_lazy("Dương tính"), "circle-plus"),
    "NEG": (gettext_lazy("Âm tính"), "circle-minus"),
    "N": (gettext_lazy("Bình thường"), "check"),
}
STAGES = {
    "ordered": (gettext_lazy("Chờ nhận mẫu"), "clock"),
    "received": (gettext_lazy("Đang phân tích"), "flask"),
    "resulted": (gettext_lazy("Chờ duyệt"), "eye"),
    "verified": (gettext_lazy("Chờ ký"), "signature"),
    "released": (gettext_lazy("Đã trả kết quả"), "check"),
    "rejected": (gettext_lazy("Mẫu bị từ chối"), "ban"),
    "cancelled": (gettext_lazy("Đã hủy"), "x"),
}
STATES = {
    "matched": gettext_lazy("Đã ghép"),
    "unmatched": gettext_lazy("Chưa ghép được mẫu"),
    "unknown": gettext_lazy("Mã chưa biết"),
    "unit": gettext_lazy("Sai đơn vị"),
    "range": gettext_lazy("Ngoài khoảng"),
    "control": gettext_lazy("Nội kiểm"),
    "broken": gettext_lazy("Hỏng"),
    "noted": gettext_lazy("Đã nhận, không phải kết quả"),
    "aside": gettext_lazy("Đã để riêng"),
}
# The titles that descriptions of machines give to curves.
CURVES = (
    gettext_noop("Biểu đồ WBC"),
    gettext_noop("Biểu đồ RBC"),
    gettext_noop("Biểu đồ PLT"),
    gettext_noop("Biểu đồ phân tán LMNE"),
)


def plain_flag(code: str) -> str:
    """What a flag means to a citizen."""
    return {
        "LL": _("rất thấp, cần gặp bác sĩ ngay"),
        "HH": _("rất cao, cần gặp bác sĩ ngay"),
        "L": _("hơi thấp"),
        "H": _("hơi cao"),
        "A": _("khác thường, bác sĩ sẽ giải thích"),
        "AA": _("khác thường, cần gặp bác sĩ ngay"),
        "POS": _("có"),
        "NEG": _("không có"),
        "N": _("bình thường"),
    }.get(code, "")
