"""What the module refuses, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _


class BillingError(Exception):
    """A refusal with a code of this module and words for the desk."""

    code = "billing"
    message = _("Không thực hiện được nghiệp vụ viện phí.")
    status = 409

    def __str__(self) -> str:
        return str(self.message)


class NoPrice(BillingError):
    """The service or medicine has no price at the facility on the day."""

    code = "no-price"
    message = _("Dịch vụ hoặc thuốc chưa có giá tại cơ sở.")


class NoBill(BillingError):
    """There is no bill of this visit at the facility."""

    code = "no-bill"
    message = _("Không có bảng kê viện phí của lượt khám này.")
    status = 404


class AlreadyPaid(BillingError):
    """Nothing is left to pay."""

    code = "already-paid"
    message = _("Lượt khám này đã thanh toán đủ.")


class WrongAmount(BillingError):
    """The amount is not what is owed now."""

    code = "wrong-amount"
    message = _("Số tiền phải trả đã thay đổi. Xem lại bảng kê rồi thu lại.")


class NoBankAccount(BillingError):
    """The facility has no account to transfer to."""

    code = "no-bank-account"
    message = _("Cơ sở chưa khai báo tài khoản ngân hàng nhận tiền.")


class NoPayment(BillingError):
    """No such payment at the facility, or it was cancelled before."""

    code = "no-payment"
    message = _("Không có khoản thu này, hoặc khoản thu đã được hủy.")
    status = 404


class NoReason(BillingError):
    """A cancellation needs its reason."""

    code = "no-reason"
    message = _("Ghi lý do hủy khoản thu.")
    status = 400


class BadSignature(BillingError):
    """The webhook was not signed by the bank, or long ago."""

    code = "bad-signature"
    message = _("Chữ ký của ngân hàng không đúng.")
    status = 401


class BadTransfer(BillingError):
    """The body of the webhook is no transfer."""

    code = "bad-transfer"
    message = _("Nội dung báo có không đúng định dạng.")
    status = 400
