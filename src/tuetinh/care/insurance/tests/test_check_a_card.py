"""A card is checked at the desk: what the record keeps, and that an outage keeps nobody waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import cast

import pytest
from django.db import connection

from tuetinh.care.conftest import Desk
from tuetinh.care.insurance import gateway
from tuetinh.care.insurance.actions import check_card, finish_check, publish_cards, set_account
from tuetinh.care.insurance.errors import GatewayDown, NoCard
from tuetinh.care.insurance.models import ClaimCase, GatewayAccount
from tuetinh.care.insurance.queries import card_on, cards, simulated_card
from tuetinh.care.insurance.sending import queue
from tuetinh.care.insurance.simulator import Card, Simulator
from tuetinh.commons.identity.api import BHYT_CARD, human_name
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db

CARD = Card(
    "GD4120000000017", "Lò Thị Pâng", "1972-03-15", "Nữ", "", "12001", "2026-01-01", "2099-12-31", "K1", "2020-01-01"
)
Serve = Callable[[Callable[..., Awaitable[None]]], str]


@pytest.fixture
def here(over_a_socket: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The facility has an account, and the gateway runs."""
    gateway.forget_tokens()
    set_account("12001", "12001_BV", "mật khẩu")
    monkeypatch.setenv("TUETINH_GATEWAY_URL", over_a_socket(Simulator(lambda n: CARD if n == CARD.number else None)))
    yield
    gateway.forget_tokens()


def person(card: str = CARD.number) -> str:
    identifiers = [r4.Identifier(system=BHYT_CARD, value=card)] if card else None
    made = r4.Patient(name=[human_name(CARD.name)], birthDate=CARD.birth, gender="female", identifier=identifiers)
    return cast(str, record.create(SYSTEM, made).id)


def count(type_: str) -> int:
    return len(record.search(SYSTEM, type_, "_count=100").resources)


def jobs() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'insurance.ask_again'")
        return cast(int, cursor.fetchone()[0])


def test_a_valid_card_becomes_coverage_and_an_answer(here: None) -> None:
    patient = person()
    found = check_card(SYSTEM, patient, facility="12001")
    assert (found.outcome, found.code) == ("valid", "000")
    stored = cast(r4.Coverage, record.search(SYSTEM, "Coverage", f"beneficiary=Patient/{patient}").resources[0])
    assert (stored.status, stored.subscriberId) == ("active", CARD.number)
    assert stored.period is not None
    assert (stored.period.start, stored.period.end) == ("2026-01-01", "2099-12-31")
    card = cards(SYSTEM, patient)[0]
    assert (card.digit, card.facility, card.area, card.five_years) == (4, "12001", "K1", "2020-01-01")
    response = cast(r4.CoverageEligibilityResponse, found.response)
    assert response.insurance is not None
    assert (response.outcome, response.insurance[0].inforce, response.error) == ("complete", True, None)
    assert card_on(SYSTEM, patient, date(2026, 11, 21)) == card
    assert card_on(SYSTEM, patient, date(2025, 12, 31)) is None


def test_checking_twice_keeps_one_coverage(here: None) -> None:
    patient = person()
    check_card(SYSTEM, patient, facility="12001")
    check_card(SYSTEM, patient, facility="12001")
    stored = record.search(SYSTEM, "Coverage", f"beneficiary=Patient/{patient}").resources
    assert [one.meta.versionId for one in stored if one.meta] == ["1"]
    assert count("CoverageEligibilityResponse") == 2


def test_an_expired_card_gives_no_right(here: None) -> None:
    patient = person("GD4129999999010")
    found = check_card(SYSTEM, patient, facility="12001")
    assert (found.outcome, found.code, found.words) == ("invalid", "010", "Thẻ hết giá trị")
    assert card_on(SYSTEM, patient, date(2026, 11, 21)) is None
    assert found.response is not None
    assert found.response.error is not None


def test_a_card_that_ran_out_held_until_then(here: None, over_a_socket: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    over = replace(CARD, valid_to="2026-10-31")
    monkeypatch.setenv("TUETINH_GATEWAY_URL", over_a_socket(Simulator(lambda _: over)))
    patient = person()
    assert (check_card(SYSTEM, patient, facility="12001").outcome, count("Coverage")) == ("invalid", 1)
    assert card_on(SYSTEM, patient, date(2026, 10, 31)) is not None
    assert card_on(SYSTEM, patient, date(2026, 11, 1)) is None


def ended(desk: Desk) -> r4.Encounter:
    """The visit, over."""
    desk.encounter.status = "finished"
    desk.encounter.period = r4.Period(start="2026-11-02T08:15:00+07:00", end="2026-11-02T10:40:00+07:00")
    return record.update(SYSTEM, desk.encounter)


def test_a_card_that_comes_after_the_visit_brings_its_claim(
    here: None, monkeypatch: pytest.MonkeyPatch, over_a_socket: Serve
) -> None:
    desk = Desk(insured=False)
    monkeypatch.setenv("TUETINH_GATEWAY_URL", "http://127.0.0.1:9")
    asked = {"facility": "12001", "encounter": desk.id, "number": CARD.number}
    found = check_card(SYSTEM, cast(str, desk.patient.id), **asked)
    queue.queue_claim(SYSTEM, ended(desk), paid=True)
    assert (found.outcome, ClaimCase.objects.count()) == ("queued", 0)
    monkeypatch.setenv("TUETINH_GATEWAY_URL", over_a_socket(Simulator(lambda _: CARD)))
    response = cast(r4.CoverageEligibilityResponse, found.response)
    request = (cast(r4.Reference, response.request).reference or "").rpartition("/")[2]
    assert finish_check(SYSTEM, request, cast(str, response.id), CARD.number).outcome == "valid"
    assert [(one.encounter, one.kind, one.state) for one in ClaimCase.objects.all()] == [(desk.id, "claim", "waiting")]
    check_card(SYSTEM, cast(str, desk.patient.id), **asked)
    assert ClaimCase.objects.count() == 1


def test_a_card_that_comes_in_the_visit_announces_it_once_it_costs(here: None) -> None:
    desk = Desk(insured=False)
    asked = {"facility": "12001", "encounter": desk.id, "number": CARD.number}
    check_card(SYSTEM, cast(str, desk.patient.id), **asked)
    assert not ClaimCase.objects.exists()
    code = r4.CodeableConcept(coding=[r4.Coding(code="02.1897")])
    about = {"subject": record.ref(desk.patient), "context": record.ref(desk.encounter)}
    record.create(SYSTEM, r4.ChargeItem(status="billable", code=code, **about))
    check_card(SYSTEM, cast(str, desk.patient.id), **asked)
    check_card(SYSTEM, cast(str, desk.patient.id), **asked)
    assert [(one.encounter, one.kind) for one in ClaimCase.objects.all()] == [(desk.id, "status")]


def test_an_unknown_card_leaves_no_coverage(here: None) -> None:
    found = check_card(SYSTEM, person("GD4120000009999"), facility="12001")
    assert (found.outcome, found.code, found.coverage) == ("invalid", "050", None)
    assert count("Coverage") == 0


def test_a_replaced_card_is_followed(here: None) -> None:
    found = check_card(SYSTEM, person("GD4129999999003"), facility="12001")
    assert (found.outcome, found.code) == ("valid", "003")
    assert found.card is not None
    assert found.card.number == "GD4129999999000"


def test_an_outage_is_queued_and_asked_again(here: None, monkeypatch: pytest.MonkeyPatch, over_a_socket: Serve) -> None:
    patient = person()
    monkeypatch.setenv("TUETINH_GATEWAY_URL", "http://127.0.0.1:9")
    found = check_card(SYSTEM, patient, facility="12001")
    assert (found.outcome, count("Coverage"), jobs()) == ("queued", 0, 1)
    response = cast(r4.CoverageEligibilityResponse, found.response)
    request = cast(r4.Reference, response.request).reference or ""
    ids = (request.rpartition("/")[2], cast(str, response.id))
    with pytest.raises(GatewayDown):
        finish_check(SYSTEM, *ids)
    monkeypatch.setenv("TUETINH_GATEWAY_URL", over_a_socket(Simulator(lambda _: CARD)))
    assert finish_check(SYSTEM, *ids).outcome == "valid"
    now = cast(r4.CoverageEligibilityResponse, record.read(SYSTEM, "CoverageEligibilityResponse", ids[1]))
    assert (now.outcome, count("Coverage")) == ("complete", 1)
    assert finish_check(SYSTEM, *ids).coverage is None  # answered since: nothing is asked or written again
    assert count("Coverage") == 1


def test_a_facility_without_account_still_gets_a_typed_outcome() -> None:
    found = check_card(SYSTEM, person(), facility="12099")
    assert (found.outcome, found.code, jobs()) == ("error", "gateway-account", 0)


def test_nobody_can_be_asked_about_without_a_number() -> None:
    patient = person("")
    with pytest.raises(NoCard):
        check_card(SYSTEM, patient, facility="12001")
    assert count("CoverageEligibilityRequest") == 0


def test_the_password_is_nowhere_in_clear() -> None:
    set_account("12001", "12001_BV", "mật khẩu")
    sealed = bytes(GatewayAccount.objects.get().secret)
    assert b"mat" not in sealed
    assert gateway.md5_password("mật khẩu").encode() not in sealed


def test_the_simulated_gateway_finds_cards_by_each_number() -> None:
    publish_cards([CARD, Card("DN4120000000025", "A", "1980-01-01", cccd="012080000001")])
    assert publish_cards([CARD]) == 1
    assert simulated_card("0000000017") == CARD
    found = simulated_card("012080000001")
    assert found is not None
    assert found.number == "DN4120000000025"
    assert simulated_card("nothing") is None
