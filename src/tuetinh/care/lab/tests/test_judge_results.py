"""What the rules say of results: limits by person and method, jumps, what is calculated, what is held."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import pytest

from tuetinh.care.lab import actions, api, facts
from tuetinh.care.lab.catalogue import Bounds, Range, analytes
from tuetinh.care.lab.errors import BadRule, NeedsReason, NotAllowed
from tuetinh.care.lab.machines import inbox
from tuetinh.care.lab.machines.wire_mllp import Frame
from tuetinh.care.lab.models import RuleChange, Tube
from tuetinh.care.lab.results import changes, entry, validation
from tuetinh.care.lab.results.book import Book, delivered, in_force
from tuetinh.care.lab.results.judge import Judge, Person
from tuetinh.care.lab.results.previous import pregnant
from tuetinh.care.lab.results.rules import Critical, Delta, Formula, Hold, Normal
from tuetinh.care.lab.results.work import work_on
from tuetinh.commons.access import api as access
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

CREA, CHOL, HDL, TRIG = "23.0051.1494", "23.0041.1506", "23.0084.1506", "23.0158.1506"
GLU, CBC = "23.0075.1494", "22.0120.1370"
DAY = "2026-11-29"


def judge(*rules, sex="female", years=40.0, pregnant=False) -> Judge:
    book = Book({r.code: r for r in (*delivered(), *rules)}.values())
    return Judge(book, Person(sex, int(years * 365.25), pregnant=pregnant), DAY)


def order(world, *codes: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, codes)
    return Tube.objects.latest("id")


def results(tube: Tube) -> dict[str, r4.Observation]:
    return {facts.key_of(r): r for r in work_on(SYSTEM, tube).results.values()}


def test_every_delivered_rule_can_be_kept(db) -> None:
    codes = [rule.code for rule in delivered()]
    assert len(codes) == len(set(codes)) == 353
    for rule in delivered():
        rule.check()


@pytest.mark.parametrize(
    ("who", "low", "high"),
    [
        ({"sex": "male"}, "130", "170"),
        ({"sex": "female"}, "120", "155"),
        ({"sex": "female", "pregnant": True}, "110", "150"),
        ({"sex": "male", "years": 5}, "110", "145"),
        ({"sex": "male", "years": 0.05}, "135", "195"),
        ({"sex": ""}, "120", "170"),
    ],
)
def test_limits_are_the_persons(who: dict, low: str, high: str) -> None:
    assert judge(**who).bounds(analytes()["HGB"]).normal == Range(Decimal(low), Decimal(high))


def test_limits_of_a_method_and_of_a_time_come_before_others() -> None:
    k = analytes()["K"]
    own = Normal(code="K-ISE", analyte="K", method="ISE-1", low=Decimal("3.6"), high=Decimal("5.1"))
    past = Normal(code="K-ISE-OLD", analyte="K", method="ISE-1", age_from="15a", low=Decimal(1), to="2025-12-31")
    rules = judge(own, past)
    assert rules.bounds(k, "ise-1").normal == Range(Decimal("3.6"), Decimal("5.1"))
    assert rules.bounds(k, "AU480").normal == Range(Decimal("3.5"), Decimal("5"))
    assert rules.bounds(k).critical == Range(Decimal("2.8"), Decimal("6.2"))


@pytest.mark.parametrize(
    ("rule", "new", "old", "said"),
    [
        (Delta(code="D", percent=Decimal(50)), "9.0", "5.0", "U"),
        (Delta(code="D", percent=Decimal(50)), "7.5", "5.0", ""),
        (Delta(code="D", absolute=Decimal(10)), "124", "135", "D"),
        (Delta(code="D", absolute=Decimal(10)), "125", "135", ""),
        (Delta(code="D", percent=Decimal(50)), "9.0", "0", ""),
    ],
)
def test_a_jump_is_a_percent_or_an_amount(rule: Delta, new: str, old: str, said: str) -> None:
    assert rule.moved(Decimal(new), Decimal(old)) == said


@pytest.mark.parametrize(
    ("comparator", "value", "said"),
    [
        ("<", "7", ""),
        (">", "7", "HH"),
        ("<", "2", "LL"),
        (">", "2", ""),
        ("<", "5.5", ""),
        (">=", "5.5", "H"),
        ("<=", "4", "N"),
    ],
)
def test_what_is_past_a_limit_is_flagged_where_that_is_certain(comparator: str, value: str, said: str) -> None:
    bounds = Bounds(Range(Decimal("3.5"), Decimal(5)), Range(Decimal("2.5"), Decimal("6.5")))
    reading = facts.Reading(number=Decimal(value), comparator=comparator)
    assert facts.flag(analytes()["K"], reading, bounds) == said


@pytest.mark.parametrize(
    ("sex", "years", "creatinine", "expected"),
    [("female", 40, "70", "97"), ("male", 60, "100", "74"), ("female", 75, "150", "31"), ("male", 30, "60", "128")],
)
def test_egfr_is_the_one_of_2021(sex: str, years: int, creatinine: str, expected: str) -> None:
    rules = judge(sex=sex, years=years)
    [rule] = [r for r in rules.formulas([analytes()["CREA"]]) if r.code == "EGFR"]
    made = facts.Reading(number=Decimal(creatinine))
    result = facts.observation(r4.ServiceRequest(id="o"), analytes()["CREA"], made, specimen="s",
                               bounds=rules.bounds(analytes()["CREA"]), status="final")  # fmt: skip
    reading = rules.calculate(rule, [result])
    assert reading is not None and str(reading.number) == expected


@pytest.mark.django_db
def test_what_is_calculated_follows_what_was_measured(world) -> None:
    tube = order(world, CREA, CHOL, HDL, TRIG)
    by_key = {a.key: facts.observation_id(o.id, a.key) for o, a in work_on(SYSTEM, tube).slots()}
    typed = {by_key["CREA"]: "70", by_key["CHOL"]: "5,0", by_key["HDL"]: "1,2", by_key["TRIG"]: "1,1"}
    entry.enter_results(world.lab, tube.number, typed)
    found = results(tube)
    assert set(found) == {"CREA", "CHOL", "HDL", "TRIG", "EGFR", "NONHDL", "LDLC"}
    assert [facts.value_of(found[key]) for key in ("NONHDL", "LDLC")] == ["3.80", "3.30"]
    used = [facts.id_of(r) for r in found["LDLC"].derivedFrom]
    assert sorted(used) == sorted(by_key[key] for key in ("CHOL", "HDL", "TRIG"))
    entry.enter_results(world.lab, tube.number, {by_key["TRIG"]: "6,0"})
    again = results(Tube.objects.get(pk=tube.pk))
    assert (again["LDLC"].dataAbsentReason is not None, facts.value_of(again["NONHDL"])) == (True, "3.80")
    assert validation.release(world.lab, tube.number).stage == "released"
    told = {r.loinc: r.test for r in api.visit_results(world.doctor, world.encounter.id)}
    assert len(told) == 7 and told["39469-2"] == told["14647-2"] == "Định lượng Cholesterol toàn phần"


@pytest.mark.django_db
def test_a_jump_stands_with_the_result_and_holds_it(world, oru) -> None:
    for control, value in (("1", "5.0"), ("2", "8.0")):
        tube = order(world, GLU)
        inbox.take(Frame(oru(tube.number, {"GLU": value}, control=control, unit="mmol/L")), "")
        if control == "1":
            assert Tube.objects.get(pk=tube.pk).holds == [["HOLD-TYPED", "GLU"]]  # of a machine without a name
            validation.release(world.lab, tube.number)
    result = results(tube)["GLU"]
    assert (facts.flag_of(result), facts.delta_of(result)) == ("H", "U")
    assert Tube.objects.get(pk=tube.pk).holds == [["HOLD-DELTA", "GLU"], ["HOLD-TYPED", "GLU"]]


def test_what_is_held_is_said_by_rules() -> None:
    only = Hold(code="HOLD-HIGH-K", analytes=("K",), condition="value > 5 && urgent", vi="Kali cao")
    rules = judge(only)
    k = analytes()["K"]
    result = facts.observation(r4.ServiceRequest(id="o"), k, facts.Reading(number=Decimal("5.2"), device="AU480"),
                               specimen="s", bounds=rules.bounds(k), status="preliminary")  # fmt: skip
    assert [rule.code for rule in rules.held(result)] == []
    assert [rule.code for rule in rules.held(result, urgent=True)] == ["HOLD-HIGH-K"]
    assert [rule.code for rule in rules.held(result, qc="blocked")] == ["HOLD-QC"]


@pytest.mark.django_db
def test_a_rule_changes_for_a_facility_with_a_reason_and_its_history(world, cast) -> None:
    admin = access.asker_of(cast["admin"])
    tight = Critical(code="K-CRITICAL", analyte="K", low=Decimal("3.0"), high=Decimal("6.0"))
    with pytest.raises(NotAllowed):
        changes.change(world.lab, tight, "thử")
    with pytest.raises(NeedsReason):
        changes.change(admin, tight, " ")
    assert RuleChange.objects.count() == 0
    changes.change(admin, tight, "hội đồng quyết định")
    here, elsewhere = in_force("12104"), in_force("12001")
    assert [r.high for r in (here.rules["K-CRITICAL"], elsewhere.rules["K-CRITICAL"])] == [
        Decimal("6.0"),
        Decimal("6.2"),
    ]
    assert [(one.why, changes.read(one)) for one in changes.history(admin, "K-CRITICAL")] == [
        ("hội đồng quyết định", tight)
    ]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (Normal(code="k", analyte="K", low=Decimal(1)), "code"),
        (Normal(code="K-X", analyte="KALI", low=Decimal(1)), "analyte"),
        (Normal(code="K-X", analyte="K"), "low"),
        (Normal(code="K-X", analyte="K", low=Decimal(5), high=Decimal(5)), "high"),
        (Normal(code="K-X", analyte="K", low=Decimal(5), age_from="15"), "age_from"),
        (Normal(code="K-X", analyte="K", low=Decimal(5), from_="2026-02-01", to="2026-01-01"), "to"),
        (Delta(code="D-X"), "percent"),
        (Formula(code="F-X", analyte="GLOB", host="TP", expression="TP - NOTHING"), "expression"),
        (Formula(code="F-X", analyte="GLOB", host="TP", expression="TP", condition="TP"), "condition"),
        (Hold(code="H-X", condition="value >", vi="x"), "condition"),
    ],
)
def test_a_rule_that_cannot_be_names_its_field(rule, field: str) -> None:
    with pytest.raises(BadRule) as refused:
        rule.check()
    assert refused.value.field == field


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "expected"), [("Z34.9", True), ("O24.4", True), ("O03.9", False), ("O80", False), ("J06.9", False)]
)
def test_a_diagnosis_tells_of_pregnancy(world, code: str, expected: bool) -> None:
    patient = facts.id_of(world.encounter.subject)
    assert pregnant(SYSTEM, {patient}) == set()
    concept = r4.CodeableConcept(coding=[r4.Coding(system="http://hl7.org/fhir/sid/icd-10", code=code)])
    record.create(SYSTEM, r4.Condition(subject=world.encounter.subject, code=concept, recordedDate=facts.now()))
    assert pregnant(SYSTEM, {patient}) == ({patient} if expected else set())


@pytest.mark.django_db
def test_limits_of_pregnancy_judge_the_blood_of_a_pregnant_woman(world, oru) -> None:
    concept = r4.CodeableConcept(coding=[r4.Coding(system="http://hl7.org/fhir/sid/icd-10", code="Z34.9")])
    record.create(SYSTEM, r4.Condition(subject=world.encounter.subject, code=concept, recordedDate=facts.now()))
    tube = order(world, CBC)
    inbox.take(Frame(oru(tube.number, {"HGB": "114"}, unit="g/L")), "")
    result = cast(r4.Observation, results(tube)["HGB"])
    assert (facts.flag_of(result), facts.range_of(result)) == ("N", "110 – 150")


@pytest.mark.django_db
def test_the_pages_of_rules_list_show_and_change(as_role) -> None:
    admin, lab = as_role("admin"), as_role("lab")
    assert "HGB-PREGNANT" in admin.get("/lab/rules?q=hgb").content.decode()
    assert lab.get("/lab/rules?kind=formula").status_code == 200
    assert lab.get("/lab/rules/HGB-MALE").status_code == 403
    told = {
        "on": "on",
        "analyte": "HGB",
        "sex": "male",
        "age_from": "15a",
        "low": "135",
        "high": "175",
        "why": "máy mới",
    }
    assert admin.post("/lab/rules/HGB-MALE", told | {"high": "100"}).status_code == 422
    assert RuleChange.objects.count() == 0
    assert admin.post("/lab/rules/HGB-MALE", told).status_code == 302
    kept = RuleChange.objects.get()
    assert (kept.kind, kept.code, kept.why, kept.content["low"]) == ("normal", "HGB-MALE", "máy mới", "135")
    assert "máy mới" in admin.get("/lab/rules/HGB-MALE").content.decode()
    new = {
        "code": "HOLD-NA",
        "on": "on",
        "analytes": "NA",
        "condition": "value < 130",
        "vi": "Natri thấp",
        "why": "thử",
    }
    assert admin.post("/lab/rules/new?kind=hold", new).status_code == 302
    assert in_force("12104").rules["HOLD-NA"].analytes == ("NA",)
