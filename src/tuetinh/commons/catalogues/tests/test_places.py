from __future__ import annotations

import pytest

from tuetinh.commons.catalogues import api
from tuetinh.commons.catalogues.places import _tables


@pytest.mark.parametrize(
    ("text", "commune", "line"),
    [
        ("Bản Nà Phát, xã Mường Than, tỉnh Lai Châu", "03618", "Bản Nà Phát"),
        ("Bản X, xã Phúc Than, huyện Than Uyên, tỉnh Lai Châu", "03618", "Bản X"),
        ("thi tran than uyen, than uyen, lai chau", "03595", ""),
        ("P. Bến Nghé, Q.1, TP HCM", "26740", ""),
        ("Phường 5, Quận 3, Thành phố Hồ Chí Minh", "27154", ""),
        ("thôn 3, xã Mường Than, Lai Châu, Việt Nam", "03618", "thôn 3"),
        ("Thôn 1 - xã Mường Than - tỉnh Lai Châu", "03618", "Thôn 1"),
        ("xã Văn Lăng, tỉnh Thái Nguyên", "05665", ""),
        ("xã Văn Lang, tỉnh Thái Nguyên", "02143", ""),
    ],
)
def test_an_address_is_read(text: str, commune: str, line: str) -> None:
    place = api.parse_address(text)
    assert place.commune is not None
    assert (place.commune.code, place.line) == (commune, line)
    assert place.province is not None
    assert place.province.code == place.commune.province


@pytest.mark.parametrize("text", ["", " , ", "nowhere at all", "Việt Nam", "-" * 500])
def test_what_is_no_address_gives_no_place(text: str) -> None:
    place = api.parse_address(text)
    assert (place.commune, place.province) == (None, None)


def test_a_province_alone_is_read_also_by_its_old_name() -> None:
    assert [p.name for t in ("Lai Châu", "tỉnh Hà Giang") if (p := api.parse_address(t).province)] == [
        "Lai Châu",
        "Tuyên Quang",
    ]


def test_every_commune_is_read_back_with_and_without_its_kind() -> None:
    for province in api.provinces():
        for commune in api.communes_of(province.code):
            for text in (
                f"Thôn 1, {commune.full_name}, {province.full_name}",
                f"Thôn 1, {commune.name}, {province.name}",
            ):
                assert api.parse_address(text) == api.Place(commune, province, "Thôn 1"), text


def test_every_old_unit_is_read_as_its_usual_successor() -> None:
    for move in _tables().moves:
        if move.default:
            district = _tables().districts[move.district_index]
            place = api.parse_address(f"Bản A, {move.name}, {district.name}, {district.province}")
            assert place.commune is not None
            assert (place.commune.code, place.line) == (move.successor, "Bản A")


def test_an_old_unit_leads_to_its_successors() -> None:
    assert [c.name for c in api.old_to_new("03386")] == ["Đoàn Kết"]
    assert [c.name for c in api.old_to_new("Xã Phúc Than", "Huyện Than Uyên", "Tỉnh Lai Châu")] == ["Mường Than"]
    assert api.old_to_new("00000") == []
    assert api.old_to_new("no such commune") == []


def test_type_ahead_puts_the_own_province_first() -> None:
    assert api.communes("muong than", province_code="12")[0].code == "03618"
    assert api.communes("than uyen lai chau")[0].name == "Than Uyên"
    assert [c.code for c in api.communes("03618")] == ["03618"]
