"""What is left of a resource: only what the table names, with shifted dates, pseudonyms and no words."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuetinh.commons.identity.api import PersonDraft, patient
from tuetinh.governance.privacy.deidentify import elements, groups, tables
from tuetinh.governance.privacy.deidentify.elements import Quasi, Secret, deidentified
from tuetinh.record import r4
from tuetinh.record.r4 import RESOURCES

SECRET = Secret(b"k" * 32, 182)
ICD = "http://hl7.org/fhir/sid/icd-10"


def moved(day: date, who: str = "p1") -> str:
    return (day + SECRET.shift(who)).isoformat()


def person() -> dict[str, Any]:
    draft = PersonDraft(
        "Lò Thị Pâng", "1972-03-12", "female", cccd="012172000001", phone="0912345678",
        address="Bản Mường, xã Than Uyên, tỉnh Lai Châu", commune="03595", province="12", mother="Lò Thị Mẹ",
    )  # fmt: skip
    made = patient(draft, facility="12104", mrn="BN26")
    made.id = "p1"
    found: dict[str, Any] = json.loads(r4.encode(made))
    return found | {"text": {"status": "generated", "div": "<div>Lò Thị Pâng</div>"}, "photo": [{"data": "AAAA"}]}


def test_of_a_person_sex_year_and_place_are_left() -> None:
    made = deidentified(person(), SECRET)
    year = (date(1972, 3, 12) + SECRET.shift("p1")).year
    assert made == {
        "resourceType": "Patient",
        "id": SECRET.pseudonym("Patient/p1"),
        "gender": "female",
        "birthDate": str(year),
        "address": [{"city": "03595", "state": "12"}],
    }
    assert len(made["id"]) == 32


def test_of_a_result_no_words_are_left() -> None:
    made = deidentified(
        {
            "resourceType": "Observation", "id": "o1", "status": "final",
            "meta": {"versionId": "1"}, "identifier": [{"value": "26-001"}],
            "code": {"text": "Đường huyết của bà Pâng", "coding": [
                {"system": "http://loinc.org", "code": "2339-0", "display": "của bà Pâng"},
                {"code": "no system"}, {"system": "urn:x", "code": "two words"}]},
            "subject": {"reference": "Patient/p1", "display": "Lò Thị Pâng"},
            "encounter": {"reference": "Encounter/e1"}, "performer": [{"reference": "Practitioner/d1"}],
            "effectiveDateTime": "2026-03-01T08:30:00+07:00", "issued": "2026-03-02",
            "valueQuantity": {"value": Decimal("7.80"), "unit": "mmol/L của bà", "comparator": "<",
                              "system": "http://unitsofmeasure.org", "code": "mmol"},
            "note": [{"text": "gọi cho con gái"}], "valueString": "tự do",
            "component": [{"code": {"coding": [{"system": "http://loinc.org", "code": "1"}]}, "valueString": "tự do"}],
            "extension": [{"url": "x", "valueString": "Pâng"}],
        },
        SECRET,
    )  # fmt: skip
    assert made == {
        "resourceType": "Observation",
        "id": SECRET.pseudonym("Observation/o1"),
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0"}]},
        "subject": {"reference": f"Patient/{SECRET.pseudonym('Patient/p1')}"},
        "encounter": {"reference": f"Encounter/{SECRET.pseudonym('Encounter/e1')}"},
        "effectiveDateTime": moved(date(2026, 3, 1)) + "T08:30:00+07:00",
        "issued": moved(date(2026, 3, 2)),
        "valueQuantity": {
            "value": Decimal("7.80"), "comparator": "<", "system": "http://unitsofmeasure.org", "code": "mmol",
        },
        "component": [{"code": {"coding": [{"system": "http://loinc.org", "code": "1"}]}}],
    }  # fmt: skip


def test_a_type_that_is_not_named_is_refused() -> None:
    with pytest.raises(KeyError):
        deidentified({"resourceType": "DocumentReference", "id": "x"}, SECRET)


def test_the_table_names_elements_that_there_are() -> None:
    free = {"note", "text", "comment", "contact", "telecom", "name", "identifier", "photo", "extension", "contained"}
    for type_, rules in elements.table().elements.items():
        fields = {field.rstrip("_") for field in RESOURCES[type_].__struct_fields__}
        assert set(rules) <= fields, type_
        assert not set(rules) & free, type_


@given(st.text(min_size=1, max_size=64), st.binary(min_size=32, max_size=32))
def test_everybody_is_shifted_by_up_to_half_a_year_and_never_by_none(who: str, key: bytes) -> None:
    shift = Secret(key, 182).shift(who)
    assert timedelta(days=1) <= abs(shift) <= timedelta(days=182)
    assert shift == Secret(key, 182).shift(who)


def test_intervals_of_one_person_stay_and_pseudonyms_differ_by_export() -> None:
    row = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/p1"}, "status": "finished"}
    made = deidentified(row | {"period": {"start": "2026-02-27", "end": "2026-03-02"}}, SECRET)
    days = [date.fromisoformat(made["period"][name]) for name in ("start", "end")]
    assert days[1] - days[0] == timedelta(days=3)
    assert deidentified(row, Secret(b"x" * 32, 182))["id"] != made["id"]


@pytest.mark.parametrize(("text", "left"), [("1936", 4), ("1936-05", 4), ("1936-05-01", 10), ("hôm qua", 0), (7, 0)])
def test_less_is_told_of_what_is_less_known(text: object, left: int) -> None:
    made = deidentified({"resourceType": "Condition", "id": "c", "recordedDate": text}, SECRET)
    assert len(made.get("recordedDate", "")) == left


def test_the_oldest_are_of_one_age() -> None:
    today = date(2026, 11, 28)
    old = {"resourceType": "Patient", "id": "old", "birthDate": "1921-01-01"}
    older = old | {"birthDate": "1912-01-01"}
    assert elements.quasi(old, SECRET, today).year == elements.quasi(older, SECRET, today).year == 1936


def test_groups_are_made_large_enough() -> None:
    people = [Quasi("female", 1970, "1", "12")] * 5 + [Quasi("female", 1970, "2", "12")] * 4
    people += (
        [Quasi("female", 1970, "3", "12")] + [Quasi("male", 1951, "1", "12")] * 3 + [Quasi("male", 1958, "1", "12")] * 2
    )
    people += [Quasi("male", 1999, "1", "79")] * 2
    plan = groups.plan(people, 5)
    assert (plan.before, plan.after, plan.counts, plan.left_out) == (1, 5, (5, 5, 5, 0, 0), 2)
    assert plan.told(Quasi("female", 1970, "1", "12")) == Quasi("female", 1970, "1", "12")
    assert plan.told(Quasi("female", 1970, "3", "12")) == Quasi("female", 1970, "", "12")
    assert plan.told(Quasi("male", 1958, "1", "12")) == Quasi("male", 1950, "", "12")
    assert plan.told(Quasi("male", 1999, "1", "79")) is None


@given(
    st.lists(
        st.builds(
            Quasi, st.sampled_from(["male", "female"]), st.integers(1930, 1960), st.sampled_from("123"), st.just("1")
        ),
        max_size=60,
    ),
    st.integers(1, 8),
)
def test_nobody_stands_out(people: list[Quasi], k: int) -> None:
    plan = groups.plan(people, k)
    told = [plan.told(one) for one in people]
    groups_ = {one: told.count(one) for one in told if one is not None}
    assert all(size >= k for size in groups_.values())
    assert told.count(None) == plan.left_out < k
    assert sum(plan.counts) + plan.left_out == len(people)


def test_small_cells_are_hidden_and_cannot_be_worked_out() -> None:
    assert tables.suppressed([[20, 3], [30, 40]], 5) == [[None, None, 23], [None, None, 70], [50, 43, 93]]
    assert tables.suppressed([[20, 30], [30, 40]], 5) == [[20, 30, 50], [30, 40, 70], [50, 70, 120]]
    assert tables.suppressed([[0, 20], [30, 40]], 5) == [[0, 20, 20], [30, 40, 70], [30, 60, 90]]
    assert tables.suppressed([], 5) == []


@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=2, max_size=6), st.integers(2, 8))
def test_no_line_gives_a_hidden_cell_away(counts: list[list[int]], k: int) -> None:
    whole, shown = tables.with_sums(counts), tables.suppressed(counts, k)
    for line, told in [
        *zip(whole, shown, strict=True),
        *zip(zip(*whole, strict=True), zip(*shown, strict=True), strict=True),
    ]:
        assert all(n is None for n, cell in zip(told, line, strict=True) if 0 < cell < k)
        assert sum(n is None for n in told) != 1
        assert all(n is None or n == cell for n, cell in zip(told, line, strict=True))


@pytest.mark.parametrize(
    "number",
    ["012172000001", "012 172 000 001", "045123456", "0912345678", "0912.345.678", "84912345678", "GD4120000000017"],
)
def test_a_number_of_somebody_is_no_code(number: str) -> None:
    for system in ("urn:x", "http://snomed.info/sct"):
        code = {"coding": [{"system": system, "code": number}, {"system": ICD, "code": "E11.9"}]}
        made = deidentified(
            {"resourceType": "Condition", "id": "c", "code": code, "subject": {"reference": "Patient/p1"}}, SECRET
        )
        kept = [one["code"] for one in made["code"]["coding"]]
        assert kept == (
            ["84912345678", "E11.9"] if (system, number[:2]) == ("http://snomed.info/sct", "84") else ["E11.9"]
        )


def test_codes_of_terminologies_are_left() -> None:
    codes = [("http://snomed.info/sct", "195967001"), ("http://loinc.org", "100157-7"), (ICD, "E11.9")]
    code = {"coding": [{"system": system, "code": code} for system, code in codes]}
    made = deidentified({"resourceType": "Condition", "id": "c", "code": code}, SECRET)
    assert made["code"] == code
