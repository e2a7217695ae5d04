"""What the module refuses, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _


class ReceptionError(Exception):
    """A refusal with a code of this module and words for the desk."""

    code = "reception"
    message = _("Không thực hiện được.")
    status = 409

    def __str__(self) -> str:
        return str(self.message)


class NoVisit(ReceptionError):
    """There is no such visit at the facility."""

    code = "no-visit"
    message = _("Không có lượt khám này tại cơ sở.")
    status = 404


class NoRoom(ReceptionError):
    """The room is none of the facility's."""

    code = "no-room"
    message = _("Phòng này không thuộc cơ sở.")
    status = 400


class UnknownCare(ReceptionError):
    """A kind of care that is not offered on the day."""

    code = "unknown-care"
    message = _("Chọn loại hình KCB trong danh sách.")
    status = 400


class AlreadyWaiting(ReceptionError):
    """The person waits in this room already."""

    code = "already-waiting"
    message = _("Người bệnh đang chờ hoặc đang khám ở phòng này.")


class WrongState(ReceptionError):
    """The visit is not in a state from which this may follow: somebody was quicker."""

    code = "wrong-state"
    message = _("Lượt khám đã chuyển trạng thái. Tải lại danh sách.")


class NoReason(ReceptionError):
    """A cancellation needs its reason."""

    code = "no-reason"
    message = _("Ghi lý do.")
    status = 400


class NotAllowed(ReceptionError):
    """The role has no part in this."""

    code = "not-allowed"
    message = _("Vai trò này không được làm việc đó.")
    status = 403
