"""Pages while others write, and tokens in other hands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.search import parse
from tuetinh.record.search import run as searching
from tuetinh.record.search.conditions import Follows, Linked
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import run

SECRET = b"secret of the test"
N = 23


@pytest.fixture
def basics(transactional_db: None) -> Iterator[list[str]]:
    """Resources that were there throughout, written in committed transactions."""
    ids = [f"page-{n:02}" for n in range(N)]
    for n, id_ in enumerate(ids):
        with transaction.atomic():
            api.create(SYSTEM, basic(id_, f"2024-01-{n % 7 + 1:02}" if n % 4 else None))
    yield ids
    with transaction.atomic(), connection.cursor() as cursor:
        for part in ("", "_date", "_number", "_string", "_history"):
            cursor.execute(f'DELETE FROM record."Basic{part}"')


def basic(id_: str, created: str | None) -> r4.Basic:
    concept = (
        r4.CodeableConcept(coding=[r4.Coding(code=f"c{created[-1]}")]) if created else r4.CodeableConcept(text="x")
    )
    return r4.Basic(id=id_, code=concept, created=created)


def write_meanwhile(turn: int, ids: list[str]) -> None:
    """Insert one, update one in the middle and the ends, delete an own one."""
    with transaction.atomic():
        api.create(SYSTEM, basic(f"new-{turn}", f"2024-01-0{turn % 7 + 1}"))
        for id_ in (ids[turn % N], ids[(turn * 11 + 5) % N], ids[-1 - turn % N]):
            current: Any = api.read(SYSTEM, "Basic", id_)
            current.author = r4.Reference(display=f"turn {turn}")
            current.created = (None, "2023-05-01", "2024-01-04", "2025-01-01")[(turn + int(id_[-2:])) % 4]
            current.code = r4.CodeableConcept(coding=[r4.Coding(code=f"turned-{turn % 3}")])
            api.update(SYSTEM, current)
        if turn:
            api.delete(SYSTEM, "Basic", f"new-{turn - 1}")


@pytest.mark.parametrize(
    "sort",
    [
        "",
        "_id",
        "-_id",
        "_lastUpdated",
        "-_lastUpdated",
        "created",
        "-created",
        "created,-_id",
        "-_lastUpdated,_id",
        "code",
        "-code,created",
    ],
)
def test_pages_neither_skip_nor_repeat(basics: list[str], sort: str) -> None:
    query = "_count=4" + (f"&_sort={sort}" if sort else "")
    search, problems = parse.parse("Basic", query)
    assert problems == []
    seen: list[str] = []
    token, turn = None, 0
    while True:
        found = run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET, page=token))
        assert len(found.hits) <= 4
        seen += [hit.id for hit in found.hits]
        token = found.next
        if token is None:
            break
        write_meanwhile(turn, basics)
        turn += 1
    ours = [id_ for id_ in seen if id_.startswith("page-")]
    assert len(ours) == len(set(ours))
    assert set(ours) == set(basics)
    if sort.lstrip("-") == "_id":
        assert ours == sorted(basics, reverse=sort.startswith("-"))
    if sort in ("", "-_lastUpdated"):
        assert ours == basics[::-1]
    if sort == "_lastUpdated":
        assert ours == basics
    if sort == "code":
        first = [int(i[-2:]) % 7 if int(i[-2:]) % 4 else 9 for i in ours]
        assert first == sorted(first)
    if sort == "created":
        assert [int(i[-2:]) % 4 > 0 for i in ours] == sorted((int(i[-2:]) % 4 > 0 for i in ours), reverse=True)


def test_page_tokens_fit_one_search_and_one_asker(basics: list[str]) -> None:
    search, _ = parse.parse("Basic", "_count=4")
    token = run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET)).next
    assert token
    assert len(run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET, page=token)).hits) == 4
    other, _ = parse.parse("Basic", "_count=5")
    doctor = Asker("d", "doctor", "h", "TREAT", frozenset({"user/*.rs"}), sight=EVERYTHING)
    same = dataclasses.replace(SYSTEM, purpose="TREAT")
    assert len(run(same, searching.search(same, search, secret=SECRET, page=token)).hits) == 4
    attempts: list[tuple[Asker, parse.Search, bytes, str]] = [
        (doctor, search, SECRET, token),
        (dataclasses.replace(SYSTEM, patient="p"), search, SECRET, token),
        (SYSTEM, other, SECRET, token),
        (SYSTEM, search, b"another secret", token),
        (SYSTEM, search, SECRET, token[:-2] + "AA"),
        (SYSTEM, search, SECRET, "x"),
        (SYSTEM, search, SECRET, "ưới"),
    ]
    for asker, wanted, secret, page in attempts:
        with pytest.raises(searching.PageRefused):
            run(asker, searching.search(asker, wanted, secret=secret, page=page))


@pytest.mark.parametrize("sort", ["", "_id", "created", "-created", "-_lastUpdated", "_lastUpdated,created"])
def test_later_pages_are_of_what_matched_at_first(basics: list[str], sort: str) -> None:
    inside, outside = basics[1:12], basics[12:]
    for id_ in inside:
        tag(id_, "wanted")
    tag(outside[0], "other")
    query = "_tag=wanted&created=gt2020&_count=3&_total=accurate" + (f"&_sort={sort}" if sort else "")
    search, problems = parse.parse("Basic", query)
    assert problems == []
    first = run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET))
    expected = len([id_ for id_ in inside if int(id_[-2:]) % 4])
    assert first.total == expected
    seen = [hit.id for hit in first.hits]
    left = [id_ for id_ in inside if id_ not in seen and int(id_[-2:]) % 4]
    tag(left[0], "other")
    tag(left[1], "wanted", created=None)
    tag(left[-1], "other", created="2019-01-01")
    tag(outside[0], "wanted")
    tag(outside[1], "wanted")
    with transaction.atomic():
        api.create(SYSTEM, tagged("aaa-new", "wanted", "2024-01-01"))
        api.create(SYSTEM, tagged("zzz-new", "wanted", "2024-01-01"))
    found = first
    while found.next:
        found = run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET, page=found.next))
        assert found.total == expected
        seen += [hit.id for hit in found.hits]
    assert sorted(seen) == [id_ for id_ in inside if int(id_[-2:]) % 4]


def test_later_pages_of_a_chain_are_of_what_matched_at_first(basics: list[str]) -> None:
    with transaction.atomic():
        api.create(SYSTEM, r4.Patient(id="page-a", gender="male"))
        api.create(SYSTEM, r4.Patient(id="page-b", gender="female"))
    for id_ in basics[:6]:
        tag(id_, "wanted", subject="page-a")
    condition = parse.parse("Basic", "subject:Patient.gender=male&_count=2")[0]
    (linked,) = condition.conditions
    assert isinstance(linked, Linked)
    search = dataclasses.replace(condition, conditions=(Follows(linked.param, *linked.targets[0]),))
    first = run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET))
    tag(basics[1], "wanted", subject="page-b")
    tag(basics[10], "wanted", subject="page-a")
    seen, found = [hit.id for hit in first.hits], first
    while found.next:
        found = run(SYSTEM, searching.search(SYSTEM, search, secret=SECRET, page=found.next))
        seen += [hit.id for hit in found.hits]
    assert seen == basics[:6][::-1]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM record.\"Patient\" WHERE id LIKE 'page-%'")


def tagged(id_: str, code: str, created: str | None, subject: str | None = None) -> r4.Basic:
    made = basic(id_, created)
    made.meta = r4.Meta(tag=[r4.Coding(code=code)])
    made.subject = r4.Reference(reference=f"Patient/{subject}") if subject else None
    return made


def tag(id_: str, code: str, created: str | None = "", subject: str | None = None) -> None:
    with transaction.atomic():
        current: Any = api.read(SYSTEM, "Basic", id_)
        api.update(SYSTEM, tagged(id_, code, current.created if created == "" else created, subject))
