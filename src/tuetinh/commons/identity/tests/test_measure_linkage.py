"""`tuetinh bench linkage`: groups that weights suggest, how sure they are, and what that gives on labelled sets."""

from __future__ import annotations

from io import StringIO
from itertools import combinations
from pathlib import Path

import pytest

from tuetinh.commons.identity.linkage import groups, sets

PRIOR = -10.0


def joined(weights: dict[tuple[str, str], float], least: float = 0.0) -> set[frozenset[str]]:
    """The groups of a set of weights."""
    heads = groups.groups(groups.joins(weights, PRIOR), least)
    return {frozenset(one for one, head in heads.items() if head == wanted) for wanted in set(heads.values())}


def all_of(names: str, weight: float) -> dict[tuple[str, str], float]:
    return dict.fromkeys(combinations(names, 2), weight)


def test_one_wrong_link_joins_no_two_people() -> None:
    apart = dict.fromkeys([(a, b) for a in "abc" for b in "xyz"], -15.0)
    weights = all_of("abc", 8.0) | all_of("xyz", 8.0) | apart | {("a", "x"): 6.0}
    assert joined(weights) == {frozenset("abc"), frozenset("xyz")}


def test_a_record_is_joined_that_many_say_a_little_about() -> None:
    others = {("a", "d"): -1.0, ("b", "d"): -2.0, ("c", "d"): -1.5}
    assert joined(all_of("abc", 8.0) | others) == {frozenset("abcd")}
    # Each of them alone would not be enough.
    assert joined({("a", "d"): -1.0}) == set()


def test_records_that_say_the_same_count_once() -> None:
    assert joined(all_of("abc", 8.0) | {(one, "d"): -1.5 for one in "abc"}) == {frozenset("abc")}


def test_a_pair_is_as_sure_as_its_weight() -> None:
    [join] = groups.joins({("a", "b"): 3.25}, PRIOR)
    assert (join.one, join.other, join.bits) == (("a",), ("b",), 3.25)


def test_the_threshold_keeps_the_precision_that_the_weights_expect() -> None:
    # 199 sure pairs and one of even odds are right in 99.75 of 100 cases; a second such would still do, a third not.
    sure = [groups.Join((f"a{n}",), (f"b{n}",), 40.0) for n in range(199)]
    even = [groups.Join((f"c{n}",), (f"d{n}",), bits) for n, bits in enumerate((0.0, -0.01, -20.0))]
    assert groups.threshold([*even, *sure], 0.995) == -0.01
    assert groups.threshold([*even[:1], *sure], 0.995) == 0.0
    assert groups.threshold(even, 0.995) == float("inf")


def test_the_prior_is_the_share_of_pairs_that_are_one_person() -> None:
    # 64 of the 2016 pairs of 64 records are one person's, without a doubt.
    assert groups.prior([60.0] * 63, 64) == pytest.approx(-4.954, abs=0.001)
    assert groups.prior([], 1) == 0.0


def test_a_crowd_falls_apart_where_more_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST", 4)
    chain = {(f"{n:02}", f"{n + 1:02}"): 9.0 if n % 2 == 0 else -7.0 for n in range(19)}
    assert joined(chain) == {frozenset((f"{n:02}", f"{n + 1:02}")) for n in range(0, 20, 2)}


def measured(folder: Path) -> tuple[int, str]:
    out = StringIO()
    return sets.report(folder, 0, out), out.getvalue()


@pytest.mark.parametrize("name", ["dataset3.csv", "fake_1000.csv"])
def test_labelled_sets_have_the_precision_and_recall_that_are_wanted(name: str, shared: Path, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to(shared / "data/linkage" / name)
    code, told = measured(tmp_path)
    [line] = [line for line in told.splitlines() if line.endswith("<- same person")]
    precision, recall = map(float, line.split()[3:5])
    assert precision >= 0.995
    assert recall >= 0.97
    assert code == 0


def test_invented_people_whom_the_model_has_not_seen() -> None:
    out = StringIO()
    assert sets.report(None, 8000, out) == 0
    assert out.getvalue().startswith("8000 invented people: 8904 records, 903 true pairs, ")


def test_a_set_without_a_truth_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "nobody.csv").write_text("id,first_name\n1,Lan\n")
    code, told = measured(tmp_path)
    assert (code, told) == (1, "nobody.csv: left out: it says nowhere who is the same person\n")
