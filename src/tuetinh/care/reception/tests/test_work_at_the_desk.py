"""The reception pages: who may open them, scan to number, gateway down, ticket, and what the wall never shows."""

from __future__ import annotations

import io
import wave
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from lxml import html
from pypdf import PdfReader

from tuetinh.care.insurance import gateway
from tuetinh.care.insurance.api import SimulatedCard as Card
from tuetinh.care.insurance.api import kind_so_far, set_account
from tuetinh.care.insurance.simulator import Simulator
from tuetinh.care.reception import actions, voice
from tuetinh.care.reception.models import Turn
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.identity.api import PersonDraft, ethnic_group, home, register
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
As = Callable[[str], Client]
Serve = Callable[[Callable[..., Awaitable[None]]], str]
HERE, ROOM = "12104", "12104-noi2"
SCAN = "012172000018|123456789|Lò Thị Pâng|15031972|Nữ|Bản Nà Cha, Xã Tả Lèng, Tỉnh Lai Châu|01012022"
CARD = Card(
    "GD4120000000017", "Lò Thị Pâng", "1972-03-15", "Nữ", "", "12104", "2026-01-01", "2099-12-31", "K1", "2020-01-01"
)
OTHERS = ["doctor", "nurse", "lab", "pharmacist", "cashier", "citizen", "official", "admin", "outsider"]
VISIT = {"reason": "Đau bụng lâm râm", "room": ROOM, "kind": "own"}


@pytest.fixture(autouse=True)
def _no_gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A gateway that does not answer, unless a test starts one."""
    gateway.forget_tokens()
    monkeypatch.setenv("TUETINH_GATEWAY_URL", "http://127.0.0.1:9")
    set_account(HERE, "12104_BV", "mật khẩu")
    yield
    gateway.forget_tokens()


def person(**more: str) -> str:
    draft = PersonDraft(name="Lò Thị Pâng", birth="1972-03-15", gender="female", cccd="012172000018", **more)
    return cast(str, register(SYSTEM, draft).id)


def visit_of(cast_: Any, patient: str) -> Any:
    return actions.open_visit(asker_of(cast_["reception"]), patient, HERE, ROOM, "Đau bụng lâm râm")


def pages(visit: Any) -> list[str]:
    people, visits = f"/reception/people/{visit.patient}", f"/reception/visits/{visit.encounter}"
    return ["/reception", "/reception/new", "/reception/today", people, visits, f"{visits}/ticket.pdf"]


@pytest.mark.parametrize("role", OTHERS)
def test_no_other_role_opens_the_desk(as_role: As, cast: Any, role: str) -> None:
    visit = visit_of(cast, person())
    browser = as_role(role)
    assert {page: browser.get(page).status_code for page in pages(visit)} == dict.fromkeys(pages(visit), 403)
    base = f"/reception/visits/{visit.encounter}"
    for page in (f"{base}/cancel", f"{base}/move", f"/reception/people/{visit.patient}"):
        assert browser.post(page, VISIT).status_code == 403, page
    assert [turn.state for turn in Turn.objects.all()] == ["waiting"]


def test_nobody_is_sent_to_the_login(as_role: As) -> None:
    assert as_role("").get("/reception")["Location"].startswith("/login")


def test_a_visit_of_another_facility_does_not_exist(as_role: As, cast: Any) -> None:
    visit = visit_of(cast, person())
    cast["reception"].facility = "12001"
    cast["reception"].save()
    browser, base = as_role("reception"), f"/reception/visits/{visit.encounter}"
    assert [browser.get(page).status_code for page in (base, f"{base}/ticket.pdf")] == [404, 404]
    assert browser.post(f"{base}/cancel", {"reason": "x"}).status_code == 404
    assert visit.encounter not in browser.get("/reception/today").content.decode()
    assert [turn.state for turn in Turn.objects.all()] == ["waiting"]


@pytest.mark.parametrize(
    ("scanned", "told"),
    [
        ("|||", "Đây không phải mã QR của thẻ căn cước hay thẻ BHYT."),
        ("012190900999||Vàng Thị Dở|31021990|Nữ|Xã X|01012022", "Ngày sinh trong mã QR không đúng."),
        ("012190900999||Vàng Thị Dở|05061990|Khác|Xã X|01012022", "Giới tính trong mã QR không đúng."),
    ],
)
def test_a_card_that_cannot_be_read_says_why_in_words(as_role: As, scanned: str, told: str) -> None:
    page = as_role("reception").post("/reception", {"q": scanned})
    assert page.status_code == 422
    assert page.context["error"].startswith(told)


def test_a_scanned_card_is_registered_once(as_role: As) -> None:
    browser = as_role("reception")
    text = browser.post("/reception", {"q": SCAN}, follow=True).content.decode()
    assert all(value in text for value in ('value="Lò Thị Pâng"', 'value="15/03/1972"', 'value="012172000018"'))
    assert all(value in text for value in ('value="Bản Nà Cha"', 'value="Xã Tả Lèng, Tỉnh Lai Châu"'))
    form = {
        "name": "Lò Thị Pâng",
        "birth": "15/03/1972",
        "gender": "female",
        "cccd": "012172000018",
        "line": "Bản Nà Cha",
        "place": "Xã Tả Lèng, Tỉnh Lai Châu",
        "sure": "1",
    }
    first = browser.post("/reception/new", form)
    assert first.status_code == 302
    assert browser.post("/reception/new", form)["Location"] == first["Location"]
    again = browser.post("/reception", {"q": SCAN})
    assert (again.status_code, again["Location"]) == (302, first["Location"])
    found = record.search(SYSTEM, "Patient", "identifier=012172000018").resources
    assert [one.birthDate for one in found] == ["1972-03-15"]


def test_likely_duplicates_are_shown_before_saving(as_role: As) -> None:
    known = person()
    form = {"name": "Lò Thị Pâng", "birth": "15/03/1972", "gender": "female"}
    answer = as_role("reception").post("/reception/new", form)
    assert (answer.status_code, f"/reception/people/{known}" in answer.content.decode()) == (409, True)
    assert len(record.search(SYSTEM, "Patient", "birthdate=1972-03-15").resources) == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("birth", "31-12", "Nhập dd/mm/yyyy"),
        ("birth", "31/02/1990", "Ngày sinh không đúng"),
        ("birth", "2990", "Ngày sinh không đúng"),
        ("cccd", "01209000001", "Số định danh có 12 chữ số, đã nhập 11 ký tự."),
        ("cccd", "005090000018", "Ba chữ số đầu của số định danh không phải mã tỉnh."),
        ("cccd", "012190000018", "Số định danh không khớp giới tính hoặc thế kỷ sinh."),
        ("cccd", "012085000018", "Số định danh không khớp năm sinh."),
        ("place", "Xã Không Đâu, Tỉnh Lai Châu", "Chưa rõ là xã nào."),
        ("occupation", "77", "Hãy chọn"),
        ("card", "GD41", "Thẻ BHYT có 15 ký tự"),
        ("phone", "không có", "Số điện thoại chỉ gồm chữ số."),
    ],
)
def test_bad_input_is_told_beside_its_field_and_stores_nothing(as_role: As, field: str, value: str, words: str) -> None:
    form = {"name": "Vàng A Tủa", "birth": "1990", "gender": "male"} | {field: value}
    answer = as_role("reception").post("/reception/new", form)
    assert (answer.status_code, words in answer.content.decode()) == (422, True)
    assert record.search(SYSTEM, "Patient", "name=Tủa").resources == []


@pytest.mark.parametrize("scan", ["|||||", "1|2|3|4|5|6|7", "x" * 5000, "012172000018|||99999999|?||"])
def test_a_broken_scan_is_no_error_page(as_role: As, scan: str) -> None:
    assert as_role("reception").post("/reception", {"q": scan}, follow=True).status_code in {200, 422}


def test_a_visit_without_a_reason_is_not_opened(as_role: As) -> None:
    answer = as_role("reception").post(f"/reception/people/{person()}", {"room": ROOM, "kind": "own"})
    assert answer.status_code == 422
    assert not Turn.objects.exists()


def test_the_card_is_checked_at_the_gateway(as_role: As, over_a_socket: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUETINH_GATEWAY_URL", over_a_socket(Simulator(lambda n: CARD if n == CARD.number else None)))
    patient = person(card=CARD.number)
    text = as_role("reception").post(f"/reception/people/{patient}/card").content.decode()
    assert ('data-outcome="valid"' in text, "31/12/2099" in text) == (True, True)


def test_a_person_is_received_while_the_gateway_is_down(as_role: As) -> None:
    patient, browser = person(card=CARD.number), as_role("reception")
    assert 'data-outcome="queued"' in browser.post(f"/reception/people/{patient}/card").content.decode()
    answer = browser.post(f"/reception/people/{patient}", VISIT | {"checked": "queued"})
    turn = Turn.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/reception/visits/{turn.encounter}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'insurance.ask_again'")
        assert cursor.fetchone() == (2,)


def test_the_ticket_says_number_room_and_name(as_role: As, cast: Any) -> None:
    visit = visit_of(cast, person())
    answer = as_role("reception").get(f"/reception/visits/{visit.encounter}/ticket.pdf")
    body = b"".join(answer) if answer.streaming else answer.content
    text = " ".join(PdfReader(io.BytesIO(body)).pages[0].extract_text().split())
    assert answer["Content-Type"] == "application/pdf"
    assert all(word in text for word in ("001", "Phòng khám Nội 2", "Lò Thị Pâng"))
    assert "Đau bụng" not in text


def test_the_list_of_today_finds_a_number_or_a_name(as_role: As, cast: Any) -> None:
    visit, browser = visit_of(cast, person()), as_role("reception")
    for typed, found in (("lo thi pang", True), ("1", True), ("2", False), ("vang a tua", False)):
        text = browser.post("/reception/today", {"q": typed}).content.decode()
        assert (visit.encounter in text) is found, typed


def test_a_visit_is_cancelled_with_a_reason_only(as_role: As, cast: Any) -> None:
    visit, browser = visit_of(cast, person()), as_role("reception")
    browser.post(f"/reception/visits/{visit.encounter}/cancel", {"reason": " "})
    assert Turn.objects.get().state == "waiting"
    browser.post(f"/reception/visits/{visit.encounter}/cancel", {"reason": "Về nhà"})
    assert Turn.objects.get().state == "cancelled"
    assert visit.encounter in browser.get("/reception/today?state=cancelled").content.decode()


def test_the_wall_shows_no_full_name_and_no_reason(client: Client, cast: Any) -> None:
    visit_of(cast, person())
    for page in (f"/wall/{ROOM}", f"/wall/{ROOM}?rooms={ROOM},nowhere"):
        text = client.get(page).content.decode()
        assert ("L. T. Pâng" in text, "Lò Thị Pâng" in text, "Đau bụng" in text) == (True, False, False)
        assert 'data-waiting="1"' in text
    actions.call_next(asker_of(cast["doctor"]), ROOM)
    assert 'data-called="1"' in client.get(f"/wall/{ROOM}").content.decode()
    assert client.get("/wall/nowhere").status_code == 404


def test_the_wall_says_who_is_called(client: Client, cast: Any) -> None:
    visit, url = visit_of(cast, person()), f"/wall/{ROOM}/calls/1.wav"
    assert (client.get(url).status_code, "data-voice" in client.get(f"/wall/{ROOM}").content.decode()) == (404, False)
    actions.call_next(asker_of(cast["doctor"]), ROOM)
    page = html.fromstring(client.get(f"/wall/{ROOM}").content.decode())
    answer = client.get(page.xpath("//@data-voice")[0])
    assert answer["Content-Type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 22050)
        assert 2 < sound.getnframes() / 22050 < 10
        heard = sound.readframes(sound.getnframes())
    assert max(heard) > 0
    actions.start(asker_of(cast["doctor"]), visit.encounter)
    assert client.get(url).status_code == 404  # who is inside is called no more
    assert [client.get(f"/wall/{place}").status_code for place in ("nowhere/calls/1.wav", f"{ROOM}/calls/2.wav")] == [
        404,
        404,
    ]


def test_a_call_is_said_with_number_given_name_and_room(
    client: Client, cast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(voice, "say", lambda text: said.append(text) or b"RIFF")
    visit_of(cast, person())
    Turn.objects.update(number=15, state="called", called_at=timezone.now())
    assert client.get(f"/wall/{ROOM}/calls/15.wav").content == b"RIFF"
    assert said == ["Mời số mười lăm, Pâng, vào Phòng khám Nội 2."]


def test_a_machine_without_a_voice_shows_numbers_only(
    client: Client, cast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice, "find_spec", lambda _name: None)
    voice.say.cache_clear()
    visit_of(cast, person())
    actions.call_next(asker_of(cast["doctor"]), ROOM)
    text = client.get(f"/wall/{ROOM}").content.decode()
    assert ('data-called="1"' in text, "data-voice" in text, "data-unmute" in text) == (True, False, False)
    assert client.get(f"/wall/{ROOM}/calls/1.wav").status_code == 404


def test_the_list_of_today_asks_the_database_no_more_for_more_people(as_role: As, cast: Any) -> None:
    browser = as_role("reception")

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert browser.get("/reception/today").status_code == 200
        # that each person was looked at is audited, one row each, all sent together
        return sum("record.audit" not in query["sql"] for query in seen)

    visit_of(cast, person())
    queries()  # names and rules are remembered from now on
    few = queries()
    for n in range(6):
        patient = register(SYSTEM, PersonDraft(name=f"Vàng A Số {n}", birth=f"198{n}", gender="male"))
        visit_of(cast, str(patient.id))
    assert queries() == few


def test_enter_opens_the_only_person_found(as_role: As, cast: Any) -> None:
    desk = as_role("reception")
    found = desk.post("/reception", {"q": "lo thi pang 1972"})
    assert found.status_code == 302
    assert found["Location"] == "/reception/people/cast-citizen"
    typing = desk.post("/reception", {"q": "lo thi pang 1972"}, headers={"HX-Request": "true"})
    assert typing.status_code == 200
    assert "Lò Thị Pâng" in typing.content.decode()


def test_what_papers_say_is_believed_when_it_is_said_twice(as_role: As) -> None:
    browser = as_role("reception")
    form = {"name": "Vàng A Tủa", "birth": "1990", "gender": "male", "cccd": "012085000018"}
    asked = browser.post("/reception/new", form)
    told = html.fromstring(asked.content.decode()).xpath("//input[@name='told']/@value")
    assert (asked.status_code, told) == (422, ["012085000018|1990|male"])
    assert browser.post("/reception/new", form | {"told": told[0], "birth": "1991"}).status_code == 422
    assert browser.post("/reception/new", form | {"told": told[0]}).status_code == 302
    assert len(record.search(SYSTEM, "Patient", "identifier=012085000018").resources) == 1


def test_a_person_is_registered_with_commune_group_and_occupation(as_role: As) -> None:
    form = {"name": "Vàng A Tủa", "birth": "02/09/1990", "gender": "male", "line": "Bản Noong Thăng"}
    form |= {"place": "xa phuc than, than uyen, lai chau", "ethnic": "08", "occupation": "05", "phone": "0399 000 111"}
    answer = as_role("reception").post("/reception/new", form)
    person = cast(r4.Patient, record.read(SYSTEM, "Patient", answer["Location"].rpartition("/")[2]))
    assert home(person) == ("Bản Noong Thăng, Xã Mường Than, Tỉnh Lai Châu", "03618")
    assert ethnic_group(person) == "08"
    jobs = [e for e in person.extension or [] if e.url.endswith("extension-occupation")]
    coded = jobs[0].valueCodeableConcept
    assert coded is not None
    assert [(c.system, c.code, c.display) for c in coded.coding or []] == [
        ("http://fhir.ehealth.gov.vn/core/CodeSystem/vn-core-occupation-4069", "05", "Nông dân")
    ]


def test_an_address_of_before_july_2025_comes_in_the_names_of_today(as_role: As) -> None:
    scan = SCAN.replace("Xã Tả Lèng, Tỉnh Lai Châu", "Phúc Than, Than Uyên, Lai Châu")
    text = as_role("reception").post("/reception", {"q": scan}, follow=True).content.decode()
    assert 'value="Xã Mường Than, Tỉnh Lai Châu"' in text
    assert "Trên thẻ: Bản Nà Cha, Phúc Than, Than Uyên, Lai Châu" in text


def test_nothing_typed_or_scanned_is_in_an_address(as_role: As) -> None:
    browser = as_role("reception")
    for typed, ends in (
        (SCAN, "/reception/new"),
        ("vang thi", "/reception"),
        ("012172000099", "/reception"),
        ("lo thi pang 1972", "cast-citizen"),
    ):
        answer = browser.post("/reception", {"q": typed})
        assert (answer.status_code, "?" in answer["Location"], answer["Location"].endswith(ends)) == (302, False, True)
    person()
    shown = browser.post("/reception", {"q": "lo thi"}, follow=True)
    assert shown.redirect_chain == [("/reception", 302)]
    assert "012172000018" in shown.content.decode()
    assert "012172000018" not in browser.get("/reception").content.decode()  # told once
    assert "Lò Thị Pâng" not in browser.get("/reception?q=lo+thi+pang").content.decode()
    for page in ("/reception", "/reception/new", "/reception/today", "/people"):
        forms = html.fromstring(browser.get(page).content.decode()).xpath("//form[.//input[@name='q' or @name='name']]")
        assert {form.get("method") for form in forms} == {"post"}, page


def test_what_was_typed_begins_the_form(as_role: As) -> None:
    typed = {"q": "vàng thị dở 1990 0399000111 012190000018", "new": "1"}
    text = as_role("reception").post("/reception", typed, follow=True).content.decode()
    for value in ("Vàng Thị Dở", "1990", "0399000111", "012190000018"):
        assert f'value="{value}"' in text


def test_enter_opens_nobody_who_fits_only_by_a_slip(as_role: As) -> None:
    known, desk = person(), as_role("reception")
    for typed in ("vang thi 1972", "012172000081"):
        shown = desk.post("/reception", {"q": typed}, follow=True)
        text = shown.content.decode()
        assert shown.redirect_chain == [("/reception", 302)], typed
        assert (f"/reception/people/{known}" in text, "gần giống" in text) == (True, True), typed
    assert desk.post("/reception", {"q": "012172000018"})["Location"] == f"/reception/people/{known}"


def test_the_desk_chooses_the_kind_of_care(as_role: As, cast: Any) -> None:
    browser, patient = as_role("reception"), person()
    assert '<option value="07"' in browser.get(f"/reception/people/{patient}").content.decode()
    wrong = browser.post(f"/reception/people/{patient}", VISIT | {"care": "03"})
    assert (wrong.status_code, Turn.objects.count()) == (422, 0)
    browser.post(f"/reception/people/{patient}", VISIT | {"care": "08"})
    visit = record.read(SYSTEM, "Encounter", Turn.objects.get().encounter)
    assert isinstance(visit, r4.Encounter)
    assert kind_so_far(visit) == "08"
