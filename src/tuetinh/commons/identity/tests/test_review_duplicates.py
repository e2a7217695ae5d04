"""The records office: the queue fills itself, two records are compared and merged, and a merge is undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tuetinh.commons.identity import jobs, matching, merging, review
from tuetinh.commons.identity.api import PersonDraft, likely_duplicates, register
from tuetinh.record import api as record
from tuetinh.record import imports, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.errors import Forbidden
from tuetinh.record.sight import EVERYTHING

pytestmark = pytest.mark.django_db
DESK = Asker("desk", "reception", "12104", "TREAT", frozenset({"user/Patient.crus"}), sight=EVERYTHING)
As = Callable[[str], Client]


@pytest.fixture
def pair() -> review.Pair:
    """Two records of one person, in the queue; the second has an observation."""
    register(DESK, PersonDraft("Lò Thị Pâng", "1985-03-12", "female", cccd="012185900001", phone="0399000001"))
    second = register(DESK, PersonDraft("LO THI PANG", "1985-03-12", "female"))
    record.create(SYSTEM, r4.Observation(status="final", code=r4.CodeableConcept(text="x"), subject=record.ref(second)))
    while review.compare_due():
        pass
    [found] = review.queue("open", limit=10)
    return found


def test_people_wait_for_the_end_of_a_long_import() -> None:
    register(DESK, PersonDraft("Lò Thị Pâng", "1985-03-12", "female"))
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock_shared(hashtext('record import'))")
        jobs.compare()
        assert review.waiting() == 1
        other.execute("SELECT pg_advisory_unlock_shared(hashtext('record import'))")
    jobs.compare()
    assert review.waiting() == 0


def test_an_import_tells_that_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"resourceType": "Patient"}')
    told: list[bool] = []

    def ask() -> bool:
        with psycopg.connect(**connection.get_connection_params()) as other:
            return not other.execute("SELECT pg_try_advisory_xact_lock(hashtext('record import'))").fetchone()[0]

    class Listener:
        def advanced(self, *_: object) -> None:
            told.append(ask())

        def refused(self, *_: object) -> None:
            raise AssertionError

    imports.import_paths([str(tmp_path / "one.json")], SYSTEM, Listener())
    assert (told, ask()) == ([True], False)


def subjects() -> set[str]:
    found = record.search(SYSTEM, "Observation", "code:text=x").resources
    return {str(one.subject.reference) for one in found if isinstance(one, r4.Observation) and one.subject}


def keeper(pair: review.Pair) -> tuple[str, str]:
    """Who has the number, and who has not."""
    people = record.read_many(SYSTEM, "Patient", [pair.one, pair.other])
    rich = next(id_ for id_, p in people.items() if isinstance(p, r4.Patient) and len(p.identifier or []) == 2)
    return rich, pair.other if rich == pair.one else pair.one


def test_the_queue_fills_itself(pair: review.Pair, as_role: As) -> None:
    assert (pair.grade, pair.state) == ("probable", "open")
    page = as_role("archivist").get("/people/review").content.decode()
    assert "Lò Thị Pâng" in page
    assert "Họ tên chỉ khác dấu · Cùng ngày sinh · Cùng giới tính" in page


def test_two_records_side_by_side_become_one_and_two_again(pair: review.Pair, as_role: As) -> None:
    office, (rich, poor) = as_role("archivist"), keeper(pair)
    page = office.get(f"/people/review/{pair.id}").content.decode()
    assert "Khi gộp sẽ chuyển sang hồ sơ được giữ: kết quả, sinh hiệu: 1" in " ".join(page.split())
    assert f'name="keep" value="{rich}"' in page
    assert subjects() == {f"Patient/{poor}"}
    assert office.post(f"/people/review/{pair.id}", {"said": "same", "keep": rich}).status_code == 302
    assert subjects() == {f"Patient/{rich}"}
    assert review.counts() == {"same": 1}
    listed = office.get("/people/merges").content.decode()
    assert f"/people/{poor}/unmerge" in listed
    assert office.post(f"/people/{poor}/unmerge", {"reason": " "}).status_code == 422
    assert subjects() == {f"Patient/{rich}"}
    assert office.post(f"/people/{poor}/unmerge", {"reason": "hai chị em"}).status_code == 302
    assert subjects() == {f"Patient/{poor}"}
    assert review.counts() == {"different": 1}
    assert "hai chị em" in office.get("/people/merges").content.decode()


@pytest.mark.parametrize(("said", "state"), [("different", "different"), ("later", "later")])
def test_two_people_stay_two(pair: review.Pair, as_role: As, said: str, state: str) -> None:
    office = as_role("archivist")
    assert office.post(f"/people/review/{pair.id}", {"said": said}).status_code == 302
    assert review.counts() == {state: 1}
    assert merging.history(SYSTEM) == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE identity_person SET due = true")
    while review.compare_due():
        pass
    assert review.counts() == {state: 1}


def test_a_desk_tells_the_office(as_role: As) -> None:
    one = register(DESK, PersonDraft("Lò Thị Pâng", "1985-03-12", "female"))
    other = register(DESK, PersonDraft("Vàng A Của", "1950", "male"))
    told = as_role("reception").post(f"/people/{one.id}/report", {"other": other.id})
    assert told.status_code == 302
    [found] = review.queue("open", limit=5)
    assert ({found.one, found.other}, found.grade) == ({one.id, other.id}, "told")


@pytest.mark.parametrize("role", ["reception", "station", "nurse", "doctor"])
def test_desks_find_where_to_tell(pair: review.Pair, as_role: As, role: str) -> None:
    rich, poor = keeper(pair)
    desk = as_role(role)
    assert f'href="/people/{rich}/report"' in desk.get(f"/people/{rich}").content.decode()
    page = desk.get(f"/people/{rich}/report").content.decode()
    assert f'name="other" value="{poor}"' in page
    assert f'value="{rich}"' not in page
    found = desk.post(f"/people/{rich}/report", {"q": "pang 1985"}).content.decode()
    assert found.count(f'name="other" value="{poor}"') == 2
    assert desk.post(f"/people/{rich}/report", {"other": rich}).status_code == 404
    assert desk.post(f"/people/{rich}/report", {"other": "nobody"}).status_code == 404
    assert desk.get("/people/nobody/report").status_code == 404
    assert review.counts() == {"open": 1}


def test_a_desk_tells_of_a_wrong_merge(pair: review.Pair, as_role: As) -> None:
    rich, poor = keeper(pair)
    office, desk, told = as_role("archivist"), as_role("nurse"), "Quầy báo gộp nhầm"
    office.post(f"/people/review/{pair.id}", {"said": "same", "keep": rich})
    [merge] = merging.parts(rich)
    assert f'value="{merge.id}"' in desk.get(f"/people/{rich}/report").content.decode()
    assert desk.post(f"/people/{rich}/report", {"merge": merge.id, "reason": " "}).status_code == 422
    assert desk.post(f"/people/{rich}/report", {"merge": "x", "reason": "x"}).status_code == 404
    assert told not in office.get("/people/merges").content.decode()
    assert desk.post(f"/people/{rich}/report", {"merge": merge.id, "reason": "Hai chị em"}).status_code == 302
    page = office.get("/people/merges").content.decode()
    assert (page.count(told), page.count("Hai chị em")) == (1, 1)
    assert desk.post("/people/merges", {"right": merge.id}).status_code == 403
    assert told in office.get("/people/merges").content.decode()
    assert office.post("/people/merges", {"right": merge.id}).status_code == 302
    assert told not in office.get("/people/merges").content.decode()
    desk.post(f"/people/{rich}/report", {"merge": merge.id, "reason": "Hai chị em"})
    office.post(f"/people/{poor}/unmerge", {"reason": "hai chị em"})
    assert told not in office.get("/people/merges").content.decode()
    assert merging.parts(rich) == []


@pytest.mark.parametrize("role", ["lab", "archivist", "admin", "outsider", "citizen", "official"])
def test_who_does_not_tell(pair: review.Pair, as_role: As, role: str) -> None:
    rich, poor = keeper(pair)
    assert as_role(role).post(f"/people/{rich}/report", {"other": poor}).status_code == 403
    assert review.pair(pair.id) == pair


@pytest.mark.parametrize("role", ["reception", "doctor", "admin", "outsider", "citizen", "official"])
def test_who_may_not(pair: review.Pair, as_role: As, role: str) -> None:
    rich, poor = keeper(pair)
    stranger = as_role(role)
    assert stranger.post(f"/people/review/{pair.id}", {"said": "same", "keep": rich}).status_code == 403
    assert stranger.get("/people/merges").status_code == 403
    assert stranger.post(f"/people/{poor}/unmerge", {"reason": "x"}).status_code == 403
    with pytest.raises(Forbidden):
        merging.merge(DESK, poor, rich)
    assert subjects() == {f"Patient/{poor}"}
    assert review.counts() == {"open": 1}


def test_an_administrator_changes_the_model(as_role: As) -> None:
    admin = as_role("province")
    body = msgspec.json.decode(admin.get("/people/model?file").content)
    body["thresholds"] = {"same": 50.0, "review": 40.0}
    sent = SimpleUploadedFile("linkage.json", msgspec.json.encode(body))
    assert admin.post("/people/model", {"model": sent}).status_code == 302
    register(DESK, PersonDraft("Lò Thị Pâng", "1985-03-12", "female"))
    assert likely_duplicates(DESK, PersonDraft("LO THI PANG", "1985-03-12", "female")) == []
    wrong = SimpleUploadedFile("linkage.json", b"{}")
    assert admin.post("/people/model", {"model": wrong}).status_code == 422
    for role in ("archivist", "reception", "outsider"):
        assert as_role(role).get("/people/model").status_code == 403
    matching.forget_model()


def asked(queries: CaptureQueriesContext) -> int:
    """How many queries a page made; the access log has an entry for each person seen."""
    return sum("record.audit" not in query["sql"] for query in queries)


def test_the_queue_takes_few_queries(pair: review.Pair, as_role: As) -> None:
    office = as_role("archivist")
    office.get("/people/review")
    with CaptureQueriesContext(connection) as queries:
        office.get("/people/review")
    few = asked(queries)
    for number in range(5):
        register(DESK, PersonDraft("LO THI PANG", "1985-03-12", "female", phone=f"039900010{number}"))
    while review.compare_due():
        pass
    with CaptureQueriesContext(connection) as queries:
        assert office.get("/people/review").status_code == 200
    assert asked(queries) == few


def test_accounts_and_queues_follow(cast: Any, as_role: As) -> None:
    person = record.create(SYSTEM, r4.Patient(name=[r4.HumanName(text="Lò Thị Pâng")]))
    outcome = merging.merge(SYSTEM, "cast-citizen", str(person.id))
    cast["citizen"].refresh_from_db()
    assert (outcome.rows, cast["citizen"].patient) == (1, person.id)
    merging.unmerge(SYSTEM, "cast-citizen", reason="nhầm")
    cast["citizen"].refresh_from_db()
    assert cast["citizen"].patient == "cast-citizen"


def test_everyone_at_once_finds_the_same(pair: review.Pair) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM identity_pair; UPDATE identity_person SET due = true")
    assert review.compare_all() == 1
    [found] = review.queue("open", limit=5)
    assert (found.one, found.other, found.grade, found.levels) == (pair.one, pair.other, pair.grade, pair.levels)
    assert review.compare_due() == 0
