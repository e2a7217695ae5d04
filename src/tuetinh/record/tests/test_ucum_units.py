"""Units of measure mean what UCUM says, whatever is asked."""

from __future__ import annotations

from decimal import Context, Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tuetinh.record.terminology import ucum


@pytest.fixture(scope="module")
def suite(shared: Path) -> etree._Element:
    return etree.parse(shared / "data/fhir/ucum/UcumFunctionalTests.xml").getroot()


def _agrees(value: Decimal | None, expected: str) -> bool:
    """Equal in the digits that the suite gives."""
    digits = len(Decimal(expected).as_tuple().digits)
    return value is not None and Context(prec=digits).plus(value) == Decimal(expected)


def test_official_codes_are_judged_right(suite: etree._Element) -> None:
    cases = suite.findall("validation/case")
    wrong = [c.get("unit") for c in cases if (ucum.valid(c.get("unit")) is None) != (c.get("valid") == "true")]
    assert (wrong, len(cases)) == ([], 529)


def test_official_names_are_given(suite: etree._Element) -> None:
    cases = suite.findall("displayNameGeneration/case")
    assert [ucum.display(c.get("unit")) for c in cases] == [c.get("display") for c in cases]


def test_official_conversions_agree(suite: etree._Element) -> None:
    cases = suite.findall("conversion/case")
    wrong = []
    for case in cases:
        value = ucum.convert(Decimal(case.get("value")), case.get("srcUnit"), case.get("dstUnit"))
        if not _agrees(value, case.get("outcome")):
            wrong.append((case.get("id"), value))
    assert (wrong, len(cases)) == ([], 30)


@pytest.mark.parametrize(("part", "operator"), [("multiplication", "."), ("division", "/")])
def test_official_products_agree(suite: etree._Element, part: str, operator: str) -> None:
    for case in suite.findall(f"{part}/case"):
        one, other = Decimal(case.get("v1")), Decimal(case.get("v2"))
        value = one * other if operator == "." else one / other
        unit = f"({case.get('u1')}){operator}({case.get('u2')})"
        assert _agrees(ucum.convert(value, unit, case.get("uRes") or "1"), case.get("vRes"))


@pytest.mark.parametrize(
    ("value", "code", "base"),
    [
        ("1", "kg", ("1000", "g")),
        ("5.4", "g/dL", ("54000", "g.m-3")),
        ("37.2", "Cel", ("310.35", "K")),
        ("98.6", "[degF]", ("310.15", "K")),
        ("120", "mm[Hg]", ("15998640", "g.m-1.s-2")),
        ("7", "[IU]/mL", ("7000000", "[iU].m-3")),
        ("12", "{beats}/min", ("0.2", "s-1")),
        ("40", "%", ("0.4", "1")),
        ("4.5", "10*12/L", ("4.5E15", "m-3")),
        ("3", "{score}", ("3", "1")),
    ],
)
def test_base_units_are_exact(value: str, code: str, base: tuple[str, str]) -> None:
    assert ucum.canonical(Decimal(value), code) == (Decimal(base[0]), base[1])


@pytest.mark.parametrize(
    ("value", "from_", "to", "result"),
    [
        ("98.6", "[degF]", "Cel", "37"),
        ("100", "Cel", "[degF]", "212"),
        ("80", "[degRe]", "Cel", "100"),
        ("60", "dB[SPL]", "Pa", "0.02"),
        ("1", "mol/L", "[pH]", "0"),
        ("100", "%[slope]", "deg", "45"),
        ("1", "mg", "mL", None),
        ("1", "[IU]", "[arb'U]", None),
        ("1", "nonsense", "mL", None),
        ("1", "mL", "nonsense", None),
        ("NaN", "mL", "L", None),
        ("0", "mol/L", "[pH]", None),
    ],
)
def test_values_are_converted(value: str, from_: str, to: str, result: str | None) -> None:
    found = ucum.convert(Decimal(value), from_, to)
    if result is None:
        assert found is None
    else:
        assert found is not None
        assert Context(prec=20).plus(found) == Decimal(result)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "the code is empty"),
        ("mmHg", "The unit 'mmHg' is unknown at character 1"),
        ("kg/mmHg", "The unit 'mmHg' is unknown at character 4"),
        ("10*1000", "the exponent 1000 is out of range"),
        ("m" * 300, "the code is longer than 256 characters"),
        ("(" * 60 + "m" + ")" * 60, "too many brackets"),
        ("(m", "a bracket is not closed"),
        ("m)", "unexpected ')' at position 2"),
        ("µg", "the character 'µ' is not allowed"),
        ("mg/", "a unit is expected before the end"),
    ],
)
def test_a_wrong_code_is_refused_with_its_reason(code: str, reason: str) -> None:
    assert ucum.valid(code) == reason
    assert ucum.canonical(Decimal(1), code) is None


def test_special_units_take_no_part_in_products() -> None:
    assert ucum.canonical(Decimal(1), "Cel/min") is None
    assert ucum.comparable("Cel", "K")
    assert not ucum.comparable("Cel", "g")


@given(st.text(alphabet="mgLs10*^-+./(){}[]'iUCelpH% ", max_size=30), st.decimals(allow_nan=True))
def test_no_code_and_no_number_breaks_it(code: str, value: Decimal) -> None:
    reason = ucum.valid(code)
    base = ucum.canonical(value, code)
    assert base is None or reason is None
    ucum.convert(value, code, "K")
    ucum.convert(value, "1", code)


@given(
    st.decimals(min_value="-1e9", max_value="1e9", places=6),
    st.sampled_from([("mg/dL", "g/L"), ("mm[Hg]", "kPa"), ("[degF]", "Cel"), ("[lb_av]", "kg"), ("mL/min", "L/h")]),
)
def test_there_and_back_is_the_same(value: Decimal, units: tuple[str, str]) -> None:
    there = ucum.convert(value, *units)
    assert there is not None
    back = ucum.convert(there, units[1], units[0])
    assert back is not None
    assert abs(back - value) < Decimal("1e-20")
