"""Person search over a population."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity import projection, search, words
from tuetinh.commons.identity.api import PersonDraft, find_people, likely_duplicates, patient
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden, NotFound
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import enter, run

FAMILIES = [
    "Lò",
    "Lường",
    "Quàng",
    "Vàng",
    "Giàng",
    "Sùng",
    "Thào",
    "Tẩn",
    "Nguyễn",
    "Trần",
    "Đặng",
    "Phạm",
    "Hoàng",
    "Lý",
    "Chẻo",
    "Đỗ",
]
MIDDLES = ["Văn", "Thị", "A", "Đức", "Minh", "Thanh", "Láo", "Ngọc"]
GIVEN = [
    "Pâng",
    "Ún",
    "Inh",
    "Thoan",
    "Chiến",
    "Páo",
    "Dơ",
    "Sình",
    "Mỷ",
    "Dợ",
    "Sua",
    "Mẩy",
    "Anh",
    "Huy",
    "Đạt",
    "Hương",
    "Thảo",
    "Đông",
    "Khánh",
    "Yến",
    "Nga",
    "Quỳnh",
    "Ín",
    "Loan",
]
VILLAGES = ["Nà Cha", "Huổi Luông", "Pá Sáng", "Phiêng Hồ", "Lao Chải", "Noong Kha"]


def people(count: int) -> list[r4.Patient]:
    rng, out = Random(11), []
    for n in range(count):
        female = rng.random() < 0.5
        born = date(1930 + rng.randrange(95), rng.randrange(1, 13), rng.randrange(1, 29))
        draft = PersonDraft(
            name=f"{rng.choice(FAMILIES)} {rng.choice(MIDDLES)} {rng.choice(GIVEN)}" if n else "Nguyễn Thị Quỳnh",
            birth=born.isoformat(),
            gender="female" if female else "male",
            cccd=f"012{2 * (born.year // 100 - 19) + female}{born.year % 100:02}{900000 + n}",
            card=f"DT212{1200000000 + n}",
            phone=f"0399{n:06}",
            address=f"Bản {rng.choice(VILLAGES)}, Xã Tả Lèng, Tỉnh Lai Châu",
        )
        person = patient(draft, facility="12005", mrn=f"BN26{n:08}")
        person.id = f"p{n}"
        out.append(person)
    return out


PEOPLE = people(3000)


@pytest.fixture(scope="module")
def population(django_db_setup: None, django_db_blocker: Any) -> Iterator[list[r4.Patient]]:
    """Three thousand people, for all tests of this file."""
    with django_db_blocker.unblock():
        run(SYSTEM, projection.store(PEOPLE))
        search.shares = search.Shares()
        yield PEOPLE
        run(SYSTEM, projection.erase([str(person.id) for person in PEOPLE]))
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE identity_word")


def ids(text: str, limit: int = 20) -> list[str]:
    return [hit.id for hit in find_people(SYSTEM, text, limit)]


def name_of(person: r4.Patient) -> str:
    return (person.name or [])[0].text or ""


def born(person: r4.Patient) -> str:
    return "/".join(reversed((person.birthDate or "").split("-")))


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(person=st.sampled_from(PEOPLE), data=st.data())
def test_any_variation_finds_the_person_on_the_first_page(
    population: object, person: r4.Patient, data: st.DataObject
) -> None:
    typed = data.draw(st.permutations(name_of(person).split()), label="order")
    if data.draw(st.booleans(), label="without accents"):
        typed = [words.fold(word) for word in typed]
    if data.draw(st.booleans(), label="slip"):
        spot = data.draw(st.integers(0, len(typed) - 1))
        typed[spot] = data.draw(st.sampled_from(sorted(words.slips(words.fold(typed[spot])))))
    when = data.draw(st.sampled_from([born(person), (person.birthDate or "")[:4]]), label="birth")
    text = " ".join(data.draw(st.sampled_from([[*typed, when], [when, *typed]])))
    assert person.id in ids(text)


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(person=st.sampled_from(PEOPLE), upper=st.booleans())
def test_an_exact_query_puts_the_person_first(population: object, person: r4.Patient, upper: bool) -> None:
    text = f"{name_of(person)} {born(person)}"
    assert ids(text.upper() if upper else text)[0] == person.id


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(person=st.sampled_from(PEOPLE), data=st.data())
def test_numbers_find_the_person_first(population: object, person: r4.Patient, data: st.DataObject) -> None:
    numbers = [i.value or "" for i in person.identifier or []] + [(person.telecom or [])[0].value or ""]
    number = data.draw(st.sampled_from(numbers))
    assert ids(number)[0] == person.id
    assert ids(f"{number[:4]} {number[4:]}" if number.isdigit() else number.lower())[0] == person.id


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [
        "{digits} {given}", "{given} {digits}", "{plain}", "{given} {village} {year}", "{telex} {year}",
        "{plain} 0{phone}", "{joined} {birth}", "{cut} {birth}", "{halved} {birth}",
    ],
)  # fmt: skip
def test_scraps_find_the_person(population: object, text: str) -> None:
    person = PEOPLE[0]
    number, home = (person.identifier or [])[0].value or "", (person.address or [])[0].text or ""
    typed = text.format(
        digits=number[-5:], given="quynh", plain="nguyen thi quynh", village=words.fold(home.split(",")[0]),
        year=(person.birthDate or "")[:4], telex="nguyeenx thij quynhf", phone="399000000",
        joined="nguyenthi quynh", cut="nguyen thi quyn h", halved="ng uyen thi quynh", birth=born(person),
    )  # fmt: skip
    assert person.id in ids(typed)


@pytest.mark.django_db
def test_a_slip_in_the_number_or_the_birth_date_is_forgiven(population: object) -> None:
    person = PEOPLE[77]
    number = (person.identifier or [])[0].value or ""
    assert person.id in ids(number[:6] + number[7] + number[6] + number[8:])
    day, month, year = born(person).split("/")
    assert person.id in ids(f"{name_of(person)} {day}/{month}/{year[:3]}{(int(year[3]) + 1) % 10}")


@pytest.mark.django_db
def test_the_own_facilitys_people_come_first_among_equals() -> None:
    for n in (1, 2):
        record.create(SYSTEM, patient(PersonDraft(name="Tao Văn Ón", birth="1990", gender="male"), mrn=f"BN{n}"))
    first, second = ids("tao van on")
    visit = r4.Encounter(
        status="finished",
        class_=r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB"),
        subject=r4.Reference(reference=f"Patient/{second}"),
        period=r4.Period(start="2026-01-05T01:00:00Z"),
        serviceProvider=r4.Reference(reference="Organization/12005"),
    )
    record.create(SYSTEM, visit)
    desk = Asker(account="1", role="reception", facility="12005", scopes=SYSTEM.scopes, sight=EVERYTHING)
    assert [hit.id for hit in find_people(desk, "tao van on")] == [second, first]


@pytest.mark.django_db
def test_search_follows_every_version_of_a_patient() -> None:
    person = record.create(
        SYSTEM, patient(PersonDraft(name="Pờ Gó Nu", birth="1990", gender="female", phone="0398111222"))
    )
    assert ids("po go nu") == [person.id]
    person.name = [r4.HumanName(text="Pờ Mé Xá")]
    person.telecom = None
    record.update(SYSTEM, person)
    assert (ids("po go nu"), ids("po me xa"), ids("0398111222")) == ([], [person.id], [])
    record.delete(SYSTEM, "Patient", str(person.id))
    assert ids("po me xa") == []


@pytest.mark.django_db
def test_a_citizen_finds_nobody_else(population: object) -> None:
    person = PEOPLE[5]
    citizen = Asker(account="2", role="citizen", scopes=frozenset({"patient/*.rs"}), patient="p6", sight=EVERYTHING)
    assert find_people(citizen, name_of(person)) == [
        hit for hit in find_people(citizen, name_of(person)) if hit.id == "p6"
    ]
    outsider = Asker(account="3", role="outsider", sight=EVERYTHING)
    with pytest.raises(Forbidden):
        find_people(outsider, "lo")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["", "   ", "|", "' OR 1=1", "'':*", "\\", "a" * 5000, "%", "\x00lo", "🙂", "1", "0", "=1985 & !"]
)
def test_odd_text_is_no_error(population: object, text: str) -> None:
    find_people(SYSTEM, text)


WHOLE = ["{name}", "{plain}", "{upper}", "{swapped}", "{telex}"]
BORN = ["{d}/{m}/{y}", "{d}-{m}-{y}", "{d}.{m}.{y}", "{d}{m}{y}", "{d}/{m}/{yy}", "{y}-{m}-{d}"]
RECEPTION = [
    *(f"{name} {when}" for name in WHOLE for when in BORN),
    "{d}/{m}/{y} {plain}", "{first} {last} {d}/{m}/{y}", "{name}, {village}, {d}/{m}/{y}", "{plain}{end} {d}/{m}/{y}",
    "{cccd}", "{cccd3}", "CCCD {cccd}", "{cccd} {name}", "{tail} {plain}", "{card}", "{cardlower}", "{cardgroups}",
    "{bhxh}", "{bhxh3}", "{phone}", "{phone3}", "+84{phone9}", "+84 {phone93}", "84{phone9}", "{phone9}", "sđt {phone}",
]  # fmt: skip


def _typed(person: r4.Patient) -> dict[str, str]:
    """What is told of a person, in the ways of writing that `RECEPTION` names."""
    name, plain = name_of(person), words.fold(name_of(person))
    cccd, card = "", ""
    for number in (i.value or "" for i in person.identifier or []):
        cccd = number if number.isdigit() and len(number) == 12 else cccd
        card = number if len(number) == 15 else card
    phone = (person.telecom or [])[0].value or ""
    d, m, y = born(person).split("/")
    return {
        "name": name, "plain": plain, "upper": name.upper(), "swapped": " ".join(reversed(plain.split())),
        "telex": name.replace("Đ", "DD").replace("đ", "dd"), "first": plain.split()[0], "last": plain.split()[-1],
        "end": plain[-1], "d": d, "m": m, "y": y, "yy": y[2:],
        "village": ((person.address or [])[0].text or "").split(",")[0], "cccd": cccd,
        "cccd3": f"{cccd[:3]} {cccd[3:6]} {cccd[6:]}", "tail": cccd[-5:], "card": card, "cardlower": card.lower(),
        "cardgroups": f"{card[:2]} {card[2]} {card[3:5]} {card[5:]}", "bhxh": card[-10:],
        "bhxh3": f"{card[-10:-7]} {card[-7:-4]} {card[-4:]}", "phone": phone,
        "phone3": f"{phone[:4]} {phone[4:7]} {phone[7:]}", "phone9": phone[1:],
        "phone93": f"{phone[1:4]} {phone[4:7]} {phone[7:]}",
    }  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("form", RECEPTION)
def test_what_a_receptionist_types_puts_the_person_on_top(population: object, form: str) -> None:
    for person in PEOPLE[5:400:40]:
        text = form.format(**_typed(person))
        assert ids(text)[:1] == [person.id], text


@pytest.mark.django_db
def test_whom_a_desk_may_not_see_it_does_not_find(cast: dict[str, Account], as_role: Callable[[str], Client]) -> None:
    known = PersonDraft(name="Giàng Thị Kín", birth="1980-02-03", gender="female", phone="0398111222")
    numbered = PersonDraft(name="Giàng Thị Kín", birth="1980-02-03", gender="female", cccd="012180004321")
    open_ = record.create(SYSTEM, patient(known))
    assert isinstance(open_, r4.Patient)
    desk = asker_of(cast["reception"])
    assert [hit.id for hit in find_people(desk, "giang thi kin")] == [open_.id]
    shut = patient(numbered)
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    shut.meta = r4.Meta(security=[r4.Coding(system=system, code="V")])
    secret = record.create(SYSTEM, shut)
    with pytest.raises(NotFound):
        record.read(desk, "Patient", str(secret.id))
    assert [hit.id for hit in find_people(desk, "giang thi kin")] == [open_.id]
    assert find_people(desk, "012180004321") == []
    page = as_role("reception").post("/people", {"q": "012180004321"}, headers={"HX-Request": "true"})
    assert ("Kín" in page.content.decode(), str(secret.id) in page.content.decode()) == (False, False)
    [same] = [hit for hit in likely_duplicates(desk, numbered) if hit.certain]
    assert (same.id, same.name, same.phone, same.number) == (secret.id, "Hồ sơ hạn chế xem", "", "")
    assert [hit.id for hit in likely_duplicates(desk, known)] == [open_.id]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT patient FROM identity_person WHERE keys @@ 'pang'::tsquery AND active", "identity_person_keys"),
        ("SELECT patient FROM identity_person WHERE blocks && ARRAY[1::bigint]", "identity_person_blocks"),
        ("SELECT patient FROM identity_number WHERE value = ANY('{1}'::text[])", "identity_number_value"),
        ("SELECT patient FROM identity_number WHERE value >= '1' AND value < '2'", "identity_number_value"),
    ],
)
def test_the_indexes_are_used_beneath_the_row_policies(sql: str, index: str) -> None:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert index in plan
    assert "Index Cond" in plan
