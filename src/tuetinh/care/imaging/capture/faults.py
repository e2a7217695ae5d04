"""What is wrong with something that people bring, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from tuetinh.care.imaging.errors import ImagingError


class Unknown(ImagingError):
    """The bytes are none of the kinds that are taken."""

    code = "unknown-kind"
    message = _("Không nhận loại tệp này. Nhận ảnh JPEG, PNG, HEIC; PDF; video MP4; điện tim SCP-ECG, HL7 aECG.")


class IsDicom(ImagingError):
    """A DICOM object, which has a page of its own."""

    code = "is-dicom"
    message = _("Đây là tệp DICOM. Hãy nhập tại trang “Nhập từ đĩa, USB”.")


class Damaged(ImagingError):
    """The bytes break off, or are not what they begin as."""

    code = "damaged"
    message = _("Tệp hỏng hoặc chưa tải đủ, không đọc được. Hãy lấy lại tệp gốc.")


class TooLarge(ImagingError):
    """More than is taken at once."""

    code = "too-large"
    message = _("Tệp quá lớn: ảnh và PDF tối đa 100 MB và 100 triệu điểm ảnh, video tối đa 4 GB.")


class WrongFilm(ImagingError):
    """A film that DICOM does not know (PS3.5, 8.2.7 ff.)."""

    code = "wrong-film"
    message = _("Video phải là MP4, mã H.264 (tới 4.2) hoặc H.265 (tới 5.1). Trên iPhone hãy chọn “Tương thích nhất”.")


class WrongCurves(ImagingError):
    """An ECG that cannot be read, or none at all."""

    code = "wrong-curves"
    message = _("Tệp điện tim hỏng, không có chuyển đạo nào, hoặc nén theo nhịp mẫu mà phần mềm chưa đọc được.")


class OtherPerson(ImagingError):
    """The file tells another person than the examination's."""

    code = "other-person"
    message = _("Tệp ghi tên hoặc ngày sinh của người khác, không phải người bệnh của ca này.")


class NotKept(ImagingError):
    """The archive let it wait for a person."""

    code = "not-kept"
    message = _("Kho ảnh chưa nhận tệp này; tệp đang ở trang “Ảnh chờ xử lý”.")
