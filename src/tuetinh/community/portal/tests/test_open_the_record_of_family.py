"""A parent or a carer opens somebody else's record from the own login, and both sides see it and end it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.utils import timezone
from lxml import html

from tuetinh.commons.access.api import AccessError, asker_of, carers, papers, wards
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity.api import CCCD, PersonDraft, patient
from tuetinh.community.portal.models import Share
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
BIRTH = papers.Paper(papers.BIRTH, "45/2023")
FAMILY = "/me/record/family"
CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
NUMBER = "012185000001"


@pytest.fixture
def child(cast: dict[str, Account]) -> str:
    """A child of five with a diagnosis and a visit elsewhere; the citizen is the mother, as the desk recorded."""
    born = timezone.localdate().replace(year=timezone.localdate().year - 5, day=1).isoformat()
    record.create(SYSTEM, r4.Patient(id="be", name=[r4.HumanName(text="Lò Văn Bé")], birthDate=born, gender="male"))
    subject = r4.Reference(reference="Patient/be")
    record.create(
        replace(SYSTEM, facility="12001"),
        r4.Encounter(
            id="v",
            status="finished",
            class_=r4.Coding(code="AMB"),
            subject=subject,
            period=r4.Period(start="2026-03-01T08:00:00+07:00", end="2026-03-01T09:00:00+07:00"),
            serviceProvider=r4.Reference(reference="Organization/12001"),
            reasonCode=[r4.CodeableConcept(text="Ho gà từng cơn")],
        ),
    )
    record.create(
        replace(SYSTEM, facility="12001"),
        r4.AllergyIntolerance(
            code=r4.CodeableConcept(text="Tôm"),
            patient=subject,
            clinicalStatus=r4.CodeableConcept(coding=[r4.Coding(system=CLINICAL, code="active")]),
        ),
    )
    return carers.link(asker_of(cast["reception"]), "be", "cast-citizen", "MTH", BIRTH)


@pytest.fixture
def friend(cast: dict[str, Account]) -> Client:
    """The browser of another citizen, who has a number."""
    draft = PersonDraft("Vàng A Của", "1980-01-01", "male", cccd=NUMBER)
    stored = record.create(SYSTEM, patient(draft))
    account = Account.objects.create_account("friend", "x" * 12, role="citizen", full_name="Vàng A Của")
    Account.objects.filter(pk=account.pk).update(patient=stored.id)
    browser = Client()
    browser.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
    return browser


def text(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def propose(browser: Client, **fields: str) -> Any:
    told = {"number": NUMBER, "name": "vang a cua", "relationship": "SIB", "until": ""}
    return browser.post(FAMILY, told | fields)


@pytest.mark.usefixtures("child")
def test_a_mother_opens_her_child_s_record_and_comes_back(as_role: Callable[[str], Client]) -> None:
    mother = as_role("citizen")
    assert "Bạn là: Mẹ" in text(mother, FAMILY)
    assert mother.post("/me/open", {"patient": "be"})["Location"] == "/me"
    for path in ("/me", "/me/results", "/me/medicines", "/me/visits", "/me/record", "/me/record/payments", FAMILY):
        page = text(mother, path)
        assert "Bạn đang xem hồ sơ của Lò Văn Bé." in page, path
        assert "<strong>Lò Văn Bé</strong>" in page, path
    assert "Ho gà từng cơn" in text(mother, "/me/visits/v")
    assert "Tôm" in text(mother, "/me/record")
    assert "Bệnh viện đa khoa tỉnh" in text(mother, "/me/visits")
    mother.post("/me/open", {"patient": ""})
    assert "Bạn đang xem hồ sơ của" not in text(mother, "/me")
    assert mother.get("/me/visits/v").status_code == 404


@pytest.mark.usefixtures("child")
def test_the_child_sees_who_looked_for_it(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    mother = as_role("citizen")
    mother.post("/me/open", {"patient": "be"})
    text(mother, "/me/record")
    cast["citizen"].patient = "be"
    looked = record.accesses(asker_of(replace_account(cast["citizen"], pk=0)), "be")
    assert [(one.account, one.purpose) for one in looked if one.role == "citizen"] == [
        (str(cast["citizen"].pk), "FAMRQT")
    ]
    child = Account.objects.create_account("be", "x" * 12, role="citizen", full_name="Lò Văn Bé", patient="be")
    from django.test import Client

    browser = Client()
    browser.force_login(child, backend="django.contrib.auth.backends.ModelBackend")
    page = text(browser, "/me/record/accesses")
    assert "<b>Lò Văn Citizen</b>" in page
    assert "Xem thay bạn" in page


def replace_account(account: Account, pk: int) -> Account:
    other = Account(role=account.role, patient=account.patient)
    other.pk = pk
    return other


def test_it_ends_while_the_record_is_open(
    as_role: Callable[[str], Client], cast: dict[str, Account], child: str
) -> None:
    mother = as_role("citizen")
    mother.post("/me/open", {"patient": "be"})
    carers.unlink(asker_of(cast["reception"]), "be", child)
    page = text(mother, "/me/record")
    assert "Bạn không còn được xem hồ sơ đó." in page
    assert "Tôm" not in page
    assert "Lò Thị Pâng" in page
    assert "Bạn không còn được xem" not in text(mother, "/me/record")


@pytest.mark.usefixtures("child")
def test_others_do_not_get_in(friend: Client, as_role: Callable[[str], Client]) -> None:
    for target in ("be", "cast-citizen", "nobody"):
        assert friend.post("/me/open", {"patient": target})["Location"] == FAMILY
        assert friend.get("/me/visits/v").status_code == 404
    assert as_role("doctor").post("/me/open", {"patient": "be"}).status_code == 403
    assert as_role("citizen").post("/me/open", {"patient": "nobody"})["Location"] == FAMILY


@pytest.mark.usefixtures("child", "seeing_everybody")
def test_a_parent_forbids_for_the_child(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    doctor = replace(asker_of(cast["doctor"]), scopes=frozenset({"user/*.rs"}))
    record.read(doctor, "Patient", "be")
    assert record.search(doctor, "AllergyIntolerance", "").resources != []
    mother = as_role("citizen")
    mother.post("/me/open", {"patient": "be"})
    assert mother.post("/me/record/sharing", {"facility": "*", "purpose": ""}).status_code == 302
    assert record.search(doctor, "AllergyIntolerance", "").resources == []
    [consent] = record.search(SYSTEM, "Consent", "patient=Patient/be").resources
    assert "Tôm" in text(mother, "/me/record")
    assert mother.post(f"/me/record/sharing/{consent.id}").status_code == 302
    assert len(record.search(doctor, "AllergyIntolerance", "").resources) == 1


def test_name_a_carer_who_accepts(as_role: Callable[[str], Client], friend: Client) -> None:
    me = as_role("citizen")
    for fields in ({"number": "012185000002"}, {"name": "Vàng A Cải"}, {"number": "12"}, {"until": "2020-01-01"}):
        assert propose(me, **fields).status_code == 422
    assert record.search(SYSTEM, "Consent", "").resources == []
    assert propose(me).status_code == 302
    assert "chờ đồng ý" in text(me, FAMILY)
    [consent] = record.search(SYSTEM, "Consent", "").resources
    assert isinstance(consent, r4.Consent)
    assert consent.status == "proposed"
    page = text(friend, FAMILY)
    assert "Lò Thị Pâng" in page
    assert friend.post("/me/open", {"patient": "cast-citizen"})["Location"] == FAMILY
    assert me.post(f"{FAMILY}/{consent.id}/accept").status_code == 302
    assert record.read(SYSTEM, "Consent", str(consent.id)).status == "proposed"  # type: ignore[attr-defined]
    friend.post(f"{FAMILY}/{consent.id}/accept")
    assert friend.post("/me/open", {"patient": "cast-citizen"})["Location"] == "/me"
    assert "Lò Thị Pâng" in text(friend, "/me/record")
    for path, fields in (("/me/record/sharing", {"facility": "*", "purpose": ""}), (FAMILY, {"number": NUMBER})):
        assert friend.post(path, fields).status_code == 404
    assert "Gửi lời mời" not in text(friend, FAMILY)
    assert len(record.search(SYSTEM, "Consent", "").resources) == 1
    me.post(f"{FAMILY}/{consent.id}/end")
    assert "Bạn không còn được xem hồ sơ đó." in text(friend, "/me/record")
    assert wards.of_ward("cast-citizen") == []


def test_the_carer_ends_it_too_and_strangers_do_not(as_role: Callable[[str], Client], friend: Client) -> None:
    me = as_role("citizen")
    propose(me)
    [tie] = carers.proposed(ward="cast-citizen")
    friend.post(f"{FAMILY}/{tie.id}/decline")
    assert carers.proposed(ward="cast-citizen") == []
    propose(me)
    [tie] = carers.proposed(ward="cast-citizen")
    friend.post(f"{FAMILY}/{tie.id}/accept")
    for verb in ("end", "accept", "decline"):
        assert as_role("doctor").post(f"{FAMILY}/{tie.id}/{verb}").status_code == 403
    assert len(wards.of_ward("cast-citizen")) == 1
    friend.post(f"{FAMILY}/{tie.id}/end")
    assert wards.of_ward("cast-citizen") == []


def test_the_desk_records_parents(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    born = timezone.localdate().replace(year=timezone.localdate().year - 5, day=1).isoformat()
    record.create(SYSTEM, r4.Patient(id="be", name=[r4.HumanName(text="Lò Văn Bé")], birthDate=born))
    desk, page = as_role("reception"), "/people/be/guardians"
    assert f'href="{page}"' in desk.get("/people/be").content.decode()
    assert 'value="cast-citizen"' in desk.post(page, {"q": "pang 1972"}).content.decode()
    assert desk.post(page, {"carer": "cast-citizen", "code": "SIB"}).status_code == 422
    assert as_role("doctor").post(page, {"carer": "cast-citizen", "code": "MTH"}).status_code == 403
    assert desk.post(page, {"carer": "cast-citizen", "code": "MTH"}).status_code == 422
    brought = {"carer": "cast-citizen", "code": "MTH", "q": "pang 1972", "kind": "here", "number": "45/2023"}
    assert desk.post(page, brought).status_code == 422
    asked = desk.post(page, brought | {"kind": "birth", "number": "không"})
    assert asked.status_code == 422
    assert "Hãy chọn loại giấy tờ và ghi số" in asked.content.decode()
    assert 'value="không"' in asked.content.decode()
    assert wards.of_ward("be") == []
    assert desk.post(page, brought | {"kind": "birth"}).status_code == 302
    assert "Giấy khai sinh 45/2023" in desk.get(page).content.decode()
    [tie] = wards.of_ward("be")
    assert (tie.carer, tie.code, tie.sensitive) == ("cast-citizen", "MTH", True)
    assert desk.post(page, brought | {"kind": "birth"}).status_code == 422
    assert "Lò Thị Pâng" in desk.get(page).content.decode()
    assert desk.post(page, {"end": tie.id}).status_code == 302
    assert wards.of_ward("be") == []
    assert desk.get("/people/nobody/guardians").status_code == 404


@pytest.mark.usefixtures("child")
def test_pages_within_another_record_ask_a_fixed_number_of_queries(
    as_role: Callable[[str], Client], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    mother = as_role("citizen")
    mother.post("/me/open", {"patient": "be"})
    text(mother, "/me/visits")
    with django_assert_max_num_queries(16):
        text(mother, "/me/visits")


@pytest.fixture
def grown(child: str) -> str:
    """The child is ten, so that the mother sees no sensitive data by being its mother."""
    person = record.read(SYSTEM, "Patient", "be")
    assert isinstance(person, r4.Patient)
    person.birthDate = timezone.localdate().replace(year=timezone.localdate().year - 10, day=1).isoformat()
    record.update(SYSTEM, person)
    return child


@pytest.mark.usefixtures("grown", "friend")
@pytest.mark.parametrize("carer", [NUMBER, "012172000001"])
def test_who_does_not_see_sensitive_data_lets_nobody_see_it(as_role: Callable[[str], Client], carer: str) -> None:
    me = record.read(SYSTEM, "Patient", "cast-citizen")
    assert isinstance(me, r4.Patient)
    me.identifier = [r4.Identifier(system=CCCD, value="012172000001")]
    record.update(SYSTEM, me)
    mother = as_role("citizen")
    mother.post("/me/open", {"patient": "be"})
    assert 'name="sensitive"' not in text(mother, FAMILY)
    name = "vang a cua" if carer == NUMBER else str((me.name or [r4.HumanName()])[0].text)
    assert propose(mother, number=carer, name=name, sensitive="on").status_code == 302
    assert [(one.carer_name.lower(), one.sensitive) for one in carers.proposed(ward="be")] == [
        ("vàng a của" if carer == NUMBER else name.lower(), False)
    ]
    within, _ = wards.acting(asker_of(Account.objects.get(patient="cast-citizen")), "be") or (None, None)
    assert within is not None
    with pytest.raises(AccessError, match="carer-sensitive"):
        carers.propose(within, str(carers.proposed(ward="be")[0].carer), "SIB", sensitive=True)


@pytest.mark.usefixtures("grown")
def test_a_parent_shares_no_more_than_a_parent_sees(as_role: Callable[[str], Client]) -> None:
    mother = as_role("citizen")
    mother.post("/me/open", {"patient": "be"})
    assert 'value="all"' not in text(mother, "/me/record/share")
    assert mother.post("/me/record/share", {"scope": "all", "hours": "24", "pin": ""}).status_code == 422
    assert Share.objects.count() == 0
    assert mother.post("/me/record/share", {"scope": "ordinary", "hours": "24", "pin": ""}).status_code == 200
    assert Share.objects.count() == 1


def test_what_a_parent_shared_ends_with_the_parent_s_right(
    as_role: Callable[[str], Client], cast: dict[str, Account], child: str
) -> None:
    mother = as_role("citizen")
    mother.post("/me/open", {"patient": "be"})
    made = html.fromstring(mother.post("/me/record/share", {"scope": "all", "hours": "24"}).content.decode())
    code = str(made.xpath("string(//*[@class='code'][last()])"))
    anybody = Client()
    assert anybody.post("/share", {"code": code})["Location"] == "/share/record"
    assert anybody.get("/share/record").status_code == 200
    carers.unlink(asker_of(cast["reception"]), "be", child)
    assert anybody.get("/share/record").status_code == 302
    assert Client().post("/share", {"code": code}).status_code == 404


def born(years: int, days: int = 0) -> str:
    """The birth date of who turned so many years old so many days ago; will turn, with fewer than none."""
    day = timezone.localdate() - timedelta(days=days)
    return day.replace(year=day.year - years, day=min(day.day, 28)).isoformat()


@pytest.mark.parametrize("ended", ["parent", "agreement"])
def test_what_a_desk_was_let_see_by_it_ends_too(
    as_role: Callable[[str], Client], cast: dict[str, Account], ended: str
) -> None:
    desk, doctor = asker_of(cast["reception"]), asker_of(cast["doctor"])
    record.create(SYSTEM, r4.Patient(id="lon", name=[r4.HumanName(text="Lò Văn Lớn")], birthDate=born(12)))
    code = r4.CodeableConcept(coding=[r4.Coding(system="http://hl7.org/fhir/sid/icd-10", code="B20")])
    subject = r4.Reference(reference="Patient/lon")
    record.create(replace(SYSTEM, facility="12001"), r4.Condition(id="hiv", subject=subject, code=code))
    tie = carers.link(desk, "lon", "cast-citizen", "MTH", BIRTH, agreed=True)
    mother = as_role("citizen")
    mother.post("/me/open", {"patient": "lon"})
    made = html.fromstring(mother.post("/me/record/share", {"scope": "all", "hours": "72"}).content.decode())
    as_role("doctor").post("/share", {"code": str(made.xpath("string(//*[@class='code'][last()])"))})
    assert record.read(doctor, "Condition", "hiv").id == "hiv"
    if ended == "parent":
        carers.unlink(desk, "lon", tie)
    else:
        (agreed,) = (one for one in wards.of_ward("lon") if not one.by_law)
        carers.end(replace(SYSTEM, role="citizen", patient="lon"), agreed.id)
    with pytest.raises(NotFound):
        record.read(doctor, "Condition", "hiv")


@pytest.mark.parametrize(("age", "hours"), [(7, "72"), (18, "72"), (5, "72")])
def test_it_ends_on_the_day_on_which_the_child_decides(
    as_role: Callable[[str], Client], cast: dict[str, Account], age: int, hours: str
) -> None:
    birth = born(age, -1)
    record.create(SYSTEM, r4.Patient(id="lon", name=[r4.HumanName(text="Lò Văn Lớn")], birthDate=birth))
    carers.link(asker_of(cast["reception"]), "lon", "cast-citizen", "MTH", BIRTH, agreed=age > 7)
    mother = as_role("citizen")
    mother.post("/me/open", {"patient": "lon"})
    made = html.fromstring(mother.post("/me/record/share", {"scope": "all", "hours": hours}).content.decode())
    as_role("doctor").post("/share", {"code": str(made.xpath("string(//*[@class='code'][last()])"))})
    found = record.search(SYSTEM, "Consent", "patient=Patient/lon&actor=Organization/12104").resources
    (consent,) = (one for one in found if isinstance(one, r4.Consent))
    assert consent.provision
    assert consent.provision.period
    share = Share.objects.get()
    day = date.fromisoformat(birth).replace(year=date.fromisoformat(birth).year + age)
    last = share.until if age == 5 else timezone.make_aware(datetime.combine(day, time.min))
    assert datetime.fromisoformat(str(consent.provision.period.end)) == last.replace(microsecond=0)
