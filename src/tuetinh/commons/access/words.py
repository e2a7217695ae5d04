"""How accounts are called, and what happened to them in the words of the pages."""

from __future__ import annotations

import re

from django.utils.translation import gettext_lazy

from tuetinh.commons.access.sight import papers

USERNAME = re.compile(r"^[a-z0-9][a-z0-9._-]{2,}$")


def is_username(text: str) -> bool:
    """Whether an account may be called so."""
    return len(text) <= 100 and USERNAME.fullmatch(text) is not None


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
    "idle_told": gettext_lazy("Lâu không dùng: đã báo trước khi khóa"),
    "idle_disabled": gettext_lazy("Tự khóa vì lâu không dùng"),
    "reviewed": gettext_lazy("Đã xem lại: quyền vẫn đúng"),
    "emergency_on": gettext_lazy("Giữ làm tài khoản dự phòng khẩn cấp"),
    "emergency_off": gettext_lazy("Thôi giữ làm tài khoản dự phòng"),
    "emergency_used": gettext_lazy("Tài khoản dự phòng đã được dùng"),
    "recovered": gettext_lazy("Mở lại từ máy chủ"),
    "role_mapped": gettext_lazy("Đổi bàn làm việc theo tài khoản ngoài"),
}

ENTRIES = {
    "see": gettext_lazy("Xem, in, xuất"),
    "write": gettext_lazy("Ghi, sửa, xóa"),
    "come": gettext_lazy("Đăng nhập, đăng xuất"),
    "other": gettext_lazy("Việc khác"),
}
"""What the access log tells of, roughly."""
_ACTIONS = {
    "create": gettext_lazy("Ghi mới"),
    "read": gettext_lazy("Xem"),
    "update": gettext_lazy("Sửa"),
    "delete": gettext_lazy("Xóa"),
    "search": gettext_lazy("Tìm"),
    "history": gettext_lazy("Xem bản cũ"),
    "page": gettext_lazy("Mở trang"),
    "print": gettext_lazy("In"),
    "export": gettext_lazy("Xuất tệp"),
    "download": gettext_lazy("Tải tệp"),
    "destroy": gettext_lazy("Tiêu hủy"),
    "login": gettext_lazy("Đăng nhập"),
    "logout": gettext_lazy("Đăng xuất"),
    "merge": gettext_lazy("Gộp hồ sơ"),
    "unmerge": gettext_lazy("Tách hồ sơ"),
    "notify": gettext_lazy("Gửi thông báo"),
    "open": gettext_lazy("Mở khẩn cấp"),
    "review": gettext_lazy("Xem xét lần mở khẩn cấp"),
    "sent": gettext_lazy("Hệ thống khác báo"),
}


def entry_action(action: str) -> str:
    """What an entry of the access log says was done; an operation of the API keeps its name."""
    return str(_ACTIONS.get(action, action))


_REASONS = {
    "password": gettext_lazy("mật khẩu"),
    "code": gettext_lazy("mã 6 số"),
    "passkey": gettext_lazy("khóa truy cập"),
    "desk": gettext_lazy("không phải bàn làm việc của mình"),
    "forbidden": gettext_lazy("không đủ quyền"),
    "not-found": gettext_lazy("không có, hoặc không được biết là có"),
    "throttled": gettext_lazy("đọc quá nhanh"),
}


def entry_reason(reason: str | None) -> str:
    """Why something came out so, by which way somebody came, what was done to an account, or by which paper.

    What follows a colon stays as it is; a code of a standard keeps its name.
    """
    code, colon, rest = (reason or "").partition(": ")
    word = _REASONS.get(code) or EVENTS.get(code) or papers.WORDS.get(code) or code
    return f"{word}{colon}{rest}"
