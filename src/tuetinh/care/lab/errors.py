"""What the laboratory refuses, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from tuetinh.care.billing.api import BillingError


class LabError(Exception):
    """A refusal with a code of this module and words for the desk."""

    code = "lab"
    message = _("Không thực hiện được.")

    def __str__(self) -> str:
        return str(self.message)


class UnknownTest(LabError):
    """The service code is no test of the laboratory."""

    code = "unknown-test"
    message = _("Mã dịch vụ này không phải xét nghiệm của phòng xét nghiệm.")


class NoTube(LabError):
    """There is no such tube at this facility."""

    code = "no-tube"
    message = _("Không có mẫu mang mã này ở cơ sở này.")


class WrongStage(LabError):
    """The tube is at a stage where this cannot be done."""

    code = "wrong-stage"
    message = _("Mẫu đang ở bước khác, không làm được việc này. Hãy tải lại trang.")


class NotSent(WrongStage):
    """A tube that cannot be sent to another laboratory, by its number."""

    code = "not-sent"
    told = _("Không gửi được mẫu %(number)s: mẫu không ở đây, đang trên đường, hoặc đã có kết quả.")

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self.message = self.told % {"number": number}


class NotAllowed(LabError):
    """The asker's desk or facility may not do this."""

    code = "not-allowed"
    message = _("Bàn làm việc này không được làm việc này.")


class TooOld(LabError):
    """The specimen no longer serves for a test."""

    code = "too-old"
    told = _("Mẫu đã quá %(hours)s giờ kể từ khi lấy, không làm thêm %(test)s được: lấy mẫu mới.")

    def __init__(self, test: str, hours: int) -> None:
        super().__init__(test)
        self.message = self.told % {"hours": hours, "test": test}


class NotDone(LabError):
    """The laboratory does not do a test for a time."""

    code = "not-done"
    told = _("Phòng xét nghiệm đang tạm ngừng “%(test)s”: %(why)s")

    def __init__(self, test: str, why: str) -> None:
        super().__init__(test)
        self.message = self.told % {"test": test, "why": why}


class NeedsReason(LabError):
    """A reason must be written."""

    code = "needs-reason"
    message = _("Hãy ghi lý do.")


class BadValue(LabError):
    """A typed value does not fit the analyte."""

    code = "bad-value"
    message = _("Giá trị không hợp lệ: cần một số.")

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class BadRule(LabError):
    """A rule that cannot be kept: which field, and why."""

    code = "bad-rule"

    def __init__(self, field: str, why: str) -> None:
        super().__init__(field)
        self.field, self.message = field, why


class Incomplete(LabError):
    """Nothing to release yet."""

    code = "incomplete"
    message = _("Chưa có kết quả nào để trả.")


class CriticalOpen(LabError):
    """A critical value must be acknowledged before the result is released."""

    code = "critical-open"
    message = _("Có giá trị nguy kịch: hãy báo bác sĩ và xác nhận trước khi trả kết quả.")


class NotSignatory(LabError):
    """Results are signed by those whom the laboratory has named."""

    code = "not-signatory"
    message = _("Chỉ người được phân công ký kết quả mới duyệt trả được.")


class NotVerified(LabError):
    """The technician validates before the doctor signs."""

    code = "not-verified"
    message = _("Kỹ thuật viên phải duyệt kỹ thuật trước.")


class HeldBack(LabError):
    """Something speaks against the results; who validates them says why they hold."""

    code = "held-back"
    message = _("Có kết quả bị giữ lại: hãy ghi vì sao vẫn duyệt.")


class NotReadBack(LabError):
    """Who was called must have read the value back."""

    code = "not-read-back"
    message = _("Người nghe phải đọc lại giá trị; nếu không gặp ai, hãy ghi là không liên lạc được.")


class NotThisPerson(LabError):
    """The second identifier is not the person's."""

    code = "not-this-person"
    message = _("Ngày sinh hoặc số giấy tờ không đúng với người bệnh này. Dừng lại và kiểm tra người bệnh.")


class NoShipment(LabError):
    """There is no such shipment to this facility."""

    code = "no-shipment"
    message = _("Không có chuyến mẫu mang số này gửi đến cơ sở này.")


class QualityFailed(LabError):
    """A control of the machine broke a rule, and nobody has written what was done about it."""

    code = "quality-failed"
    message = _("Nội kiểm của máy không đạt: xử lý và ghi lại trước khi duyệt kết quả.")


class BadControl(LabError):
    """A control that cannot be, or is not at this facility."""

    code = "bad-control"
    message = _("Không có vật liệu nội kiểm này, hoặc số liệu của nó không hợp lệ.")


class BadReagent(LabError):
    """A reagent, lot or number of packs that cannot be."""

    code = "bad-reagent"
    message = _("Không có hóa chất hoặc lô này ở đây, tên đã có, hoặc số hộp không đúng.")


class Expired(LabError):
    """The lot has expired."""

    code = "expired"
    message = _("Lô này đã hết hạn, không được dùng.")


class BadQuality(LabError):
    """A record of the quality system that cannot be."""

    code = "bad-quality"
    message = _("Không có mục này ở đây, đã có rồi, hoặc số liệu không hợp lệ.")


class NotForMatching(LabError):
    """The message holds no result that fits the tube."""

    code = "not-for-matching"
    message = _("Bản tin này không có kết quả nào của mẫu đã chọn.")


class NoAnalyser(LabError):
    """There is no such analyser at this facility."""

    code = "no-analyser"
    message = _("Không có máy xét nghiệm này ở cơ sở này.")


class Taken(LabError):
    """Another analyser already has this name and address."""

    code = "taken"
    message = _("Đã có máy mang tên gửi và địa chỉ này.")


class UnknownAnalyte(LabError):
    """The code, the analyte or the factor is none."""

    code = "unknown-analyte"
    message = _("Chọn một chỉ số trong danh mục; hệ số phải lớn hơn 0.")


class BadTable(LabError):
    """A table of breakpoints that cannot be read: the line, and why."""

    code = "bad-table"

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line)
        self.line, self.message = line, _("Dòng %(line)s: %(why)s") % {"line": line, "why": why}


class BadPicture(LabError):
    """A file that cannot be attached to a result."""

    code = "bad-picture"
    message = _("Đặt tên, và chọn tệp PNG, JPEG hoặc PDF không quá 10 MB.")


class NoCulture(LabError):
    """There is no such culture, isolate or proposal at this facility."""

    code = "no-culture"
    message = _("Không có mẫu cấy hoặc chủng phân lập này ở cơ sở này.")


class UnknownOrganism(LabError):
    """The organism is none of the list."""

    code = "unknown-organism"
    message = _("Chọn một vi sinh vật trong danh mục.")


# Why a message waits in the inbox.
REASONS = {
    "no-start": _("Thiếu phần mở đầu bản tin"),
    "no-end": _("Bản tin bị cắt ngang"),
    "too-large": _("Bản tin quá lớn"),
    "100": _("Thiếu hoặc sai thứ tự đoạn"),
    "101": _("Thiếu trường bắt buộc"),
    "102": _("Dữ liệu không đọc được"),
    "103": _("Bảng mã ký tự không biết"),
    "200": _("Loại bản tin không hỗ trợ"),
    "201": _("Sự kiện không hỗ trợ"),
    "203": _("Phiên bản HL7 không hỗ trợ"),
    "207": _("Lỗi khi ghi, hãy thử lại"),
    "unknown-order": _("Không có mẫu nào mang mã này"),
    "unknown-analytes": _("Mã của máy chưa có nghĩa"),
    "unknown-organism": _("Vi sinh vật không có trong danh mục"),
    "not-ordered": _("Chỉ số không thuộc chỉ định của mẫu"),
    "no-results": _("Không có kết quả"),
    "no-terminator": _("Bản tin không có đoạn kết thúc (L)"),
    "no-driver": _("Chưa có mô tả cho loại máy này"),
    "unit": _("Đơn vị không đổi được sang đơn vị của ta"),
    "range": _("Giá trị ngoài khoảng có thể có ở người sống"),
    "no-number": _("Kết quả phải là số"),
    "already-released": _("Kết quả đã trả; cần sửa đổi có lý do"),
    "unknown-control": _("Lô nội kiểm này chưa được đưa vào dùng"),
    "disabled": _("Máy đang bị tắt"),
    "closed": _("Mẫu đã bị từ chối hoặc hủy"),
}


REFUSALS = (LabError, BillingError)  # of what orders or cancels: what is ordered has a price
