"""The compiled SQL finds what a naive reading of the same index entries in Python finds, whatever is asked."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.search.conditions import Condition, Dates, Numbers, Present, Strings, Tokens
from tuetinh.record.search.entries import Index
from tuetinh.record.search.index import extract
from tuetinh.record.search.params import params
from tuetinh.record.search.values import date_range, instant, number_range
from tuetinh.record.steps import run

SECRET = b"secret of the test"
SYSTEMS = (None, "urn:a", "urn:b")
CODES = ("x", "y", "x|y", "Đường, huyết")
DAYS = ("2023", "2024-02", "2024-02-29", "2024-02-29T08:00:00+07:00", "2024-02-29T01:00:00.5Z", "2024-03-01")
NUMBERS = ("5", "5.0", "5.4", "-3", "1e2", "100", "0")
PEOPLE = ("Patient/a", "Patient/b", "Group/a", "http://else.example/Patient/a")


def concept(n: int) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=SYSTEMS[n % 3], code=CODES[n % 4])], text=CODES[(n + 1) % 4])


def observation(n: int) -> r4.Observation:
    """A resource whose parts come and go with its number."""
    quantity = r4.Quantity(
        value=Decimal(NUMBERS[n % 7]),
        code=("g", "mg", None)[n % 3],
        unit=("g", "milligram")[n % 2],
        system=SYSTEMS[n % 2],
        comparator=(None, None, "<", ">=")[n % 4],
    )
    period = r4.Period(start=DAYS[n % 6] if n % 4 else None, end=DAYS[5] if n % 3 else None)
    return r4.Observation(
        id=f"agree-{n}",
        status=("final", "amended")[n % 2],
        code=concept(n),
        category=[concept(n + 1), concept(n + 2)] if n % 3 else None,
        subject=r4.Reference(reference=PEOPLE[n % 4]) if n % 5 else None,
        effectiveDateTime=DAYS[n % 6] if n % 3 == 0 else None,
        effectivePeriod=period if n % 3 == 1 else None,
        valueQuantity=quantity if n % 2 else None,
        valueString=CODES[n % 4] if n % 4 == 2 else None,
        component=[r4.ObservationComponent(code=concept(n + 3), valueQuantity=quantity)] if n % 4 == 3 else None,
    )


RESOURCES = {f"agree-{n}": observation(n) for n in range(30)}
INDEXES = {id_: extract(resource) for id_, resource in RESOURCES.items()}


@pytest.fixture(scope="module", autouse=True)
def rows(django_db_setup: None, django_db_blocker: Any) -> Any:
    with django_db_blocker.unblock():
        with transaction.atomic():
            api.create_many(SYSTEM, list(RESOURCES.values()))
        yield
        with transaction.atomic():
            for id_ in RESOURCES:
                api.delete(SYSTEM, "Observation", id_)


def holds(condition: Condition, index: Index) -> bool:
    """Evaluate a condition on index entries, by the words of the specification."""
    match condition:
        case Tokens(hashes, negate):
            return bool(set(hashes) & set(index.tokens)) != negate
        case Present(table, names, present):
            entries: list[Any] = {"date": index.dates, "number": index.numbers, "string": index.strings}[table]
            return any(row[0] in names for row in entries) == present
        case Dates(names, values):
            spans = [(instant(a), instant(b)) for name, a, b in index.dates if name in names]
            return any(compare(v.prefix, instant(v.low), instant(v.high), *span) for v in values for span in spans)
        case Numbers(names, wanted):
            found = [row for row in index.numbers if row[0] in names]
            return any(number(v, row) for v in wanted for row in found)
        case Strings(names, mode, texts):
            test = {
                "starts": lambda norm, exact, text: norm.startswith(text),
                "contains": lambda norm, exact, text: text in norm,
                "exact": lambda norm, exact, text: exact == text,
            }[mode]
            return any(test(n, e, text) for name, n, e in index.strings if name in names for text in texts)
    raise AssertionError(condition)


def compare(prefix: str, low: Any, high: Any, first: Any, last: Any) -> bool:
    inside = low <= first and last <= high
    return {
        "eq": inside,
        "ne": not inside,
        "gt": last > high,
        "lt": first < low,
        "ge": last > high or inside,
        "le": first < low or inside,
        "sa": first >= high,
        "eb": last <= low,
        "ap": first < high and last > low,
    }[prefix]


def number(v: Any, row: tuple[str, str, str, Decimal, Decimal]) -> bool:
    system, code, unit, low, high = row[1:6]
    if (v.system is not None and v.system != system) or (v.code is not None and v.code != code):
        return v.system is None and v.code == unit and number(dataclasses.replace(v, code=None), row)
    first, last = number_range(v.value)
    return {
        "eq": first <= low and high < last,
        "ne": not (first <= low and high < last),
        "gt": high > v.value,
        "lt": low < v.value,
        "ge": high >= v.value,
        "le": low <= v.value,
        "sa": low > v.value,
        "eb": high < v.value,
        "ap": low <= v.high and high >= v.low,
    }[v.prefix]


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace(",", "\\,")


PREFIX = st.sampled_from(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"])
CODE = st.sampled_from([*map(escaped, CODES), "final", "none"])
TOKEN = st.one_of(CODE, st.builds("{}|{}".format, st.sampled_from(["", "urn:a", "urn:b"]), CODE), st.just("urn:a|"))
DATE = st.builds(
    "{}{}".format, PREFIX, st.sampled_from([*DAYS, "2024", "2024-02-29T08:00+07:00", "2022-05", "9999-12-31"])
)
NUMBER = st.builds("{}{}".format, PREFIX | st.just("ap"), st.sampled_from([*NUMBERS, "5.40", "99.6", "4"]))
UNIT = st.sampled_from(["", "|urn:a|g", "||mg", "||milligram", "|urn:a|", "||"])
LINK = st.sampled_from([*PEOPLE, "a", "b", "Patient/a/_history/1"])
TEXT = st.sampled_from(["x", "y", "đường\\, huyết", "DUONG", "huyet", "%", "_"])


def values(one: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(one, min_size=1, max_size=3).map(",".join)


PAIR = st.one_of(
    st.tuples(st.sampled_from(["code", "combo-code", "category", "code:not", "status", "status:not"]), values(TOKEN)),
    st.tuples(st.sampled_from(["code:text", "category:text"]), values(TEXT)),
    st.tuples(st.just("date"), values(DATE)),
    st.tuples(
        st.sampled_from(["value-quantity", "combo-value-quantity", "component-value-quantity"]),
        values(st.builds("{}{}".format, NUMBER, UNIT)),
    ),
    st.tuples(st.sampled_from(["subject", "patient", "subject:Patient", "subject:Group"]), values(LINK)),
    st.tuples(st.sampled_from(["value-string", "value-string:contains", "value-string:exact"]), values(TEXT)),
    st.tuples(
        st.sampled_from(["date", "subject", "patient", "category", "combo-code", "value-quantity", "value-string"]).map(
            "{}:missing".format
        ),
        st.sampled_from(["true", "false"]),
    ),
)
SORT = st.sampled_from(["", "date", "-date", "value-quantity", "-value-string,date", "_id", "-_id,date"])


@pytest.mark.django_db
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(PAIR, max_size=4), sort=SORT, count=st.integers(3, 40))
def test_sql_agrees_with_python(pairs: list[tuple[str, str]], sort: str, count: int) -> None:
    asked = [*pairs, ("_count", str(count)), *([("_sort", sort)] if sort else [])]
    search, problems = parse.parse("Observation", asked)
    assert problems == []
    expected = {id_ for id_, index in INDEXES.items() if all(holds(c, index) for c in search.conditions)}
    seen: list[str] = []
    token = None
    while True:
        found = run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET, page=token))
        seen += [hit.id for hit in found.hits]
        token = found.next
        if token is None:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == expected
    assert run(SYSTEM, searching.total(SYSTEM, search)) == len(expected)
    if sort in ("_id", "-_id,date"):
        assert seen == sorted(seen, reverse=sort.startswith("-"))


PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
SINGLE = [
    *(
        ("date", f"{prefix}{day}")
        for prefix in PREFIXES
        for day in (*DAYS, "2024", "2022-05", "2024-02-29T08:00+07:00")
    ),
    *(("combo-value-quantity", f"{prefix}{n}") for prefix in PREFIXES for n in (*NUMBERS, "5.40", "99.6")),
    *(("value-quantity", f"5.4{unit}") for unit in ("", "|urn:a|g", "||mg", "||milligram", "|urn:a|", "||")),
]


@pytest.mark.django_db
def test_each_prefix_agrees_with_python() -> None:
    for pair in SINGLE:
        search, problems = parse.parse("Observation", [pair, ("_count", "1000")])
        assert problems == []
        expected = {id_ for id_, index in INDEXES.items() if all(holds(c, index) for c in search.conditions)}
        assert {hit.id for hit in run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET)).hits} == expected, pair


NAMES = st.sampled_from(
    [*params("Observation"), "_sort", "_include", "_revinclude", "_count", "_type", "_id", "_lastUpdated"]
)
MODIFIERS = st.sampled_from(
    ["", ":missing", ":not", ":exact", ":of-type", ":identifier", ":Patient", ":above", ":", ".x", ":x"]
)


@pytest.mark.django_db
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(
        st.tuples(st.builds("{}{}".format, NAMES, MODIFIERS) | st.text(), st.text() | DATE | TOKEN | NUMBER), max_size=3
    ),
    lenient=st.booleans(),
)
@example(pairs=[("subject:above", ":")], lenient=False)
def test_any_query_is_answered_or_refused(pairs: list[tuple[str, str]], *, lenient: bool) -> None:
    search, problems = parse.parse("Observation", pairs, lenient=lenient)
    assert all(problem.severity == ("warning" if lenient else "error") for problem in problems)
    run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET))


@given(st.text())
def test_any_query_string_is_read(text: str) -> None:
    search, problems = parse.parse("Patient", text)
    assert len(problems) <= 1 or all(problem.message for problem in problems)
    assert parse.parse("Patient", search.query())[0].conditions == search.conditions


@given(st.sampled_from(DAYS) | st.text(alphabet="0123456789-:.+TZ ", max_size=30))
def test_date_ranges_are_ranges(text: str) -> None:
    span = date_range(text)
    assert span is None or instant(span[0]) < instant(span[1])
