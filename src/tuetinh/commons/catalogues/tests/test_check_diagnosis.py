from __future__ import annotations

from datetime import date

import pytest

from tuetinh.commons.catalogues import api

BEFORE, AFTER = date(2026, 6, 30), date(2026, 7, 1)
ADULT = 40 * 366


def _check(
    code: str, *, principal: bool = True, sex: str = "female", age: int | None = ADULT, on: date = AFTER
) -> list[tuple[str, bool]]:
    found = api.check_diagnosis(code, principal=principal, sex=sex, age_days=age, on=on)
    return [(r.code, r.blocking) for r in found]


def test_a_plain_diagnosis_is_accepted() -> None:
    assert _check("I10") == []
    assert _check("J18.9", on=BEFORE) == []


def test_an_unknown_code_is_refused() -> None:
    assert _check("I10.99") == [("icd10-unknown", True)]
    assert _check("") == [("icd10-unknown", True)]


@pytest.mark.parametrize("principal", [True, False])
def test_a_code_with_more_specific_ones_is_refused_since_the_circular(principal: bool) -> None:
    assert _check("E11", principal=principal) == [("icd10-needs-digits", True)]
    assert _check("E11", principal=principal, on=BEFORE) == []


def test_a_code_that_may_not_be_principal_may_be_secondary() -> None:
    # B95.0: an organism as the cause of a disease elsewhere; annex A2 and column 24
    assert _check("B95.0") == [("icd10-not-principal", True)]
    assert _check("B95.0", on=BEFORE) == [("icd10-not-principal", True)]
    assert _check("B95.0", principal=False) == []


def test_a_code_named_only_by_the_circular_is_known() -> None:
    assert _check("V27.1") == [("icd10-not-principal", True)]
    assert _check("V27.1", on=BEFORE) == []


def test_a_discouraged_code_warns_as_principal_only() -> None:
    code = next(e.code for e in api.all_codes() if e.flags == api.Flag.DISCOURAGED and e.age_max < 0 and not e.age_min)
    assert _check(code) == [("icd10-discouraged-principal", False)]
    assert _check(code, principal=False) == []
    assert _check(code, on=BEFORE) == []


def test_a_code_of_death_is_refused_for_the_living() -> None:
    code = next(e.code for e in api.all_codes() if api.Flag.DEATH_ONLY in e.flags)
    assert ("icd10-death-only", True) in _check(code, principal=False)
    assert ("icd10-death-only", True) not in _check(code, principal=False, on=BEFORE)


def test_the_other_sex_is_refused_before_and_asked_since() -> None:
    # C60.0 penis: annex A4.2 and column 29
    assert _check("C60.0", sex="female") == [("icd10-other-sex", False)]
    assert _check("C60.0", sex="female", on=BEFORE) == [("icd10-other-sex", True)]
    assert _check("C60.0", sex="male") == []
    assert _check("C60.0", sex="unknown") == []


def test_an_age_outside_the_annex_is_asked() -> None:
    # H25.0 senile cataract: annex A3.10, over 30 years
    assert _check("H25.0", age=20 * 365) == [("icd10-age", False)]
    assert _check("H25.0", age=60 * 365) == []
    assert _check("H25.0", age=None) == []
    # A33 tetanus of the newborn: annex A3.1, 0 to 365 days
    assert _check("A33", age=365) == []
    assert _check("A33", age=366) == [("icd10-age", False)]


def test_the_message_names_the_code_and_what_to_do() -> None:
    (refusal,) = api.check_diagnosis("b950", principal=True, sex="male", age_days=ADULT, on=AFTER)
    assert refusal.message == (
        "Mã B95.0 không được dùng làm bệnh chính: chọn bệnh chính khác, ghi mã này ở bệnh kèm theo."
    )
