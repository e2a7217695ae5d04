"""Zones and concentrations are judged by tables that are data, exactly; nature and expert rules come after."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tuetinh.care.lab import errors
from tuetinh.care.lab.microbiology import breakpoints
from tuetinh.care.lab.microbiology.breakpoints import COLUMNS, Breakpoint, Table, delivered
from tuetinh.care.lab.microbiology.judging import Material, Susceptibility, Verdict, judge
from tuetinh.care.lab.microbiology.lists import antibiotics, find_antibiotic, find_organism, groups, organisms, rows
from tuetinh.care.lab.models import BreakpointTable
from tuetinh.care.lab.results.book import Book, in_force
from tuetinh.care.lab.results.book import delivered as rules
from tuetinh.care.lab.tests.test_trust_the_catalogue import check_digit
from tuetinh.commons.access import api as access

DAY = "2026-11-29"


def said(organism: str, antibiotic: str, method: str, value: str, site: str = "", comparator: str = "") -> str:
    table = delivered()
    limits = table.find(organisms()[organism], antibiotic, site)
    assert limits
    return table.judge(limits, method, Decimal(value), comparator)


@pytest.mark.parametrize(
    ("organism", "antibiotic", "method", "value", "site", "expected"),
    [
        ("eco", "AMP", "disk", "14", "", "S"),
        ("eco", "AMP", "disk", "13", "", "R"),
        ("eco", "CTX", "disk", "20", "", "S"),
        ("eco", "CTX", "disk", "19", "", "I"),
        ("eco", "CTX", "disk", "17", "", "I"),
        ("eco", "CTX", "disk", "16", "", "R"),
        ("eco", "CTX", "disk", "19", "csf", "R"),
        ("eco", "CTX", "mic", "1", "", "S"),
        ("eco", "CTX", "mic", "2", "", "I"),
        ("eco", "CTX", "mic", "4", "", "R"),
        ("eco", "NIT", "disk", "11", "urine", "S"),
        ("eco", "MEM", "mic", "8", "", "I"),
        ("eco", "MEM", "mic", "16", "", "R"),
        ("eco", "MEM", "mic", "8", "csf", "R"),
        ("sal", "CIP", "mic", "0.06", "", "S"),
        ("sal", "CIP", "mic", "0.125", "", "R"),
        ("pmi", "IPM", "mic", "2", "", "I"),
        ("kpn", "IPM", "mic", "2", "", "S"),
        ("pae", "CAZ", "disk", "30", "", "I"),
        ("pae", "CAZ", "disk", "16", "", "R"),
        ("sau", "FOX", "disk", "22", "", "S"),
        ("sau", "FOX", "disk", "21", "", "R"),
        ("sep", "FOX", "disk", "26", "", "R"),
        ("sau", "VAN", "mic", "2", "", "S"),
        ("sau", "VAN", "mic", "4", "", "R"),
        ("efm", "VAN", "mic", "4", "", "S"),
        ("efm", "VAN", "disk", "11", "", "R"),
        ("ppm", "CAZ", "disk", "18", "", "I"),
        ("spn", "CRO", "mic", "1", "", "I"),
        ("spn", "CRO", "mic", "1", "csf", "R"),
    ],
)
def test_vectors_of_eucast_2024(organism, antibiotic, method, value, site, expected) -> None:
    assert said(organism, antibiotic, method, value, site) == expected


def test_a_comparator_tells_only_what_is_certain() -> None:
    assert said("eco", "CIP", "mic", "0.25", comparator="<=") == "S"
    assert said("eco", "CIP", "mic", "0.5", comparator="<=") == ""
    assert said("eco", "CIP", "mic", "0.5", comparator=">") == "R"
    assert said("eco", "CIP", "mic", "0.25", comparator=">") == ""
    assert said("sau", "VAN", "mic", "2", comparator=">") == "R"


def test_a_strip_is_read_up_to_the_next_dilution() -> None:
    assert said("eco", "CIP", "etest", "0.19") == "S"
    assert said("eco", "CIP", "etest", "0.38") == "I"
    assert said("eco", "CIP", "mic", "0.38") == "I"
    assert said("sau", "VAN", "etest", "1.5") == "S"
    assert said("sau", "VAN", "etest", "3") == "R"


def test_clsi_writes_resistant_from_the_limit_on() -> None:
    limits = Breakpoint("eco", "", "CIP", "5", Decimal(26), Decimal(21), Decimal("0.25"), Decimal(1))
    table = Table("CLSI 2030", "CLSI", 2030, (limits,))
    zones = [table.judge(limits, "disk", Decimal(zone)) for zone in (26, 25, 22, 21)]
    assert zones == ["S", "I", "I", "R"]
    concentrations = [table.judge(limits, "mic", Decimal(mic)) for mic in ("0.25", "0.5", "1")]
    assert concentrations == ["S", "I", "R"]
    assert table.words(limits, "mic") == "S ≤ 0,25; R ≥ 1"


def verdict(
    organism: str, tests: dict[str, str], found: dict[str, str] | None = None, table: Table | None = None
) -> Verdict:
    measured = [
        Susceptibility(code, "disk" if value.endswith("mm") else "mic", Decimal(value.removesuffix("mm")))
        for code, value in tests.items()
    ]
    book = Book(rules())
    return judge(book, table or delivered(), DAY, Material(organisms()[organism]), measured, found or {})


def meanings(made: Verdict) -> dict[str, str]:
    return {one.antibiotic: one.sir for one in made.tests}


def marks(made: Verdict) -> list[str]:
    return [one.mark for one in made.marks]


def test_by_nature_resistant_whatever_was_measured() -> None:
    made = verdict("kpn", {"AMP": "20mm", "CTX": "25mm"})
    assert meanings(made) == {"AMP": "R", "CTX": "S"}
    assert made.tests[0].rules == ("INTRINSIC-KLEBSIELLA",)
    assert made.tests[0].why == ("Kháng tự nhiên",)
    assert made.tests[1].rules == ()


def test_methicillin_resistance_speaks_for_all_beta_lactams() -> None:
    made = verdict("sau", {"FOX": "18mm", "PEN": "30mm", "OXA": "25mm", "CPT": "21mm", "VAN": "1"})
    assert meanings(made) == {"FOX": "R", "PEN": "R", "OXA": "R", "CPT": "S", "VAN": "S"}
    assert made.tests[1].rules == ("EXPERT-MRSA",)
    assert made.tests[1].why == ("Tụ cầu kháng methicillin: đề kháng mọi beta-lactam (trừ ceftarolin)",)
    assert [rule.code for rule in made.told] == ["EXPERT-MRSA"]
    assert marks(made) == ["MRSA", "MDR"]  # by Magiorakos one is always the other


def test_a_positive_d_test_takes_clindamycin_away() -> None:
    tests = {"ERY": "15mm", "CLI": "25mm", "FOX": "25mm"}
    assert meanings(verdict("sau", tests, {"DTEST": "-"}))["CLI"] == "S"
    made = verdict("sau", tests, {"DTEST": "+"})
    assert (meanings(made)["CLI"], marks(made)) == ("R", [])


@pytest.mark.parametrize(
    ("organism", "tests", "found", "expected"),
    [
        ("eco", {"CTX": "10mm"}, {"ESBL": "+"}, ["ESBL"]),
        ("eco", {"CTX": "10mm"}, {}, ["3GCR"]),
        ("eco", {"CTX": "25mm"}, {"ESBL": "-"}, []),
        ("kpn", {"MEM": "16"}, {"ESBL": "-"}, ["CRE"]),
        ("pmi", {"IPM": "8"}, {}, []),
        ("aba", {"MEM": "16"}, {}, ["CRAB"]),
        ("pae", {"IPM": "8"}, {}, ["CRPA"]),
        ("efm", {"VAN": "8"}, {}, ["VRE"]),
        ("sau", {"VAN": "8", "FOX": "25mm"}, {}, ["VRSA"]),
        ("eco", {"AMP": "6mm", "CIP": "6mm", "SXT": "6mm", "AMK": "20mm", "MEM": "25mm", "CTX": "25mm"}, {}, ["MDR"]),
        ("eco", {"AMP": "6mm", "CIP": "6mm", "AMK": "20mm"}, {}, []),
        (
            "aba",
            {"MEM": "16", "CIP": "4", "AMK": "32", "GEN": "16", "SXT": "8", "COL": "1", "TGC": "1", "LVX": "4"},
            {},
            ["CRAB", "MDR"],
        ),
        (
            "eco",
            {"AMP": "6mm", "AMC": "6mm", "CTX": "6mm", "MEM": "6mm", "CIP": "6mm", "AMK": "20mm", "COL": "1"},
            {"ESBL": "-"},
            ["CRE", "MDR", "XDR"],
        ),
        (
            "eco",
            {"AMP": "6mm", "AMC": "6mm", "CTX": "6mm", "MEM": "6mm", "CIP": "6mm", "AMK": "6mm", "COL": "8"},
            {"ESBL": "-"},
            ["CRE", "MDR", "PDR"],
        ),
    ],
)  # fmt: skip
def test_multi_resistance_is_named_by_definitions_that_are_data(organism, tests, found, expected) -> None:
    assert marks(verdict(organism, tests, found)) == expected


def test_increased_exposure_counts_as_lost_by_clsi_only() -> None:
    """EUCAST's I of wild Pseudomonas would make every one of them multi-resistant."""
    tests = {"CAZ": "30mm", "CIP": "30mm", "IPM": "25mm", "ATM": "25mm"}
    made = verdict("pae", tests)
    assert (set(meanings(made).values()), marks(made)) == ({"I"}, [])
    same = Table("CLSI 2030", "CLSI", 2030, delivered().breakpoints)
    assert marks(verdict("pae", tests, table=same)) == ["MDR"]


def test_every_value_says_by_what_it_was_judged() -> None:
    made = verdict("eco", {"CTX": "19mm", "TOB": "1"})
    assert [(one.table, one.limits, one.disk) for one in made.tests] == [
        ("EUCAST 2024 (v14.0)", "S ≥ 20; R < 17", "5"),
        ("EUCAST 2024 (v14.0)", "S ≤ 2; R > 2", ""),
    ]


def test_the_lists_hold_together() -> None:
    codes, names = [row["code"] for row in rows("organisms.csv")], [row["code"] for row in rows("antibiotics.csv")]
    assert len(set(codes)) == len(codes) == 54
    assert len(set(names)) == len(names) == 47
    assert set(groups()).isdisjoint(antibiotics()) and set(groups()).isdisjoint(organisms())
    for rule in rules():
        rule.check()
    loincs = [one.loinc.split("-") for one in antibiotics().values() if one.loinc]
    assert [number for number, digit in loincs if check_digit(number) != int(digit)] == []
    snomed = [one.snomed for one in organisms().values() if one.snomed]
    assert [code for code in snomed if not _verhoeff(code)] == []
    assert len(set(snomed)) == len(snomed)


def _verhoeff(code: str) -> bool:
    """Whether an identifier of SNOMED CT ends in its check digit, by the dihedral group of the pentagon."""

    def times(a: int, b: int) -> int:
        turned = (a + b if a < 5 else a - b) % 5
        return turned + 5 * ((a < 5) != (b < 5))

    places = [list(range(10))]
    for _ in range(7):
        places.append([(1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[value] for value in places[-1]])
    rest = 0
    for place, digit in enumerate(reversed(code)):
        rest = times(rest, places[place % 8][int(digit)])
    return rest == 0


def test_people_and_machines_name_organisms_in_many_ways() -> None:
    for word in ("eco", "ECO", "112283007", "Escherichia coli", "escherichia  coli".replace("  ", " ")):
        assert find_organism(word) is organisms()["eco"]
    assert find_organism("không có") is None and find_organism("") is None
    for word in ("cip", "18906-8", "Ciprofloxacin"):
        assert find_antibiotic(word) is antibiotics()["CIP"]
    assert find_antibiotic("") is None


CLSI = """organisms,site,antibiotic,disk,zone_s,zone_r,mic_s,mic_r
enterobacterales,,CIP,5,26,21,0.25,1
"""


@pytest.mark.django_db
def test_an_administrator_takes_the_table_of_a_year_into_use(cast) -> None:
    admin, lab = access.asker_of(cast["admin"]), access.asker_of(cast["lab"])
    told = {"standard": "CLSI", "year": 2030, "version": "M100-Ed40", "from_day": date(2030, 1, 1), "text": CLSI}
    with pytest.raises(errors.NotAllowed):
        breakpoints.add(lab, **told, why="năm mới")
    with pytest.raises(errors.NeedsReason):
        breakpoints.add(admin, **told, why=" ")
    assert BreakpointTable.objects.count() == 0
    breakpoints.add(admin, **told, why="năm mới")
    assert breakpoints.in_force(admin.facility, date(2029, 12, 31)).name == "EUCAST 2024 (v14.0)"
    assert breakpoints.in_force("another", date(2030, 1, 1)).name == "EUCAST 2024 (v14.0)"
    table = breakpoints.in_force(admin.facility, date(2030, 1, 1))
    assert (table.name, table.standard) == ("CLSI 2030 (M100-Ed40)", "CLSI")
    limits = table.find(organisms()["kpn"], "CIP")
    assert limits and table.judge(limits, "mic", Decimal(1)) == "R"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("nobody,,CIP,5,26,21,,", 2),
        ("eco,,XXX,5,26,21,,", 2),
        ("eco,moon,CIP,5,26,21,,", 2),
        ("eco,,CIP,5,,,,", 2),
        ("eco,,CIP,5,26,21,,\neco,,AMP,10,a,14,,", 3),
        ("eco,,CIP,5,-1,21,,", 2),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_line(cast, row, line) -> None:
    text = ",".join(COLUMNS) + "\n" + row + "\n"
    with pytest.raises(errors.BadTable) as refused:
        breakpoints.add(
            access.asker_of(cast["admin"]), standard="EUCAST", year=2030, version="", from_day=date(2030, 1, 1),
            text=text, why="thử",
        )  # fmt: skip
    assert refused.value.line == line
    assert BreakpointTable.objects.count() == 0


@pytest.mark.django_db
def test_the_rules_of_antibiograms_are_the_rules_of_results(world) -> None:
    book = in_force("12104")
    assert {"INTRINSIC-KLEBSIELLA", "EXPERT-MRSA", "MARKER-MRSA", "COUNTING"} <= book.rules.keys()
