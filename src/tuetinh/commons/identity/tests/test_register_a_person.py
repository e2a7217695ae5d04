"""Registration: once for each number, also from two desks at once."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from tuetinh.commons.identity.api import (
    IdentityError,
    PersonDraft,
    SamePerson,
    ethnic_group,
    find_people,
    home,
    identifier,
    likely_duplicates,
    register,
)
from tuetinh.commons.identity.errors import Code
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.sight import EVERYTHING

DESK = Asker(account="7", role="reception", facility="12005", scopes=frozenset({"user/Patient.crus"}), sight=EVERYTHING)
DRAFT = PersonDraft(
    name="Lò Thị  Pâng",
    birth="1985-03-12",
    gender="female",
    cccd="012185900001",
    card="DT2121290000001",
    phone="0399000001",
    address="Bản Nà Cha, Xã Tả Lèng, Tỉnh Lai Châu",
    commune="03405",
    province="12",
    ethnic="03",
    ethnic_name="Thái",
)


def people() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM identity_person")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_a_person_is_stored_as_vn_core_says() -> None:
    person = register(DESK, DRAFT)
    assert person.name is not None
    assert (person.name[0].text, person.name[0].family, person.name[0].given) == ("Lò Thị Pâng", "Lò", ["Thị", "Pâng"])
    assert (identifier(person, "cccd"), identifier(person, "card")) == ("012185900001", "DT2121290000001")
    assert len(identifier(person, "mrn")) == 12
    assert home(person) == ("Bản Nà Cha, Xã Tả Lèng, Tỉnh Lai Châu", "03405")
    assert ethnic_group(person) == "03"
    assert person.managingOrganization is not None
    assert person.managingOrganization.reference == "Organization/12005"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "second",
    [
        PersonDraft(name="Ai Đó", gender="male", cccd="012185900001"),
        PersonDraft(name="Ai Đó", gender="male", card="GD4121290000001"),
        PersonDraft(name="Ai Đó", gender="male", bhxh="1290000001"),
    ],
)
def test_a_number_belongs_to_one_person(second: PersonDraft) -> None:
    first = register(DESK, DRAFT)
    with pytest.raises(SamePerson) as caught:
        register(DESK, second)
    assert caught.value.patient == first.id
    assert caught.value.message == "Số định danh này đã thuộc về Lò Thị Pâng, sinh 12/03/1985."
    assert people() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (PersonDraft(name=" "), Code.NAME_MISSING),
        (PersonDraft(name="Lò Văn Ún", gender="x"), Code.GENDER_WRONG),
        (PersonDraft(name="Lò Văn Ún", birth="1985-02-30"), Code.BIRTH_WRONG),
        (PersonDraft(name="Lò Văn Ún", birth="2999"), Code.BIRTH_WRONG),
        (PersonDraft(name="Lò Văn Ún", cccd="123"), Code.NUMBER_WRONG),
    ],
)
def test_a_wrong_draft_is_refused(draft: PersonDraft, code: Code) -> None:
    with pytest.raises(IdentityError) as caught:
        register(DESK, draft)
    assert caught.value.code is code
    assert people() == 0


@pytest.mark.django_db
def test_a_desk_that_may_not_register_is_refused() -> None:
    with pytest.raises(Forbidden):
        register(Asker(account="8", role="official", scopes=frozenset({"user/Patient.rs"}), sight=EVERYTHING), DRAFT)
    assert people() == 0


@pytest.mark.django_db(transaction=True)
def test_of_two_desks_at_once_one_wins() -> None:
    start, outcomes = threading.Barrier(4), []

    def desk() -> None:
        start.wait()
        try:
            outcomes.append(register(DESK, DRAFT).id)
        except SamePerson as error:
            outcomes.append(f"same as {error.patient}")
        finally:
            connection.close()

    threads = [threading.Thread(target=desk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = next(o for o in outcomes if not o.startswith("same"))
    assert sorted(outcomes) == sorted([winner, *[f"same as {winner}"] * 3])
    assert people() == 1


@pytest.mark.django_db
def test_likely_duplicates_come_with_reasons() -> None:
    same_but_tones = "Họ tên chỉ khác dấu"
    first = register(DESK, DRAFT)
    register(DESK, PersonDraft(name="Vàng Văn Ún", birth="1950", gender="male"))
    found = likely_duplicates(DESK, PersonDraft(name="LO THI PANG", birth="1985-03-12", gender="female"))
    assert [(hit.id, hit.certain, hit.reasons) for hit in found] == [
        (first.id, False, (same_but_tones, "Cùng ngày sinh", "Cùng giới tính"))
    ]
    found = likely_duplicates(
        DESK, PersonDraft(name="Lò Thị Pang", birth="1985-12-03", gender="female", phone="0399000001")
    )
    assert [(hit.id, hit.reasons) for hit in found] == [
        (first.id, (same_but_tones, "Ngày và tháng sinh đảo nhau", "Cùng giới tính", "Cùng số điện thoại"))
    ]
    found = likely_duplicates(DESK, PersonDraft(name="Khác Hẳn", cccd="012185900001"))
    assert [(hit.id, hit.certain, hit.reasons) for hit in found] == [
        (first.id, True, ("Cùng số định danh", "Khác họ tên"))
    ]
    assert likely_duplicates(DESK, PersonDraft(name="Nguyễn Văn Anh", birth="1999-01-01", gender="male")) == []


@pytest.mark.django_db
def test_a_person_with_a_name_and_numbers_of_any_length_is_stored_and_found() -> None:
    name, number = "Lò " + "pâng" * 5000, "9" * 20_000
    person = r4.Patient(
        name=[r4.HumanName(text=name)],
        identifier=[r4.Identifier(system="https://example.org/" + "a" * 20_000, value=number)],
        telecom=[r4.ContactPoint(system="phone", value="0" + number)],
        address=[
            r4.Address(text="".join(chr(0x4E00 + n) for n in range(20_000)) + " " + " ".join(map(str, range(9999))))
        ],
    )
    stored = record.create(SYSTEM, person)
    assert [hit.id for hit in find_people(SYSTEM, "lo " + "pang" * 5000)] == [stored.id]
    assert record.read(SYSTEM, "Patient", stored.id).name[0].text == name
