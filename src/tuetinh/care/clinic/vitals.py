"""Vital signs: what is measured, in which unit, and what is plausible."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class Vital:
    """One measure. possible: beyond it nobody lives; normal: of an adult at rest, else it is marked."""

    key: str
    loinc: str
    label: _StrPromise
    unit: str  # as printed
    ucum: str
    possible: tuple[int, int]
    normal: tuple[float, float] | None = None


VITALS = {
    vital.key: vital
    for vital in (
        Vital("systolic", "8480-6", gettext_lazy("Huyết áp tâm thu"), "mmHg", "mm[Hg]", (40, 300), (90, 139)),
        Vital("diastolic", "8462-4", gettext_lazy("Huyết áp tâm trương"), "mmHg", "mm[Hg]", (20, 200), (60, 89)),
        Vital("pulse", "8867-4", gettext_lazy("Mạch"), "lần/phút", "/min", (20, 300), (60, 100)),
        Vital("temperature", "8310-5", gettext_lazy("Nhiệt độ"), "°C", "Cel", (25, 45), (36, 37.5)),
        Vital("respiration", "9279-1", gettext_lazy("Nhịp thở"), "lần/phút", "/min", (4, 120), (12, 20)),
        Vital("spo2", "2708-6", gettext_lazy("SpO₂"), "%", "%", (30, 100), (94, 100)),
        Vital("weight", "29463-7", gettext_lazy("Cân nặng"), "kg", "kg", (0, 400)),
        Vital("height", "8302-2", gettext_lazy("Chiều cao"), "cm", "cm", (20, 250)),
    )
}
PRESSURE = "85354-9"  # the panel that systolic and diastolic pressure are components of
BMI = "39156-5"


def body_mass_index(weight: Decimal, height_cm: Decimal) -> Decimal:
    """kg/m², to one decimal."""
    return (weight / (height_cm / 100) ** 2).quantize(Decimal("0.1"))


def implausible(values: Mapping[str, Decimal]) -> dict[str, str]:
    """What cannot be, in words, by key: each value by itself, then the two of the blood pressure together."""
    told = {}
    for key, value in values.items():
        low, high = VITALS[key].possible
        if not low <= value <= high:
            words = {"low": low, "high": high, "unit": VITALS[key].unit}
            told[key] = _("Phải từ %(low)s đến %(high)s %(unit)s.") % words
    if ("systolic" in values) != ("diastolic" in values):
        told["diastolic" if "systolic" in values else "systolic"] = _("Ghi đủ hai số huyết áp.")
    elif not told.keys() & {"systolic", "diastolic"} and values.get("systolic", 1) <= values.get("diastolic", 0):
        told["systolic"] = _("Huyết áp tâm thu phải cao hơn tâm trương.")
    return told
