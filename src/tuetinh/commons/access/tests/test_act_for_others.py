"""Parents, guardians and carers: who may open somebody else's record, what of it, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone

from tuetinh.commons.access.api import asker_of, carers, guardianship, papers, wards
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, Guardianship
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
ICD10 = "http://hl7.org/fhir/sid/icd-10"
BIRTH = papers.Paper(papers.BIRTH, "45/2023")
DECISION = papers.Paper(papers.DECISION, "12/2026/QĐST-VDS")


def birth(years: int, days: int = 0) -> str:
    """The birth date of somebody who turned, or will turn, so many years old so many days ago."""
    today = timezone.localdate() - timedelta(days=days)
    return today.replace(year=today.year - years).isoformat()


def person(id_: str, born: str) -> None:
    api.create(SYSTEM, r4.Patient(id=id_, name=[r4.HumanName(text=id_.title())], birthDate=born))
    for kind, code in (("plain", "I10"), ("hiv", "B20")):
        api.create(
            replace(SYSTEM, facility="12001"),
            r4.Condition(
                id=f"{id_}-{kind}",
                subject=r4.Reference(reference=f"Patient/{id_}"),
                code=r4.CodeableConcept(coding=[r4.Coding(system=ICD10, code=code)]),
            ),
        )


def sees(own: Asker, ward: str) -> list[str]:
    """What of that record the citizen sees; nothing where there is no way in."""
    found = wards.acting(own, ward)
    if found is None:
        return []
    return sorted(str(one.id).rpartition("-")[2] for one in api.search(found[0], "Condition", "").resources)


@pytest.fixture
def mother(cast: dict[str, Account]) -> Asker:
    return asker_of(cast["citizen"])


@pytest.fixture
def desk(cast: dict[str, Account]) -> Asker:
    return asker_of(cast["reception"])


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        (birth(3), ["hiv", "plain"]),
        (birth(7, -1), ["hiv", "plain"]),
        (birth(7), ["plain"]),
        (birth(18, -1), ["plain"]),
        (birth(18), []),
        (str(timezone.localdate().year - 18), []),
        (str(timezone.localdate().year - 17), ["plain"]),
        ("", []),
    ],
)
def test_a_mother_sees_her_child_until_the_law_gives_it_to_the_child(
    mother: Asker, desk: Asker, born: str, expected: list[str]
) -> None:
    person("be", birth(3))
    assert sees(mother, "be") == []
    carers.link(desk, "be", "cast-citizen", "MTH", BIRTH)
    child = api.read(SYSTEM, "Patient", "be")
    assert isinstance(child, r4.Patient)
    child.birthDate = born or None
    api.update(SYSTEM, child)
    assert sees(mother, "be") == expected


def test_the_ages_are_settings(mother: Asker, desk: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    person("be", birth(15))
    carers.link(desk, "be", "cast-citizen", "MTH", BIRTH)
    assert sees(mother, "be") == ["plain"]
    monkeypatch.setenv("TUETINH_MINOR_AGREES", "16")
    assert sees(mother, "be") == ["hiv", "plain"]
    monkeypatch.setenv("TUETINH_OF_AGE", "15")
    assert sees(mother, "be") == []
    monkeypatch.setenv("TUETINH_OF_AGE", "16")
    assert sees(mother, "be") == ["hiv", "plain"]


def test_with_the_minor_s_agreement_sensitive_data_too(mother: Asker, desk: Asker) -> None:
    person("be", birth(12))
    tie = carers.link(desk, "be", "cast-citizen", "MTH", BIRTH, agreed=True)
    assert sees(mother, "be") == ["hiv", "plain"]
    [consent] = api.search(SYSTEM, "Consent", "patient=Patient/be").resources
    assert isinstance(consent, r4.Consent)
    assert consent.provision
    assert consent.provision.period == r4.Period(end=birth(-6)), "ends with the minor's age"
    carers.unlink(desk, "be", tie)
    assert sees(mother, "be") == []
    assert wards.of_ward("be") == []


def test_a_desk_alone_makes_nobody_guardian_of_an_adult(mother: Asker, desk: Asker) -> None:
    person("cha", birth(70))
    for code in ("MTH", "FTH", "ADOPTP", "GUARD"):
        with pytest.raises(AccessError) as refused:
            carers.link(desk, "cha", "cast-citizen", code, DECISION)
        assert refused.value.code == ("adult" if code == "GUARD" else "carer-age")
    assert sees(mother, "cha") == []


PAPER = ("12/2026/QĐST-VDS", "Tòa án giao giám hộ")


def told(patient: str) -> list[str]:
    found = api.search(SYSTEM, "Communication", f"recipient=Patient/{patient}&_sort=sent").resources
    return [one.payload[0].contentString for one in found if isinstance(one, r4.Communication) and one.payload]


def colleague(cast: dict[str, Account], **more: str) -> Account:
    fields = {"role": "reception", "facility": "12104"} | more
    return Account.objects.create_account("cast.second", "x", full_name="Vàng Thị Sáu", **fields)


def test_a_guardian_of_an_adult_counts_when_a_second_colleague_confirms(
    mother: Asker, cast: dict[str, Account]
) -> None:
    person("cha", birth(70))
    by = cast["reception"]
    asked = guardianship.ask(by, "cha", "cast-citizen", *PAPER)
    assert sees(mother, "cha") == []
    assert len(told("cha")) == 1
    assert "theo văn bản 12/2026/QĐST-VDS" in told("cha")[0]
    elsewhere = colleague(cast, facility="12001")
    for stranger in (by, cast["doctor"], cast["citizen"], elsewhere):
        with pytest.raises(AccessError) as refused:
            guardianship.answer(stranger, asker_of(stranger), asked.pk, accept=True)
        assert refused.value.code == "confirmed"
    assert (sees(mother, "cha"), guardianship.waiting("cha").count()) == ([], 1)
    elsewhere.facility = "12104"
    elsewhere.save()
    guardianship.answer(elsewhere, asker_of(elsewhere), asked.pk, accept=True)
    assert sees(mother, "cha") == ["hiv", "plain"]
    assert len(told("cha")) == 2
    with pytest.raises(AccessError):
        guardianship.answer(elsewhere, asker_of(elsewhere), asked.pk, accept=False)


def test_the_ward_confirms_or_refuses_a_guardian(mother: Asker, cast: dict[str, Account]) -> None:
    person("cha", birth(70))
    ward = Account.objects.create_account("cha", "x", full_name="Cha", role="citizen", patient="cha")
    first = guardianship.ask(cast["reception"], "cha", "cast-citizen", *PAPER)
    guardianship.answer(ward, asker_of(ward), first.pk, accept=False)
    assert sees(mother, "cha") == []
    again = guardianship.ask(cast["reception"], "cha", "cast-citizen", *PAPER)
    guardianship.answer(ward, asker_of(ward), again.pk, accept=True)
    assert sees(mother, "cha") == ["hiv", "plain"]


@pytest.mark.parametrize(
    ("ward", "paper", "reason", "code"),
    [
        ("cha", "", PAPER[1], "decision"),
        ("cha", PAPER[0], "vì thế", "reason"),
        ("cast-citizen", *PAPER, "carer-self"),
        ("be", *PAPER, "relationship"),
        ("nobody", *PAPER, "carer-gone"),
    ],
)
def test_a_guardian_needs_a_paper_and_a_reason(
    cast: dict[str, Account], ward: str, paper: str, reason: str, code: str
) -> None:
    person("cha", birth(70))
    person("be", birth(3))
    with pytest.raises(AccessError) as refused:
        guardianship.ask(cast["reception"], ward, "cast-citizen", paper, reason)
    assert refused.value.code == code
    assert Guardianship.objects.count() == 0
    assert told("cha") == []


def test_the_pages_ask_and_confirm_a_guardian(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    person("cha", birth(70))
    desk, url = as_role("reception"), "/people/cha/guardians"
    form = {"carer": "cast-citizen", "code": "GUARD", "q": "x"}
    assert desk.post(url, form).status_code == 422
    assert desk.post(url, form | {"paper": PAPER[0], "reason": PAPER[1]}).status_code == 302
    asked = Guardianship.objects.get()
    assert "Một đồng nghiệp khác xác nhận." in desk.get(url).content.decode()
    assert desk.post(url, {"confirm": asked.pk}).status_code == 422
    page = as_role("station").get(url).content.decode()
    assert "12/2026/QĐST-VDS" in page
    assert as_role("station").post(url, {"confirm": asked.pk}).status_code == 302
    assert [tie.code for tie in wards.of_ward("cha")] == ["GUARD"]


def test_a_guardian_of_a_minor_ends_with_the_age(mother: Asker, desk: Asker) -> None:
    person("be", birth(17))
    tie = carers.link(desk, "be", "cast-citizen", "GUARD", DECISION)
    related = api.read(SYSTEM, "RelatedPerson", tie)
    assert isinstance(related, r4.RelatedPerson)
    related.period = r4.Period(start=birth(2))
    api.update(SYSTEM, related)
    assert sees(mother, "be") == ["plain"]
    child = api.read(SYSTEM, "Patient", "be")
    assert isinstance(child, r4.Patient)
    child.birthDate = birth(18)
    api.update(SYSTEM, child)
    assert sees(mother, "be") == []


def test_a_carer_is_asked_and_accepts_and_either_ends_it(mother: Asker) -> None:
    person("ban", birth(40))
    friend = replace(mother, account="friend", patient="ban")
    tie = carers.propose(mother, "ban", "CAREGIVER")
    assert sees(friend, "cast-citizen") == []
    assert ([one.id for one in carers.proposed(carer="ban")], carers.proposed(carer="cast-citizen")) == ([tie], [])
    with pytest.raises(AccessError):
        carers.answer(mother, tie, accept=True)
    for id_, code in (("a", "I10"), ("b", "B20")):
        concept = r4.CodeableConcept(coding=[r4.Coding(system=ICD10, code=code)])
        mine = r4.Reference(reference="Patient/cast-citizen")
        api.create(replace(SYSTEM, facility="12001"), r4.Condition(id=f"x-{id_}", subject=mine, code=concept))
    carers.answer(friend, tie, accept=True)
    assert carers.proposed(carer="ban") == []
    assert sees(friend, "cast-citizen") == ["a"]
    assert [(one.carer_name, one.code, one.by_law) for one in wards.of_ward("cast-citizen")] == [
        ("Ban", "CAREGIVER", False)
    ]
    states = [api.read(SYSTEM, "Consent", tie).status, api.read(SYSTEM, "RelatedPerson", tie).active]  # type: ignore[attr-defined]
    assert states == ["active", True]
    with pytest.raises(AccessError) as refused:
        carers.propose(mother, "ban", "SIB")
    assert refused.value.code == "carer-exists"
    carers.end(friend, tie)
    assert (sees(friend, "cast-citizen"), wards.of_ward("cast-citizen")) == ([], [])
    again = carers.propose(mother, "ban", "SIB", sensitive=True)
    carers.answer(friend, again, accept=True)
    assert sees(friend, "cast-citizen") == ["a", "b"]
    carers.end(mother, again)
    assert sees(friend, "cast-citizen") == []
    with pytest.raises(AccessError):
        carers.end(mother, again)


def test_declined_is_declined(mother: Asker) -> None:
    person("ban", birth(40))
    friend = replace(mother, account="friend", patient="ban")
    tie = carers.propose(mother, "ban", "SIB")
    carers.answer(friend, tie, accept=False)
    assert (carers.proposed(ward="cast-citizen"), sees(friend, "cast-citizen")) == ([], [])
    with pytest.raises(AccessError):
        carers.answer(friend, tie, accept=True)


def test_it_ends_on_its_day(mother: Asker) -> None:
    person("ban", birth(40))
    friend = replace(mother, account="friend", patient="ban")
    today = timezone.localdate()
    with pytest.raises(AccessError) as refused:
        carers.propose(mother, "ban", "SIB", until=(today - timedelta(days=1)).isoformat())
    assert (refused.value.code, carers.proposed(carer="ban")) == ("carer-until", [])
    carers.answer(friend, carers.propose(mother, "ban", "SIB", until=today.isoformat()), accept=True)
    assert [one.until for one in wards.of_carer("ban")] == [today.isoformat()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT (until AT TIME ZONE 'Asia/Ho_Chi_Minh')::text FROM record.relation WHERE kind='consent'")
        assert cursor.fetchall() == [(f"{today + timedelta(days=1)} 00:00:00",)]
        cursor.execute("UPDATE record.relation SET until = now()")
    assert (wards.of_carer("ban"), wards.acting(friend, "cast-citizen")) == ([], None)


def test_whom_one_names_sees_what_facilities_may_not(mother: Asker) -> None:
    person("ban", birth(40))
    friend = replace(mother, account="friend", patient="ban")
    carers.answer(friend, carers.propose(mother, "ban", "SIB"), accept=True)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record.denial VALUES ('cast-citizen', '', '', 'Consent/c')")
    found = wards.acting(friend, "cast-citizen")
    assert found
    assert api.read(found[0], "Patient", "cast-citizen").id == "cast-citizen"


def test_it_is_within_that_record_and_reads_only(mother: Asker, desk: Asker) -> None:
    person("be", birth(3))
    person("khac", birth(3))
    carers.link(desk, "be", "cast-citizen", "MTH", BIRTH)
    found = wards.acting(mother, "be")
    assert found
    with pytest.raises(NotFound):
        api.read(found[0], "Condition", "khac-plain")
    with pytest.raises(NotFound):
        api.read(found[0], "Patient", "cast-citizen")
    assert found[0].may("c", "Condition") is False
    assert sees(mother, "khac") == []


def test_the_log_says_who_looked_for_whom(mother: Asker, desk: Asker) -> None:
    person("be", birth(3))
    carers.link(desk, "be", "cast-citizen", "MTH", BIRTH)
    sees(mother, "be")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT account, role, purpose FROM record.audit WHERE patient = 'be' AND action = 'search'"
        )
        assert cursor.fetchall() == [(mother.account, "citizen", "FAMRQT")]


@pytest.mark.parametrize("role", ["doctor", "nurse", "lab", "archivist", "admin", "official", "citizen", "outsider"])
def test_who_links_nobody(cast: dict[str, Account], role: str) -> None:
    person("be", birth(3))
    with pytest.raises(AccessError) as refused:
        carers.link(asker_of(cast[role]), "be", "cast-citizen", "MTH", BIRTH)
    assert refused.value.code == "role"
    assert api.search(SYSTEM, "RelatedPerson", "").resources == []


@pytest.mark.parametrize("role", ["doctor", "reception", "admin"])
def test_staff_act_for_nobody(cast: dict[str, Account], desk: Asker, role: str) -> None:
    person("be", birth(3))
    carers.link(desk, "be", "cast-citizen", "MTH", BIRTH)
    assert wards.acting(replace(asker_of(cast[role]), patient="cast-citizen"), "be") is None


@pytest.mark.parametrize(
    ("carer", "code", "error"),
    [("be", "MTH", "carer-self"), ("nobody", "MTH", "carer-gone"), ("cast-citizen", "SIB", "relationship")],
)
def test_what_is_not_linked(desk: Asker, carer: str, code: str, error: str) -> None:
    person("be", birth(3))
    with pytest.raises(AccessError) as refused:
        carers.link(desk, "be", carer, code, BIRTH)
    assert refused.value.code == error
    assert api.search(SYSTEM, "RelatedPerson", "").resources == []


NUMBER = "012223000123"


@pytest.mark.parametrize(
    ("code", "kind", "number", "error"),
    [
        ("MTH", "", "", "kin-paper"),
        ("MTH", "birth", "", "kin-paper"),
        ("MTH", "birth", "không có số", "kin-paper"),
        ("MTH", "birth", "4" * 101, "kin-paper"),
        ("MTH", "seen", "45/2023", "kin-paper"),
        ("GUARD", "birth", "45/2023", "kin-paper"),
        ("GUARD", "number", NUMBER, "kin-paper"),
        ("GUARD", "here", "", "kin-paper"),
        ("MTH", "number", "012223000124", "paper"),
        ("MTH", "number", "012223000000", "paper"),
        ("MTH", "birth", " 45/2023 ", ""),
        ("FTH", "number", NUMBER, ""),
        ("ADOPTP", "decision", "7/2024/QĐ-UBND", ""),
        ("GUARD", "decision", "7/2024/QĐ-UBND", ""),
    ],
)
def test_a_parent_is_recorded_by_a_paper(desk: Asker, code: str, kind: str, number: str, error: str) -> None:
    person("be", birth(3))
    child = api.read(SYSTEM, "Patient", "be")
    assert isinstance(child, r4.Patient)
    own, old = r4.Identifier(value=NUMBER), r4.Identifier(value="012223000000", use="old")
    child.identifier = [own, old]
    api.update(SYSTEM, child)
    if error:
        with pytest.raises(AccessError) as refused:
            carers.link(desk, "be", "cast-citizen", code, papers.Paper(kind, number))
        assert refused.value.code == error
        assert api.search(SYSTEM, "RelatedPerson", "").resources == []
        return
    id_ = carers.link(desk, "be", "cast-citizen", code, papers.Paper(kind, number))
    [tie] = wards.of_ward("be")
    assert tie.paper == papers.Paper(kind, number.strip())
    with connection.cursor() as cursor:
        cursor.execute("SELECT reason, patient FROM record.audit WHERE type = 'RelatedPerson' AND id = %s", [id_])
        assert (f"{kind}: {number.strip()}", "be") in cursor.fetchall()


def test_a_consent_that_no_tie_goes_with_opens_nothing(mother: Asker) -> None:
    """A Consent of another system names a person; who that is to the ward, and that they accepted, is not told."""
    person("be", birth(30))
    actor: Any = r4.ConsentProvisionActor(
        role=r4.CodeableConcept(text="x"), reference=r4.Reference(reference="Patient/cast-citizen")
    )
    api.create(
        SYSTEM,
        r4.Consent(
            status="active",
            scope=r4.CodeableConcept(coding=[r4.Coding(code="patient-privacy")]),
            category=[r4.CodeableConcept(text="x")],
            patient=r4.Reference(reference="Patient/be"),
            policyRule=r4.CodeableConcept(text="x"),
            provision=r4.ConsentProvision(type="permit", actor=[actor]),
        ),
    )
    assert sees(mother, "be") == []


def test_ties_follow_a_merge(mother: Asker, desk: Asker) -> None:
    from tuetinh.commons.identity import merging

    person("be", birth(3))
    person("me", birth(30))
    carers.link(desk, "be", "me", "MTH", BIRTH)
    office = Asker("office", "archivist", "12104", "HOPERAT", SYSTEM.scopes, sight=SYSTEM.sight)
    merging.merge(office, "me", "cast-citizen")
    assert sees(mother, "be") == ["hiv", "plain"]


def test_a_parent_is_told_of_another_one(mother: Asker, desk: Asker) -> None:
    person("be", birth(3))
    person("ba", birth(30))
    carers.link(desk, "be", str(mother.patient), "MTH", BIRTH)
    assert told("cast-citizen") == []
    carers.link(desk, "be", "ba", "FTH", BIRTH)
    assert len(told("cast-citizen")) == 1
    assert "một người nữa được ghi là cha mẹ hoặc người giám hộ của Be" in told("cast-citizen")[0]
    assert told("ba") == []
