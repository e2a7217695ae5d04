"""Who works at the doctor's desk in these tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tuetinh.commons.access.api import asker_of

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account
    from tuetinh.record.asker import Asker


@pytest.fixture
def doctor(cast: dict[str, Account]) -> Asker:
    """A doctor of the cast, who is a practitioner."""
    return replace(asker_of(cast["doctor"]), practitioner="cast-doctor")
