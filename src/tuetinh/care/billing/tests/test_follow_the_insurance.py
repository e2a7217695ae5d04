"""What is owed follows what is known of the insurance: a card that comes late, the paper of no co-payment."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone

from tuetinh.care.billing.actions import charge, give_back, pay_cash
from tuetinh.care.billing.models import Bill
from tuetinh.care.billing.queries import worklist
from tuetinh.care.insurance.actions import _keep
from tuetinh.care.insurance.claims import claim
from tuetinh.care.insurance.copayment.actions import YearPaper, enter, take_back
from tuetinh.care.insurance.errors import BadBroughtPaper, NotAllowed, NoVisit
from tuetinh.care.insurance.facts import request
from tuetinh.care.insurance.gateway import Answer
from tuetinh.care.insurance.models import ClaimCase
from tuetinh.care.insurance.papers.actions import issue, withdraw
from tuetinh.care.insurance.papers.brought import Brought, bring
from tuetinh.care.insurance.papers.catalogue import REFERRAL
from tuetinh.care.insurance.sending.queue import queue_claim
from tuetinh.care.insurance.situations import FORMER
from tuetinh.care.insurance.tests.test_issue_papers import REFERRED
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate()
HERE = replace(SYSTEM, facility="12001")
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


def invoiced() -> tuple[str, D]:
    (found,) = record.search(SYSTEM, "Invoice", "_count=5").resources
    assert isinstance(found, r4.Invoice)
    assert found.totalNet and found.totalNet.value is not None
    return str(found.status), found.totalNet.value


def paid_by_own_choice(desk: Any) -> None:
    """A visit at a hospital of the former province, by own choice: the fund pays half of it, and it is paid."""
    org = record.read(SYSTEM, "Organization", desk.facility)
    assert isinstance(org, r4.Organization)
    org.extension = [*(org.extension or []), r4.Extension(url=FORMER, valueCode="provincial")]
    record.update(SYSTEM, org)
    (card,) = record.search(SYSTEM, "Coverage", f"beneficiary=Patient/{desk.patient.id}&_count=5").resources
    assert isinstance(card, r4.Coverage)
    for one in card.class_ or []:
        one.value = "12999" if one.value == desk.facility else one.value
    record.update(SYSTEM, card)
    charge(SYSTEM, desk.encounter, "23.0075.1494", 1, unit_price=D(1_000_000))
    pay_cash(SYSTEM, desk.id, Bill.objects.get().due, facility=desk.facility)


def test_a_referral_that_is_brought_after_the_payment_is_money_to_give_back(desk: Any) -> None:
    paid_by_own_choice(desk)
    assert (owed(), invoiced()) == (("paid", D(600_000)), ("balanced", D(600_000)))
    now = timezone.now()
    claims = ClaimCase.objects.filter(kind="claim")
    claims.create(encounter=desk.id, facility="12001", patient="p", state="accepted", ended=now, due=now, by=now.date())
    bring(HERE, desk.id, Brought("referral", "26/CT/000007", "12104"))
    assert (owed(), invoiced()) == (("paid", D(200_000)), ("balanced", D(200_000)))
    assert [row.encounter for row in worklist("12001", "back")] == [desk.id]
    assert claims.get().state == "waiting"
    row = claim(SYSTEM, desk.id).tables["XML1"][0]
    assert (row["MA_DOITUONG_KCB"], row["GIAY_CHUYEN_TUYEN"], row["MA_NOI_DI"], row["T_BNCCT"]) == (
        "1.3", "26/CT/000007", "12104", "200000",
    )  # fmt: skip
    give_back(SYSTEM, desk.id, D(400_000), "Bổ sung giấy chuyển", facility="12001")
    assert not worklist("12001", "back").exists()
    bring(HERE, desk.id, Brought())
    assert (owed(), invoiced()) == (("open", D(600_000)), ("issued", D(600_000)))
    assert claim(SYSTEM, desk.id).tables["XML1"][0]["GIAY_CHUYEN_TUYEN"] == ""


def test_a_referral_that_is_issued_elsewhere_after_the_payment_counts_too(desk: Any) -> None:
    desk.encounter.period = r4.Period(start=f"{TODAY}T08:00:00+07:00")
    record.update(SYSTEM, desk.encounter)
    paid_by_own_choice(desk)
    record.create(SYSTEM, r4.Organization(id="12104", name="Trung tâm Y tế", active=True))
    before = desk.visit()
    before.serviceProvider = r4.Reference(reference="Organization/12104")
    there = str(record.create(SYSTEM, before).id)
    doctor = replace(SYSTEM, role="doctor", facility="12104", practitioner="d")
    issue(doctor, there, REFERRAL, REFERRED)
    assert owed() == ("paid", D(200_000))
    withdraw(doctor, there, REFERRAL)
    assert owed() == ("paid", D(600_000))


@pytest.mark.parametrize(
    ("paper", "field"),
    [
        (Brought("referral", "", "12104"), "number"), (Brought("referral", "1", "121"), "origin"),
        (Brought("letter", "1"), "kind"), (Brought("revisit"), "number"),
    ],
)  # fmt: skip
def test_a_paper_that_says_too_little_changes_nothing(desk: Any, paper: Brought, field: str) -> None:
    paid_by_own_choice(desk)
    with pytest.raises(BadBroughtPaper) as told:
        bring(HERE, desk.id, paper)
    assert (told.value.field, owed()) == (field, ("paid", D(600_000)))
    with pytest.raises(NotAllowed):
        bring(replace(HERE, role="doctor"), desk.id, Brought("revisit", "1"))
    with pytest.raises(NoVisit):
        bring(replace(HERE, facility="12104"), desk.id, Brought("revisit", "1"))
    assert owed() == ("paid", D(600_000))


def test_a_paper_of_the_year_that_comes_after_the_payment_is_money_to_give_back(desk: Any) -> None:
    charge(SYSTEM, desk.encounter, "23.0075.1494", 1, unit_price=D(500_000))
    pay_cash(SYSTEM, desk.id, D(100_000), facility="12001")
    enter(SYSTEM, desk.patient.id, PAPER)
    assert (owed(), worklist("12001", "back").count()) == (("paid", D(0)), 1)


def test_a_first_card_that_comes_after_the_payment_is_money_to_give_back(desk: Any) -> None:
    (old,) = record.search(SYSTEM, "Coverage", "_count=5").resources
    record.delete(SYSTEM, "Coverage", str(old.id))
    charge(SYSTEM, desk.encounter, "23.0075.1494", 1, unit_price=D(500_000))
    pay_cash(SYSTEM, desk.id, D(500_000), facility="12001")
    asked = record.create(SYSTEM, request(desk.patient.id, "12001", "2026-11-02T08:00:00+07:00"))
    card = Answer("000", ma_the=desk.card, gt_the_tu="01/01/2020", gt_the_den="31/12/2099", ma_dkbd="12001")
    _keep(SYSTEM, asked, card)
    assert (owed(), invoiced()) == (("paid", D(100_000)), ("balanced", D(100_000)))


def test_the_desks_enter_the_paper_and_the_cashier_sees_what_to_give_back(as_role: Any, cast_desk: Any) -> None:
    paid_by_own_choice(cast_desk)
    address = f"/insurance/visits/{cast_desk.id}/brought"
    cashier = as_role("cashier")
    assert address in cashier.get(f"/billing/{cast_desk.id}").content.decode()
    for told in ({"kind": "referral", "origin": "xx"}, {"kind": ""}):
        wrong = cashier.post(address, told | {"number": "26/CT/1"})
        assert (wrong.status_code, owed()) == (422, ("paid", D(600_000)))
        assert 'value="26/CT/1"' in wrong.content.decode()
    told = {"kind": "referral", "number": "26/CT/1", "origin": "12001"}
    done = as_role("reception").post(f"{address}?from=/reception", told)
    assert (done.status_code, done["Location"]) == (302, "/reception")
    assert 'value="26/CT/1"' in cashier.get(address).content.decode()
    assert "400.000" in cashier.get("/billing?state=back").content.decode()
    assert "400.000" in cashier.get(f"/billing/{cast_desk.id}").content.decode()
