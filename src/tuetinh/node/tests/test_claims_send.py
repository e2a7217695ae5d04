"""`tuetinh claims send` queues what was never queued, and says how each claim stands."""

from __future__ import annotations

import pytest

from tuetinh.node.claims.send import send
from tuetinh.node.errors import Refused
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db


def visit(id_: str, end: str, *, card: bool) -> None:
    who = api.create(SYSTEM, r4.Patient(id=f"p-{id_}"))
    me = api.ref(who)
    if card:
        number = r4.Coverage(
            status="active", subscriberId="GD4129999999001", beneficiary=me, payor=[r4.Reference(display="BHXH")]
        )
        api.create(SYSTEM, number)
    encounter = r4.Encounter(
        id=id_,
        status="finished",
        class_=r4.Coding(code="AMB"),
        subject=me,
        period=r4.Period(start="2026-11-02T08:00:00+07:00", end=end),
        serviceProvider=r4.Reference(reference="Organization/12001"),
    )
    api.create(SYSTEM, encounter)


def test_visits_of_the_days_by_people_with_a_card() -> None:
    api.update(SYSTEM, r4.Organization(id="12001", name="Bệnh viện"))
    visit("insured", "2026-11-02T10:00:00+07:00", card=True)
    visit("without", "2026-11-02T10:00:00+07:00", card=False)
    visit("later", "2026-11-04T10:00:00+07:00", card=True)
    told = list(send("12001", "2026-11-02", "2026-11-02"))
    # The facility has no account at the gateway: the claim stays in the queue, and says why.
    assert [(line["visit"], line["facility"], line["state"]) for line in told] == [("insured", "12001", "waiting")]
    assert told[0]["words"] == "Cổng giám định BHYT không chấp nhận tài khoản của cơ sở."
    assert {line["visit"] for line in send("12001", "2026-11-02", "")} == {"insured", "later"}
    with pytest.raises(Refused, match="there is no facility 12002"):
        list(send("12002", "2026-11-02", ""))
