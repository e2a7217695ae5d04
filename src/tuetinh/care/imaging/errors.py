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


class NoOrder(ImagingError):
    """The person has no order of this number at the facility."""

    code = "no-order"
    message = _("Người bệnh này không có chỉ định chụp mang số này ở cơ sở.")


class NeedsReason(ImagingError):
    """A reason must be written."""

    code = "needs-reason"
    message = _("Hãy ghi lý do.")


class StillWrong(ImagingError):
    """What was decided does not make the object fit."""

    code = "still-wrong"
    message = _("Ảnh vẫn chưa thể đưa vào kho: tệp hỏng hoặc thiếu thông tin bắt buộc.")


class BadAttribute(ImagingError):
    """A value that an attribute cannot have. label: how the attribute is called."""

    code = "bad-attribute"

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label

    def __str__(self) -> str:
        return _("%(field)s: giá trị không hợp lệ.") % {"field": self.label}


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


class NoRoom(ImagingError):
    """There is no such room for this at the facility."""

    code = "no-room"
    message = _("Không có phòng này, hoặc phòng không làm được việc này.")


class RoomTaken(ImagingError):
    """Another room has this name."""

    code = "room-taken"
    message = _("Đã có phòng mang tên này.")


class NoTime(ImagingError):
    """The room is not open then, or the time is over."""

    code = "no-time"
    message = _("Giờ này đã qua hoặc ngoài giờ làm việc của phòng.")


class NotFree(ImagingError):
    """Somebody else has this time."""

    code = "not-free"
    message = _("Giờ này vừa có người đặt. Hãy chọn giờ khác.")


class PersonBusy(ImagingError):
    """The person has another appointment then."""

    code = "person-busy"
    message = _("Người bệnh đã có lịch chụp khác vào giờ này.")


class Booked(ImagingError):
    """An examination that has a room is moved in its schedule."""

    code = "booked"
    message = _("Ca này đã đặt lịch ở phòng chụp. Hãy dời lịch.")


class NotAnswered(ImagingError):
    """The questions of safety wait for an answer."""

    code = "not-answered"
    message = _("Chưa trả lời đủ các câu hỏi an toàn trước khi chụp.")


class Stopped(ImagingError):
    """What the checks found stops the examination until a doctor lets it pass."""

    code = "stopped"
    message = _("Kiểm tra an toàn chưa cho phép chụp. Bác sĩ cần xem và quyết định.")


class BadRule(ImagingError):
    """A rule that cannot be kept. field: which of it."""

    code = "bad-rule"

    def __init__(self, field: str, said: str) -> None:
        super().__init__(field, said)
        self.field, self.said = field, said

    def __str__(self) -> str:
        return self.said


class BadModel(ImagingError):
    """A model that cannot be taken. place: the file or the field of its description."""

    code = "bad-model"

    def __init__(self, place: str, said: str) -> None:
        super().__init__(place, said)
        self.place, self.said = place, said

    def __str__(self) -> str:
        return f"{self.place}: {self.said}"


class TakenByOther(ImagingError):
    """Somebody else is reading this examination."""

    code = "taken-by-other"
    message = _("Người khác đang đọc ca này.")


class NotReader(ImagingError):
    """The facility has named those who read, and this one is not among them."""

    code = "not-reader"
    message = _("Bạn chưa được phân công đọc phim ở cơ sở này.")


class NeedsSecond(ImagingError):
    """A senior reads after this reader."""

    code = "needs-second"
    message = _("Bản đọc này cần người duyệt đọc lần hai và ký.")


class NotReadBack(ImagingError):
    """Somebody answered, but did not read the finding back."""

    code = "not-read-back"
    message = _("Người nghe phải đọc lại giá trị; nếu không gặp ai, hãy ghi là không liên lạc được.")


class BadValue(ImagingError):
    """A field of a template holds what is no number, or none of its choices."""

    code = "bad-value"

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label

    def __str__(self) -> str:
        return _("%(field)s: giá trị không hợp lệ.") % {"field": self.label}


class NoSenior(ImagingError):
    """Where somebody reads under supervision, somebody must sign."""

    code = "no-senior"
    message = _("Cần ít nhất một người đọc chính để ký kết quả.")


class BadDeadline(ImagingError):
    """The time until which an answer is wanted has passed, or is too far away."""

    code = "bad-deadline"
    message = _("Hạn trả lời phải sau lúc này và trong vòng 30 ngày.")


class NobodyThere(ImagingError):
    """Nobody at that facility answers, or not this one."""

    code = "nobody-there"
    message = _("Ở cơ sở đó chưa có ai trả lời được. Hãy chọn nơi khác.")


class NoUpstream(ImagingError):
    """This node has no node above it to send to."""

    code = "no-upstream"
    message = _("Chưa đặt nơi nhận ảnh tuyến trên cho máy chủ này.")


class Held(ImagingError):
    """A study that is held is not destroyed."""

    code = "held"
    message = _("Ca chụp đang được giữ lại, không được hủy.")


class NotThere(ImagingError):
    """There is no such study, or hold, at this facility."""

    code = "not-there"
    message = _("Không có ca chụp này ở cơ sở này.")


class NothingToGive(ImagingError):
    """An examination has no picture that may be given."""

    code = "nothing-to-give"
    message = _("Không có ảnh nào xuất được.")


class MustLook(ImagingError):
    """There may be words on pictures, and nobody has looked."""

    code = "must-look"
    message = _("Hãy xem từng ảnh có thể có chữ, rồi đánh dấu là đã xem.")


class TooLarge(ImagingError):
    """There is too much for one file."""

    code = "too-large"
    message = _("Ca chụp quá lớn để xuất một lần.")


# Why an object waits for a person.
REASONS = {
    "broken": _("Tệp hỏng, không đọc được"),
    "missing": _("Thiếu mã ca chụp, loạt ảnh hoặc ảnh"),
    "changed": _("Cùng mã ảnh nhưng nội dung khác ảnh đã lưu"),
    "other-place": _("Mã loạt ảnh hoặc ca chụp đã thuộc nơi khác"),
    "other-person": _("Người bệnh không khớp với ca chụp hoặc chỉ định"),
}

# Why a picture of the archive cannot be opened.
UNREADABLE = {
    "cut": _("Thiếu dữ liệu ảnh, tệp không đủ"),
    "large": _("Ảnh giải nén ra quá lớn"),
    "syntax": _("Kiểu nén này không đọc được ở đây"),
    "broken": _("Dữ liệu ảnh hỏng"),
}

# Why a model gave no result.
FAULTS = {
    "crash": _("Mô hình hỏng giữa chừng."),
    "slow": _("Mô hình chạy quá lâu."),
    "memory": _("Mô hình cần quá nhiều bộ nhớ."),
    "model": _("Bộ chạy không đọc được mô hình."),
    "input": _("Đầu vào của mô hình không phải một ảnh."),
    "output": _("Đầu ra của mô hình không đúng dạng đã khai."),
    "nan": _("Mô hình trả về giá trị không phải số."),
    "range": _("Mô hình trả về điểm ngoài khoảng 0–1."),
    "replaced": _("Ảnh đã được thay sau khi máy xem."),
    "gone": _("Phiên bản mô hình này không còn."),
    "nothing": _("Không vẽ được ảnh nào của ca để máy xem."),
    "unkept": _("Kho ảnh không nhận kết quả của máy."),
    "outage": _("Kho ảnh hoặc hồ sơ không trả lời."),
}
