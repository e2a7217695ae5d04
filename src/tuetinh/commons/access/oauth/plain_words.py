"""What a scope lets an app do, as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tuetinh.commons.access.oauth import scopes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.utils.functional import _StrPromise

TYPES: dict[str, _StrPromise] = {
    "*": gettext_lazy("mọi dữ liệu trong hồ sơ"),
    "Patient": gettext_lazy("họ tên, ngày sinh, địa chỉ và giấy tờ"),
    "Observation": gettext_lazy("kết quả xét nghiệm, sinh hiệu và số đo"),
    "DiagnosticReport": gettext_lazy("phiếu kết quả"),
    "Condition": gettext_lazy("chẩn đoán và bệnh"),
    "AllergyIntolerance": gettext_lazy("dị ứng"),
    "MedicationRequest": gettext_lazy("thuốc đã kê"),
    "MedicationDispense": gettext_lazy("thuốc đã phát"),
    "Immunization": gettext_lazy("tiêm chủng"),
    "Procedure": gettext_lazy("thủ thuật và phẫu thuật"),
    "Encounter": gettext_lazy("các lượt khám"),
    "Appointment": gettext_lazy("lịch hẹn"),
    "DocumentReference": gettext_lazy("giấy tờ bệnh án"),
    "ServiceRequest": gettext_lazy("chỉ định"),
    "Practitioner": gettext_lazy("tên và chứng chỉ của nhân viên y tế"),
    "Organization": gettext_lazy("tên và địa chỉ cơ sở y tế"),
    "Coverage": gettext_lazy("thẻ bảo hiểm y tế"),
}
CODES: dict[str, _StrPromise] = {
    "laboratory": gettext_lazy("xét nghiệm"),
    "vital-signs": gettext_lazy("sinh hiệu"),
    "imaging": gettext_lazy("chẩn đoán hình ảnh"),
}
PLAIN: dict[str, _StrPromise] = {
    "openid": gettext_lazy("Biết bạn là ai"),
    "fhirUser": gettext_lazy("Biết bạn là ai"),
    "profile": gettext_lazy("Biết bạn là ai"),
    "offline_access": gettext_lazy("Dùng quyền này cả khi bạn không mở ứng dụng, cho đến khi bạn thu hồi"),
    "online_access": gettext_lazy("Dùng quyền này cho đến khi bạn đăng xuất"),
}


def sentences(names: Iterable[str]) -> list[str]:
    """One line for each thing that the scopes allow, what concerns data first."""
    plain, data = scopes.split(" ".join(names))
    lines = [_sentence(one) for one in data]
    return list(dict.fromkeys([*lines, *(str(PLAIN[name]) for name in plain if name in PLAIN)]))


def _sentence(scope: scopes.Scope) -> str:
    what = str(TYPES.get(scope.type, scope.type))
    if scope.query:
        codes = [v.rpartition("|")[2] for _name, values in parse_qsl(scope.query) for v in values.split(",")]
        what = _("%(what)s (chỉ: %(which)s)") % {"what": what, "which": ", ".join(str(CODES.get(c, c)) for c in codes)}
    verbs = []
    if set("rs") & set(scope.letters):
        verbs.append(_("Xem"))
    if "c" in scope.letters:
        verbs.append(_("Thêm"))
    if "u" in scope.letters:
        verbs.append(_("Sửa"))
    if "d" in scope.letters:
        verbs.append(_("Xóa"))
    return f"{', '.join(verbs)}: {what}"
