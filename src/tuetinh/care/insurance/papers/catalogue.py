"""Which papers there are, and what each asks for beyond what the visit knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from tuetinh.care.insurance.tables import Field, decision

NEWEST: Final = "3176"


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper. table: where it is claimed; asked: its questions by field, with their words.

    many: one for each child, else one a visit. again: answers are taken over from the last one of the person, for care
    that goes on from visit to visit. days: fields that say from when to when for how many days; the last day is
    worked out. formal: the title of the print.
    """

    name: str
    table: str
    title: Any
    formal: str
    asked: Mapping[str, Any]
    many: bool = False
    again: bool = False
    days: tuple[str, str, str] | None = None
    code: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, Field]:
        """The description of each question's field."""
        return {name: described(self.table)[name] for name in self.asked}

    def kind(self, name: str) -> str:
        """How a question is answered: text, lines, number, date, moment, code, codes, flag or facility."""
        if name in self.kinds:
            return self.kinds[name]
        one = described(self.table)[name]
        if one.codes:
            return "codes" if one.separator else "code"
        if one.pattern == "[01]":
            return "flag"
        if one.format in ("yyyymmdd", "yyyymmddHHMM"):
            return "date" if one.format == "yyyymmdd" else "moment"
        if one.type == "number":
            return "number"
        return "text" if one.length and one.length[-1][1] <= 1024 else "lines"


@cache
def described(table: str) -> dict[str, Field]:
    """The fields of a table of the newest decision, by name."""
    return {one.name: one for one in decision(NEWEST).tables[table].fields}


PARENTS = {"HO_TEN_CHA": _("Họ tên cha"), "HO_TEN_ME": _("Họ tên mẹ")}
PREGNANCY = {
    "MA_DINH_CHI_THAI": _("Đình chỉ thai nghén"),
    "NGUYENNHAN_DINHCHI": _("Nguyên nhân đình chỉ thai"),
    "TUOI_THAI": _("Tuổi thai (tuần)"),
}
OF_PREGNANCY = frozenset({*PREGNANCY, "THOIGIAN_DINHCHI"})
TREATMENT, WORK = _("Phương pháp điều trị"), _("Đơn vị công tác")
COURSE, RESULTS = _("Quá trình bệnh lý và diễn biến"), _("Tóm tắt kết quả xét nghiệm, cận lâm sàng")
REFERRAL = Paper(
    "chuyen-co-so", "XML13", _("Giấy chuyển cơ sở khám bệnh, chữa bệnh"),
    "GIẤY CHUYỂN CƠ SỞ KHÁM BỆNH, CHỮA BỆNH BẢO HIỂM Y TẾ",
    {
        "MA_CSKCB_DEN": _("Chuyển đến cơ sở"), "MA_LYDO_CT": _("Lý do chuyển"), "DAU_HIEU_LS": _("Dấu hiệu lâm sàng"),
        "QT_BENHLY": COURSE, "TOMTAT_KQ": RESULTS, "PP_DIEUTRI": _("Phương pháp, thủ thuật, kỹ thuật, thuốc đã dùng"),
        "TINH_TRANG_CT": _("Tình trạng lúc chuyển"), "HUONG_DIEU_TRI": _("Hướng điều trị"),
        "PHUONGTIEN_VC": _("Phương tiện vận chuyển"), "HOTEN_NGUOI_HT": _("Họ tên người hộ tống"),
        "CHUCDANH_NGUOI_HT": _("Chức danh người hộ tống"),
    },
    kinds={"MA_CSKCB_DEN": "facility"}, code="CT",
)  # fmt: skip
LEAVE = Paper(
    "nghi-om", "XML11", _("Giấy chứng nhận nghỉ việc hưởng BHXH"),
    "GIẤY CHỨNG NHẬN NGHỈ VIỆC HƯỞNG BẢO HIỂM XÃ HỘI",
    {
        "DON_VI": WORK, "TU_NGAY": _("Nghỉ từ ngày"), "SO_NGAY_NGHI": _("Số ngày nghỉ"), "PP_DIEUTRI": TREATMENT,
        **PREGNANCY, **PARENTS,
    },
    days=("TU_NGAY", "DEN_NGAY", "SO_NGAY_NGHI"), code="NO",
)  # fmt: skip
REST = Paper(
    "duong-thai", "XML10", _("Giấy chứng nhận nghỉ dưỡng thai"), "GIẤY CHỨNG NHẬN NGHỈ DƯỠNG THAI",
    {"DON_VI": WORK, "TU_NGAY": _("Nghỉ từ ngày"), "SO_NGAY": _("Số ngày nghỉ")},
    days=("TU_NGAY", "DEN_NGAY", "SO_NGAY"), code="DT",
)  # fmt: skip
DISCHARGE = Paper(
    "ra-vien", "XML7", _("Giấy ra viện"), "GIẤY RA VIỆN",
    {
        "PP_DIEUTRI": TREATMENT, "GHI_CHU": _("Ghi chú"), "SO_NGAY_NGHI": _("Số ngày nghỉ sau ra viện"),
        "NGOAITRU_TUNGAY": _("Nghỉ từ ngày"), **PREGNANCY, "THOIGIAN_DINHCHI": _("Thời điểm đình chỉ thai"),
        **PARENTS, "MA_CHA": _("Mã số BHXH của cha"), "MA_ME": _("Mã số BHXH của mẹ"),
    },
    days=("NGOAITRU_TUNGAY", "NGOAITRU_DENNGAY", "SO_NGAY_NGHI"), code="RV",
)  # fmt: skip
SUMMARY = Paper(
    "tom-tat-benh-an", "XML8", _("Tóm tắt hồ sơ bệnh án"), "TÓM TẮT HỒ SƠ BỆNH ÁN",
    {
        "QT_BENHLY": COURSE, "TOMTAT_KQ": RESULTS, "PP_DIEUTRI": TREATMENT, "DON_VI": WORK, **PARENTS,
        "NGUOI_GIAM_HO": _("Người giám hộ"), "NGAY_SINHCON": _("Ngày sinh con (con chết)"),
        "NGAY_CONCHET": _("Ngày con chết"), "SO_CONCHET": _("Số con chết"), "GHI_CHU": _("Ghi chú"),
    },
    code="TT",
)  # fmt: skip
BIRTH = Paper(
    "chung-sinh", "XML9", _("Giấy chứng sinh"), "GIẤY CHỨNG SINH",
    {
        "NGAY_SINH_CON": _("Con sinh lúc"), "GIOI_TINH_CON": _("Giới tính của con"),
        "CAN_NANG_CON": _("Cân nặng của con (gram)"), "TINH_TRANG_CON": _("Tình trạng của con"),
        "HO_TEN_CON": _("Tên dự kiến của con"), "MA_THE_TAM": _("Mã thẻ BHYT tạm của con"),
        "SO_CON": _("Số con lần sinh này"), "LAN_SINH": _("Lần sinh"), "SO_CON_SONG": _("Số con hiện sống"),
        "SINHCON_PHAUTHUAT": _("Sinh mổ"), "SINHCON_DUOI32TUAN": _("Sinh dưới 32 tuần"), "GHI_CHU": _("Ghi chú"),
        "NGUOI_DO_DE": _("Người đỡ đẻ"), "HO_TEN_CHA": PARENTS["HO_TEN_CHA"],
        "NGAYCAP_CCCD_NND": _("Ngày cấp giấy tờ của mẹ"), "NOICAP_CCCD_NND": _("Nơi cấp giấy tờ của mẹ"),
    },
    many=True, code="CS",
)  # fmt: skip
TB_CARE = {
    "LOAI_DTRI_LAO": _("Loại điều trị lao"), "PHACDO_DTRI_LAO": _("Phác đồ lao"),
    "NGAYBD_DTRI_LAO": _("Ngày bắt đầu điều trị lao"), "NGAYKT_DTRI_LAO": _("Ngày kết thúc điều trị lao"),
}  # fmt: skip
HIV_DATES = {
    "NGAYKD_HIV": _("Ngày khẳng định HIV"), "BDDT_ARV": _("Ngày bắt đầu ARV"),
    "NGAY_BAT_DAU_DT_CTX": _("Ngày bắt đầu cotrimoxazol"),
}  # fmt: skip
HIV = Paper(
    "hiv", "XML6", _("Chăm sóc và điều trị HIV/AIDS"), "PHIẾU CHĂM SÓC VÀ ĐIỀU TRỊ HIV/AIDS",
    {
        "MA_LOAI_BN": _("Đối tượng đến khám"), "MA_LYDO_DTRI": _("Lý do đăng ký điều trị"),
        "GIAI_DOAN_LAM_SANG": _("Giai đoạn lâm sàng"), "NHOM_DOI_TUONG": _("Nhóm nguy cơ"),
        "MA_TINH_TRANG_DK": _("Tình trạng khi đến khám"), "NGAYKD_HIV": HIV_DATES["NGAYKD_HIV"],
        "NOI_LAY_MAU_XN": _("Nơi lấy mẫu xét nghiệm HIV"), "NOI_XN_KD": _("Nơi khẳng định HIV"),
        "NOI_BDDT_ARV": _("Nơi bắt đầu ARV"), "BDDT_ARV": HIV_DATES["BDDT_ARV"],
        "MA_PHAC_DO_DIEU_TRI_BD": _("Phác đồ ARV ban đầu"), "MA_BAC_PHAC_DO_BD": _("Bậc phác đồ ban đầu"),
        "MA_XU_TRI": _("Xử trí"), "MA_PHAC_DO_DIEU_TRI": _("Phác đồ ARV đợt này"),
        "MA_BAC_PHAC_DO": _("Bậc phác đồ đợt này"), "NGAY_BAT_DAU_XU_TRI": _("Bắt đầu đợt ARV"),
        "NGAY_KET_THUC_XU_TRI": _("Kết thúc đợt ARV"), "SO_NGAY_CAP_THUOC_ARV": _("Số ngày cấp thuốc ARV"),
        "NGAY_CHUYEN_PHAC_DO": _("Ngày chuyển phác đồ"), "LY_DO_CHUYEN_PHAC_DO": _("Lý do chuyển phác đồ"),
        "SANG_LOC_LAO": _("Phương pháp sàng lọc lao"), **TB_CARE, "KQ_DTRI_LAO": _("Kết quả điều trị lao"),
        "MA_LYDO_XNTL_VR": _("Lý do xét nghiệm tải lượng virus"), "NGAY_XN_TLVR": _("Ngày lấy mẫu tải lượng virus"),
        "KQ_XNTL_VR": _("Kết quả tải lượng virus"), "NGAY_KQ_XN_TLVR": _("Ngày có kết quả tải lượng virus"),
        "LAN_XN_PCR": _("Lần xét nghiệm PCR"), "NGAY_XN_PCR": _("Ngày xét nghiệm PCR"),
        "NGAY_KQ_XN_PCR": _("Ngày có kết quả PCR"), "MA_KQ_XN_PCR": _("PCR dương tính"),
        "NGAY_NHAN_TT_MANG_THAI": _("Ngày nhận thông tin mang thai"),
        "NGAY_BAT_DAU_DT_CTX": HIV_DATES["NGAY_BAT_DAU_DT_CTX"],
    },
    again=True, code="HIV",
    kinds=dict.fromkeys(("NOI_LAY_MAU_XN", "NOI_XN_KD", "NOI_BDDT_ARV"), "facility"),
)  # fmt: skip
TB = Paper(
    "lao", "XML15", _("Điều trị bệnh lao"), "PHIẾU ĐIỀU TRỊ BỆNH LAO",
    {
        "PHANLOAI_LAO_VITRI": _("Vị trí giải phẫu"), "PHANLOAI_LAO_TS": _("Tiền sử điều trị"),
        "PHANLOAI_LAO_HIV": _("Tình trạng HIV"), "PHANLOAI_LAO_VK": _("Bằng chứng vi khuẩn"),
        "PHANLOAI_LAO_KT": _("Kháng thuốc"), **TB_CARE, "KET_QUA_DTRI_LAO": _("Kết quả điều trị lao"), **HIV_DATES,
    },
    again=True, code="LAO",
)  # fmt: skip
COUNCIL = Paper(
    "giam-dinh-y-khoa", "XML12", _("Biên bản giám định y khoa"), "BIÊN BẢN GIÁM ĐỊNH Y KHOA",
    {
        "NGUOI_CHU_TRI": _("Người chủ trì"), "CHUC_VU": _("Chức vụ người chủ trì"), "NGAY_HOP": _("Ngày họp"),
        "MA_DOI_TUONG": _("Đối tượng giám định"), "KHAM_GIAM_DINH": _("Loại khám giám định"),
        "DANG_HUONG_CHE_DO": _("Chế độ đang hưởng"), "TYLE_TTCT_CU": _("Tỷ lệ tổn thương lần trước (%)"),
        "SO_GIAY_GIOI_THIEU": _("Số giấy giới thiệu"), "NGAY_DE_NGHI": _("Ngày đề nghị"),
        "MA_DONVI": _("Mã đơn vị giới thiệu"), "GIOI_THIEU_CUA": _("Đơn vị giới thiệu"),
        "SO_VAN_BAN_CAN_CU": _("Số văn bản căn cứ"), "KET_QUA_KHAM": _("Kết quả khám"),
        "TYLE_TTCT_MOI": _("Tỷ lệ tổn thương lần này (%)"), "TONG_TYLE_TTCT": _("Tổng tỷ lệ tổn thương (%)"),
        "DANG_KHUYETTAT": _("Dạng khuyết tật"), "MUC_DO_KHUYETTAT": _("Mức độ khuyết tật"),
        "DE_NGHI": _("Đề nghị"), "DUOC_XACDINH": _("Được xác định"),
        "NGAY_CAP_CCCD": _("Ngày cấp giấy tờ"), "NOI_CAP_CCCD": _("Nơi cấp giấy tờ"),
    },
    code="GD",
)  # fmt: skip
OF_WOMEN: Final = (REST, BIRTH)
PAPERS: Final = {one.name: one for one in (REFERRAL, LEAVE, REST, DISCHARGE, SUMMARY, BIRTH, HIV, TB, COUNCIL)}
BY_TABLE: Final = {one.table: one for one in PAPERS.values()}
