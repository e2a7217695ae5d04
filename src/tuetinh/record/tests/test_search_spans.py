"""Periods are found by what overlaps them, however long it is; references by the patient that they name."""

from __future__ import annotations

import pytest

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.search import page as pages
from tuetinh.record.search import parse

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
    for id_, (start, end) in SPANS.items():
        period = r4.Period(start=start, end=end)
        api.create(SYSTEM, r4.Encounter(id=id_, status="finished", class_=r4.Coding(code="AMB"), period=period))


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
    ],
)
def test_what_is_asked_for_by_a_date_comes_the_latest_first(query: str, ids: str) -> None:
    """Those that last long among the others, page by page."""
    order, page = [], None
    while True:
        answer = api.search(SYSTEM, "Encounter", f"{query}&_count=1", page=page)
        order += [str(one.id) for one in answer.resources]
        if (page := answer.next) is None:
            break
    assert " ".join(order) == ids


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
