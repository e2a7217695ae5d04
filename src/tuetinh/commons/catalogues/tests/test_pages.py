from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tuetinh.commons.catalogues import api

ADDRESSES = ["icd10", "services", "drugs", "communes"]
JSON = {"Accept": "application/json"}


@pytest.mark.django_db
def test_the_combobox_gets_json(as_role: Callable[[str], Client]) -> None:
    found = as_role("doctor").get("/catalogues/icd10", {"q": "dai thao duong"}, headers=JSON).json()
    assert found[0] == {
        "value": "E11",
        "code": "E11",
        "label": "Bệnh đái tháo đường không phụ thuộc insuline",
        "hint": "Non-insuline-dependent diabetes mellitus",
        "pill": "cần mã 4 ký tự",
        "tone": "warning",
    }


@pytest.mark.django_db
def test_htmx_gets_a_list_of_options(as_role: Callable[[str], Client]) -> None:
    answer = as_role("reception").get("/catalogues/communes", {"q": "muong than", "province": "12"})
    assert (
        '<li role="option" aria-selected="false" data-value="03618" data-label="Xã Mường Than, Tỉnh Lai Châu">'
        in answer.content.decode()
    )


@pytest.mark.django_db
def test_an_old_commune_finds_its_successor(as_role: Callable[[str], Client]) -> None:
    found = as_role("reception").get("/catalogues/communes", {"q": "Phúc Than"}, headers=JSON).json()
    assert (found[0]["code"], found[0]["label"]) == (
        "Xã Phúc Than, Huyện Than Uyên nay là",
        "Xã Mường Than, Tỉnh Lai Châu",
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("muong tha", "Xã Mường Than, Tỉnh Lai Châu"),
        ("phuc tha", "Xã Mường Than, Tỉnh Lai Châu"),
        ("phuc than than uyen", "Xã Mường Than, Tỉnh Lai Châu"),
        ("muogn than", "Xã Mường Than, Tỉnh Lai Châu"),
        ("lai chau", "Tỉnh Lai Châu"),
    ],
)
def test_a_commune_or_province_is_found_from_a_scrap(as_role: Callable[[str], Client], typed: str, label: str) -> None:
    found = as_role("reception").get("/catalogues/communes", {"q": typed, "province": "12"}, headers=JSON).json()
    assert found[0]["label"] == label


def test_every_commune_and_province_is_read_back_as_written() -> None:
    for one in api.provinces():
        assert (api.parse_address(api.written(one)).province, api.parse_address(api.written(one)).line) == (one, "")
        for part in api.communes_of(one.code):
            assert api.parse_address(api.written(part)).commune == part


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "typed",
    ["", "<script>", "'; drop", "x" * 100_000, "%", "é" * 50],
    ids=["nothing", "tag", "quote", "long", "percent", "marks"],
)
def test_odd_input_is_answered(as_role: Callable[[str], Client], address: str, typed: str) -> None:
    answer = as_role("doctor").get(f"/catalogues/{address}", {"q": typed}, headers=JSON)
    assert answer.status_code == 200
    assert isinstance(answer.json(), list)


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
def test_others_are_refused(as_role: Callable[[str], Client], address: str) -> None:
    assert as_role("outsider").get(f"/catalogues/{address}", {"q": "a"}).status_code == 403
    assert as_role("citizen").get(f"/catalogues/{address}", {"q": "a"}).status_code == 403
    assert as_role("").get(f"/catalogues/{address}", {"q": "a"}).status_code == 302
    assert as_role("doctor").post(f"/catalogues/{address}", {"q": "a"}).status_code == 405
