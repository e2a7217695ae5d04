"""What an ECG is, whatever it came in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

# MDC codes of leads (ISO/IEEE 11073-10101, A.7.2) by the names on paper, in the order of paper.
LEADS: Final = {
    "I": "2:1", "II": "2:2", "III": "2:61", "aVR": "2:62", "aVL": "2:63", "aVF": "2:64",
    "V1": "2:3", "V2": "2:4", "V3": "2:5", "V4": "2:6", "V5": "2:7", "V6": "2:8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Curves:
    """An ECG. leads: samples by the name of the lead, all of one length, `unit` microvolts each; rate: a second.

    name, birth: whom the file tells, in the form of DICOM; "" where it does not. at: when it was recorded.
    """

    leads: dict[str, NDArray[np.int32]]
    rate: float
    unit: float
    name: str = ""
    birth: str = ""
    at: datetime | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(next(iter(self.leads.values()))) / self.rate


def completed(curves: Curves) -> Curves:
    """With the limb leads that follow from I and II (Einthoven, Goldberger), in the order of paper."""
    leads = {re.sub(r"[^\w +-]", "", name, flags=re.ASCII)[:16]: data for name, data in curves.leads.items()}
    if "I" in leads and "II" in leads:
        one, two = leads["I"], leads["II"]
        leads.setdefault("III", two - one)
        leads.setdefault("aVR", -(one + two) // 2)
        leads.setdefault("aVL", one - two // 2)
        leads.setdefault("aVF", two - one // 2)
    known = {name: leads[name] for name in LEADS if name in leads}
    others = {name: data for name, data in leads.items() if name not in LEADS}
    return Curves(known | others, curves.rate, curves.unit, curves.name, curves.birth, curves.at)
