"""What the module refuses, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy


class WardError(Exception):
    """A refusal with a code of this module and words for the desk."""

    code = "ward"
    message = gettext_lazy("Không thực hiện được.")
    status = 409

    def __init__(self, message: str = "") -> None:
        super().__init__(message or str(self.message))


class NotAllowed(WardError):
    """The role has no part in this."""

    code = "not-allowed"
    message = gettext_lazy("Vai trò này không được làm việc đó.")
    status = 403


class NotOpen(WardError):
    """The visit is not being seen now."""

    code = "not-open"
    message = gettext_lazy("Lượt khám chưa bắt đầu hoặc đã kết thúc.")


class NotInpatient(WardError):
    """The person does not lie in."""

    code = "not-inpatient"
    message = gettext_lazy("Người bệnh chưa nhập viện.")


class AlreadyIn(WardError):
    """The person lies in already."""

    code = "already-in"
    message = gettext_lazy("Người bệnh đã nằm viện.")


class NoBed(WardError):
    """There is no such bed here."""

    code = "no-bed"
    message = gettext_lazy("Cơ sở không có giường này.")
    status = 422


class BedTaken(WardError):
    """Somebody else lies in it."""

    code = "bed-taken"
    message = gettext_lazy("Giường này đang có người nằm. Chọn giường khác.")


class UnknownCare(WardError):
    """A kind of stay that there is none of."""

    code = "unknown-care"
    message = gettext_lazy("Chọn loại hình KCB trong danh sách.")
    status = 422


class WrongDay(WardError):
    """The person did not lie in on that day."""

    code = "wrong-day"
    message = gettext_lazy("Ngày này không thuộc thời gian nằm viện.")
    status = 422


class Charged(WardError):
    """The day in bed is charged already."""

    code = "charged"
    message = gettext_lazy("Ngày giường này đã được tính.")


class NoItem(WardError):
    """Nothing of that code may be charged or given."""

    code = "no-item"
    message = gettext_lazy("Không có mục này trong bảng giá của cơ sở.")
    status = 422


class WrongQuantity(WardError):
    """An amount that cannot be."""

    code = "wrong-quantity"
    message = gettext_lazy("Số lượng phải là số lớn hơn 0.")
    status = 422
