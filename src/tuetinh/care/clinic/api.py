"""What other modules may call of the clinic."""

from __future__ import annotations

from tuetinh.care.clinic.actions import (
    Line,
    close_visit,
    diagnose,
    order_imaging,
    order_lab,
    order_medicine,
    prescribe,
    reopen,
    save_examination,
    save_vitals,
)
from tuetinh.care.clinic.errors import ClinicError, Warned
from tuetinh.care.clinic.prints import prescription as prescription_paper
from tuetinh.care.clinic.prints import summary as summary_paper
from tuetinh.care.clinic.queries import Known, Medicine, Past, advice, known, medicines, prescription

__all__ = [
    "ClinicError",
    "Known",
    "Line",
    "Medicine",
    "Past",
    "Warned",
    "advice",
    "close_visit",
    "diagnose",
    "known",
    "medicines",
    "order_imaging",
    "order_lab",
    "order_medicine",
    "prescribe",
    "prescription",
    "prescription_paper",
    "reopen",
    "save_examination",
    "save_vitals",
    "summary_paper",
]
