"""A benefit case as JSON: both kinds of names, the vectors of the circular, and errors that name the field."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuetinh.care.insurance.cases import benefit
from tuetinh.care.insurance.errors import BadCase

CARD80, CARD95, CARD100 = "DN4129999999001", "HT3129999999001", "TE1129999999001"
HOME: dict[str, Any] = {"NGAY_RA": "202603021000", "MA_THE_BHYT": CARD80}
BIG = {"MA_DICH_VU": "BIG", "DON_GIA_BV": 900_000}


def of(lines: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return benefit({**HOME, **more, "CHI_TIET": lines})


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"CHI_TIET": [{"DON_GIA_BV": 300_000}]}, {"MUC_HUONG": 100, "T_BHTT": 300_000, "T_BNCCT": 0}),
        ({"CHI_TIET": [{"DON_GIA_BV": 351_000}]}, {"MUC_HUONG": 80, "T_BHTT": 280_800, "T_BNCCT": 70_200}),
        (
            {"MA_THE_BHYT": CARD100, "CHI_TIET": [{"MA_VAT_TU": "N", "DON_GIA_BV": "50000000", "T_TRANTT": "45000000"}]},
            {"MUC_HUONG": 100, "T_BHTT": 45_000_000, "T_BNTT": 5_000_000},
        ),
        (
            {"MA_LOAI_KCB": "03", "reason": "own_choice", "CAP_KCB": "chuyen_sau", "TUYEN_CU": "trung_uong", "CHI_TIET": [{"DON_GIA_BV": 10_000_000}]},
            {"MUC_HUONG": 32, "T_BHTT": 3_200_000, "T_BNCCT": 6_800_000, "MA_DOITUONG_KCB": "3.1"},
        ),
        (
            {"NGAY_RA": "20260810", "MA_THE_BHYT": CARD95, "MA_DKBD": "01001", "MA_CSKCB": "12001", "DIEM": 60, "CHI_TIET": [{"DON_GIA_BV": 1_000_000}]},
            {"MUC_HUONG": D("47.5"), "T_BHTT": 475_000, "T_BNCCT": 525_000, "MA_DOITUONG_KCB": "1.13"},
        ),
        ({"MA_DOITUONG_KCB": "2", "CAP_KCB": "chuyen_sau", "CHI_TIET": [BIG]}, {"MA_DOITUONG_KCB": "2", "MUC_HUONG": 80}),
        ({"MA_THE_BHYT": "", "CHI_TIET": [BIG]}, {"MA_DOITUONG_KCB": "9", "T_BNTT": 900_000, "due": 900_000}),
        (
            {"NGAY_VAO_NOI_TRU": "202602270800", "MA_LOAI_KCB": "03", "CHI_TIET": [{"MA_DICH_VU": "K02.1911", "MA_NHOM": 15, "DON_GIA_BV": 200_000}]},
            {"SO_NGAY_GIUONG": 3, "T_TONGCHI_BV": 600_000},
        ),
    ],
)  # fmt: skip
def test_vectors(case: dict[str, Any], expected: dict[str, Any]) -> None:
    found = benefit({**HOME, **case})
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            {"MA_THUOC": "40.1", "SO_LUONG": 10, "DON_GIA": 20_000, "TYLE_TT_BH": 50},
            {"THANH_TIEN_BV": 200_000, "THANH_TIEN_BH": 100_000, "T_BHTT": 80_000, "T_BNCCT": 20_000, "T_BNTT": 100_000},
        ),
        (
            {"MA_THUOC": "40.1", "SO_LUONG": 10, "DON_GIA": 20_000, "TYLE_TT_BH": 50, "T_NGUONKHAC": 110_000},
            {"T_BHTT": 80_000, "T_BNCCT": 10_000, "T_BNTT": 0, "T_NGUONKHAC": 110_000},
        ),
        (
            {"MA_DICH_VU": "02.1897", "DON_GIA_BV": 100_000, "DON_GIA_BH": 40_000, "TYLE_TT_DV": 30, "THU_CHENH_LECH": False},
            {"THANH_TIEN_BV": 72_000, "THANH_TIEN_BH": 12_000, "T_BHTT": 9_600, "T_BNCCT": 2_400, "T_BNTT": 60_000},
        ),
        (
            {"service_code": "X", "quantity": "1.5", "price": "0.333"},
            {"THANH_TIEN_BV": D("0.50"), "T_BHTT": D("0.40"), "T_BNCCT": D("0.10")},
        ),
    ],
)  # fmt: skip
def test_vectors_of_a_line(line: dict[str, Any], expected: dict[str, Any]) -> None:
    found = of([line, BIG])["lines"][0]
    assert {name: found[name] for name in expected} == expected


def test_a_rate_that_is_told_is_not_worked_out() -> None:
    drug = {"MA_THUOC": "40.1", "SO_LUONG": 10, "DON_GIA": 20_000, "TYLE_TT_BH": 50}
    found = benefit({"NGAY_RA": "20260302", "MUC_HUONG": 80, "CHI_TIET": [drug, {**drug, "MUC_HUONG": "47.5"}]})
    assert [(line["MUC_HUONG"], line["T_BHTT"], line["T_BNCCT"]) for line in found["lines"]] == [
        (80, 80_000, 20_000), (D("47.5"), 47_500, 52_500),
    ]  # fmt: skip
    assert (found["MUC_HUONG"], found["T_BNTT"]) == (80, 200_000)


@pytest.mark.parametrize(
    ("told", "code", "rate"),
    [
        ({"MA_DOITUONG_KCB": "3.1", "MA_LOAI_KCB": "03"}, "3.1", 32),
        ({"MA_DOITUONG_KCB": "3.1", "MA_LOAI_KCB": "01"}, "3.1", 0),
        ({"MA_DOITUONG_KCB": "1.13", "NGAY_RA": "20260810", "MA_THE_BHYT": CARD95}, "1.13", D("47.5")),
        ({"MA_DOITUONG_KCB": "1.11"}, "1.11", 100),
        ({"MA_DOITUONG_KCB": "3.2"}, "3.2", 80),
        ({"MA_DOITUONG_KCB": "10"}, "10", 80),
        ({"MA_DOITUONG_KCB": "9"}, "9", 0),
        ({"MA_DOITUONG_KCB": "1.9", "NGAY_RA": "20241120"}, "1.9", 80),
        ({"MA_DOITUONG_KCB": "1.2", "NGAY_RA": "20241120"}, "1.2", 80),
        ({"MA_DOITUONG_KCB": "3.1", "reason": "emergency"}, "2", 80),
    ],
)
def test_a_category_that_is_told_gives_the_share(told: dict[str, Any], code: str, rate: D) -> None:
    found = of([{"DON_GIA_BV": 10_000_000}], **told)
    assert (found["MA_DOITUONG_KCB"], found["MUC_HUONG"]) == (code, rate)


@pytest.mark.parametrize("told", [{"MA_DOITUONG_KCB": "7.7"}, {"MA_DOITUONG_KCB": "3.2", "MA_LOAI_KCB": "01"}])
def test_a_category_that_nobody_has_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(BadCase, match="category has no share"):
        of([BIG], **told)


def test_a_total_without_lines_is_one_line() -> None:
    found = benefit({**HOME, "T_TONGCHI_BH": 351_000})
    assert (found["MUC_HUONG"], found["T_BHTT"], found["T_BNCCT"], len(found["lines"])) == (80, 280_800, 70_200, 1)


def test_both_kinds_of_names_say_the_same() -> None:
    english = {
        "on": "2026-03-02",
        "cards": [{"number": CARD80}],
        "lines": [{"service_code": "BIG", "price": "900000", "quantity": 1}],
    }
    assert benefit(english) == of([BIG])


def test_cards_that_change_in_the_stay_as_table_1_writes_them() -> None:
    two = {
        "MA_THE_BHYT": f"{CARD80};{CARD100}",
        "GT_THE_TU": "20260101;20260302",
        "GT_THE_DEN": "20260301;20261231",
        "NGAY_VAO": "202602280800",
    }
    found = of([{**BIG, "NGAY_YL": "202603010900"}, {**BIG, "NGAY_YL": "202603020900"}], **two)
    assert [line["MUC_HUONG"] for line in found["lines"]] == [80, 100]


def test_the_second_examination_of_the_day_by_its_group() -> None:
    exam = {"MA_DICH_VU": "02.1897", "MA_NHOM": "13", "DON_GIA_BV": 40_000}
    assert [line["TYLE_TT_DV"] for line in of([exam, exam])["lines"]] == [100, 30]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ([], "case is not an object"),
        ({}, "on is missing (on or NGAY_RA)"),
        ({"NGAY_RA": "x"}, "NGAY_RA is not a day (yyyymmdd, yyyymmddHHMM or yyyy-mm-dd)"),
        ({**HOME}, "lines is missing or empty"),
        ({**HOME, "MA_THE": "x"}, "MA_THE is not a field of a case"),
        ({**HOME, "on": "2026-03-02"}, "on says again what another name says"),
        ({**HOME, "MA_THE_BHYT": "DN9129999999001", "lines": [BIG]}, "MA_THE_BHYT[0].number is not a card number of 15 characters"),
        ({**HOME, "GT_THE_TU": "20260101;20260201", "lines": [BIG]}, "card_since has 2 values for 1 cards"),
        ({**HOME, "cards": [{"digit": 6}], "lines": [BIG]}, "cards[0].digit is more than 5 or has more than 0 decimals"),
        ({**HOME, "cards": [{"digit": 4, "since": "20260201", "until": "20260101"}], "lines": [BIG]}, "cards[0].until is before the first day"),
        ({**HOME, "lines": [7]}, "lines[0] is not an object"),
        ({**HOME, "lines": [{}]}, "lines[0].price is missing (price or DON_GIA_BV or DON_GIA)"),
        ({**HOME, "lines": [BIG, {"DON_GIA_BV": 1, "SO_LUONG": -1}]}, "lines[1].SO_LUONG is negative"),
        ({**HOME, "lines": [{"DON_GIA_BV": "NaN"}]}, "lines[0].DON_GIA_BV is not a number"),
        ({**HOME, "lines": [{"DON_GIA_BV": True}]}, "lines[0].DON_GIA_BV is not a number"),
        ({**HOME, "lines": [{"DON_GIA_BV": "1e99"}]}, "lines[0].DON_GIA_BV is more than 100000000000 or has more than 3 decimals"),
        ({**HOME, "lines": [{"DON_GIA_BV": 1, "TYLE_TT_BH": 101}]}, "lines[0].TYLE_TT_BH is more than 100 or has more than 2 decimals"),
        ({**HOME, "lines": [{"DON_GIA_BV": 1, "T_NGUONKHAC": 2}]}, "lines[0].T_NGUONKHAC is more than the cost of the line"),
        ({**HOME, "lines": [{"DON_GIA_BV": 9, "T_NGUONKHAC": 2, "T_NGUONKHAC_CL": 1}]}, "lines[0].T_NGUONKHAC is not the sum of the four sources"),
        ({**HOME, "lines": [{"DON_GIA_BV": 1, "NGAY_YL": "20260303"}]}, "lines[0].on is not a day of the visit"),
        ({**HOME, "NGAY_VAO": "20260303", "lines": [BIG]}, "began is later than the end of the visit"),
    ],
)  # fmt: skip
def test_an_error_names_the_field(case: Any, words: str) -> None:
    with pytest.raises(BadCase) as caught:
        benefit(case)
    assert str(caught.value) == words


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.decimals(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
NAMES = [
    "on",
    "cards",
    "MA_THE_BHYT",
    "MA_DKBD",
    "GT_THE_TU",
    "points",
    "NGAY_VAO",
    "lines",
    "level",
    "exempt",
    "NAM_NAM_LIEN_TUC",
    "admitted",
    "x",
]
LINE_NAMES = [
    "price",
    "SO_LUONG",
    "TYLE_TT_DV",
    "people",
    "role",
    "PHAM_VI",
    "NGAY_YL",
    "T_NGUONKHAC",
    "MA_NHOM",
    "kind",
    "code",
    "T_TRANTT",
]


@settings(suppress_health_check=[HealthCheck.too_slow])  # of the machine that it runs on
@given(
    st.dictionaries(st.sampled_from(NAMES), JUNK),
    st.lists(st.dictionaries(st.sampled_from(LINE_NAMES), JUNK), max_size=2),
)
def test_whatever_comes_is_split_or_refused(case: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    try:
        found = benefit({"on": "2026-03-02", "lines": [{"price": 1, **line} for line in lines], **case})
    except BadCase:
        return
    for total in ("T_BHTT", "T_BNCCT", "T_BNTT", "T_NGUONKHAC"):
        assert found[total] == sum(line[total] for line in found["lines"])


def test_the_command_answers_a_list_and_exits_with_2() -> None:
    cases = [{**HOME, "lines": [BIG]}, {**HOME, "lines": [{"DON_GIA_BV": "x"}]}, []]
    done = _run(json.dumps(cases))
    assert done.returncode == 2
    assert done.stderr == "tuetinh: cases[1].lines[0].DON_GIA_BV is not a number\ntuetinh: cases[2] is not an object\n"
    first, second, third = json.loads(done.stdout)
    assert (first["T_BHTT"], first["T_BNCCT"], first["lines"][0]["code"]) == (720_000, 180_000, "BIG")
    assert second == {"error": {"field": "cases[1].lines[0].DON_GIA_BV", "message": "is not a number"}}
    assert third == {"error": {"field": "cases[2]", "message": "is not an object"}}


def test_the_command_refuses_what_is_no_json() -> None:
    done = _run('{"on": NaN}')
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tuetinh: the input is not JSON: NaN is not a number\n"


def _run(text: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "from tuetinh.node.cli import main; raise SystemExit(main())",
        "claims",
        "benefit",
        "--json",
    ]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)
