"""What the cashier's tests share."""

from __future__ import annotations

import pytest

from tuetinh.care.billing.actions import set_bank_account


@pytest.fixture
def bank(db: None) -> None:
    """The account of the health centre of the fixture `desk`."""
    set_bank_account("12001", "970436", "1026806174", "Trung tâm Y tế Tam Đường", "s3cret")
