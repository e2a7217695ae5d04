"""How the pages write money, dates, moments, ages and numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django import forms
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.commons.ui.api import DayField
from tuetinh.commons.ui.templatetags.ui import age, icon, initials, money, number, vn_date, vn_time


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (0, "0\u00a0₫"),
        (1234567, "1.234.567\u00a0₫"),
        (Decimal("1234.5"), "1.235\u00a0₫"),
        (Decimal("-15000"), "-15.000\u00a0₫"),
        ("300000", "300.000\u00a0₫"),
        (None, ""),
        ("", ""),
        ("abc", ""),
    ],
)
def test_money(amount: object, written: str) -> None:
    assert money(amount) == written


@given(st.integers(-(10**15), 10**15))
def test_money_reads_back(amount: int) -> None:
    assert int(money(amount).removesuffix("\u00a0₫").replace(".", "")) == amount


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (date(2026, 11, 21), "21/11/2026"),
        ("1972-03-12", "12/03/1972"),
        ("1972-03", "03/1972"),
        ("1972", "1972"),
        ("2026-11-20T18:30:00Z", "21/11/2026"),  # already tomorrow in Hanoi
        (datetime(2026, 11, 20, 18, 30, tzinfo=UTC), "21/11/2026"),
        ("not a date", ""),
        (None, ""),
    ],
)
def test_dates(value: object, written: str) -> None:
    assert vn_date(value) == written


def test_moment_of_today_is_only_a_time() -> None:
    now = datetime.now(UTC)
    assert len(vn_time(now)) == 5
    assert vn_time("2020-01-02T01:05:00Z") == "08:05 02/01/2020"
    assert vn_time(None) == ""


@pytest.mark.parametrize(
    ("born", "on", "vi", "en"),
    [
        ("1972-03-12", "2026-11-21", "54 tuổi", "54 years old"),
        ("2026-11-21", "2026-11-21", "0 ngày tuổi", "0 days old"),
        ("2026-11-20", "2026-11-21", "1 ngày tuổi", "1 day old"),
        ("2024-11-22", "2026-11-21", "23 tháng tuổi", "23 months old"),
        ("2023-11-21", "2026-11-21", "3 tuổi", "3 years old"),
        ("2023-11-22", "2026-11-21", "35 tháng tuổi", "35 months old"),
        ("2027-01-01", "2026-11-21", "", ""),
    ],
)
def test_ages(born: str, on: str, vi: str, en: str) -> None:
    assert age(born, on) == vi
    with translation.override("en"):
        assert age(born, on) == en


@given(st.dates(date(1900, 1, 1), date(2026, 11, 21)))
def test_age_never_grows_backwards(born: date) -> None:
    day = date(2026, 11, 21)
    later = age(born, day + timedelta(days=400))
    assert age(born, day) != later or later == ""


@pytest.mark.parametrize(("value", "written"), [("72.50", "72,50"), (1234.5, "1.234,5"), (None, ""), ("<5", "<5")])
def test_numbers_keep_their_digits(value: object, written: str) -> None:
    assert number(value) == written


@pytest.mark.parametrize(("name", "letters"), [("Lò Thị Pâng", "LP"), ("Đỗ", "Đ"), ("", ""), ("an bình", "AB")])
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


def test_icons_are_drawn_and_silent() -> None:
    drawn = icon("stethoscope")
    assert drawn.startswith('<svg class="icon"')
    assert 'aria-hidden="true"' in drawn
    assert "<script" not in drawn
    with pytest.raises(KeyError):
        icon("no-such-icon")


SHOWN = {"value": "01/12/2026", "inputmode": "numeric", "placeholder": "dd/mm/yyyy", "type": "text"}


class Days(forms.Form):
    day = DayField(label="Ngày")


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_day_is_typed_as_people_write_it(language: str) -> None:
    with translation.override(language):
        shown = str(Days(initial={"day": date(2026, 12, 1)})["day"])
        assert all(f'{name}="{said}"' in shown for name, said in SHOWN.items())
        for typed in ("01/12/2026", "1/12/2026", "01122026", "2026-12-01"):
            form = Days({"day": typed})
            assert form.is_valid() and form.cleaned_data["day"] == date(2026, 12, 1)
        assert not any(Days({"day": typed}).is_valid() for typed in ("31/11/2026", "12/2026", "mai"))
