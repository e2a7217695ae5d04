"""Newborns by their mother, people whom nobody knows: registered at once, completed or merged later, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from django.test import Client
from django.utils import timezone

from tuetinh.care.insurance.api import NoTemporaryCard, cards, give_temporary_card
from tuetinh.care.reception.models import Turn
from tuetinh.commons.access.api import asker_of, wards
from tuetinh.commons.identity import merging, review
from tuetinh.commons.identity.api import Newborn, PersonDraft, SamePerson, register, register_newborn, unnamed
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import Forbidden

pytestmark = pytest.mark.django_db
As = Callable[[str], Client]
HERE, ROOM = "12104", "12104-noi2"
MOTHER = PersonDraft("Lò Thị Mai", "1996-05-01", "female", cccd="012196000001", phone="0399000001")
BORN = {"gender": "female", "order": "1", "name": "", "insured": "on", "card": ""}
FOUND = {"description": "Khoảng 60 tuổi, áo nâu", "gender": "male", "reason": "Hôn mê", "room": ROOM}


@pytest.fixture
def mother(cast: Any) -> str:
    del cast
    return str(register(SYSTEM, MOTHER).id)


def born(**fields: str) -> dict[str, str]:
    return BORN | {"at": timezone.localtime().strftime("%Y-%m-%dT%H:%M")} | fields


def patient(id_: str) -> r4.Patient:
    return cast(r4.Patient, record.read(SYSTEM, "Patient", id_))


def people() -> int:
    return len(record.search(SYSTEM, "Patient", "_count=50").resources)


def test_a_newborn_from_the_mother_s_page(as_role: As, mother: str) -> None:
    desk = as_role("reception")
    page = f"/reception/people/{mother}/newborn"
    assert f'href="{page}"' in desk.get(f"/reception/people/{mother}").content.decode()
    answer = desk.post(page, born())
    assert answer.status_code == 302
    id_ = answer["Location"].rpartition("/")[2]
    child, today = patient(id_), timezone.localdate()
    assert [name.text for name in child.name or []] == ["Con bà Lò Thị Mai"]
    assert (child.birthDate, child.gender, child.multipleBirthInteger) == (today.isoformat(), "female", None)
    assert child.birthDate_ext and child.birthDate_ext.extension
    assert str(child.birthDate_ext.extension[0].valueDateTime).startswith(today.isoformat())
    numbers = {i.system.rpartition("/")[2]: i.value or "" for i in child.identifier or [] if i.system}
    assert set(numbers) == {"patient-internal-id", "temporary-number"}
    assert numbers["temporary-number"].startswith("SS")
    assert not numbers["temporary-number"].isdigit()
    [tie] = wards.of_ward(id_)
    assert (tie.carer, tie.code, tie.by_law, tie.sensitive) == (mother, "MTH", True, True)
    [card] = cards(SYSTEM, id_)
    assert (card.number[:7], len(card.number), card.digit) == ("TE11200", 15, 1)
    sixth = child.birthDate.replace(str(today.year), str(today.year + 6), 1)
    assert (card.valid_from, card.valid_to < sixth) == (child.birthDate, True)
    assert card.holds_on(today)
    shown = desk.get(f"/reception/people/{id_}").content.decode()
    assert "Số tạm SS" in shown
    assert f'href="/reception/people/{id_}/complete"' in shown


def test_once_only_and_twins_are_two(as_role: As, mother: str) -> None:
    desk, page = as_role("reception"), f"/reception/people/{mother}/newborn"
    first = desk.post(page, born())["Location"]
    assert desk.post(page, born(name="Lò Thị Hoa"))["Location"] == first
    second = desk.post(page, born(order="2"))["Location"]
    assert second != first
    twin = patient(second.rpartition("/")[2])
    assert ([n.text for n in twin.name or []], twin.multipleBirthInteger) == (["Con bà Lò Thị Mai 2"], 2)
    assert len(wards.of_carer(mother)) == 2
    assert "Con bà Lò Thị Mai 2" in desk.get(page).content.decode()


@pytest.mark.parametrize(
    "fields",
    [
        {"gender": ""},
        {"at": "2099-01-01T10:00"},
        {"at": "2020-01-01T10:00"},
        {"order": "0"},
        {"card": "GD4120000000017"},
    ],
)
def test_what_is_no_birth(as_role: As, mother: str, fields: dict[str, str]) -> None:
    before = people()
    assert as_role("reception").post(f"/reception/people/{mother}/newborn", born(**fields)).status_code == 422
    assert people() == before
    assert wards.of_carer(mother) == []


def test_who_is_no_mother(as_role: As) -> None:
    desk = as_role("reception")
    for draft in (
        PersonDraft("Lò Văn Bố", "1990", "male"),
        PersonDraft("Lò Thị Bé", str(timezone.localdate().year - 5), "female"),
    ):
        id_ = register(SYSTEM, draft).id
        before = people()
        assert "/newborn" not in desk.get(f"/reception/people/{id_}").content.decode()
        assert desk.post(f"/reception/people/{id_}/newborn", born()).status_code == 422
        assert people() == before
    assert desk.get("/reception/people/nobody/newborn").status_code == 404


def test_the_card_of_the_portal_and_none(as_role: As, mother: str) -> None:
    desk, page = as_role("reception"), f"/reception/people/{mother}/newborn"
    one = desk.post(page, born(card="TE1 12 1234567890"))["Location"].rpartition("/")[2]
    assert [card.number for card in cards(SYSTEM, one)] == ["TE1121234567890"]
    fields = {k: v for k, v in born(order="2").items() if k != "insured"}
    other = desk.post(page, fields)["Location"].rpartition("/")[2]
    assert cards(SYSTEM, other) == []


def test_a_temporary_card_is_for_children_under_six(mother: str) -> None:
    today = timezone.localdate()
    for days, fits in ((0, True), (365 * 5, True), (365 * 6 + 2, False)):
        day = (today - timedelta(days=days)).isoformat()
        id_ = str(record.create(SYSTEM, r4.Patient(birthDate=day)).id)
        if fits:
            give_temporary_card(SYSTEM, id_, facility=HERE)
        else:
            with pytest.raises(NoTemporaryCard):
                give_temporary_card(SYSTEM, id_, facility=HERE)
        assert len(cards(SYSTEM, id_)) == int(fits)
    with pytest.raises(NoTemporaryCard):
        give_temporary_card(SYSTEM, mother, facility=HERE)


def test_a_newborn_gets_its_papers(as_role: As, mother: str) -> None:
    desk = as_role("reception")
    id_ = desk.post(f"/reception/people/{mother}/newborn", born())["Location"].rpartition("/")[2]
    temporary = next(i.value for i in patient(id_).identifier or [] if i.use == "temp")
    assert [one.id for one in unnamed(asker_of_desk())] == [id_]
    year = timezone.localdate().strftime("%d/%m/%Y")
    papers = {"name": "Lò Thị Hoa", "birth": year, "gender": "female", "cccd": f"0123{year[-2:]}000007"}
    answer = desk.post(f"/reception/people/{id_}/complete", papers)
    if answer.status_code == 422:  # the digit of century and sex is asked about once
        answer = desk.post(f"/reception/people/{id_}/complete", papers | {"told": told(answer)})
    assert answer.status_code == 302
    child = patient(id_)
    assert [(n.text, n.use) for n in child.name or []] == [("Lò Thị Hoa", "official"), ("Con bà Lò Thị Mai", "old")]
    assert [i.use for i in child.identifier or [] if i.value == temporary] == ["old"]
    assert child.birthDate_ext is not None, "the time of birth stays"
    assert [c.name.text for c in child.contact or [] if c.name] == ["Lò Thị Mai"]
    assert unnamed(asker_of_desk()) == []
    assert [tie.carer for tie in wards.of_ward(id_)] == [mother]
    assert desk.post(f"/reception/people/{id_}/complete", papers).status_code == 422


def asker_of_desk() -> Any:
    from tuetinh.commons.access.models import Account

    return asker_of(Account.objects.get(username="cast.reception"))


def told(answer: Any) -> str:
    import re

    found = re.search(r'name="told" value="([^"]*)"', answer.content.decode())
    assert found
    return found[1]


def test_somebody_unknown_is_received_at_once(as_role: As) -> None:
    desk = as_role("reception")
    assert 'href="/reception/unknown"' in desk.get("/reception").content.decode()
    answer = desk.post("/reception/unknown", FOUND)
    assert answer.status_code == 302
    [turn] = Turn.objects.all()
    assert (turn.priority, turn.room, turn.state) == (True, ROOM, "waiting")
    visit = cast(r4.Encounter, record.read(SYSTEM, "Encounter", turn.encounter))
    assert visit.class_.code == "EMER"
    person = patient(turn.patient)
    assert person.name and str(person.name[0].text).startswith("Không rõ danh tính nam ")
    assert person.birthDate is None
    assert "Khoảng 60 tuổi, áo nâu" in desk.get(f"/reception/people/{turn.patient}").content.decode()
    [waiting] = unnamed(asker_of_desk())
    assert waiting.due
    assert (waiting.late, timedelta(hours=47) < waiting.due - timezone.now() <= timedelta(hours=48)) == (False, True)
    assert waiting.number in desk.get("/reception").content.decode()


@pytest.mark.parametrize("missing", ["description", "gender", "reason", "room"])
def test_without_a_description_nobody_is_made(as_role: As, missing: str) -> None:
    before = people()
    assert as_role("reception").post("/reception/unknown", FOUND | {missing: ""}).status_code == 422
    assert (people(), Turn.objects.count()) == (before, 0)


def test_identified_as_somebody_known_and_merged_with_all(as_role: As, mother: str) -> None:
    desk = as_role("reception")
    desk.post("/reception/unknown", FOUND | {"gender": "female"})
    [turn] = Turn.objects.all()
    id_ = turn.patient
    papers = {"name": MOTHER.name, "birth": "01/05/1996", "gender": "female", "cccd": MOTHER.cccd}
    page = desk.post(f"/reception/people/{id_}/complete", papers)
    if page.status_code == 422:
        papers["told"] = told(page)
        page = desk.post(f"/reception/people/{id_}/complete", papers)
    assert page.status_code == 409
    assert f'name="same" value="{mother}"' in page.content.decode()
    assert review.counts() == {}
    assert desk.post(f"/reception/people/{id_}/complete", papers | {"same": mother}).status_code == 302
    [pair] = review.queue("open", limit=5)
    assert {pair.one, pair.other} == {id_, mother}
    office = as_role("archivist")
    office.post(f"/people/review/{pair.id}", {"said": "same", "keep": mother})
    assert [one.source for one in merging.parts(mother)] == [id_]
    visit = cast(r4.Encounter, record.read(SYSTEM, "Encounter", turn.encounter))
    assert visit.subject
    assert visit.subject.reference == f"Patient/{mother}"
    assert [n.text for n in patient(mother).name or [] if n.use == "official"] == [MOTHER.name]


@pytest.mark.parametrize("role", ["doctor", "nurse", "cashier", "citizen", "official", "admin", "outsider"])
def test_whose_desk_it_is_not(as_role: As, mother: str, role: str) -> None:
    browser, before = as_role(role), people()
    for path in ("/reception/unknown", f"/reception/people/{mother}/newborn", f"/reception/people/{mother}/complete"):
        assert (browser.get(path).status_code, browser.post(path, born() | FOUND).status_code) == (403, 403)
    assert people() == before


def test_a_desk_that_registers_nobody(cast: Any, mother: str) -> None:
    with pytest.raises(Forbidden):
        register_newborn(asker_of(cast["cashier"]), mother, Newborn(timezone.now(), "male"))
    asker = asker_of(cast["reception"])
    register_newborn(asker, mother, Newborn(timezone.now(), "male"))
    with pytest.raises(SamePerson):
        register_newborn(asker, mother, Newborn(timezone.now(), "female"))
