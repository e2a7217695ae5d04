"""The module's errors, worded once."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class Code(StrEnum):
    """What can be wrong with a scanned card or a new person."""

    CARD_EMPTY = "card-empty"
    CARD_UNKNOWN = "card-unknown"
    CARD_NUMBER = "card-number"
    CARD_NAME = "card-name"
    CARD_BIRTH = "card-birth"
    CARD_SEX = "card-sex"
    CARD_DATE = "card-date"
    SAME_NUMBER = "same-number"
    NAME_MISSING = "name-missing"
    BIRTH_WRONG = "birth-wrong"
    GENDER_WRONG = "gender-wrong"
    NUMBER_WRONG = "number-wrong"
    REASON_MISSING = "reason-missing"
    BUSY = "busy"
    MERGE_REFUSED = "merge-refused"
    NO_MOTHER = "no-mother"
    DESCRIPTION_MISSING = "description-missing"
    HAS_PAPERS = "has-papers"
    DECIDED = "decided"


MESSAGES: dict[Code, _StrPromise] = {
    Code.CARD_EMPTY: gettext_lazy("Chưa đọc được gì từ thẻ. Quét lại hoặc nhập tay."),
    Code.CARD_UNKNOWN: gettext_lazy("Đây không phải mã QR của thẻ căn cước hay thẻ BHYT."),
    Code.CARD_NUMBER: gettext_lazy("Số trên thẻ không đúng: số định danh có 12 chữ số, thẻ BHYT có 10 hoặc 15 ký tự."),
    Code.CARD_NAME: gettext_lazy("Mã QR thiếu họ tên. Quét lại hoặc nhập tay."),
    Code.CARD_BIRTH: gettext_lazy("Ngày sinh trong mã QR không đúng. Quét lại hoặc nhập tay."),
    Code.CARD_SEX: gettext_lazy("Giới tính trong mã QR không đúng. Quét lại hoặc nhập tay."),
    Code.CARD_DATE: gettext_lazy("Ngày cấp hoặc hạn dùng trong mã QR không đúng. Quét lại hoặc nhập tay."),
    Code.SAME_NUMBER: gettext_lazy("Số định danh này đã thuộc về %(name)s, sinh %(birth)s."),
    Code.NAME_MISSING: gettext_lazy("Nhập họ và tên."),
    Code.BIRTH_WRONG: gettext_lazy("Ngày sinh không đúng. Nhập dd/mm/yyyy, mm/yyyy hoặc yyyy."),
    Code.GENDER_WRONG: gettext_lazy("Chọn giới tính."),
    Code.NUMBER_WRONG: gettext_lazy("Số định danh có 12 chữ số."),
    Code.REASON_MISSING: gettext_lazy("Ghi lý do."),
    Code.BUSY: gettext_lazy("Có người đang ghi vào hồ sơ này. Thử lại sau ít phút."),
    Code.MERGE_REFUSED: gettext_lazy("Không làm được: %(why)s"),
    Code.NO_MOTHER: gettext_lazy("Hồ sơ này không thể là của mẹ cháu. Kiểm tra lại giới tính, năm sinh."),
    Code.DESCRIPTION_MISSING: gettext_lazy("Ghi đặc điểm để nhận ra người này."),
    Code.HAS_PAPERS: gettext_lazy("Người này đã có giấy tờ."),
    Code.DECIDED: gettext_lazy("Cặp này đã có người xử lý."),
}


class IdentityError(ValueError):
    """A mistake told to the desk. code: one of `Code`; field: of the draft that it concerns, or ""."""

    def __init__(self, code: Code, *, field: str = "", **values: str) -> None:
        """values: fill the words of the message."""
        self.code = code
        self.field = field
        self.values = values
        super().__init__(code.value)

    @property
    def message(self) -> str:
        """The error in the reader's language."""
        text = str(MESSAGES[self.code])
        return text % self.values if self.values else text

    def __str__(self) -> str:
        return self.message


class CardError(IdentityError):
    """A scanned text that is no readable card."""


class SamePerson(IdentityError):
    """A second person with the number of `patient`, the id of the one who has it."""

    status = 409

    def __init__(self, patient: str, *, name: str, birth: str) -> None:
        """name, birth: of the person who has the number, as shown."""
        self.patient = patient
        super().__init__(Code.SAME_NUMBER, field="cccd", name=name, birth=birth)
