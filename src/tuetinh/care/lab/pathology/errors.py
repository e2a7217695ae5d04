"""What pathology refuses, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from tuetinh.care.lab.errors import LabError


class NoCase(LabError):
    """There is no such case at this facility, or it is at another step."""

    code = "no-case"
    message = _("Không có ca giải phẫu bệnh này ở cơ sở này, hoặc ca đang ở bước khác.")


class NotACase(LabError):
    """A request without a known service, a part or clinical data."""

    code = "not-a-case"
    message = _("Cần loại xét nghiệm, ít nhất một mẫu và thông tin lâm sàng.")


class NotAReport(LabError):
    """A report without a diagnosis, or with a field that must be answered."""

    code = "not-a-report"
    message = _("Cần chẩn đoán và mọi mục bắt buộc của mẫu trả lời.")


class NotAPicture(LabError):
    """A file that is no JPEG or PNG, or is too large."""

    code = "not-a-picture"
    message = _("Cần ảnh JPEG hoặc PNG, không quá 10 MB.")


class CallFirst(LabError):
    """The theatre must have been told of a frozen section."""

    code = "call-first"
    message = _("Sinh thiết tức thì: gọi báo phòng mổ và ghi cuộc gọi trước khi ký.")


class Lent(LabError):
    """The piece is lent out already, or is not."""

    code = "lent"
    message = _("Khối hoặc tiêu bản này đang được mượn, hoặc không có lượt mượn nào.")


class BadStain(LabError):
    """An unknown stain, or one that is not made of this piece."""

    code = "bad-stain"
    message = _("Không nhuộm được như vậy từ mẫu này.")
