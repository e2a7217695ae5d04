"""Words for what rules and relations are written in."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

LABELS = {
    "HIV": gettext_lazy("HIV"),
    "PSY": gettext_lazy("Sức khỏe tâm thần"),
    "ETH": gettext_lazy("Nghiện chất, điều trị methadone"),
    "STD": gettext_lazy("Bệnh lây truyền qua đường tình dục"),
    "SDV": gettext_lazy("Bạo lực gia đình, xâm hại tình dục"),
    "SEX": gettext_lazy("Đời sống tình dục"),
    "GDIS": gettext_lazy("Bệnh di truyền"),
    "R": gettext_lazy("Đánh dấu hạn chế"),
    "V": gettext_lazy("Đánh dấu rất hạn chế"),
}
PURPOSES = {
    "TREAT": gettext_lazy("Khám chữa bệnh"),
    "HPAYMT": gettext_lazy("Thanh toán"),
    "HOPERAT": gettext_lazy("Quản lý hồ sơ, điều hành"),
    "PUBHLTH": gettext_lazy("Y tế công cộng"),
    "HRESCH": gettext_lazy("Nghiên cứu"),
}
ALL_PURPOSES = PURPOSES | {
    "ETREAT": gettext_lazy("Cấp cứu"),
    "BTG": gettext_lazy("Mở khẩn cấp"),
    "PATRQT": gettext_lazy("Theo yêu cầu của người bệnh"),
    "FAMRQT": gettext_lazy("Người thân, người giám hộ xem thay"),
}
"""Every purpose that an Asker may carry; rules are made for those of `PURPOSES`."""
KINDS = {
    "treating": gettext_lazy("Lượt khám, điều trị"),
    "episode": gettext_lazy("Đợt điều trị"),
    "registered": gettext_lazy("Nơi đăng ký ban đầu"),
    "referral": gettext_lazy("Được chỉ định, chuyển đến"),
    "consultation": gettext_lazy("Được mời hội chẩn"),
    "appointment": gettext_lazy("Hẹn khám"),
    "invitation": gettext_lazy("Được hỏi ý kiến"),
    "guardian": gettext_lazy("Người giám hộ"),
    "consent": gettext_lazy("Người bệnh cho phép"),
    "proposed": gettext_lazy("Đang mời"),
    "glass": gettext_lazy("Mở khẩn cấp"),
}
SHUT = {
    "kind": gettext_lazy("không mở thông tin nhạy cảm: người bệnh có thể chưa đến"),
    "ended": gettext_lazy("không còn mở thông tin nhạy cảm: đã kết thúc"),
    "alone": gettext_lazy("chưa mở thông tin nhạy cảm: chỉ do tài khoản này tự ghi, chưa có người thứ hai ghi nhận"),
}
"""Why a relation does not open sensitive data."""
RELATIONSHIPS = {
    "MTH": gettext_lazy("Mẹ"),
    "FTH": gettext_lazy("Bố"),
    "ADOPTP": gettext_lazy("Cha mẹ nuôi"),
    "GUARD": gettext_lazy("Người giám hộ"),
    "CHILD": gettext_lazy("Con"),
    "SPS": gettext_lazy("Vợ, chồng"),
    "PRN": gettext_lazy("Cha mẹ"),
    "SIB": gettext_lazy("Anh, chị, em"),
    "FAMMEMB": gettext_lazy("Người thân khác"),
    "CAREGIVER": gettext_lazy("Người chăm sóc"),
}
"""What somebody is to the person whose record they open, by code of the RelatedPerson."""
FIELDS = {
    "by_relation": gettext_lazy("Chỉ xem khi có quan hệ với người bệnh"),
    "whole": gettext_lazy("Loại tài nguyên luôn xem được"),
    "labels": gettext_lazy("Thông tin nhạy cảm được xem"),
    "own_labels": gettext_lazy("Thông tin nhạy cảm do cơ sở mình ghi"),
    "purpose": gettext_lazy("Mục đích"),
    "after_days": gettext_lazy("Số ngày còn xem được sau khi kết thúc khám"),
    "glass_hours": gettext_lazy("Số giờ của một lần mở khẩn cấp"),
}
