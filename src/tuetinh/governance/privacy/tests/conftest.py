"""The world of the requests: a citizen with a diagnosis that a doctor of the health centre wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account


@pytest.fixture
def diagnosis(cast: dict[str, Account]) -> str:
    """`Type/id` of a diagnosis of the citizen, written by the doctor of the cast at the health centre."""
    doctor = cast["doctor"]
    condition = r4.Condition(
        id="dau",
        subject=r4.Reference(reference="Patient/cast-citizen"),
        recorder=r4.Reference(reference=f"Practitioner/{doctor.practitioner}"),
        code=r4.CodeableConcept(text="Đái tháo đường"),
    )
    by = replace(SYSTEM, account=str(doctor.pk), role="doctor", facility="12104", practitioner=doctor.practitioner)
    record.create(by, condition)
    return "Condition/dau"
