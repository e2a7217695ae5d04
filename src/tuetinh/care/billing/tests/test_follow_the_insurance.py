"""What is owed follows what is known of the insurance: a card that comes late, the paper of no co-payment."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone

from tuetinh.care.billing.actions import charge
from tuetinh.care.billing.models import Bill
from tuetinh.care.insurance.actions import _keep
from tuetinh.care.insurance.copayment.actions import YearPaper, enter, take_back
from tuetinh.care.insurance.facts import request
from tuetinh.care.insurance.gateway import Answer
from tuetinh.care.insurance.models import ClaimCase
from tuetinh.care.insurance.sending.queue import queue_claim
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate()
PAPER = YearPaper(D(20_000_000), TODAY, date(TODAY.year, 1, 1))


def owed() -> tuple[str, D]:
    row = Bill.objects.get()
    return row.state, row.due


def test_a_paper_lets_the_claim_go_that_waited_for_the_copayment(desk: Any) -> None:
    charge(SYSTEM, desk.encounter, "23.0075.1494", 1, unit_price=D(500_000))
    assert owed() == ("open", D(100_000))
    queue_claim(SYSTEM, desk.encounter, paid=False)
    assert ClaimCase.objects.get(kind="claim").due > timezone.now()
    enter(SYSTEM, desk.patient.id, PAPER)
    assert owed() == ("paid", D(0))
    assert ClaimCase.objects.get(kind="claim").due <= timezone.now()


def test_a_paper_that_is_taken_back_leaves_what_is_settled(desk: Any) -> None:
    charge(SYSTEM, desk.encounter, "23.0075.1494", 1, unit_price=D(500_000))
    enter(SYSTEM, desk.patient.id, PAPER)
    take_back(SYSTEM, desk.patient.id)
    assert owed() == ("paid", D(0))
    charge(SYSTEM, desk.encounter, "23.0077.1518", 1, unit_price=D(500_000))
    assert owed() == ("open", D(200_000))


def test_a_card_that_comes_late_is_counted_in_the_worklist(desk: Any) -> None:
    (old,) = record.search(SYSTEM, "Coverage", "_count=5").resources
    record.delete(SYSTEM, "Coverage", str(old.id))
    charge(SYSTEM, desk.encounter, "23.0075.1494", 1, unit_price=D(500_000))
    assert owed() == ("open", D(500_000))
    asked = record.create(SYSTEM, request(desk.patient.id, "12001", "2026-11-02T08:00:00+07:00"))
    card = Answer("000", ma_the=desk.card, gt_the_tu="01/01/2020", gt_the_den="31/12/2099", ma_dkbd="12001")
    _keep(SYSTEM, asked, card)
    assert owed() == ("open", D(100_000))
