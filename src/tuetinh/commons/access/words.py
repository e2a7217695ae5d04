"""What happened to accounts, in the words of the pages."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

EVENTS = {
    "created": gettext_lazy("Cấp tài khoản"),
    "disabled": gettext_lazy("Khóa tài khoản"),
    "enabled": gettext_lazy("Mở lại tài khoản"),
    "password_reset": gettext_lazy("Đặt lại mật khẩu"),
    "password_changed": gettext_lazy("Đổi mật khẩu"),
    "unlocked": gettext_lazy("Mở khóa đăng nhập"),
    "role_changed": gettext_lazy("Đổi bàn làm việc"),
    "moved": gettext_lazy("Chuyển cơ sở"),
    "totp_added": gettext_lazy("Bật mã 6 số"),
    "totp_removed": gettext_lazy("Tắt mã 6 số"),
    "passkey_added": gettext_lazy("Thêm khóa truy cập"),
    "passkey_removed": gettext_lazy("Bỏ khóa truy cập"),
    "codes_renewed": gettext_lazy("Lấy mã dự phòng mới"),
    "code_used": gettext_lazy("Đã dùng một mã dự phòng"),
    "factors_reset": gettext_lazy("Bỏ mọi xác thực hai bước"),
    "sessions_ended": gettext_lazy("Đăng xuất các máy khác"),
    "linked": gettext_lazy("Nối với tài khoản ngoài"),
    "unlinked": gettext_lazy("Bỏ nối với tài khoản ngoài"),
    "role_mapped": gettext_lazy("Đổi bàn làm việc theo tài khoản ngoài"),
}
