"""A citizen forbids facilities and purposes, and takes it back: it counts from the next question on."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from tuetinh.commons.access.api import asker_of
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tuetinh.commons.access.models import Account

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("seeing_everybody")]
PAGE = "/me/record/sharing"


@pytest.fixture(autouse=True)
def known(cast: dict[str, Account]) -> None:
    """A diagnosis of the citizen from the hospital elsewhere, one from here, and a look from here."""
    for id_, facility in (("there", "12001"), ("here", "12104")):
        subject = r4.Reference(reference="Patient/cast-citizen")
        code = r4.CodeableConcept(coding=[r4.Coding(system="urn:x", code="1")])
        record.create(replace(SYSTEM, facility=facility), r4.Condition(id=id_, subject=subject, code=code))
    doctor = asker_of(cast["doctor"])
    record.update(doctor, record.read(doctor, "Patient", "cast-citizen"))


def sees(account: Account) -> list[str]:
    return sorted(str(one.id) for one in record.search(asker_of(account), "Condition", "").resources)


def denials() -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient, facility, purpose FROM record.denial ORDER BY 1, 2, 3")
        return cursor.fetchall()


def consent(status: str = "active", scope: str = "patient-privacy", **provision: Any) -> r4.Consent:
    return r4.Consent(
        id="c",
        status=status,
        scope=r4.CodeableConcept(coding=[r4.Coding(code=scope)]),
        category=[r4.CodeableConcept(text="x")],
        patient=r4.Reference(reference="Patient/cast-citizen"),
        policyRule=r4.CodeableConcept(text="x"),
        provision=r4.ConsentProvision(**provision),
    )


def actor(name: str) -> list[r4.ConsentProvisionActor]:
    return [r4.ConsentProvisionActor(role=r4.CodeableConcept(text="x"), reference=r4.Reference(reference=name))]


def test_forbid_a_facility_and_take_it_back(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    browser = as_role("citizen")
    assert "Trung tâm Y tế huyện Than Uyên" in browser.get(PAGE).content.decode()
    assert sees(cast["doctor"]) == ["here", "there"]
    for _ in range(2):
        assert browser.post(PAGE, {"facility": "12104", "purpose": ""}).status_code == 302
    assert denials() == [("cast-citizen", "12104", "")]
    assert sees(cast["doctor"]) == ["here"]
    assert as_role("doctor").get("/people/cast-citizen").status_code == 200
    (stored,) = record.search(SYSTEM, "Consent", "patient=Patient/cast-citizen").resources
    assert browser.post(f"{PAGE}/{stored.id}").status_code == 302
    assert (denials(), sees(cast["doctor"])) == ([], ["here", "there"])
    assert "Bạn chưa chặn nơi nào." in browser.get(PAGE).content.decode()


def test_forbid_a_purpose_everywhere(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    as_role("citizen").post(PAGE, {"facility": "*", "purpose": "HOPERAT"})
    assert denials() == [("cast-citizen", "", "HOPERAT")]
    assert (sees(cast["archivist"]), sees(cast["doctor"])) == (["here"], ["here", "there"])


@pytest.mark.parametrize(
    "form", [{}, {"facility": "12999", "purpose": ""}, {"facility": "12104", "purpose": "X"}, {"facility": "x\ty"}]
)
def test_what_is_not_offered_forbids_nothing(as_role: Callable[[str], Client], form: dict[str, str]) -> None:
    assert as_role("citizen").post(PAGE, form).status_code == 422
    assert denials() == []


def test_only_the_own_and_only_citizens(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    other = consent(type="deny")
    other.patient = r4.Reference(reference="Patient/tam")
    record.create(SYSTEM, other)
    assert as_role("citizen").post(f"{PAGE}/c").status_code == 404
    assert as_role("citizen").post(f"{PAGE}/none").status_code == 404
    assert as_role("doctor").post(PAGE, {"facility": "*", "purpose": ""}).status_code == 403
    assert denials() == [("tam", "", "")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (consent(type="deny"), [("", "")]),
        (consent(type="deny", actor=actor("Organization/12104")), [("12104", "")]),
        (consent(type="deny", actor=actor("Practitioner/x")), [("Practitioner/x", "")]),
        (consent(type="deny", actor=actor("Patient/x")), []),
        (consent(type="deny", purpose=[r4.Coding(code="HRESCH")]), [("", "HRESCH")]),
        (consent(type="permit", provision=[r4.ConsentProvision(type="deny")]), [("", "")]),
        (consent("inactive", type="deny"), []),
        (consent("draft", type="deny"), []),
        (consent(scope="research", type="deny"), []),
    ],
)
def test_consents_of_others_are_read_alike(given: r4.Consent, expected: list[tuple[str, str]]) -> None:
    record.create(SYSTEM, given)
    assert denials() == [("cast-citizen", *one) for one in expected]
    fill = import_module("tuetinh.commons.access.migrations.0008_post_consents").fill
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM record.denial")
    fill(None, None)
    assert denials() == [("cast-citizen", *one) for one in expected]
    record.delete(SYSTEM, "Consent", "c")
    assert denials() == []


@pytest.mark.parametrize(("narrow", "expected"), [({}, 1), ({"purpose": [r4.Coding(code="TREAT")]}, 0)])
def test_a_consent_allows_a_facility(narrow: dict[str, Any], expected: int) -> None:
    record.create(SYSTEM, consent(type="permit", actor=actor("Organization/12104"), **narrow))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record.relation WHERE kind = 'consent' AND holder = 'Organization/12104'")
        assert cursor.fetchone() == (expected,)


def test_the_page_asks_a_fixed_number_of_queries(
    as_role: Callable[[str], Client], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    browser = as_role("citizen")
    browser.post(PAGE, {"facility": "12104", "purpose": ""})
    browser.get(PAGE)
    with django_assert_max_num_queries(6):
        browser.get(PAGE)
