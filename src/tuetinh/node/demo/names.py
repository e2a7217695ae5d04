"""Names by ethnic group and sex: of the Kinh by published frequencies, of the others in the forms of each people."""

# ruff: noqa: E501 - a table of names is read by the line
from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

DATA = Path(__file__).parent / "data"


class Forms(NamedTuple):
    """How a people names itself: surnames, middle and given names by sex."""

    surnames: str
    middle_male: str
    middle_female: str
    male: str
    female: str


# `_` stands for no middle name; what is empty is shared with the Kinh.
PEOPLES = {
    "03": Forms(
        "Lò Lò Lò Lường Quàng Cà Tòng Hoàng Vàng Điêu Mào Khoàng Lù Đèo Vì Cầm Hà",
        "Văn Văn Văn Văn Minh",
        "Thị Thị Thị Thị Thu",
        "Pâng Ún Inh Pọm Hặc Thoan Chiến Xôm Panh Dọn Chung Hương Tiện Phong Thắng Ơn Hặng Phủ Chanh Đôi Sơ Hom Biên Lả Khặm Inh Nghĩa",
        "Pâng Ón Lả Dọ Nọi Phương Hiên Xuân Thoa Inh Ín Sương Doan Hom Phin Lún Piêng Hoan Biên Chốm Panh Thiêm Yến Xôm Kẻo Hặc",
    ),
    "08": Forms(
        "Giàng Giàng Vàng Sùng Thào Lý Hảng Mùa Chang Ma Cứ Hạng Ly Phàng Tráng Vừ Hờ",
        "A A A A A A Seo",
        "Thị Thị Thị _",
        "Chu Páo Dơ Sình Tủa Lử Vàng Của Chớ Phứ Lùng Sùng Tráng Dế Giống Sử Nhè Dinh Lềnh Chinh Khua Nủ Tú Câu Giàng Páo Vảng",
        "Mỷ Dợ Sua Chư Mào Pàng Say Dinh Xoa Cở Dở Mảy Sinh Lan Dua Vá Dí Chứ Ghếnh Sông Pà Khua Nhè Mị",
    ),
    "09": Forms(
        "Tẩn Tẩn Phàn Lý Chẻo Vàng Triệu Phùng Đặng Tẩn Lò",
        "Láo A Phủ Sài Diếu Lở Chin San U",
        "Tả San Lở Sử Ú Lụ Mý San Diếu",
        "Tả San Lở Sử Lụ Ú Sài Phàn Quẩy Xoang Pà Hùng Chẳn Vạn Mìn Ton Phâu",
        "Mẩy Mẩy Mẩy Mẩy Mẩy",
    ),
    "35": Forms(
        "Lỳ Pờ Chu Sừng Khoàng Vàng Phùng Ly Toán Mạ Chang Giàng",
        "Gò Xá Xé Hừ Pó Chừ Go Lóng",
        "Mé Gó Xá Lòng Nhù Mò Pơ",
        "Cà Hừ Lù Xá Chừ Po Giá Phạ Lòng Sơn Thành Hùng Dé",
        "Xá Nu De Cà Xó Nhù Mơ Hương Ché Pư Gạ",
    ),
    "41": Forms("Vàng Ly Phản Giàng Pờ Lò", "Xa Go Hừ A Pà Nhù", "Mí Mé Xa Lò Có", "Go Xa Pu De Hừ Ché Chừ Phú", "De Nu Xa Go Phừ Xó Pư"),
    "25": Forms("Vàng Lù Lý Vũ Phan Hoàng Lò", "Văn Văn Minh", "Thị Thị Thu", "", ""),
    "42": Forms("Tao Vàng Lò Khoàng Lù", "Văn", "Thị", "Ón Páo Pánh Dọn Ín Lủn Chẳm Inh Pọm Séng", "Ón Dọ Ín Pâng Lả Noi Hom Chẳm Kẻo"),
    "29": Forms("Lò Quàng Lường Moong Vì", "Văn", "Thị", "", ""),
    "45": Forms("Lò Chìn Tào Pàn Lùng Thàng", "A Văn", "Thị Me", "Nhị Hượi Ơn Tiến Pành Ngân Khoa Oi", "Hỏ Nhinh Phương Oi Thu Hoa"),
    "48": Forms("Lò Chảo Ly Hù Chang", "Văn A", "Thị", "Chương Phủ Hạ Pong Xen", "Phương Pó Chư Xuân Hạ"),
    "50": Forms("Hù Pờ Lỳ Giàng", "Cố Chà Pó", "Cố Cà Mò", "Xuân Chinh Lòng Hừ", "Xuân Hoa Chà Lòng"),
    "37": Forms("Lò Vàng Lường Tòng", "Văn", "Thị", "", ""),
}  # fmt: skip
KINH = "01"


@cache
def _kinh() -> tuple[list[str], list[int], list[str], list[str]]:
    with (DATA / "kinh_surnames.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    boys, girls = (
        [name for name in (DATA / f"kinh_{sex}_one_word.txt").read_text(encoding="utf-8").split("\n") if name.isalpha()]
        for sex in ("boy", "girl")
    )
    return [r["surname"] for r in rows], [int(r["count"]) for r in rows], boys, girls


def surname(rng: Random, people: str) -> str:
    """Draw a family name."""
    if people == KINH:
        surnames, counts, _, _ = _kinh()
        return rng.choices(surnames, counts)[0]
    return rng.choice(_words(PEOPLES[people].surnames))


def given(rng: Random, people: str, *, female: bool) -> str:
    """Draw middle and given names, as spoken after the family name."""
    if people == KINH:
        _, _, boys, girls = _kinh()
        if female:
            middle = (
                "Thị"
                if rng.random() < 0.55
                else rng.choice(("Thanh", "Ngọc", "Thu", "Minh", "Hồng", "Phương", "Khánh"))
            )
            return f"{middle} {rng.choice(girls)}"
        middle = (
            "Văn"
            if rng.random() < 0.4
            else rng.choice(("Minh", "Đức", "Quang", "Hữu", "Xuân", "Thành", "Đình", "Anh", "Duy"))
        )
        return f"{middle} {rng.choice(boys)}"
    forms = PEOPLES[people]
    middle = rng.choice(_words(forms.middle_female if female else forms.middle_male))
    _, _, boys, girls = _kinh()
    pool = _words(forms.female if female else forms.male) or (girls if female else boys)
    name = rng.choice(pool)
    return name if middle == "_" else f"{middle} {name}"


@cache
def _words(text: str) -> list[str]:
    return text.split()
