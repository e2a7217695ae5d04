"""Other systems send their own AuditEvents: kept in the log, told with who sent them, and taken for nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tuetinh.record import audit
from tuetinh.record.asker import Asker
from tuetinh.record.audit import exposure
from tuetinh.record.audit.accesses import accesses
from tuetinh.record.sight import Sight
from tuetinh.record.tests.bulk_world import aside, export

pytestmark = pytest.mark.django_db

RIS = Asker(
    "client:ris", "system", "h1", "HOPERAT", frozenset({"system/AuditEvent.c"}), client="ris", sight=Sight("Patient")
)
WORLD = {
    "ris": RIS,
    "pacs": replace(RIS, account="client:pacs", client="pacs", facility="h2"),
    "silent": replace(RIS, account="client:silent", client="silent", scopes=frozenset({"system/Patient.cruds"})),
    "doctor-of-h1": Asker("41", "doctor", "h1", "TREAT", frozenset({"user/*.cruds"}), sight=Sight("*")),
    "app": Asker("41", "doctor", "h1", "TREAT", frozenset({"user/*.cruds"}), client="ris", sight=Sight("*")),
    "keeper": Asker("50", "admin", "h1", "HOPERAT", frozenset({"user/AuditEvent.rs"}), sight=Sight("AuditEvent")),
    "pang": Asker("60", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), "pang", sight=Sight("*", labels=-1)),
    "tam": Asker("61", "citizen", "", "PATRQT", frozenset({"patient/*.rs"}), "tam", sight=Sight("*", labels=-1)),
}
DCM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT: dict[str, Any] = {
    "resourceType": "AuditEvent",
    "id": "mine",
    "meta": {"source": "https://tuetinh.vn/fhir/sid/client/somebody-else"},
    "type": {"system": DCM, "code": "110103", "display": "DICOM Instances Accessed"},
    "subtype": [{"system": "urn:ihe:event-type-code", "code": "ITI-43"}],
    "action": "R",
    "recorded": "2026-03-01T08:00:00+07:00",
    "outcome": "0",
    "agent": [
        {
            "who": {"reference": "Practitioner/radiologist", "identifier": {"system": "urn:ris", "value": "dr7"}},
            "altId": "dr7",
            "name": "BS. Hoàng",
            "requestor": True,
            "role": [{"coding": [{"system": "urn:roles", "code": "reader"}]}],
            "network": {"address": "10.1.2.3", "type": "2"},
        },
        {"who": {"reference": "Organization/h1"}, "requestor": False},
    ],
    "source": {"site": "ct-1", "observer": {"display": "RIS"}},
    "entity": [
        {"what": {"reference": "Patient/pang"}},
        {"what": {"reference": "http://record.test/fhir/ImagingStudy/s.1"}},
    ],
}


@pytest.fixture(scope="module")
def world(fhir: Any, askers: dict[str, Asker]) -> Any:
    """Two people, and systems of two facilities."""
    askers.update(WORLD)
    for id_ in ("pang", "tam"):
        fhir.put(f"/Patient/{id_}", {"resourceType": "Patient", "id": id_})
    return fhir


@pytest.fixture
def sent(world: Any) -> str:
    """The id of an event that was sent."""
    answer = world.post("/AuditEvent", EVENT, "ris")
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].rpartition("/")[2]


def found(fhir: Any, query: str, who: str = "system") -> list[str]:
    """The ids of what a search finds of events that were sent."""
    audit.writer.close()
    answer = fhir.get(f"/AuditEvent?_count=200&{query}", who)
    assert answer.status_code == 200, answer.text
    resources = [entry["resource"] for entry in answer.json().get("entry", [])]
    return [one["id"] for one in resources if one["meta"].get("source")]


def test_what_was_sent_is_told_with_who_sent_it(world: Any, sent: str) -> None:
    told = world.get(f"/AuditEvent/{sent}").json()
    assert told["id"] == sent
    assert told["meta"]["source"] == "https://tuetinh.vn/fhir/sid/client/ris"
    age = datetime.now(UTC) - datetime.fromisoformat(told["meta"]["lastUpdated"])
    assert timedelta() <= age < timedelta(minutes=5)
    *claimed, sender = told["agent"]
    assert claimed == EVENT["agent"]
    assert sender == {
        "type": {"coding": [{"system": DCM, "code": "110153", "display": "Source Role ID"}]},
        "who": {
            "type": "Device",
            "identifier": {"system": "https://tuetinh.vn/fhir/sid/client", "value": "ris"},
        },
        "requestor": False,
        "network": {"address": "127.0.0.1", "type": "2"},
    }
    same = ("type", "subtype", "action", "recorded", "outcome", "source", "entity")
    assert {name: told[name] for name in same} == {name: EVENT[name] for name in same}


def test_who_sees_it(world: Any, sent: str) -> None:
    for who, sees in (("keeper", True), ("pang", True), ("tam", False), ("ris", False), ("doctor-of-h1", False)):
        status = world.get(f"/AuditEvent/{sent}", who).status_code
        assert (status == 200) is sees, who
    other = world.post("/AuditEvent", EVENT | {"entity": EVENT["entity"][1:]}, "pacs").headers["location"]
    assert world.get(f"/AuditEvent/{other.rpartition('/')[2]}", "keeper").status_code == 404


def test_the_person_is_told_roles_and_facilities_alone(world: Any, sent: str) -> None:
    answer = world.get(f"/AuditEvent/{sent}", "pang")
    for hidden in ("radiologist", "dr7", "Hoàng", "10.1.2.3", "127.0.0.1"):
        assert hidden not in answer.text
    first, second, sender = answer.json()["agent"]
    assert first == {"requestor": True, "role": EVENT["agent"][0]["role"]}
    assert second == EVENT["agent"][1]
    assert sender["who"]["identifier"]["value"] == "ris"
    assert found(world, "agent=Organization/h1", "pang")[0] == sent
    assert sent not in found(world, "agent=Practitioner/radiologist", "pang")


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("patient=pang", True),
        ("patient=tam", False),
        ("agent=Practitioner/radiologist", True),
        ("agent=radiologist", True),
        ("agent=Practitioner/radiolog", False),
        ("agent:identifier=urn:ris|dr7", True),
        ("agent:identifier=https://tuetinh.vn/fhir/sid/client|ris", True),
        ("agent:identifier=https://tuetinh.vn/fhir/sid/client|pacs", False),
        ("agent-role=urn:roles|reader", True),
        ("agent-role=urn:others|reader", False),
        ("altid=dr7", True),
        ("altid=client:ris", False),
        ("action=R", True),
        ("action=C,U", False),
        ("action:not=R", False),
        ("outcome=0", True),
        ("outcome=4", False),
        (f"type={DCM}|110103", True),
        ("type=rest", False),
        ("subtype=ITI-43", True),
        ("subtype=|ITI-43", False),
        ("subtype=sent", False),
        ("entity=ImagingStudy/s.1", True),
        ("entity=ImagingStudy/sx1", False),
        ("address=10.1", True),
        ("address:exact=10.1", False),
        ("address:missing=false", True),
        ("site=ct-1", True),
        ("site=h1", False),
        ("site:missing=false&entity:missing=false", True),
        ("date=2026-03-01", True),
        ("date=ge2026-03-02", False),
        ("_lastUpdated=lt2020-01-01", False),
    ],
)
def test_it_is_searched_by_what_it_tells(world: Any, sent: str, query: str, finds: bool) -> None:
    assert (sent in found(world, f"_id={sent}&{query}")) is finds


def test_it_counts_for_nothing_that_was_done_here(world: Any, sent: str) -> None:
    del sent
    since, until = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    keeper = replace(WORLD["keeper"], facility="")
    seen = aside(lambda: list(exposure.exposed(keeper, since, until, client="ris")))
    assert seen == []
    told = aside(lambda: accesses(WORLD["pang"], "pang"))
    assert [one for one in told if (one.role, one.facility) == ("system", "h1")] == []


@pytest.mark.parametrize("who", ["silent", "doctor-of-h1", "app", "keeper", "pang"])
def test_only_systems_with_the_scope_send(world: Any, ask: Any, who: str) -> None:
    before = ask("SELECT count(*) FROM record.audit WHERE event IS NOT NULL")
    assert world.post("/AuditEvent", EVENT, who).status_code == 403
    batch = {"resourceType": "Bundle", "type": "batch"}
    entry = {"request": {"method": "POST", "url": "AuditEvent"}, "resource": EVENT}
    assert world.post("", batch | {"entry": [entry]}, who).json()["entry"][0]["response"]["status"][:3] == "403"
    assert ask("SELECT count(*) FROM record.audit WHERE event IS NOT NULL") == before


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"agent": []}, 400, "AuditEvent.agent"),
        ({"action": "X"}, 422, "AuditEvent.action"),
        ({"entity": [{"what": {"reference": f"Patient/{id_}"}} for id_ in ("pang", "tam")]}, 400, "one patient"),
        ({"outcomeDesc": "x" * 70_000}, 413, "65536"),
    ],
)
def test_what_is_not_kept(world: Any, ask: Any, change: dict[str, Any], status: int, told: str) -> None:
    before = ask("SELECT count(*) FROM record.audit WHERE event IS NOT NULL")
    answer = world.post("/AuditEvent", EVENT | change, "ris")
    assert (answer.status_code, told in answer.text) == (status, True), answer.text
    assert ask("SELECT count(*) FROM record.audit WHERE event IS NOT NULL") == before


def test_a_batch_is_taken_event_by_event(world: Any) -> None:
    """As IHE's RESTful ATNA sends them (ITI-20, "Send Audit Bundle")."""
    entry = {"request": {"method": "POST", "url": "AuditEvent"}, "resource": EVENT}
    answer = world.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry, entry]}, "ris").json()
    ids = [one["response"]["location"].rpartition("/")[2] for one in answer["entry"]]
    assert len(set(ids)) == 2
    assert set(ids) <= set(found(world, "patient=pang"))


def test_it_is_neither_changed_nor_deleted(world: Any, sent: str) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        assert world.send(method, f"/AuditEvent/{sent}", "ris", json=EVENT).status_code == 405


def test_it_is_exported_with_the_others(world: Any, sent: str) -> None:
    lines = {line["id"]: line for line in export(world, "/$export?_type=AuditEvent", "keeper").lines()}
    assert lines[sent]["meta"]["source"] == "https://tuetinh.vn/fhir/sid/client/ris"
