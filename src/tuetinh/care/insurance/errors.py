"""What the module refuses, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _


class InsuranceError(Exception):
    """A refusal with a code of this module and words for the desk."""

    code = "insurance"
    message = _("Không thực hiện được nghiệp vụ bảo hiểm y tế.")

    def __str__(self) -> str:
        return str(self.message)


class WireError(InsuranceError):
    """A claim file that cannot be read.

    what: `xml`, `base64`, `root`, `doctype`, `content`, `table`, `size`; place: where.
    """

    code = "wire"
    message = _("Tệp hồ sơ bảo hiểm y tế không đọc được.")

    def __init__(self, what: str, place: str) -> None:
        self.what, self.place = what, place
        super().__init__(what, place)

    def __str__(self) -> str:
        return f"{self.what}: {self.place}"


class ClosedDecision(InsuranceError):
    """The visit ended in the time of QĐ 4210, by which no claim is made any more; files of it are still read."""

    code = "closed-decision"
    message = _("Lượt khám kết thúc trước 01/07/2024: hồ sơ theo QĐ 4210 chỉ đọc lại được, không lập mới.")


class BadKeyFile(InsuranceError):
    """The file is no PKCS#12 with an RSA key and its certificate, or the password does not open it."""

    code = "bad-key-file"
    message = _("Tệp chứng thư số không mở được: cần tệp .p12 có khóa RSA, và đúng mật khẩu.")


class CannotMake(InsuranceError):
    """The claim cannot be made of what the record says, for a reason that nobody has foreseen."""

    code = "cannot-make"
    message = _("Không lập được hồ sơ từ những gì đã ghi. Hãy báo quản trị hệ thống.")


class NoKey(InsuranceError):
    """The facility has no certificate to sign with; unsigned files are refused since 01/01/2026 (NĐ 188/2025)."""

    code = "no-key"
    message = _("Cơ sở chưa có chứng thư số để ký hồ sơ gửi cổng giám định.")


class NotNow(InsuranceError):
    """The claim is on its way, or in a state in which this cannot be done."""

    code = "not-now"
    message = _("Hồ sơ đang được gửi hoặc đã đổi trạng thái. Hãy xem lại rồi thử lần nữa.")


class NoCard(InsuranceError):
    """The person has no insurance number, card or personal number to ask the gateway with."""

    code = "no-card"
    message = _("Người bệnh chưa có số thẻ BHYT, mã số BHXH hoặc số căn cước để tra cứu.")


class NoTemporaryCard(InsuranceError):
    """A temporary card is for a child under six, and has its form."""

    code = "no-temporary-card"
    message = _("Thẻ tạm chỉ cho trẻ dưới 6 tuổi và có dạng TE1 rồi 12 chữ số.")


class NoVisit(InsuranceError):
    """There is no such visit, or it has not ended."""

    code = "no-visit"
    message = _("Không có lượt khám này.")


class GatewayError(InsuranceError):
    """The gateway did not give an answer."""

    code = "gateway"
    message = _("Cổng giám định BHYT không trả lời.")


class GatewayDown(GatewayError):
    """No connection, too slow, or the gateway says that it is out of service: try again later."""

    code = "gateway-down"
    message = _("Cổng giám định BHYT đang gián đoạn; hệ thống sẽ tự tra cứu lại.")


class GatewayUnreached(GatewayDown):
    """No connection was made: whatever was to be sent has not come to the gateway."""


class GatewayRefused(GatewayError):
    """The gateway does not accept the account of the facility."""

    code = "gateway-account"
    message = _("Cổng giám định BHYT không chấp nhận tài khoản của cơ sở.")


class GatewayNonsense(GatewayError):
    """The gateway answered something that is not its protocol."""

    code = "gateway-answer"
    message = _("Cổng giám định BHYT trả lời sai định dạng.")
