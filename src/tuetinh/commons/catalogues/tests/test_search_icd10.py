from __future__ import annotations

import string
from collections import Counter
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuetinh.commons.catalogues import api
from tuetinh.commons.catalogues.wordsearch import slips, words

# Names that say one disease in so many words that a slip in one of them leaves no doubt.
TELLING = [e for e in {e.code: e for e in api.all_codes()}.values() if 4 <= len(set(words(e.vi))) <= 14]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("tang huyet ap", "I10"),
        ("tăng huyết áp", "I10"),
        ("cao huyet ap", "I10"),
        ("huyet ap tang", "I10"),
        ("tang huyet sp", "I10"),
        ("essential hypertens", "I10"),
        ("I10", "I10"),
        ("i10", "I10"),
        ("J189", "J18.9"),
        ("j18.9", "J18.9"),
        ("viem hong", "J02.9"),
        ("viêm mũi họng cấp", "J00"),
        ("sot xuat huyet", "A97"),
        ("pneumonia", "J18.9"),
        ("lao phoi", "A15.0"),
    ],
)
def test_the_expected_code_comes_first(typed: str, first: str) -> None:
    assert api.search_icd10(typed)[0].code == first


@pytest.mark.parametrize(
    ("typed", "family"),
    [
        ("tieu duong", {"E11", "E11.9"}),
        ("dai thao duong", {"E11", "E11.9"}),
        ("tieu duo", {"E11", "E11.9"}),
        ("viem phoi", {"J18", "J15"}),
        ("hen suyen", {"J45"}),
        ("trao nguoc", {"K21"}),
        ("viem da day", {"K29", "K29.7"}),
    ],
)
def test_the_expected_family_is_on_the_first_lines(typed: str, family: set[str]) -> None:
    assert family <= {e.code for e in api.search_icd10(typed, limit=6)}


def test_every_synonym_leads_to_names_of_the_catalogue() -> None:
    from tuetinh.commons.catalogues import icd10, services
    from tuetinh.commons.catalogues.wording import synonyms

    for name, (index, _) in (("synonyms", icd10._index()), ("service_synonyms", services._index())):
        lost = [
            said
            for said, meant in synonyms(name).items()
            if not (hits := index.find(meant.split(), 1)) or hits[0][0] > 40
        ]
        assert lost == []


def test_what_a_desk_uses_moves_up() -> None:
    before = [e.code for e in api.search_icd10("viem phoi", limit=12)]
    assert before[0] != "J15"
    assert next(e.code for e in api.search_icd10("viem phoi", limit=12, usage={"J15": 400})) == "J15"


def test_nothing_is_found_for_nothing() -> None:
    assert api.search_icd10("") == []
    assert api.search_icd10("  ,;. ") == []
    assert api.search_icd10("qqqqqq wwwwww") == []


def test_a_search_is_never_longer_than_asked_and_never_repeats() -> None:
    for typed in ("benh", "b", "viem", "khong dac hieu", "a", "do"):
        codes = [e.code for e in api.search_icd10(typed, limit=7)]
        assert len(codes) == len(set(codes)) == 7


@cache
def named_alike() -> Counter[tuple[str, ...]]:
    """How many codes have names of the same words."""
    return Counter(tuple(sorted(words(e.vi))) for e in api.all_codes())


@settings(max_examples=150, deadline=None)
@given(entry=st.sampled_from(TELLING), seed=st.integers(0, 2**32))
def test_words_in_any_order_without_accents_find_the_code(entry: api.Icd10, seed: int) -> None:
    shuffled = words(entry.vi)
    Random(seed).shuffle(shuffled)
    found = {e.code for e in api.search_icd10(" ".join(shuffled), limit=12 + named_alike()[tuple(sorted(shuffled))])}
    assert entry.code in found


@settings(max_examples=150, deadline=None)
@given(entry=st.sampled_from(TELLING), data=st.data())
def test_one_slip_still_finds_the_code(entry: api.Icd10, data: st.DataObject) -> None:
    typed = words(entry.vi)
    place = data.draw(st.integers(0, len(typed) - 1))
    readings = sorted(set(slips(typed[place])) - {"", typed[place]})
    typed[place] = data.draw(st.sampled_from([r for r in readings if len(r) > 1] or [typed[place]]))
    assert entry.code in {e.code for e in api.search_icd10(" ".join(typed), limit=40)}


@given(st.text(alphabet=string.printable + "đĐơưếạ", max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_gives_a_list(typed: str) -> None:
    assert len(api.search_icd10(typed)) <= 12
