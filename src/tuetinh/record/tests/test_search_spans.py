"""Periods are found by what overlaps them, however long it is; references by the patient that they name."""

from __future__ import annotations

import pytest

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.search import page as pages
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.search.compile import count_statement
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db
SPANS = {
    "instant": ("2026-03-10T08:00:00Z", "2026-03-10T08:00:00Z"),
    "hours": ("2026-03-09T22:00:00Z", "2026-03-10T09:00:00Z"),
    "day": ("2026-03-09T12:00:00Z", "2026-03-10T11:59:59Z"),
    "weeks": ("2026-02-01T00:00:00Z", "2026-03-20T00:00:00Z"),
    "open": ("2026-01-01T00:00:00Z", None),
    "until": (None, "2026-03-10T08:30:00Z"),
    "before": ("2026-03-01T00:00:00Z", "2026-03-10T07:59:58Z"),
    "after": ("2026-03-10T10:00:00Z", "2026-04-10T00:00:00Z"),
}


def found(type_: str, query: str) -> list[str]:
    return sorted(str(one.id) for one in api.search(SYSTEM, type_, query).resources)


@pytest.fixture
def stays(db: None) -> None:
    api.create(SYSTEM, r4.Patient(id="whose"))
    for id_, (start, end) in SPANS.items():
        stay(id_, start, end)


def stay(id_: str, start: str | None, end: str | None, subject: str = "whose") -> None:
    period, whose = r4.Period(start=start, end=end), r4.Reference(reference=f"Patient/{subject}")
    one = r4.Encounter(id=id_, status="finished", class_=r4.Coding(code="AMB"), period=period, subject=whose)
    api.create(SYSTEM, one)


def in_order(wanted: parse.Search, asker: Asker = SYSTEM) -> str:
    """The ids, page by page."""
    order: list[str] = []
    found = run(asker, searching.search(asker, wanted, secret=b"secret"))
    while True:
        order += [hit.id for hit in found.hits]
        if found.next is None:
            return " ".join(order)
        found = run(asker, searching.search(asker, wanted, secret=b"secret", page=found.next))


@pytest.mark.usefixtures("stays")
@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("date=ge2026-03-10T08:00:00Z&date=lt2026-03-10T10:00:00Z", "day hours instant open until weeks"),
        ("date=gt2026-03-10T08:00:00Z&date=le2026-03-10T09:30:00Z", "day hours open until weeks"),
        ("date=gt2026-03-10T08:45:00Z&date=lt2026-03-10T09:30:00Z", "day hours open weeks"),
        ("date=ge2026-03-15&date=lt2026-03-16", "after open weeks"),
        ("date=ge2026-03-10&date=lt2026-03-11&date=gt2026-03-10T09:30:00Z", "after open weeks"),
        ("date=ge2026-03-10T08:00:00Z,ge2026-05-01&date=lt2026-03-10T08:01:00Z", "day hours instant open until weeks"),
        ("date=ge2026-03-10T08:00:00Z&date=lt2026-01-02,lt2026-03-10T08:01:00Z", "day hours instant open until weeks"),
    ],
)
def test_what_overlaps_a_bounded_period_is_found_however_long(query: str, ids: str) -> None:
    assert " ".join(found("Encounter", query)) == ids
    count = api.search(SYSTEM, "Encounter", f"{query}&_total=accurate").total
    assert count == len(ids.split())


@pytest.mark.usefixtures("stays")
@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("date=ge2026-03-10T08:00:00Z&date=lt2026-03-10T10:00:00Z", "instant hours day weeks open until"),
        ("date=ge2026-03-10T08:00:00Z&status=finished", "after instant hours day weeks open until"),
        ("date=lt2026-03-01", "weeks open until"),
        ("date=eb2026-03-10T07:59:59Z", "before"),
        ("date=ge2026-03-10T08:00:00Z&date=lt2026-03-10T10:00:00Z&_sort=date", "until open weeks day hours instant"),
        ("date=ge2026-03-10T08:00:00Z&_sort=-_id", "weeks until open instant hours day after"),
        ("date=ge2026-03-10T08:00:00Z,ge2026-05-01&date=lt2026-03-10T08:01:00Z", "instant hours day weeks open until"),
        ("date=ge2026-03-10T08:00:00Z,ge2026-05-01", "after until open weeks day hours instant"),  # no bound: by key
    ],
)
def test_what_is_asked_for_by_a_date_comes_the_latest_first(query: str, ids: str) -> None:
    """Those that last long among the others, page by page."""
    assert in_order(parse.parse("Encounter", f"{query}&_count=1")[0]) == ids


@pytest.mark.usefixtures("stays")
def test_what_is_asked_for_by_a_date_in_a_compartment_comes_the_newest_first() -> None:
    """Few are in one: they are read as such, not in the order of the date."""
    wanted, _ = parse.parse("Encounter", "date=ge2026-03-10T08:00:00Z&_count=1")
    ours = parse.in_compartment(wanted, "Patient", "whose")
    assert in_order(ours) == "after until open weeks day hours instant"


@pytest.mark.usefixtures("stays")
def test_who_may_see_one_patient_alone_gets_the_own_in_the_same_order() -> None:
    api.create(SYSTEM, r4.Patient(id="another"))
    stay("theirs", "2026-03-10T08:00:00Z", "2026-03-10T09:00:00Z", subject="another")
    asker = Asker("c", "citizen", scopes=frozenset({"patient/*.rs"}), patient="whose", sight=EVERYTHING)
    wanted, _ = parse.parse("Encounter", "date=ge2026-03-10T08:00:00Z&date=lt2026-03-10T10:00:00Z&_count=1")
    assert in_order(wanted, asker) == "instant hours day weeks open until"
    assert "theirs" in in_order(wanted).split()


@pytest.mark.parametrize(("sort", "ids"), [("", "d c b a"), ("&_sort=date", "a b c d")])
def test_those_that_begin_together_come_by_their_age_long_and_short(db: None, sort: str, ids: str) -> None:
    api.create(SYSTEM, r4.Patient(id="whose"))
    for n, id_ in enumerate("abcd"):
        stay(id_, "2026-03-10T08:00:00Z", ("2026-03-10T09:00:00Z", "2026-04-10T09:00:00Z")[n % 2])
    for count in (1, 3):
        query = f"date=ge2026-03-10&date=lt2026-03-11&_count={count}{sort}"
        assert in_order(parse.parse("Encounter", query)[0]) == ids


def test_what_is_asked_for_by_two_dates_comes_the_newest_first(db: None) -> None:
    """Either may leave few of which the other does not know."""
    api.create(SYSTEM, r4.Patient(id="young", birthDate="2009-01-01", deceasedDateTime="2026-11-20"))
    api.create(SYSTEM, r4.Patient(id="old", birthDate="1940-01-01", deceasedDateTime="2026-11-10"))
    for query, ids in (
        ("birthdate=lt2010-01-01", "young old"),
        ("birthdate=lt2010-01-01&death-date=ge2026-11-01", "old young"),
        ("death-date=ge2026-11-01&birthdate=lt2010-01-01&birthdate=gt1930-01-01", "old young"),
    ):
        assert in_order(parse.parse("Patient", query)[0]) == ids


@pytest.mark.parametrize(("until", "merged"), [("lt2026-03-11", True), ("lt2026-03-11,lt2027-01-01", False)])
def test_what_lasts_long_is_looked_for_apart_where_both_ends_are_bounded(until: str, merged: bool) -> None:
    """Of several values the last may bound nothing."""
    sql, _ = count_statement(SYSTEM, parse.parse("Encounter", f"date=ge2026-03-10&date={until}")[0])
    assert ("i.long" in sql) is merged


@pytest.mark.usefixtures("stays")
def test_a_page_of_another_order_is_refused() -> None:
    """As a server that knew only the order of writing gave it out."""
    query = "date=ge2026-03-10T08:00:00Z&_count=1"
    wanted, _ = parse.parse("Encounter", query)
    before = pages.write(b"secret", SYSTEM, wanted, pages.Position(9, (), "1:1:", "2026-03-10T08:00:00Z"))
    with pytest.raises(pages.PageRefused, match="another order"):
        pages.read(b"secret", SYSTEM, wanted, before)


def test_a_reference_that_is_not_whose_something_is_is_followed_both_ways(db: None) -> None:
    for id_, born in (("treated", "1990-01-01"), ("paid", "1960-01-01")):
        api.create(SYSTEM, r4.Patient(id=id_, birthDate=born))
    claim = r4.Claim(
        id="claim", status="active", use="claim", created="2026-03-01", priority=r4.CodeableConcept(text="normal"),
        type=r4.CodeableConcept(text="x"), patient=r4.Reference(reference="Patient/treated"),
        provider=r4.Reference(display="x"), insurance=[r4.ClaimInsurance(sequence=1, focal=True,
        coverage=r4.Reference(display="x"))], payee=r4.ClaimPayee(type=r4.CodeableConcept(text="x"),
        party=r4.Reference(reference="Patient/paid")),
    )  # fmt: skip
    api.create(SYSTEM, claim)
    assert found("Claim", "payee:Patient.birthdate=1960-01-01") == ["claim"]
    assert found("Claim", "patient:Patient.birthdate=1990-01-01") == ["claim"]
    assert found("Claim", "patient:Patient.birthdate=1960-01-01") == []
    assert found("Patient", "_has:Claim:payee:status=active") == ["paid"]
    assert found("Patient", "_has:Claim:patient:status=active") == ["treated"]
