"""Blood groups: the tables of compatibility are exact, and no unclear reaction gives a group."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuetinh.care.lab.blood.groups import ABO, GRADES, REAGENTS, Group, Unclear, compatible, determine
from tuetinh.care.lab.blood.tables import components, levels, rows, words
from tuetinh.care.lab.blood.tests.conftest import reactions

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
RED = {("O", "O"), ("A", "A"), ("A", "O"), ("B", "B"), ("B", "O"), ("AB", "AB"), ("AB", "A"), ("AB", "B"), ("AB", "O")}
PLASMA = {(donor, recipient) for recipient, donor in RED}
IDENTICAL = {(abo, abo) for abo in ABO}


@pytest.mark.parametrize("kind", ["red", "whole", "plasma", "platelets"])
def test_which_group_may_have_which(kind: str) -> None:
    fits = {"red": RED, "whole": IDENTICAL, "plasma": PLASMA, "platelets": PLASMA}[kind]
    for (abo, rhd), (unit_abo, unit_rhd) in product(product(ABO, "+-"), repeat=2):
        expected = (abo, unit_abo) in fits
        if kind in ("red", "whole") and rhd == "-" and unit_rhd == "+":
            expected = False
        assert compatible(kind, Group(abo, rhd), Group(unit_abo, unit_rhd)) is expected, (abo, rhd, unit_abo, unit_rhd)


def test_whose_group_is_not_known_gets_what_harms_nobody() -> None:
    units = [Group(abo, rhd) for abo, rhd in product(ABO, "+-")]
    may = {kind: [str(u) for u in units if compatible(kind, Group("?", "?"), u)] for kind in ("red", "whole", "plasma")}
    assert may == {"red": ["O Rh(D)−"], "whole": [], "plasma": ["AB Rh(D)+", "AB Rh(D)−"]}
    assert [str(u) for u in units if compatible("red", Group("?", "+"), u)] == ["O Rh(D)+", "O Rh(D)−"]


@pytest.mark.parametrize(("abo", "rhd"), list(product(ABO, "+-")))
def test_clear_reactions_give_the_group(abo: str, rhd: str) -> None:
    assert determine(reactions(abo, rhd)) == Group(abo, rhd)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"control": "1+"}, "control"), ({"control": ""}, "control"), ({"anti_a": "w"}, "forward"),
        ({"anti_a": "1+"}, "forward"), ({"anti_b": "mf"}, "forward"), ({"anti_b": ""}, "forward"),
        ({"b_cells": "w"}, "reverse"), ({"a1_cells": ""}, "reverse"), ({"a1_cells": "H"}, "reverse"),
        ({"b_cells": "0"}, "differ"), ({"a1_cells": "2+"}, "differ"), ({"anti_b": "4+"}, "differ"),
        ({"anti_d": "w"}, "rhd"), ({"anti_d": "1+"}, "rhd"), ({"anti_d": ""}, "rhd"),
    ],
)  # fmt: skip
def test_what_speaks_against_a_group_says_so(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(Unclear) as refused:
        determine(reactions("A") | changed)
    assert refused.value.reason == reason


def test_the_newborn_have_no_antibodies() -> None:
    newborn = reactions("A") | {"a1_cells": "", "b_cells": "0"}
    assert determine(newborn, reverse=False) == Group("A", "+")


@UNHURRIED
@given(st.fixed_dictionaries({reagent: st.sampled_from(["", *GRADES]) for reagent in REAGENTS}))
def test_a_group_is_never_given_against_its_own_serum(grades: dict[str, str]) -> None:
    try:
        found = determine(grades)
    except Unclear:
        return
    assert grades["control"] == "0"
    assert (grades["anti_a"] != "0", grades["anti_b"] != "0") == ("A" in found.abo, "B" in found.abo)
    assert (grades["a1_cells"] == "0", grades["b_cells"] == "0") == ("A" in found.abo, "B" in found.abo)
    assert all(grade in ("0", "1+", "2+", "3+", "4+") for grade in grades.values())


@UNHURRIED
@given(st.sampled_from(ABO), st.sampled_from(ABO))
def test_red_cells_and_plasma_are_each_others_mirror(one: str, other: str) -> None:
    cells = compatible("red", Group(one, "+"), Group(other, "+"))
    assert cells is compatible("plasma", Group(other, "+"), Group(one, "+"))


def test_the_tables_are_whole() -> None:
    assert {(row["kind"], row["recipient"]) for row in rows("compatibility.csv")} == set(
        product({one.kind for one in components().values()}, [*ABO, "?"])
    )
    assert all(key in components() and Group(abo, rhd).isbt for key, abo, rhd in levels())
    assert set(words("step")) >= {"stop", "clerical", "returned", "tests", "conclusion"}
    for name in ("components.csv", "rules.csv", "words.csv"):
        assert {row["certainty"] for row in rows(name)} <= {"known", "unsure", "house"}
