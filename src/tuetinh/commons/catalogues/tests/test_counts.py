from __future__ import annotations

from collections import Counter

import pytest

from tuetinh.commons.catalogues import api


def test_the_catalogues_are_complete() -> None:
    assert len(api.all_codes()) == 12_219
    assert len({e.code for e in api.all_codes()}) == 12_137
    assert len(api.provinces()) == 34
    assert sum(len(api.communes_of(p.code)) for p in api.provinces()) == 3_321
    assert len(api.ethnic_groups()) == 56
    assert len(api.code_lists()) == 67
    assert sum(len(api.code_list(name)) for name in api.code_lists()) == 782
    assert len(api.drugs()) == 239


def test_the_flags_of_the_circular_are_complete() -> None:
    from tuetinh.commons.catalogues.icd10 import _by_code

    counts = Counter(flag for entry in _by_code().values() for flag in entry.flags)
    assert counts[api.Flag.NOT_PRINCIPAL] == 2_427
    assert counts[api.Flag.DISCOURAGED] == 221
    assert counts[api.Flag.NEEDS_DIGITS] == 2_119
    assert counts[api.Flag.DEATH_ONLY] == 12
    assert sorted((counts[api.Flag.FEMALE], counts[api.Flag.MALE])) == [144, 933]


def test_a_code_knows_its_chapter_and_group() -> None:
    entry = api.icd10("i10")
    assert entry is not None
    assert (entry.code, entry.vi, entry.en) == ("I10", "Bệnh lý tăng huyết áp", "Essential (primary) hypertension")
    assert entry.chapter.number == "IX"
    assert entry.block.codes == "I10-I15"


@pytest.mark.parametrize("written", ["J18.9", "j189", " J18.9 ", "J189"])
def test_a_code_is_found_however_it_is_written(written: str) -> None:
    entry = api.icd10(written)
    assert entry is not None
    assert entry.code == "J18.9"


def test_an_unknown_code_is_none() -> None:
    assert api.icd10("Q99.99") is None
    assert api.commune("99999") is None
    assert api.service("99.9999") is None
    assert api.drug("nothing") is None


def test_double_codes_name_their_companions() -> None:
    assert ("A010", "G01", "G01") in api.companions("G01*")
    assert [c.code for c in api.children("I15")] == ["I15.0", "I15.1", "I15.2", "I15.8", "I15.9"]


def test_code_lists_are_read_by_the_name_of_their_field() -> None:
    assert api.codes("GIOI_TINH") == {"1": "Nam", "2": "Nữ", "3": "Chưa xác định"}
    assert api.code_list("GIOI_TINH")[0].certain
    assert not api.code_list("KET_QUA_DTRI_4210")[0].certain
    with pytest.raises(KeyError):
        api.codes("NO_SUCH_LIST")


@pytest.mark.parametrize(
    ("text", "code"),
    [("Thái", "03"), ("mong", "08"), ("H'Mông", "08"), ("hmông", "08"), ("Mèo", "08"), ("45", "45"), ("cao lan", "15")],
)
def test_an_ethnic_group_is_known_by_all_its_names(text: str, code: str) -> None:
    group = api.ethnic_group(text)
    assert group is not None
    assert group.code == code
