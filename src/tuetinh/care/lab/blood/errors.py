"""What the blood bank refuses, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from tuetinh.care.lab.errors import LabError


class NoUnit(LabError):
    """There is no such unit at this facility, or it is not where this can be done."""

    code = "no-unit"
    message = _("Không có đơn vị máu này ở cơ sở này, hoặc nó đang ở bước khác.")


class NotAUnit(LabError):
    """A unit that cannot be: unknown component or group, no number, already expired."""

    code = "not-a-unit"
    message = _("Thiếu hoặc sai: mã đơn vị, chế phẩm, nhóm máu, thể tích hoặc hạn dùng.")


class UnknownBarcode(LabError):
    """What was scanned is no ISBT 128 barcode of one unit."""

    code = "unknown-barcode"
    message = _("Mã vừa quét không phải mã ISBT 128 của một đơn vị máu.")


class KnownUnit(LabError):
    """The unit is in the stock already."""

    code = "known-unit"
    message = _("Đơn vị này đã có trong kho.")


class Expired(LabError):
    """The unit is past its expiry."""

    code = "expired"
    message = _("Đơn vị máu đã hết hạn.")


class Held(LabError):
    """Somebody reacted to another unit of the donation, and why is not known yet."""

    code = "held"
    message = _("Có phản ứng với đơn vị khác cùng lần hiến, đang điều tra: không truyền, trả túi này về ngân hàng máu.")


class GroupDiffers(LabError):
    """The group that was tested is not the one on the label."""

    code = "group-differs"
    message = _("Nhóm máu thử lại khác nhãn. Đơn vị ở lại khu cách ly.")


class TooLate(LabError):
    """The unit was out of the store for too long."""

    code = "too-late"
    message = _("Đã quá thời gian cho phép trả lại kho: hủy đơn vị này.")


class Discrepancy(LabError):
    """The reactions do not give a group."""

    code = "discrepancy"
    message = _("Xét nghiệm xuôi và ngược không khớp, hoặc phản ứng không rõ: chưa kết luận nhóm máu. Làm lại.")


class GroupConflict(LabError):
    """The person's samples say different groups."""

    code = "group-conflict"
    message = _("Các mẫu của người bệnh cho nhóm máu khác nhau: chỉ phát được sau khi đã giải quyết.")


class NoSample(LabError):
    """There is no sample that holds for a cross-match."""

    code = "no-sample"
    message = _("Không có mẫu còn hiệu lực đã định nhóm và sàng lọc kháng thể.")


class Incompatible(LabError):
    """The unit must not go to this person."""

    code = "incompatible"
    message = _("KHÔNG TƯƠNG HỢP: không được truyền đơn vị này cho người bệnh này.")


class NotElectronic(LabError):
    """The rules ask for a serological cross-match."""

    code = "not-electronic"
    message = _("Chưa hòa hợp điện tử được: cần nhóm máu đúng trên hai mẫu và chưa từng có kháng thể bất thường.")


class SamePerson(LabError):
    """The second check is another person's."""

    code = "same-person"
    message = _("Người kiểm tra thứ hai phải là người khác.")


class WrongUnit(LabError):
    """The scanned bag is another one."""

    code = "wrong-unit"
    message = _("SAI TÚI MÁU: mã vừa quét không phải túi được phát cho người bệnh này.")


class WrongPatient(LabError):
    """The scanned person is another one."""

    code = "wrong-patient"
    message = _("SAI NGƯỜI BỆNH: mã vừa quét không phải người được phát túi máu này.")


class NeedsBedside(LabError):
    """The group must be tested at the bedside."""

    code = "needs-bedside"
    message = _("Hãy định nhóm ABO tại giường của người bệnh và của túi máu.")


class NeedsMeasures(LabError):
    """The vital signs are missing or no numbers."""

    code = "needs-measures"
    message = _("Hãy ghi mạch, huyết áp, nhiệt độ và nhịp thở bằng số.")


class Unanswered(LabError):
    """Steps of the investigation are open."""

    code = "unanswered"
    message = _("Còn bước điều tra chưa ghi; kết luận sau cùng.")
