"""The evaluation of a model: real pictures, half of them with words, and numbers that are known."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from tuetinh.care.imaging.ai.evaluating import Case, auc, rates, roc, youden
from tuetinh.care.imaging.ai.tests.conftest import truth

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning")]


def evaluate(*arguments: object) -> str:
    out = StringIO()
    call_command("evaluate_model", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_words_on_real_pictures_are_told(tmp_path: Path, shared: Path) -> None:
    truth(tmp_path, shared)
    said = evaluate("pp-ocr-det", tmp_path, "--plot", tmp_path / "roc.svg")
    assert "Pictures: 20, with the finding: 10, without: 10" in said
    areas = [float(one) for one in re.findall(r"AUC: ([\d.]+)", said)]
    assert areas[0] > 0.9
    assert "At the model's threshold 0.7000: sensitivity" in said and "At the Youden threshold" in said
    assert "Subgroup modality = CT" in said and "Warning: fewer than 10 pictures of a kind" in said
    drawn = (tmp_path / "roc.svg").read_text()
    assert drawn.startswith("<svg") and "polyline" in drawn


def test_numbers_that_are_known() -> None:
    cases = [Case("", truth, score) for truth, score in (
        (True, 0.9), (True, 0.8), (True, 0.4), (False, 0.7), (False, 0.3), (False, 0.2), (False, 0.1),
    )]  # fmt: skip
    area = auc(cases)
    assert area is not None
    assert area[0] == pytest.approx(11 / 12)
    # DeLong: S10 of (1, 1, 3/4) and S01 of (2/3, 1, 1, 1)
    half = 1.959964 * ((1 / 48) / 3 + (1 / 36) / 4) ** 0.5
    assert area[1] == pytest.approx(11 / 12 - half)
    assert area[2] == 1
    at = rates(cases, 0.5)
    assert (at.sensitivity, at.specificity, at.ppv, at.npv) == (2 / 3, 3 / 4, 2 / 3, 3 / 4)
    assert (youden(cases).threshold, len(roc(cases))) == (0.4, 8)
    assert auc([one for one in cases if one.truth]) is None
    assert [len(roc(some)) for some in ([], cases[:1], cases[:1] * 3)] == [1, 2, 2]
    assert rates([], 0.5).sensitivity is None


def test_the_curve_is_what_each_of_its_thresholds_does() -> None:
    numbers = np.random.default_rng(7)
    truths, scores = numbers.integers(0, 2, 300).tolist(), (numbers.integers(0, 40, 300) / 40).tolist()  # with ties
    cases = [Case("", bool(truth), score) for truth, score in zip(truths, scores, strict=True)]
    thresholds = [float("inf"), *sorted(set(scores), reverse=True)]
    assert roc(cases) == [rates(cases, one) for one in thresholds]


@pytest.mark.parametrize(("text", "place"), [
    (None, "truth.csv"),
    ("file\na.png\n", "columns file and truth"),
    ("file,truth\na.png,yes\n", "line 2"),
    ("file,truth\na.png,1\n", "a.png"),
    ("file,truth\n../../etc/passwd,1\n", "not in the folder"),
])  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str | None, place: str) -> None:
    if text:
        (tmp_path / "truth.csv").write_text(text)
    with pytest.raises(CommandError, match=place):
        evaluate("pp-ocr-det", tmp_path)


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"there are: pp-ocr-det:4\.0"):
        evaluate("nothing", tmp_path)
