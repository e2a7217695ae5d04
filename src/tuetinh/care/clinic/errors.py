"""What the module refuses, worded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class ClinicError(Exception):
    """A refusal with a code of this module and words for the desk. field: of the form, or ""."""

    code = "clinic"
    message = gettext_lazy("Không thực hiện được.")
    status = 409

    def __init__(self, message: str = "", *, field: str = "") -> None:
        super().__init__(message or str(self.message))
        self.field = field


class NotAllowed(ClinicError):
    """The role has no part in this."""

    code = "not-allowed"
    message = gettext_lazy("Vai trò này không được làm việc đó.")
    status = 403


class NotOpen(ClinicError):
    """The visit is not being seen now."""

    code = "not-open"
    message = gettext_lazy("Lượt khám chưa bắt đầu hoặc đã kết thúc.")


class Elsewhere(ClinicError):
    """Somebody, or the same person in another window, has written since the page was opened."""

    code = "written-elsewhere"
    message = gettext_lazy("Phần này vừa được sửa ở cửa sổ khác. Mở lại trang để xem rồi sửa tiếp.")


class Begun(ClinicError):
    """An order that is being carried out already, or is over."""

    code = "order-begun"
    message = gettext_lazy("Chỉ định đã được thực hiện hoặc đã hủy.")


class Implausible(ClinicError):
    """A measured value that no living person has."""

    code = "implausible"
    message = gettext_lazy("Giá trị không hợp lý, xem lại.")
    status = 422


class UnknownCode(ClinicError):
    """A code that no catalogue has."""

    code = "unknown-code"
    message = gettext_lazy("Mã không có trong danh mục.")
    status = 422


class Warned(ClinicError):
    """A prescription that needs a second look; posted again with `sure` it stands."""

    code = "prescription-warned"

    def __init__(self, warnings: Sequence[str]) -> None:
        super().__init__("; ".join(warnings))
        self.warnings = tuple(warnings)


class Incomplete(ClinicError):
    """What is missing before the visit can end."""

    code = "incomplete"
    status = 422

    def __init__(self, missing: Mapping[str, str]) -> None:
        """missing: the words of each thing by its field."""
        super().__init__(_("Còn thiếu: %(list)s.") % {"list": ", ".join(missing.values())})
        self.missing = dict(missing)
