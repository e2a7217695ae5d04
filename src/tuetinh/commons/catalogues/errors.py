"""The module's error codes, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

UNKNOWN_CODE = "icd10-unknown"
NEEDS_DIGITS = "icd10-needs-digits"
NOT_PRINCIPAL = "icd10-not-principal"
DISCOURAGED = "icd10-discouraged-principal"
DEATH_ONLY = "icd10-death-only"
OTHER_SEX = "icd10-other-sex"
AGE = "icd10-age"
PRICE_OVERLAP = "price-overlap"
PRICE_INVALID = "price-invalid"
MEDICINE_CODE = "medicine-code"

MESSAGES = {
    UNKNOWN_CODE: gettext_lazy("Không có mã ICD-10 %(code)s."),
    NEEDS_DIGITS: gettext_lazy("Mã %(code)s chưa đủ cụ thể: chọn mã 4 hoặc 5 ký tự (TT 06/2026)."),
    NOT_PRINCIPAL: gettext_lazy(
        "Mã %(code)s không được dùng làm bệnh chính: chọn bệnh chính khác, ghi mã này ở bệnh kèm theo."
    ),
    DISCOURAGED: gettext_lazy("Mã %(code)s không được khuyến khích làm bệnh chính (TT 06/2026)."),
    DEATH_ONLY: gettext_lazy("Mã %(code)s chỉ dùng để mã hóa nguyên nhân tử vong (TT 06/2026)."),
    OTHER_SEX: gettext_lazy("Mã %(code)s không phù hợp với giới tính của người bệnh: kiểm tra lại mã hoặc giới tính."),
    AGE: gettext_lazy("Mã %(code)s thường không gặp ở tuổi của người bệnh: kiểm tra lại mã hoặc ngày sinh."),
    PRICE_OVERLAP: gettext_lazy(
        "Giá của %(code)s đã có trong khoảng thời gian này: đóng giá cũ trước khi đặt giá mới."
    ),
    PRICE_INVALID: gettext_lazy(
        "Giá của %(code)s không hợp lệ: số tiền không âm, ngày kết thúc không trước ngày bắt đầu."
    ),
    MEDICINE_CODE: gettext_lazy("%(code)s không phải mã thuốc BHYT, ví dụ 40.50."),
}


class CatalogueError(ValueError):
    """A refusal of this module; `code` is one of the codes above."""

    def __init__(self, error: str, **facts: str) -> None:
        super().__init__(message(error, **facts))
        self.code = error


def message(error: str, **facts: str) -> str:
    """Return the words for an error code in the language of the reader."""
    return str(MESSAGES[error]) % facts
