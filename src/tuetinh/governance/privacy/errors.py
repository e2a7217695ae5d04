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
    "nature": gettext_lazy("Hãy chọn tính chất của vi phạm trong danh sách."),
    "conduct": gettext_lazy("Hãy ghi tên vụ việc và mô tả hành vi, ít nhất 10 ký tự."),
    "detected": gettext_lazy("Lúc phát hiện không được ở tương lai, và không trước khi xảy ra."),
    "traced": gettext_lazy("Hãy ghi tên đăng nhập của một tài khoản thuộc cơ sở, mã hệ thống, hoặc địa chỉ mạng."),
    "period": gettext_lazy("Khoảng thời gian không đúng."),
    "number": gettext_lazy("Hãy ghi số văn bản hoặc mã tiếp nhận của thông báo."),
    "late-reason": gettext_lazy("Đã quá 72 giờ: phải ghi lý do thông báo chậm, ít nhất 10 ký tự."),
    "notice": gettext_lazy("Hãy viết điều cần báo cho người bị ảnh hưởng, ít nhất 10 ký tự."),
    "way": gettext_lazy("Hãy chọn cách đã báo: thư hoặc điện thoại."),
    "breach-state": gettext_lazy("Hồ sơ vi phạm này đã kết thúc hoặc vừa thay đổi. Hãy xem lại."),
    "unfinished": gettext_lazy(
        "Chưa kết thúc được: còn phải báo cơ quan chuyên trách, ghi hậu quả, biện pháp, và báo mọi người bị ảnh hưởng."
    ),
    "province": gettext_lazy("Chỉ quản trị của tỉnh được đổi sổ mục đích."),
    "register": gettext_lazy("Hãy ghi đủ tên, căn cứ, loại dữ liệu và thời hạn lưu."),
    "since": gettext_lazy("Ngày áp dụng không được ở quá khứ: điều đã có hiệu lực thì giữ nguyên."),
    "assessed": gettext_lazy("Hãy ghi số hồ sơ, và ngày không ở tương lai."),
    "no-consent": gettext_lazy("Mục đích này không dựa trên sự đồng ý."),
    "text": gettext_lazy("Văn bản phải nói rõ dữ liệu, mục đích, ai nhận và quyền rút lại, ít nhất 40 ký tự."),
    "text-changed": gettext_lazy("Văn bản vừa có bản mới. Hãy đọc lại rồi đồng ý."),
    "minor": gettext_lazy(
        "Người dưới 18 tuổi: cha, mẹ hoặc người giám hộ đồng ý từ tài khoản của mình; từ 7 tuổi thì cần cả hai."
    ),
    "agree": gettext_lazy("Hãy đọc và tự đánh dấu vào ô đồng ý."),
    "exports": gettext_lazy("Đã có đủ tệp tải được. Hãy tải về, hoặc chờ tệp cũ hết hạn."),
    "export-gone": gettext_lazy("Tệp chưa xong hoặc đã hết hạn. Hãy chuẩn bị tệp mới."),
    "reason": gettext_lazy("Hãy ghi tên và lý do, ít nhất 10 ký tự."),
    "types": gettext_lazy("Hãy chọn loại dữ liệu trong danh sách."),
    "labels": gettext_lazy("Không có nhãn nhạy cảm này."),
    "k": gettext_lazy("Nhóm nhỏ nhất không được dưới mức quy định."),
    "second-person": gettext_lazy("Phải do người thứ hai duyệt, không phải người đề nghị."),
    "council": gettext_lazy("Hãy ghi số, ngày biên bản và ít nhất ba thành viên hội đồng."),
    "records": gettext_lazy("Chọn từ 1 đến 200 hồ sơ của cơ sở đã hết thời hạn và không bị giữ."),
    "minutes": gettext_lazy("Số biên bản này đã dùng."),
}
