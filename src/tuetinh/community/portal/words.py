"""Words of the citizen's pages for what the house writes in codes."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _
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
_PARTS = {
    "Patient": gettext_lazy("thông tin cá nhân"),
    "Coverage": gettext_lazy("thẻ BHYT"),
    "Encounter": gettext_lazy("lượt khám"),
    "Condition": gettext_lazy("chẩn đoán"),
    "Observation": gettext_lazy("kết quả, sinh hiệu"),
    "DiagnosticReport": gettext_lazy("phiếu kết quả"),
    "MedicationRequest": gettext_lazy("đơn thuốc"),
    "AllergyIntolerance": gettext_lazy("dị ứng"),
    "ServiceRequest": gettext_lazy("chỉ định"),
    "ChargeItem": gettext_lazy("chi phí"),
    "Invoice": gettext_lazy("chi phí"),
    "Immunization": gettext_lazy("tiêm chủng"),
    "ClinicalImpression": gettext_lazy("khám bệnh"),
}


def parts(types: Iterable[str]) -> str:
    """What of the record was seen, in words; the many small kinds are one."""
    told = [str(_PARTS[type_]) for type_ in types if type_ in _PARTS]
    return ", ".join(dict.fromkeys(told)) or _("phần khác của hồ sơ")
