"""Words for what the module keeps in codes."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

KINDS = {
    "view": gettext_lazy("Xem dữ liệu của tôi"),
    "copy": gettext_lazy("Cung cấp bản sao dữ liệu"),
    "correct": gettext_lazy("Chỉnh sửa dữ liệu sai"),
    "restrict": gettext_lazy("Hạn chế xử lý dữ liệu"),
    "object": gettext_lazy("Phản đối việc xử lý dữ liệu"),
    "withdraw": gettext_lazy("Rút lại sự đồng ý"),
    "delete": gettext_lazy("Xóa dữ liệu"),
}
STATES = {
    "new": gettext_lazy("Mới nhận"),
    "accepted": gettext_lazy("Đang xem xét"),
    "granted": gettext_lazy("Chấp nhận, đang thực hiện"),
    "done": gettext_lazy("Đã xong"),
    "refused": gettext_lazy("Từ chối"),
    "taken-back": gettext_lazy("Người yêu cầu rút lại"),
}
CHANNELS = {
    "portal": gettext_lazy("Trang người dân"),
    "desk": gettext_lazy("Giấy, tại quầy"),
}
REFUSALS = {
    "must-keep": gettext_lazy("Hồ sơ bệnh án phải được lưu giữ theo luật, chưa hết thời hạn"),
    "never-changed": gettext_lazy("Nội dung bệnh án không được xóa, sửa; chỉ được đính chính kèm theo"),
    "found-right": gettext_lazy("Đã kiểm tra: dữ liệu đúng với thực tế"),
    "epidemic": gettext_lazy("Dữ liệu phục vụ phòng, chống dịch bệnh"),
    "duty": gettext_lazy("Việc xử lý theo nghĩa vụ luật định, không dựa trên sự đồng ý"),
    "not-proved": gettext_lazy("Chưa chứng minh được là chủ thể dữ liệu hoặc người đại diện hợp pháp"),
    "others": gettext_lazy("Làm lộ dữ liệu của người khác"),
    "nothing": gettext_lazy("Không có dữ liệu như được nêu"),
}
STEPS = {
    "made": gettext_lazy("Nhận yêu cầu"),
    "accept": gettext_lazy("Trả lời: đang xem xét"),
    "forward": gettext_lazy("Chuyển đến cơ sở"),
    "grant": gettext_lazy("Chấp nhận"),
    "refuse": gettext_lazy("Từ chối"),
    "finish": gettext_lazy("Thực hiện xong"),
    "take-back": gettext_lazy("Người yêu cầu rút lại"),
    "note": gettext_lazy("Tác giả ghi đính chính"),
}
NATURES = {
    "access": gettext_lazy("Xem trái phép"),
    "leak": gettext_lazy("Làm lộ, phát tán"),
    "change": gettext_lazy("Sửa trái phép"),
    "loss": gettext_lazy("Làm mất, phá hủy"),
    "misuse": gettext_lazy("Dùng sai mục đích"),
}
BREACH_STEPS = {
    "opened": gettext_lazy("Lập hồ sơ"),
    "changed": gettext_lazy("Bổ sung nội dung"),
    "traced": gettext_lazy("Tìm trong nhật ký truy cập"),
    "reported": gettext_lazy("Đã thông báo cơ quan chuyên trách"),
    "told": gettext_lazy("Báo cho người bị ảnh hưởng"),
    "closed": gettext_lazy("Kết thúc"),
}
WAYS = {
    "portal": gettext_lazy("Trang người dân"),
    "letter": gettext_lazy("Thư"),
    "phone": gettext_lazy("Điện thoại"),
}
GROUNDS = {
    "law": gettext_lazy("Theo luật, không cần đồng ý"),
    "consent": gettext_lazy("Cần sự đồng ý"),
}
RETENTION = {
    "record": gettext_lazy("Hồ sơ bệnh án nội trú, ngoại trú"),
    "record-15": gettext_lazy("Hồ sơ tai nạn lao động, sinh hoạt (quy định cũ)"),
    "record-20": gettext_lazy("Hồ sơ tâm thần, tai nạn lao động, tai nạn giao thông, ghép, thẩm mỹ"),
    "death": gettext_lazy("Hồ sơ người bệnh tử vong"),
    "donor": gettext_lazy("Hồ sơ hiến, ghép mô, bộ phận cơ thể"),
    "incident": gettext_lazy("Hồ sơ sự cố y khoa"),
    "register": gettext_lazy("Sổ sách, số liệu"),
    "certificate": gettext_lazy("Giấy khám sức khỏe"),
    "lifelong": gettext_lazy("Sổ sức khỏe điện tử (sau khi qua đời)"),
    "log": gettext_lazy("Nhật ký truy cập"),
    "research": gettext_lazy("Dữ liệu nghiên cứu đã khử nhận dạng"),
}
DPIA_STEPS = {
    "filed": gettext_lazy("Lập và gửi hồ sơ đánh giá"),
    "updated": gettext_lazy("Cập nhật hồ sơ đánh giá"),
    "changed": gettext_lazy("Mục đích xử lý thay đổi"),
}
EXPORT_STATES = {
    "asked": gettext_lazy("Chờ người thứ hai duyệt"),
    "approved": gettext_lazy("Đã duyệt, đang lập"),
    "refused": gettext_lazy("Không duyệt"),
    "ready": gettext_lazy("Tải được"),
    "failed": gettext_lazy("Không lập được"),
    "expired": gettext_lazy("Đã hết hạn"),
}
DESTRUCTIONS = {
    "proposed": gettext_lazy("Chờ người thứ hai xác nhận"),
    "confirmed": gettext_lazy("Đang hủy"),
    "done": gettext_lazy("Đã hủy"),
    "refused": gettext_lazy("Không xác nhận"),
}
SKIPPED = {
    "hold": gettext_lazy("đang bị giữ theo yêu cầu pháp lý"),
    "kept": gettext_lazy("chưa hết thời hạn"),
    "gone": gettext_lazy("không còn hồ sơ"),
}
