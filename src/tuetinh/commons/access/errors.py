"""What the access module refuses, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy


class AccessError(Exception):
    """A refusal of the module. `code` is stable, `message` is for the person at the desk."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES[code]


MESSAGES = {
    "not-yours": gettext_lazy("Tài khoản này không thuộc cơ sở bạn quản trị."),
    "yourself": gettext_lazy("Bạn không thể tự khóa hay đổi bàn của tài khoản của mình."),
    "own-password": gettext_lazy("Mật khẩu của chính mình thì đổi ở trang Đổi mật khẩu, với mật khẩu đang dùng."),
    "taken": gettext_lazy("Tên đăng nhập này đã có người dùng. Hãy chọn tên khác."),
    "client-taken": gettext_lazy("Mã này đã có hệ thống khác dùng. Hãy chọn mã khác."),
    "has-account": gettext_lazy("Người này đã có tài khoản. Nếu quên mật khẩu, hãy đặt lại."),
    "no-account": gettext_lazy("Người này chưa có tài khoản."),
    "carer-sensitive": gettext_lazy(
        "Bạn không được xem thông tin nhạy cảm của người này, nên không cho người khác xem được."
    ),
    "paper": gettext_lazy("Số giấy tờ không đúng với hồ sơ. Hãy nhập từ giấy tờ mà người đó trình."),
    "kin-paper": gettext_lazy(
        "Hãy chọn loại giấy tờ và ghi số: giấy khai sinh, số định danh của trẻ, hoặc quyết định "
        "(người giám hộ phải có)."
    ),
    "adult": gettext_lazy("Người giám hộ của người đã thành niên cần quyết định và một người thứ hai xác nhận."),
    "decision": gettext_lazy("Hãy ghi số quyết định của tòa án hoặc văn bản ủy quyền."),
    "confirmed": gettext_lazy("Việc này đã được trả lời, hoặc bạn không phải người xác nhận."),
    "glass": gettext_lazy("Vai trò này không được mở hồ sơ khẩn cấp."),
    "reason": gettext_lazy("Hãy ghi rõ lý do, ít nhất 10 ký tự."),
    "reviewed": gettext_lazy("Lần mở này đã được xem xét, hoặc không thuộc cơ sở bạn quản trị, hoặc là của chính bạn."),
    "note": gettext_lazy("Khi không đồng ý, hãy ghi vì sao."),
    "relationship": gettext_lazy("Hãy chọn quan hệ trong danh sách."),
    "carer-self": gettext_lazy("Đây là hồ sơ của chính người đó."),
    "carer-exists": gettext_lazy("Người này đã được ghi rồi."),
    "carer-most": gettext_lazy("Đã có quá nhiều người. Hãy bỏ bớt trước."),
    "carer-age": gettext_lazy(
        "Hồ sơ này không phải của người chưa thành niên; chỉ ghi được người giám hộ theo quyết định."
    ),
    "carer-until": gettext_lazy("Ngày này đã qua."),
    "carer-gone": gettext_lazy("Lời mời hoặc quyền này không còn nữa."),
    "second": gettext_lazy("Hệ thống của cả tỉnh cần một quản trị khác của tỉnh xác nhận."),
    "no-secret": gettext_lazy("Hệ thống này không chứng minh bằng cách đó."),
    "outside": gettext_lazy("Nhà cung cấp tài khoản chưa xác nhận được bạn. Hãy thử lại, hoặc dùng mật khẩu."),
    "unlinked": gettext_lazy("Tài khoản ngoài này chưa nối với tài khoản nào ở đây. Hãy hỏi quản trị của cơ sở."),
    "linked": gettext_lazy("Người này ở nhà cung cấp đã nối với tài khoản khác."),
    "place": gettext_lazy("Không có cơ sở này, hoặc vai trò này không làm việc ở đó."),
    "no-factor": gettext_lazy("Hãy bật mã 6 số hoặc thêm khóa truy cập trước."),
    "province": gettext_lazy("Chỉ quản trị của tỉnh được đổi việc này."),
    "role": gettext_lazy("Vai trò này không cấp được ở đây."),
}
