"""What is destroyed is gone in every version, index and file; what is left proves it, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from django.db import connection

from tuetinh.record import api, projections, r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.audit import chain
from tuetinh.record.errors import BadRequest, Forbidden, Gone, NotFound
from tuetinh.record.reads import read_version
from tuetinh.record.sight import EVERYTHING, Sight
from tuetinh.record.steps import enter, run

pytestmark = pytest.mark.django_db
WHY = "12/BB-HĐHH"
SECRET = "tiểu đường từ năm 2009"


@pytest.fixture
def condition() -> bytes:
    """A diagnosis in two versions, the first of which says something; returns how that one was stored."""
    subject = r4.Reference(reference="Patient/p")
    api.create(SYSTEM, r4.Patient(id="p"))
    code = r4.CodeableConcept(text=SECRET, coding=[r4.Coding(system="urn:x", code="E11")])
    one = api.create(SYSTEM, r4.Condition(id="c", subject=subject, code=code, recordedDate="2009-01-01"))
    first = r4.encode(one)
    api.update(SYSTEM, one)
    api.create(SYSTEM, r4.Condition(id="other", subject=subject, code=code))
    return first


def rows(sql: str) -> list[tuple[object, ...]]:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_nothing_of_it_is_left_but_the_proof(condition: bytes) -> None:
    assert api.destroy(SYSTEM, "Condition", "c", WHY) == 2
    with pytest.raises(Gone):
        api.read(SYSTEM, "Condition", "c")
    assert api.history(SYSTEM, "Condition", "c") == []
    for version in (1, 2, 3):
        with pytest.raises(Gone):
            run(SYSTEM, read_version(SYSTEM, "Condition", "c", version))
    for query in ("code=E11", "recorded-date=2009-01-01", "subject=Patient/p", "_id=c"):
        assert [one.id for one in api.search(SYSTEM, "Condition", query).resources if one.id == "c"] == []
    bodies = 'SELECT body FROM record."Condition" UNION ALL SELECT body FROM record."Condition_history"'
    assert [len(bytes(body)) > 0 for (body,) in rows(bodies) if body is not None] == [True]  # the other one
    assert rows("SELECT version, body FROM record.\"Condition_history\" WHERE id = 'c' ORDER BY version") == [
        (1, None), (2, None),
    ]  # fmt: skip
    for table in ("date", "string", "number"):
        assert (
            rows(f"""SELECT 1 FROM record."Condition_{table}" i JOIN record."Condition" r USING (key)
        WHERE r.id = 'c'""")
            == []
        )
    proof = list(api.proof(SYSTEM, WHY))
    assert [(one.type, one.id, one.version) for one in proof] == [("Condition", "c", 1), ("Condition", "c", 2)]
    assert proof[0].sha256 == sha256(condition).hexdigest()
    assert [one.id for one in api.search(SYSTEM, "Condition", "code=E11").resources] == ["other"]


def test_a_second_time_destroys_nothing_and_a_deleted_one_can_be_destroyed(condition: bytes) -> None:
    api.delete(SYSTEM, "Condition", "c")
    assert api.destroy(SYSTEM, "Condition", "c", WHY) == 2
    assert api.destroy(SYSTEM, "Condition", "c", "again") == 0
    assert (len(list(api.proof(SYSTEM, WHY))), list(api.proof(SYSTEM, "again"))) == (2, [])


def test_the_access_log_holds_and_tells_of_it(condition: bytes) -> None:
    api.destroy(SYSTEM, "Condition", "c", WHY)
    told = rows(
        "SELECT action, patient FROM record.audit WHERE 'Condition/c' = ANY (coalesce(what, ARRAY[type || '/' || id]))"
        " ORDER BY position"
    )
    assert told == [("create", "p"), ("update", "p"), ("delete", "p"), ("destroy", "p")]
    chain.Sealer().seal()
    assert list(chain.verify([], chain.Verdict(), [])) == []
    changes = rows("SELECT version, change FROM record.feed WHERE id = 'c' ORDER BY position")
    assert changes == [(1, "create"), (2, "update"), (3, "delete")]


def test_large_contents_are_given_free(condition: bytes) -> None:
    picture = r4.Binary(id="b", contentType="image/png", securityContext=r4.Reference(reference="Patient/p"), data="")
    api.create_binary(SYSTEM, picture, [b"x" * 100_000])
    used = "SELECT count(*) FROM record.content WHERE type = 'Binary' AND id = 'b'"
    assert rows(used) == [(1,)]
    api.destroy(SYSTEM, "Binary", "b", WHY)
    assert rows(used) == [(0,)]  # a file that nothing uses is swept away


def test_who_may_not_delete_or_see_it_destroys_nothing(condition: bytes) -> None:
    reader = Asker("a", "nurse", "12104", scopes=frozenset({"user/*.rs"}), sight=EVERYTHING)
    elsewhere = Asker("b", "doctor", "12001", scopes=frozenset({"user/*.cruds"}), sight=Sight(related="*"))
    other = replace(elsewhere, patient="q", sight=EVERYTHING)
    for asker, error in ((reader, Forbidden), (elsewhere, NotFound), (other, NotFound)):
        with pytest.raises(error):
            api.destroy(asker, "Condition", "c", WHY)
    with pytest.raises(BadRequest):
        api.destroy(SYSTEM, "Condition", "c", " ")
    assert len(api.history(SYSTEM, "Condition", "c")) == 2
    assert list(api.proof(SYSTEM, WHY)) == []


def test_the_proof_is_for_whom_the_resource_was(condition: bytes) -> None:
    api.destroy(SYSTEM, "Condition", "c", WHY)
    elsewhere = Asker("b", "doctor", "12001", scopes=frozenset({"user/*.cruds"}), sight=Sight(related="*"))
    assert list(api.proof(elsewhere, WHY)) == []
    with connection.cursor() as cursor:
        enter(elsewhere)
        cursor.execute("UPDATE record.destroyed SET sha256 = ''")
        assert cursor.rowcount == 0


def test_searches_of_modules_forget_it_too(condition: bytes) -> None:
    assert projections.exists("Patient")
    api.create(SYSTEM, r4.Patient(id="x", name=[r4.HumanName(text="Vàng A Pháo")]))
    api.destroy(SYSTEM, "Patient", "x", WHY)
    assert rows("SELECT count(*) FROM identity_person WHERE patient = 'x'") == [(0,)]
