"""What the insurer knows of visits elsewhere is seen by the doctor of a visit, and by nobody who has none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from lxml import html

from tuetinh.care.insurance import gateway
from tuetinh.care.insurance.actions import connection, set_account
from tuetinh.care.insurance.errors import GatewayDown, GatewayNonsense
from tuetinh.care.insurance.gateway import Question
from tuetinh.care.insurance.models import GatewayAccount, SimulatedReceipt
from tuetinh.care.insurance.past.asking import moment
from tuetinh.care.insurance.queries import facility_names
from tuetinh.care.insurance.sending import send
from tuetinh.care.insurance.simulator import Card, Simulator
from tuetinh.care.insurance.simulator_claims import Stored
from tuetinh.care.insurance.tests.keeping import Memory, queued
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db

CARD = Card(
    "GD4120000000017", "Lò Thị Pâng", "1972-03-15", "Nữ", "", "12001", "2026-01-01", "2099-12-31", cccd="012172000017"
)
Serve = Callable[[Callable[..., Awaitable[None]]], str]
As = Callable[[str], Client]


@pytest.fixture
def claimed(
    cast: Any, visit: str, ledger: Memory, over_a_socket: Serve, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A visit at the hospital (12001), of which the gateway has taken the claim."""
    url = over_a_socket(Simulator(lambda n: CARD if n in (CARD.number, CARD.cccd) else None, ledger))
    monkeypatch.setenv("TUETINH_GATEWAY_URL", url)
    queued(visit)
    assert send.send_due(20) == 1
    set_account("12104", "12104_BV", "mật khẩu")
    yield visit
    gateway.forget_tokens()


@pytest.fixture
def here(claimed: str) -> str:
    """A later visit of the same person at the health centre (12104)."""
    return later(claimed)


def later(claimed: str, patient: r4.Patient | None = None) -> str:
    visit = record.read(SYSTEM, "Encounter", claimed)
    assert isinstance(visit, r4.Encounter)
    visit.id, visit.meta, visit.identifier = None, None, None
    visit.subject = record.ref(patient) if patient else visit.subject
    visit.serviceProvider = r4.Reference(reference="Organization/12104")
    return str(record.create(SYSTEM, visit).id)


def at(facility: str) -> gateway.Gateway:
    return connection(GatewayAccount.objects.get(facility=facility))


def looked_up_at(facility: str) -> gateway.Answer:
    return at(facility).card(Question(CARD.number, CARD.name, "15/03/1972"))


def shown(page: Any, what: str) -> list[str]:
    return [" ".join(row.text_content().split()) for row in html.fromstring(page.content).xpath(f"//*[@data-{what}]")]


def links(page: Any) -> list[str]:
    return [str(one.get("href")) for one in html.fromstring(page.content).xpath("//*[@data-past]//a")]


def test_a_visit_that_was_claimed_anywhere_is_told_with_its_tables(claimed: str, ledger: Memory) -> None:
    found = looked_up_at("12104")
    [one] = found.visits
    assert (one.ma_ho_so, one.ma_cskcb) == (str(ledger.taken[0].number), "12001")
    assert (one.ngay_vao, one.ngay_ra, one.kq_dieu_tri) == ("202611020815", "202611021040", "2")
    tables = at("12104").visit(one.ma_ho_so)
    assert tables is not None
    assert tables["XML1"][0]["MA_BENH_CHINH"] == "I10"
    assert [row["SO_LUONG"] for row in tables["XML2"]] == ["20"]
    assert [row["MA_DICH_VU"] for row in tables["XML3"]] == ["02.1897", "23.0075.1494"]
    assert [row["GIA_TRI"] for row in tables["XML4"]] == ["6.10"]


def test_of_a_visit_that_nobody_claimed_there_is_nothing(claimed: str) -> None:
    assert at("12104").visit("1") is None
    assert at("12104").visit("../../x") is None


def test_the_doctor_of_a_visit_sees_them(here: str, as_role: As) -> None:
    looked_up_at("12001")
    doctor, address = as_role("doctor"), f"/insurance/visits/{here}/past"
    page = doctor.get(address)
    [row] = shown(page, "past")
    assert "08:15 02/11/2026" in row
    assert "Trung tâm Y tế Tam Đường" in row
    assert page.content.decode().count("Trung tâm Y tế Tam Đường") > row.count("Trung tâm Y tế Tam Đường")  # who looked
    [to] = links(page)
    one = doctor.get(address + to)
    assert one.status_code == 200
    assert len(shown(one, "medicine")) == 1
    assert len(shown(one, "service")) == 2
    assert "6.10" in shown(one, "result")[0]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"[]", GatewayNonsense),
        (b'{"maKetQua": "200", "hoSoKCB": "x"}', GatewayNonsense),
        (b'{"maKetQua": "200", "hoSoKCB": {"xml1": [], "dsXml2": "x"}}', GatewayNonsense),
        (b'{"maKetQua": "200", "hoSoKCB": {"xml1": {"MaLk": "1"}, "dsXml2": [1]}}', GatewayNonsense),
        (b'{"maKetQua": "100"}', GatewayDown),
    ],
)
def test_what_is_no_visit_is_a_typed_error(
    over_a_socket: Serve, monkeypatch: pytest.MonkeyPatch, said: bytes, error: type[Exception]
) -> None:
    simulator = Simulator(lambda _: None, Memory())

    async def answered(*_: object) -> tuple[int, bytes]:
        return 200, said

    monkeypatch.setattr(simulator, "_visit", answered)
    with pytest.raises(error):
        gateway.Gateway(gateway.Credentials("1_BV", "X" * 32), over_a_socket(simulator)).visit("1")


def test_a_facility_is_named_by_its_code_or_its_id() -> None:
    number = r4.Identifier(system="https://tuetinh.vn/x", value="01999")
    record.create(SYSTEM, r4.Organization(id="12999", name="Trạm A"))
    record.create(SYSTEM, r4.Organization(name="Bệnh viện B", identifier=[number]))
    assert facility_names({"12999", "01999", "99999", ""}) == {"12999": "Trạm A", "01999": "Bệnh viện B"}


@pytest.mark.parametrize("key", ["x", "e 1:abc", "0"])
def test_a_key_that_was_not_given_opens_nothing(here: str, as_role: As, key: str) -> None:
    assert as_role("doctor").get(f"/insurance/visits/{here}/past?visit={quote(key)}").status_code == 404


def test_the_key_of_one_person_opens_nothing_in_the_visit_of_another(here: str, claimed: str, as_role: As) -> None:
    doctor = as_role("doctor")
    [to] = links(doctor.get(f"/insurance/visits/{here}/past"))
    other = later(claimed, record.create(SYSTEM, r4.Patient(gender="male", birthDate="1980-01-01")))
    assert doctor.get(f"/insurance/visits/{other}/past{to}").status_code == 404


def test_who_has_no_visit_with_the_person_sees_nothing(here: str, claimed: str, as_role: As) -> None:
    assert as_role("doctor").get(f"/insurance/visits/{claimed}/past").status_code == 404
    assert as_role("reception").get(f"/insurance/visits/{here}/past").status_code == 403


def test_without_a_number_there_is_nothing_to_ask_with(claimed: str, as_role: As) -> None:
    visit = later(claimed, record.create(SYSTEM, r4.Patient(gender="male", birthDate="1980-01-01")))
    page = as_role("doctor").get(f"/insurance/visits/{visit}/past")
    assert (page.status_code, shown(page, "past")) == (200, [])
    assert html.fromstring(page.content).xpath("//*[@role='status'][contains(@class, 'warn')]")


def test_an_outage_is_said(here: str, as_role: As, monkeypatch: pytest.MonkeyPatch) -> None:
    doctor, address = as_role("doctor"), f"/insurance/visits/{here}/past"
    [to] = links(doctor.get(address))
    monkeypatch.setenv("TUETINH_GATEWAY_URL", "http://127.0.0.1:9")
    for page in (doctor.get(address), doctor.get(address + to)):
        assert page.status_code == 200
        assert "gián đoạn" in page.content.decode()


def test_the_simulator_keeps_what_was_claimed_sealed(visit: str, over_a_socket: Serve, ledger: Memory) -> None:
    queued(visit)
    assert send.send_due(20) == 1
    kept = Stored()
    kept.add(ledger.taken[0])
    row = SimulatedReceipt.objects.get()
    assert b"PHONG" not in bytes(row.file)
    assert b"<GIAMDINHHS" not in bytes(row.file)
    assert kept.of_person("0000000017")[0].file == ledger.taken[0].file
    found = kept.numbered(ledger.taken[0].number or 0)
    assert found is not None
    assert found.file == ledger.taken[0].file


def test_times_are_read_with_and_without_the_hour() -> None:
    hanoi = ZoneInfo("Asia/Ho_Chi_Minh")
    assert moment("202611020815") == datetime(2026, 11, 2, 8, 15, tzinfo=hanoi)
    assert moment("20261102") == datetime(2026, 11, 2, tzinfo=hanoi)
    assert [moment(text) for text in ("", "2026", "202613020815", "2026110208x5")] == [None] * 4
