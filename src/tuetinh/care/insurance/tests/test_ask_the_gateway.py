"""The gateway client against the simulator on a real socket: every result code, and everything that goes wrong."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import date

import httpx
import pytest

from tuetinh.care.insurance import gateway
from tuetinh.care.insurance.errors import GatewayDown, GatewayNonsense, GatewayRefused
from tuetinh.care.insurance.gateway import Credentials, Gateway, Question, md5_password
from tuetinh.care.insurance.simulator import Card, Simulator, answer
from tuetinh.care.insurance.tests.keeping import Memory
from tuetinh.commons.catalogues.api import codes

CARD = Card("GD4120000000017", "Lò Thị Pâng", "1972-03-15", "Nữ", "Xã Bình Lư", "12001", "2026-01-01", "2099-12-31")
OLD = Card("GD4120000000025", "Vàng A Sử", "1960", "Nam", "", "12001", "2024-01-01", "2024-12-31")
QUICK = httpx.Timeout(0.6)
ME = Credentials("12001_BV", md5_password("mật khẩu"), "Cán bộ", "012000000001")
Serve = Callable[[Callable[..., Awaitable[None]]], str]


@pytest.fixture(autouse=True)
def no_kept_tokens() -> Iterator[None]:
    gateway.forget_tokens()
    yield
    gateway.forget_tokens()


def known(number: str) -> Card | None:
    return next((c for c in (CARD, OLD) if number in (c.number, c.number[-10:])), None)


@pytest.fixture
def client(over_a_socket: Serve) -> Gateway:
    return Gateway(ME, over_a_socket(Simulator(known, Memory(), slow=2)), QUICK)


def ask(number: str = CARD.number, name: str = CARD.name, birth: str = "15/03/1972") -> Question:
    return Question(number, name, birth)


def test_a_valid_card_by_card_number_and_by_social_insurance_number(client: Gateway) -> None:
    by_card, by_number = client.card(ask()), client.card(ask("0000000017"))
    assert by_card.valid
    assert (by_card.ma_ket_qua, by_card.gt_the_den, by_card.ma_dkbd) == ("000", "31/12/2099", "12001")
    assert by_number.ma_the == "GD4120000000017"


def test_an_expired_card(client: Gateway) -> None:
    found = client.card(ask(OLD.number, OLD.name, "1960"))
    assert (found.ma_ket_qua, found.valid, found.gt_the_den) == ("010", False, "31/12/2024")


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (ask("GD4120000009999"), "050"),
        (ask("124120000009999"), "051"),
        (ask("GD4990000009999"), "052"),
        (ask("GD9120000009999"), "053"),
        (ask(name="Trần Văn Bưởi"), "060"),
        (ask(name="Lò Thị Khác"), "061"),
        (ask(birth="16/03/1972"), "070"),
        (ask("123"), "205"),
        (ask(name="LO THI PANG", birth="1972"), "000"),
    ],
)
def test_what_does_not_fit_is_told_by_its_code(client: Gateway, question: Question, code: str) -> None:
    assert client.card(question).ma_ket_qua == code


ANSWERED = sorted(set(codes("GW_KQ_TRA_THE")) - {"100", "101", "401"})


@pytest.mark.parametrize("code", ANSWERED)
def test_every_result_code_comes_back(client: Gateway, code: str) -> None:
    found = client.card(ask("GD4129999999" + code))
    assert (found.ma_ket_qua, found.ghi_chu) == (code, codes("GW_KQ_TRA_THE")[code])
    assert found.valid is (code in ("000", "001", "002", "004"))


def test_a_replaced_card_names_the_new_one(client: Gateway) -> None:
    assert client.card(ask("GD4129999999003")).ma_the_moi == "GD4129999999000"


@pytest.mark.parametrize(
    ("ending", "error"),
    [("503", GatewayDown), ("504", GatewayDown), ("100", GatewayDown), ("101", GatewayDown), ("401", GatewayRefused), ("599", GatewayNonsense)],
)  # fmt: skip
def test_what_goes_wrong_is_a_typed_error(client: Gateway, ending: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        client.card(ask("GD4129999999" + ending))


def test_a_refused_token_is_renewed_once(over_a_socket: Serve) -> None:
    simulator = Simulator(known, Memory())
    client = Gateway(ME, over_a_socket(simulator), QUICK)
    assert client.card(ask("GD4129999999498")).ma_ket_qua == "000"
    assert len(simulator.tokens) == 2


def test_a_token_is_kept_between_questions(over_a_socket: Serve) -> None:
    simulator = Simulator(known, Memory())
    client = Gateway(ME, over_a_socket(simulator), QUICK)
    client.card(ask())
    client.card(ask())
    assert len(simulator.tokens) == 1


def test_a_wrong_account_is_refused(over_a_socket: Serve) -> None:
    client = Gateway(Credentials("", "x" * 32), over_a_socket(Simulator(known, Memory())), QUICK)
    with pytest.raises(GatewayRefused):
        client.card(ask())


def test_nobody_listening_is_an_outage() -> None:
    with pytest.raises(GatewayDown):
        Gateway(ME, "http://127.0.0.1:9", QUICK).card(ask())
    with pytest.raises(GatewayDown):
        Gateway(ME, "", QUICK).card(ask())


def test_the_password_goes_as_upper_case_md5() -> None:
    assert md5_password("abc") == "900150983CD24FB0D6963F7D28E17F72"


def test_an_outage_does_not_carry_the_password_into_the_traceback() -> None:
    with pytest.raises(GatewayDown) as caught:
        Gateway(ME, "http://127.0.0.1:9", QUICK).card(ask())
    assert caught.value.__cause__ is None
    assert ME.password_md5 not in str(caught.value)


def test_a_broken_question_is_answered_205(over_a_socket: Serve) -> None:
    url = over_a_socket(Simulator(known, Memory()))
    client = Gateway(ME, url, QUICK)
    token, id_token = client._token(fresh=True)
    reply = httpx.post(
        f"{url}/api/egw/KQNhanLichSuKCB2024", params={"token": token, "id_token": id_token}, content=b"{"
    )
    assert reply.json()["maKetQua"] == "205"
    assert httpx.post(f"{url}/elsewhere").status_code == 404


def test_a_card_ends_on_its_last_day() -> None:
    asked = {"hoTen": OLD.name, "ngaySinh": "1960"}
    assert answer(OLD.number, OLD, asked, today=date(2024, 12, 31))["maKetQua"] == "000"
    assert answer(OLD.number, OLD, asked, today=date(2025, 1, 1))["maKetQua"] == "010"
