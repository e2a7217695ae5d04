"""What other modules may call of the ward."""

from __future__ import annotations

from tuetinh.care.ward.actions import admit, charge_bed, charge_supply, give, move
from tuetinh.care.ward.errors import WardError
from tuetinh.care.ward.queries import Inpatient, departments, inpatients

__all__ = [
    "Inpatient",
    "WardError",
    "admit",
    "charge_bed",
    "charge_supply",
    "departments",
    "give",
    "inpatients",
    "move",
]
