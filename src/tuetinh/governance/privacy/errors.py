"""What the module refuses, worded once."""

from __future__ import annotations

from django.utils.translation import gettext_lazy


class PrivacyError(Exception):
    """A refusal of the module. `code` is stable, `message` is for the person at the desk."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES[code]


MESSAGES = {
    "kind": gettext_lazy("Hãy chọn loại yêu cầu trong danh sách."),
    "what": gettext_lazy("Hãy ghi rõ yêu cầu, ít nhất 10 ký tự."),
    "about": gettext_lazy("Không có mục này trong hồ sơ của người có yêu cầu."),
    "entry": gettext_lazy("Hãy chọn mục trong hồ sơ cần chỉnh sửa."),
    "consent": gettext_lazy("Hãy chọn sự đồng ý muốn rút lại."),
    "purpose": gettext_lazy("Hãy chọn mục đích trong danh sách."),
    "place": gettext_lazy("Cơ sở này không có dữ liệu của hồ sơ."),
    "applicant": gettext_lazy("Hãy ghi họ tên người yêu cầu và giấy tờ đã xem."),
    "received": gettext_lazy("Ngày nhận không được ở tương lai, và không trước khi có luật về dữ liệu cá nhân."),
    "many": gettext_lazy("Còn quá nhiều yêu cầu chưa xong. Hãy chờ các yêu cầu trước được trả lời."),
    "state": gettext_lazy("Yêu cầu đã chuyển sang bước khác. Hãy xem lại."),
    "refusal": gettext_lazy("Hãy chọn lý do từ chối áp dụng cho loại yêu cầu này."),
    "answer": gettext_lazy("Hãy ghi câu trả lời cho người yêu cầu, ít nhất 10 ký tự."),
    "no-change": gettext_lazy("Hồ sơ chưa thay đổi từ khi yêu cầu được chấp nhận. Hãy sửa ở nơi ghi trước."),
    "no-note": gettext_lazy("Loại dữ liệu này không ghi thêm được chú thích. Hãy sửa ở trang đã lập, rồi ghi đã xong."),
    "note": gettext_lazy("Hãy ghi nội dung đính chính, ít nhất 10 ký tự."),
}
