"""The rules of the insurance at the doctor's desk: what is stopped, who goes on, what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tuetinh.care.clinic import actions, queries
from tuetinh.care.clinic.actions import Line, Pictures
from tuetinh.care.insurance.api import Stopped, findings
from tuetinh.care.insurance.errors import MayNotOverride
from tuetinh.care.insurance.facts import coverage
from tuetinh.care.insurance.gateway import Answer
from tuetinh.care.insurance.models import RuleOverride
from tuetinh.care.lab.api import tests as known_tests
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.commons.catalogues.api import load_price_list, starter_prices
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.text import concept_text

pytestmark = pytest.mark.django_db
GLUCOSE = "23.0075.1494"
METFORMIN = "metformin-hydroclorid-500-mg-vien-nen-bao-phim"


@pytest.fixture
def visit(cast: dict[str, Account], doctor: Asker) -> str:
    """The citizen of the cast, insured, being seen."""
    load_price_list("", starter_prices(), date(2024, 1, 1))
    card = Answer("000", ma_the="GD4121234567890", gt_the_tu="01/01/2020", gt_the_den="31/12/2099", ma_dkbd="12104")
    record.create(SYSTEM, coverage(card, "cast-citizen"))
    return opened(cast, doctor)


def opened(cast: dict[str, Account], doctor: Asker) -> str:
    found = reception.open_visit(asker_of(cast["reception"]), "cast-citizen", "12104", "12104-noi2", "Chóng mặt")
    reception.start(doctor, found.encounter)
    return found.encounter


def codes(asker: Asker, visit: str, *moments: str) -> list[tuple[str, str]]:
    return [(problem.code, problem.severity) for problem in findings(asker, visit, *moments)]


def test_a_wrong_principal_diagnosis_is_stopped_and_nothing_is_kept(
    as_role: Callable[[str], Client], doctor: Asker, visit: str
) -> None:
    posted = {"reason": "Sốt", "history": "ba ngày", "principal": "B95.0", "seen": ""}
    answer = as_role("doctor").post(f"/clinic/visits/{visit}/examination", posted)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert 'data-rule="ICD-PRINCIPAL"' in page
    assert 'name="principal" value="B95.0"' in page  # what was typed is still there to be put right
    assert "ba ngày" in page
    assert queries.conditions(doctor, visit) == []
    assert queries.examination(SYSTEM, visit).history == ""
    right = posted | {"principal": "A97.1"}
    assert as_role("doctor").post(f"/clinic/visits/{visit}/examination", right).status_code == 302
    assert [concept_text(c.code) for c in queries.conditions(doctor, visit)] != []


def test_who_may_goes_on_with_a_reason_which_is_kept_for_this_value_alone(
    as_role: Callable[[str], Client], doctor: Asker, visit: str
) -> None:
    desk = as_role("doctor")
    posted = {"reason": "Sốt", "principal": "A01", "seen": ""}
    page = desk.post(f"/clinic/visits/{visit}/examination", posted).content.decode()
    name = "reason-for:ICD-DIGITS:MA_BENH_CHINH:A01"
    assert f'name="{name}"' in page
    assert RuleOverride.objects.count() == 0
    assert desk.post(f"/clinic/visits/{visit}/examination", posted | {name: "  "}).status_code == 409
    assert desk.post(f"/clinic/visits/{visit}/examination", posted | {name: "Chờ cấy máu"}).status_code == 302
    kept = RuleOverride.objects.get()
    assert (kept.encounter, kept.rule, kept.value, kept.reason, kept.role, kept.facility) == (
        visit, "ICD-DIGITS", "A01", "Chờ cấy máu", "doctor", "12104",
    )  # fmt: skip
    (told,) = findings(doctor, visit, "diagnose")
    assert (told.code, told.severity) == ("ICD-DIGITS", "warn")
    assert told.reason.endswith("Đã cho qua: Chờ cấy máu")
    with pytest.raises(Stopped):
        actions.diagnose(doctor, visit, "A02")


def test_who_may_not_cannot_go_on_by_writing_a_reason(doctor: Asker, visit: str) -> None:
    with pytest.raises(MayNotOverride):
        actions.diagnose(doctor, visit, "B95.0", reasons={"ICD-PRINCIPAL:MA_BENH_CHINH:B95.0": "tôi muốn thế"})
    assert RuleOverride.objects.count() == 0
    assert queries.conditions(doctor, visit) == []


def test_a_medicine_without_its_diagnosis_is_remarked_beside_the_prescription(
    as_role: Callable[[str], Client], doctor: Asker, visit: str
) -> None:
    actions.diagnose(doctor, visit, "I10")
    actions.prescribe(doctor, visit, [Line(METFORMIN, Decimal(2), Decimal(1), Decimal(10))])
    assert codes(doctor, visit, "prescribe") == [("DRUG-METFORMIN", "warn")]
    part = as_role("doctor").get(f"/insurance/remarks/{visit}/prescribe", headers={"HX-Request": "true"})
    assert 'data-rule="DRUG-METFORMIN" data-severity="warn"' in part.content.decode()
    assert "<html" not in part.content.decode()
    whole = as_role("doctor").get(f"/insurance/remarks/{visit}/prescribe").content.decode()
    assert "<html" in whole
    actions.diagnose(doctor, visit, "E11.9", ["I10"])
    assert codes(doctor, visit, "prescribe") == []


def test_remarks_are_for_the_facility_of_the_visit(as_role: Callable[[str], Client], visit: str) -> None:
    assert as_role("outsider").get(f"/insurance/remarks/{visit}/order").status_code in (403, 404)
    assert as_role("reception").get(f"/insurance/remarks/{visit}/order").status_code == 403
    assert as_role("doctor").get(f"/insurance/remarks/{visit}/nonsense").status_code == 404
    assert as_role("doctor").get("/insurance/remarks/no-such-visit/order").status_code == 404


def test_a_visit_without_a_card_is_asked_for_its_diagnosis_alone(doctor: Asker, visit: str) -> None:
    for card in record.search(SYSTEM, "Coverage", "_count=50").resources:
        record.delete(SYSTEM, "Coverage", str(card.id))
    actions.diagnose(doctor, visit, "I10")
    actions.prescribe(doctor, visit, [Line(METFORMIN, Decimal(2), Decimal(1), Decimal(10))])
    assert codes(doctor, visit, "prescribe", "order", "pay") == []
    with pytest.raises(Stopped):
        actions.diagnose(doctor, visit, "B95.0")


def test_the_facts_of_a_visit_take_the_same_number_of_statements_whatever_its_length(doctor: Asker, visit: str) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            findings(doctor, visit, "order")
        return sum(not query["sql"].startswith("INSERT INTO record.audit") for query in asked)

    actions.diagnose(doctor, visit, "I10")
    actions.order(doctor, visit, [GLUCOSE], Pictures())
    findings(doctor, visit, "order")
    few = statements()
    actions.order(doctor, visit, [one.code for one in known_tests() if one.code != GLUCOSE][:5], Pictures())
    assert statements() == few
