"""The model: comparisons with their levels, what each says for and against, and the thresholds. It is data.

Its form is Splink's settings (comparisons with `sql_condition`, `m_probability`, `u_probability`), so that Splink runs
it as it is, with a name for each level under `label_for_charts` and the thresholds beside.
"""

from __future__ import annotations

from functools import cache
from math import log2
from pathlib import Path
from typing import Any

import msgspec

SHIPPED = Path(__file__).parent.parent / "data" / "linkage.json"


class Level(msgspec.Struct, omit_defaults=True):
    """One level of a comparison: the first whose condition holds counts. m: its share among records of one person,
    u: among those of two; a null level says nothing."""

    sql_condition: str
    label_for_charts: str
    m_probability: float | None = None
    u_probability: float | None = None
    is_null_level: bool = False

    @property
    def weight(self) -> float:
        """What the level says, in bits: for one person when positive."""
        if self.is_null_level or not self.m_probability or not self.u_probability:
            return 0.0
        return log2(self.m_probability / self.u_probability)


class Comparison(msgspec.Struct):
    """One thing that is compared."""

    output_column_name: str
    comparison_levels: list[Level]


class Thresholds(msgspec.Struct):
    """In bits: from `same` on two records are taken for one person, from `review` on a person decides."""

    same: float
    review: float


class Model(msgspec.Struct):
    """See the module."""

    probability_two_random_records_match: float
    comparisons: list[Comparison]
    thresholds: Thresholds

    @property
    def prior(self) -> float:
        """The weight of two records of which nothing is known."""
        return log2(self.probability_two_random_records_match / (1 - self.probability_two_random_records_match))

    def settings(self) -> dict[str, Any]:
        """The settings of Splink, without its rules for blocking."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        del found["thresholds"]
        return found


class WrongModel(ValueError):
    """A model that cannot be used; the text says why."""


def read(data: bytes) -> Model:
    """Read a model. Raises WrongModel: also for conditions that are not those shipped, which are code."""
    try:
        model = msgspec.json.decode(data, type=Model)
    except msgspec.DecodeError as error:
        raise WrongModel(str(error)) from error
    if SHIPPED.exists() and _conditions(model) != _conditions(shipped()):
        message = "comparisons and levels must be those of the shipped model; only numbers may differ"
        raise WrongModel(message)
    if not 0 < model.probability_two_random_records_match < 1:
        message = "probability_two_random_records_match must be between 0 and 1"
        raise WrongModel(message)
    for comparison in model.comparisons:
        for level in comparison.comparison_levels:
            given = (level.m_probability, level.u_probability)
            if not level.is_null_level and not all(p is not None and 0 < p <= 1 for p in given):
                message = f"{comparison.output_column_name}: {level.label_for_charts} needs m and u between 0 and 1"
                raise WrongModel(message)
    if model.thresholds.review > model.thresholds.same:
        message = "the threshold of review is above that of same"
        raise WrongModel(message)
    return model


def _conditions(model: Model) -> list[tuple[str, str]]:
    return [(c.output_column_name, level.sql_condition) for c in model.comparisons for level in c.comparison_levels]


@cache
def shipped() -> Model:
    """The model of the package, made by tools/make_linkage_model.py."""
    return msgspec.json.decode(SHIPPED.read_bytes(), type=Model)
