from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

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
        '<li role="option" aria-selected="false" data-value="03618" data-label="Xã Mường Than">'
        in answer.content.decode()
    )


@pytest.mark.django_db
def test_an_old_commune_finds_its_successor(as_role: Callable[[str], Client]) -> None:
    found = as_role("reception").get("/catalogues/communes", {"q": "Phúc Than"}, headers=JSON).json()
    assert found[0]["label"] == "Xã Mường Than"


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
