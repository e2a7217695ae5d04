"""What the module refuses, worded once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from tuetinh.care.insurance.checks import Problem


class InsuranceError(Exception):
    """A refusal with a code of this module and words for the desk."""

    code = "insurance"
    message = _("Không thực hiện được nghiệp vụ bảo hiểm y tế.")

    def __str__(self) -> str:
        return str(self.message)


class WireError(InsuranceError):
    """A claim file that cannot be read.

    what: `xml`, `base64`, `root`, `doctype`, `content`, `table`, `twice`, `size`, `encoding`, `empty`, `short`,
    `stray`, `count`, `packed`, `bomb`; place: where; line, column: in the document there, from 1, where they are known;
    row, field: of a table.
    """

    code = "wire"
    message = _("Tệp hồ sơ bảo hiểm y tế không đọc được.")
    reasons: ClassVar = {
        "xml": _("Không phải XML đúng cú pháp."),
        "base64": _("Nội dung không phải base64."),
        "root": _("Thẻ gốc không phải thẻ của bảng này."),
        "doctype": _("Hồ sơ không được có DOCTYPE hay thực thể (entity)."),
        "content": _("Thiếu LOAIHOSO hoặc NOIDUNGFILE."),
        "table": _("Quyết định không có bảng này."),
        "twice": _("Một dòng có trường này hai lần."),
        "size": _("Hồ sơ quá lớn, cổng giám định không nhận."),
        "encoding": _("Có byte không phải UTF-8."),
        "empty": _("Tệp không có hồ sơ nào."),
        "short": _("Tệp bị cắt cụt: thiếu thẻ đóng."),
        "stray": _("Có chữ thừa giữa các hồ sơ."),
        "count": _("SOLUONGHOSO khác số hồ sơ trong tệp."),
        "packed": _("Tệp nén hỏng hoặc có mật khẩu."),
        "bomb": _("Tệp nén nở ra quá lớn."),
    }

    def __init__(self, what: str, place: str, line: int = 0, column: int = 0, *, row: int = 0, field: str = "") -> None:
        self.what, self.place, self.line, self.column = what, place, line, column
        self.row, self.field = row, field
        super().__init__(what, place)

    def __str__(self) -> str:
        return f"{self.what}: {self.place}"

    @property
    def told(self) -> str:
        """The reason in words, with the place in the document."""
        where = f" (dòng {self.line}, cột {self.column})" if self.line else ""
        return f"{self.reasons[self.what]}{where}"


class MayNotImport(InsuranceError):
    """Who asks is no insurance officer or administrator of a facility, nor the province's administrator."""

    code = "may-not-import"
    message = _("Tài khoản này không được nhập hồ sơ.")


class TooMuch(InsuranceError):
    """The file is larger than what a page takes; the command line takes any."""

    code = "too-much"
    message = _("Tệp lớn hơn 1 GB: hãy chia nhỏ, hoặc nhập bằng lệnh trên máy chủ.")


class Stopped(InsuranceError):
    """Rules of the insurance stop what was about to be done. problems: all that they find, blocks first."""

    code = "rule"
    message = _("Quy tắc bảo hiểm y tế chặn việc này.")
    status = 409

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.severity != "block"))
        super().__init__(*(problem.code for problem in self.problems))

    def __str__(self) -> str:
        return " ".join(problem.reason for problem in self.problems if problem.severity == "block")


class MayNotOverride(InsuranceError):
    """The rule is not one that this role may go on against, or no reason was given."""

    code = "may-not-override"
    message = _("Vai trò này không được cho qua quy tắc đó, hoặc chưa ghi lý do.")


class BadList(InsuranceError):
    """Something in a list of diseases is no code; the text says what."""

    code = "bad-list"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)

    def __str__(self) -> str:
        return self.why


class BadYearPaper(InsuranceError):
    """A paper of the insurer about the co-payment that cannot be kept. field: what is wrong with it."""

    code = "bad-year-paper"
    reasons: ClassVar = {
        "on": _("Ngày không được ở tương lai."),
        "exempt_from": _("Ngày miễn phải cùng năm với ngày tính, và không ở tương lai."),
        "missing": _("Số tiền đã đủ 6 lần mức lương cơ sở: ghi ngày bắt đầu miễn trên giấy."),
    }

    def __init__(self, field: str, why: str) -> None:
        self.field, self.why = field, why
        super().__init__(field, why)

    def __str__(self) -> str:
        return str(self.reasons[self.why])


class BadBroughtPaper(InsuranceError):
    """A paper that a person came with that cannot be kept. field: what is wrong with it."""

    code = "bad-brought-paper"
    reasons: ClassVar = {
        "kind": _("Chọn loại giấy trong danh sách."),
        "number": _("Ghi số giấy."),
        "origin": _("Ghi mã cơ sở KCB 5 ký tự của nơi chuyển."),
    }

    def __init__(self, field: str, why: str) -> None:
        self.field, self.why = field, why
        super().__init__(field, why)

    def __str__(self) -> str:
        return str(self.reasons[self.why])


class BadRule(InsuranceError):
    """A rule that cannot be kept as it was written."""

    code = "bad-rule"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.told = field, message

    def __str__(self) -> str:
        return self.told


class BadCase(InsuranceError):
    """A benefit case that cannot be read.

    field: where, as it was named, "" for the whole; why: what is wrong there, in English.
    """

    code = "bad-case"

    def __init__(self, field: str, why: str) -> None:
        self.field, self.why = field, why
        super().__init__(field, why)

    def __str__(self) -> str:
        return f"{self.field or 'case'} {self.why}"


class ClosedDecision(InsuranceError):
    """The visit ended in the time of QĐ 4210, by which the gateway takes no claim any more."""

    code = "closed-decision"
    message = _("Lượt khám kết thúc trước 01/07/2024: cổng không còn nhận hồ sơ theo QĐ 4210.")


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


class KeyRefused(InsuranceError):
    """The token or signing service does not open the key with what is kept for it."""

    code = "key-refused"
    message = _("Thiết bị hoặc dịch vụ ký số từ chối mã PIN hay tài khoản: ghi lại ở trang cổng giám định.")


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
    message = _("Cổng giám định BHYT đang gián đoạn; hệ thống sẽ tự thử lại.")


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


class SignerAway(GatewayError):
    """The token is not in its place, or the signing service does not answer."""

    code = "signer-away"
    message = _("Thiết bị hoặc dịch vụ ký số không trả lời: sẽ thử lại.")


class MayNotIssue(InsuranceError):
    """Papers are issued by a doctor, or by whoever treats people at a station."""

    code = "may-not-issue"
    message = _("Chỉ bác sĩ hoặc người khám ở trạm được cấp giấy.")
    status = 403


class BadPaper(InsuranceError):
    """Answers of a paper that cannot be taken. wrong: what, by field."""

    code = "bad-paper"
    message = _("Giấy chưa ghi đủ hoặc chưa đúng.")
    status = 422

    def __init__(self, wrong: dict[str, str]) -> None:
        self.wrong = wrong
        super().__init__(*wrong)


class BadResults(InsuranceError):
    """Results of the review that cannot be read, or do not fit the claim. what: a key of `reasons`; place: where."""

    code = "bad-results"
    reasons: ClassVar = {
        "kind": _("Chỉ nhận tệp .json, .xml, .xlsx hoặc .csv."),
        "json": _("Không phải JSON đúng cú pháp."),
        "xml": _("Không phải XML đúng cú pháp."),
        "xlsx": _("Không đọc được tệp Excel."),
        "encoding": _("Có byte không phải UTF-8."),
        "head": _("Không thấy danh sách kết quả hoặc cột mã liên kết."),
        "ma_lk": _("Thiếu mã liên kết."),
        "line": _("Dòng chi tiết thiếu bảng, số thứ tự hoặc số tiền."),
        "amount": _("Số tiền không đọc được."),
        "state": _("Trạng thái giám định lạ."),
        "day": _("Ngày không đọc được."),
        "unknown": _("Không có hồ sơ đã gửi nào mang mã này."),
        "no-line": _("Hồ sơ đã gửi không có dòng này."),
        "too-much": _("Chấp nhận nhiều hơn đề nghị."),
        "sum": _("Tổng được duyệt lớn hơn cộng các dòng."),
    }

    def __init__(self, what: str, place: str) -> None:
        self.what, self.place = what, place
        super().__init__(what, place)

    def __str__(self) -> str:
        return f"{self.reasons[self.what]} ({self.place})" if self.place else str(self.reasons[self.what])


class NotAllowed(InsuranceError):
    """The claim is of another facility, or the desk may not do this: write answers of the insurer, change rules."""

    code = "not-allowed"
    message = _("Bàn làm việc này không được làm việc đó.")


class AlreadyRunning(InsuranceError):
    """The same work is under way for the facility."""

    code = "already-running"
    message = _("Việc này đang chạy. Hãy chờ xong.")


class NoReduction(InsuranceError):
    """The insurer pays the line in full, so that there is nothing to dispute."""

    code = "no-reduction"
    message = _("Dòng này không bị giảm trừ.")


class AlreadyDisputed(InsuranceError):
    """The line has a dispute that goes on."""

    code = "already-disputed"
    message = _("Dòng này đang có khiếu nại chưa xong.")


class WrongStep(InsuranceError):
    """The dispute cannot go to that state from where it is, or lacks what the step needs."""

    code = "wrong-step"
    message = _("Khiếu nại không chuyển được sang trạng thái đó, hoặc còn thiếu nội dung.")


class TooLate(InsuranceError):
    """The day until which a dispute may be opened or sent is over (TT 12/2026)."""

    code = "too-late"
    message = _("Đã quá hạn khiếu nại.")


class BadCatalogue(InsuranceError):
    """A catalogue that cannot be read, or a row of it. what: a key of `reasons`; place: where."""

    code = "bad-catalogue"
    reasons: ClassVar = {
        "xlsx": _("Không đọc được tệp Excel."),
        "head": _("Không thấy dòng tên cột của danh mục này."),
        "missing": _("Thiếu giá trị bắt buộc."),
        "site": _("Dòng của cơ sở khác."),
        "value": _("Ngày hoặc giá không đọc được."),
        "names": _("Không thấy cột mã thuốc và cột tên hoạt chất."),
    }

    def __init__(self, what: str, place: str = "") -> None:
        self.what, self.place = what, place
        super().__init__(what, place)

    def __str__(self) -> str:
        return f"{self.reasons[self.what]} ({self.place})" if self.place else str(self.reasons[self.what])


class NoForm(InsuranceError):
    """There is no such form, not of this period, or its file is gone."""

    code = "no-form"
    message = _("Không có biểu mẫu này, hoặc tệp đã bị xóa. Hãy lập lại.")
