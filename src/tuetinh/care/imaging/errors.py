"""What imaging refuses, and why an object waits, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _


class ImagingError(Exception):
    """A refusal with a code of this module and words for the desk."""

    code = "imaging"
    message = _("Không thực hiện được.")

    def __str__(self) -> str:
        return str(self.message)


class NotAllowed(ImagingError):
    """The asker's desk or facility may not do this."""

    code = "not-allowed"
    message = _("Bàn làm việc này không được làm việc này.")


class NotWaiting(ImagingError):
    """The held object is not there, or a person has already decided about it."""

    code = "not-waiting"
    message = _("Ảnh này không còn chờ xử lý. Hãy tải lại trang.")


class NoPerson(ImagingError):
    """There is no such person."""

    code = "no-person"
    message = _("Không có người bệnh mang mã này.")


class NeedsReason(ImagingError):
    """A reason must be written."""

    code = "needs-reason"
    message = _("Hãy ghi lý do.")


class StillWrong(ImagingError):
    """What was decided does not make the object fit."""

    code = "still-wrong"
    message = _("Ảnh vẫn chưa thể đưa vào kho: tệp hỏng hoặc thiếu thông tin bắt buộc.")


class Taken(ImagingError):
    """Another machine has this AE title."""

    code = "taken"
    message = _("Đã có máy mang AE title này.")


class NoDevice(ImagingError):
    """There is no such machine at this facility."""

    code = "no-device"
    message = _("Không có máy này ở cơ sở này.")


class WrongStage(ImagingError):
    """The examination is at a stage where this cannot be done."""

    code = "wrong-stage"
    message = _("Ca chụp đang ở bước khác, không làm được việc này. Hãy tải lại trang.")


class NothingWritten(ImagingError):
    """A report needs findings and a conclusion."""

    code = "nothing-written"
    message = _("Ghi mô tả hình ảnh và kết luận trước khi ký.")


# Why an object waits for a person.
REASONS = {
    "broken": _("Tệp hỏng, không đọc được"),
    "missing": _("Thiếu mã ca chụp, loạt ảnh hoặc ảnh"),
    "changed": _("Cùng mã ảnh nhưng nội dung khác ảnh đã lưu"),
    "other-place": _("Mã loạt ảnh hoặc ca chụp đã thuộc nơi khác"),
    "other-person": _("Người bệnh không khớp với ca chụp hoặc chỉ định"),
}
