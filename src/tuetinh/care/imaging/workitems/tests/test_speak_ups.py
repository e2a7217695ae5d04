"""Workitems as UPS-RS has them (PS3.18, 11): made, taken, ended, searched, and told of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydicom.uid import generate_uid

from tuetinh.care.imaging.ai.models import AiResult
from tuetinh.care.imaging.archive.keeping import keep
from tuetinh.care.imaging.archive.workers import Workers
from tuetinh.care.imaging.dicomweb import ups
from tuetinh.care.imaging.models import Exam, Study
from tuetinh.care.imaging.reading import claims
from tuetinh.care.imaging.reading.models import ReadingCase
from tuetinh.care.imaging.tests.conftest import FACILITY, HERE, Web, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.care.imaging.workitems import told
from tuetinh.care.imaging.workitems.models import EventReport, Subscriber, Workitem
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
JSON = "application/dicom+json"
BY = "1.2.840.99.1"
Send = Callable[..., httpx.Response]


def workitem(**changes: Any) -> dict[str, Any]:
    """A data set that makes a workitem; changes: values by tag, None for what is not there."""
    values = {
        "00741000": ("CS", "SCHEDULED"),
        "00741200": ("CS", "MEDIUM"),
        "00741202": ("LO", "SEGMENTATION"),
        "00741204": ("LO", "Gan"),
        "00404041": ("CS", "READY"),
        "00404005": ("DT", "20261201080000"),
        **changes,
    }
    return {tag: {"vr": one[0], "Value": [one[1]]} for tag, one in values.items() if one}


def state(wanted: str, by: str = BY) -> dict[str, Any]:
    """The body of a change of state."""
    return {"00741000": {"vr": "CS", "Value": [wanted]}, "00081195": {"vr": "UI", "Value": [by]}}


@pytest.fixture
def send(web: Web) -> Send:
    """Sends a data set: method, path, data set, who."""

    def sends(method: str, path: str, dataset: dict[str, Any] | None = None, who: str = "system") -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}", "Content-Type": JSON, "Accept": JSON}
        body = b"" if dataset is None else json.dumps([dataset]).encode()
        return httpx.request(method, f"{web.url}{path}", content=body, headers=headers, timeout=30)

    return sends


@pytest.fixture
def uid(send: Send) -> str:
    """A workitem that a system has made."""
    made = generate_uid()
    answer = send("POST", f"/workitems?{made}", workitem())
    assert (answer.status_code, answer.headers["location"].rpartition("/")[2]) == (201, made)
    return str(made)


def test_a_workitem_is_made_and_found(send: Send, uid: str) -> None:
    [found] = send("GET", f"/workitems/{uid}").json()
    assert found["00741000"]["Value"] == ["SCHEDULED"]
    assert found["00080018"]["Value"] == [uid]
    for asked in ("", "?00741202=SEGMENTATION", "?ProcedureStepState=SCHEDULED", "?ProcedureStepLabel=G*"):
        assert [one["00080018"]["Value"][0] for one in send("GET", f"/workitems{asked}").json()] == [uid]
    for asked in ("?00741202=READING", "?ProcedureStepState=CANCELED", "?offset=1", "?limit=0"):
        assert send("GET", f"/workitems{asked}").status_code == 204
    assert send("GET", "/workitems?NoSuchThing=1").status_code == 400
    assert send("POST", f"/workitems?{uid}", workitem()).status_code == 409


@pytest.mark.parametrize(
    "changes",
    [
        {"00741000": ("CS", "IN PROGRESS")},
        {"00741000": None},
        {"00081195": ("UI", BY)},
        {"00741200": ("CS", "SOON")},
        {"00741204": None},
        {"00080018": ("UI", "1.2.3")},
    ],
)
def test_what_is_no_workitem_is_refused(send: Send, changes: dict[str, Any]) -> None:
    assert send("POST", "/workitems?1.2.3.4", workitem(**changes)).status_code == 400
    assert Workitem.objects.count() == 0


def test_it_is_taken_once_and_ended_by_who_took_it(send: Send, uid: str) -> None:
    at = f"/workitems/{uid}"
    assert send("PUT", f"{at}/state", state("COMPLETED")).status_code == 409
    assert send("PUT", f"{at}/state", state("IN PROGRESS")).status_code == 200
    assert send("PUT", f"{at}/state", state("IN PROGRESS", "1.2.3")).status_code == 409
    [found] = send("GET", at).json()
    assert "00081195" not in found
    done = {"00741216": {"vr": "SQ", "Value": [{"00404019": {"vr": "SQ"}}]}}
    assert send("PUT", f"{at}/state", state("COMPLETED")).status_code == 409  # nothing is told of what was done
    assert send("POST", at, done).status_code == 409
    assert send("POST", f"{at}?transaction-uid=1.2.3", done).status_code == 409
    assert send("POST", f"{at}?transaction-uid={BY}", {"00741000": done["00741216"]}).status_code == 400
    assert send("POST", f"{at}?transaction-uid={BY}", done).status_code == 200
    assert send("PUT", f"{at}/state", state("COMPLETED", "1.2.3")).status_code == 409
    assert send("PUT", f"{at}/state", state("COMPLETED")).status_code == 200
    again = send("PUT", f"{at}/state", state("COMPLETED"))
    assert (again.status_code, again.headers["warning"]) == (200, '299 tuetinh "the workitem is already COMPLETED"')
    assert send("PUT", f"{at}/state", state("CANCELED")).status_code == 409
    assert send("POST", f"{at}?transaction-uid={BY}", done).status_code == 409
    assert send("POST", f"{at}/cancelrequest").status_code == 409


def test_it_is_cancelled_or_who_performs_it_is_asked(send: Send, uid: str) -> None:
    why = {"00741238": {"vr": "LT", "Value": ["Đã hủy chỉ định"]}}
    assert send("POST", f"/workitems/{uid}/cancelrequest", why).status_code == 202
    [found] = send("GET", f"/workitems/{uid}").json()
    assert found["00741000"]["Value"] == ["CANCELED"]
    assert found["00741002"]["Value"][0]["00741238"]["Value"] == ["Đã hủy chỉ định"]
    again = send("POST", f"/workitems/{uid}/cancelrequest")
    assert (again.status_code, "warning" in again.headers) == (202, True)

    other = generate_uid()
    assert send("POST", f"/workitems?{other}", workitem()).status_code == 201
    assert send("PUT", f"/workitems/{other}/state", state("IN PROGRESS")).status_code == 200
    assert send("POST", f"/workitems/{other}/cancelrequest", why).status_code == 409  # nobody listens
    assert send("POST", f"/workitems/{other}/subscribers/WORKER").status_code == 201
    EventReport.objects.all().delete()
    assert send("POST", f"/workitems/{other}/cancelrequest", why).status_code == 202
    body = EventReport.objects.get(title="WORKER").body
    assert (body["00001002"]["Value"], body["00001000"]["Value"]) == ([told.CANCEL], [other])
    assert body["00741238"] == why["00741238"]


def test_what_ended_long_ago_is_gone(send: Send, uid: str) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=31)
    Workitem.objects.update(changed_at=long_ago)
    assert send("GET", f"/workitems/{uid}").status_code == 200
    Workitem.objects.update(state="CANCELED", changed_at=long_ago)
    assert send("GET", f"/workitems/{uid}").status_code == 404


def test_it_is_nobodys_elsewhere(send: Send, uid: str) -> None:
    for who, status in (("elsewhere", 404), ("outsider", 403), ("citizen", 403), ("official", 403), ("reader", 403)):
        assert send("GET", f"/workitems/{uid}", who=who).status_code == status
    assert send("POST", f"/workitems?{generate_uid()}", workitem(), "reader").status_code == 403
    assert send("PUT", f"/workitems/{uid}/state", state("IN PROGRESS"), "nobody").status_code == 401
    assert send("GET", f"/workitems/{uid}", who="imaging").status_code == 200
    assert send("PUT", f"/workitems/{uid}/state", state("IN PROGRESS"), "imaging").status_code == 403
    assert Workitem.objects.get().state == "SCHEDULED"


@pytest.fixture
def waits(person: r4.Patient) -> Exam:
    """An examination that waits to be read."""
    keep(HERE, part10())
    exam = Exam.objects.get(order=order(person).id)
    exam.study_instance_uid, exam.stage = "1.2.3.4", Exam.Stage.DONE
    exam.save()
    return exam


def test_a_reading_is_a_workitem(send: Send, waits: Exam, cast: dict[str, Account]) -> None:
    [found] = send("GET", "/workitems?00741202=READING&PatientID=BN000017").json()
    assert found["00100010"]["Value"] == [{"Alphabetic": "Nguyễn^Văn Ánh"}]
    assert found["0040A370"]["Value"][0]["00080050"]["Value"] == [waits.accession_number]
    assert found["00404021"]["Value"][0]["0020000D"]["Value"] == ["1.2.3.4"]
    at = f"/workitems/{found['00080018']['Value'][0]}"
    assert send("POST", f"{at}/cancelrequest").status_code == 409
    assert send("PUT", f"{at}/state", state("IN PROGRESS")).status_code == 200
    assert ReadingCase.objects.get(exam=waits).reader == "client:1"
    assert send("PUT", f"{at}/state", state("CANCELED")).status_code == 200
    assert ReadingCase.objects.get(exam=waits).reader == ""


def test_work_of_patients_is_told_to_who_may_read_them(send: Send, waits: Exam, uid: str) -> None:
    found = send("GET", "/workitems", who="tasks")
    assert ([one["00080018"]["Value"][0] for one in found.json()], "Patient" in found.headers["warning"]) == (
        [uid],
        True,
    )
    assert send("GET", "/workitems?00741202=READING", who="tasks").status_code == 204
    [reading] = send("GET", "/workitems?00741202=READING").json()
    assert send("GET", f"/workitems/{reading['00080018']['Value'][0]}", who="tasks").status_code == 404


def test_a_reading_that_somebody_has_is_not_taken(send: Send, waits: Exam, cast: dict[str, Account]) -> None:
    claims.take(asker_of(cast["imaging"]), waits.pk)
    [found] = send("GET", "/workitems?00741202=READING").json()
    at = f"/workitems/{found['00080018']['Value'][0]}"
    assert send("PUT", f"{at}/state", state("IN PROGRESS")).status_code == 409
    Exam.objects.update(stage=Exam.Stage.REPORTED)
    [found] = send("GET", at).json()
    assert found["00741000"]["Value"] == ["COMPLETED"]


def test_what_a_model_looks_at_is_a_workitem(send: Send, waits: Exam) -> None:
    enter(SYSTEM)
    study = Study.objects.get()
    result = AiResult.objects.create(
        study=study, facility=FACILITY, model="chest", version="1", rule="r", next_at=study.received_at
    )
    [found] = send("GET", "/workitems?00741202=AI").json()
    assert found["00741204"]["Value"] == ["chest 1"]
    at = f"/workitems/{found['00080018']['Value'][0]}"
    assert send("PUT", f"{at}/state", state("IN PROGRESS")).status_code == 409
    AiResult.objects.filter(pk=result.pk).update(state="done")
    assert send("GET", at).json()[0]["00741000"]["Value"] == ["COMPLETED"]


def test_who_subscribed_is_told(send: Send, uid: str) -> None:
    of_all = f"/workitems/{told.GLOBAL}/subscribers/BOARD"
    made = send("POST", of_all)
    assert made.status_code == 201
    assert made.headers["content-location"].startswith("ws://")
    assert made.headers["content-location"].endswith("/dicom-web/subscribers/BOARD")
    send("PUT", f"/workitems/{uid}/state", state("IN PROGRESS"))
    [report] = EventReport.objects.filter(title="BOARD")
    assert (report.body["00741000"]["Value"], report.body["00001002"]["Value"]) == (["IN PROGRESS"], [told.STATE])
    assert send("POST", f"{of_all}/suspend").status_code == 200
    assert send("DELETE", of_all).status_code == 200
    assert send("POST", f"{of_all}/suspend").status_code == 404
    send("PUT", f"/workitems/{uid}/state", state("CANCELED"))
    assert EventReport.objects.filter(title="BOARD").count() == 1


def test_reports_go_over_the_websocket_once(send: Send, uid: str, cast: object) -> None:
    send("POST", f"/workitems/{uid}/subscribers/WORKER")
    system = Asker("client:1", "system", FACILITY, scopes=frozenset({"system/*.cruds"}), client="1")
    workers = Workers(1, "ups")

    async def heard(asker: Asker | None) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        messages.put_nowait({"type": "websocket.connect"})

        async def sending(message: dict[str, Any]) -> None:
            sent.append(message)
            if message["type"] == "websocket.send":
                messages.put_nowait({"type": "websocket.disconnect"})

        async def authenticate(scope: object) -> Asker | None:
            return asker

        scope = {"path": "/dicom-web/subscribers/WORKER"}
        await asyncio.wait_for(ups.Events(workers.arun, authenticate)(scope, messages.get, sending), 20)
        return sent

    try:
        accepted, report = asyncio.run(heard(system))
        assert accepted == {"type": "websocket.accept"}
        assert json.loads(report["text"])["00001000"]["Value"] == [uid]
        assert asyncio.run(heard(None)) == [{"type": "websocket.close", "code": 1008}]
        assert asyncio.run(heard(asker_of(Account(role="imaging", facility=FACILITY)))) == [
            {"type": "websocket.close", "code": 1008}
        ]
    finally:
        workers.close()
    assert EventReport.objects.count() == 0


def test_a_websocket_ends_with_the_rights_of_its_system(cast: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ups, "CHECK", 0.0)
    system = Asker("client:1", "system", FACILITY, scopes=frozenset({"system/*.cruds"}), client="1")
    answers, sent, workers = [system, system, None], list[dict[str, Any]](), Workers(1, "ups")

    async def authenticate(scope: object) -> Asker | None:
        return answers.pop(0)

    async def listen() -> None:
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        messages.put_nowait({"type": "websocket.connect"})

        async def sending(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"path": "/dicom-web/subscribers/WORKER"}
        await asyncio.wait_for(ups.Events(workers.arun, authenticate)(scope, messages.get, sending), 20)

    try:
        asyncio.run(listen())
    finally:
        workers.close()
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'[{"00741000": {"vr": "CS",]', "line 1, column 27"),
        (b"[]", "/ is no data set"),
        (b"[{}, {}]", "/ is no data set"),
        (b'{"0074100": {"vr": "CS"}}', "/0074100"),
        (b'{"00741000": {"vr": "XX"}}', "/00741000 has no vr"),
        (b'{"00741000": {"Value": ["SCHEDULED"]}}', "/00741000 has no vr"),
        (b'{"00741000": {"vr": "CS", "Value": "SCHEDULED"}}', "/00741000/Value"),
        (b'{"00741000": {"vr": "CS", "Value": [1]}}', "/00741000/Value/0 is no value of CS"),
        (b'{"00741204": {"vr": "LO", "Value": ["\\u0000"]}}', "/00741204/Value/0 is no value of LO"),
        (
            b'{"00741210": {"vr": "SQ", "Value": [{}, {"00400031": {"vr": "UL", "Value": ["x"]}}]}}',
            "/1/00400031/Value/0",
        ),
        (b'{"00100010": {"vr": "PN", "Value": ["Lan"]}}', "/00100010/Value/0 is no value of PN"),
        (b'{"00741210": {"vr": "OB", "InlineBinary": "\\u0000"}}', "/00741210 has more"),
        (b'{"00741004": {"vr": "DS", "Value": [1e999]}}', "line 1, column 37"),
        (b'{"00741004": {"vr": "DS", "Value": [true]}}', "/00741004/Value/0"),
        (b'{"00741210": {"vr": "SQ", "Value": [' * 20 + b"{}" + b"]}}" * 20, "lies too deep"),
    ],
)
def test_a_broken_body_is_told_where(send: Send, web: Web, cast: object, body: bytes, where: str) -> None:
    headers = {"Authorization": "Bearer system", "Content-Type": JSON}
    answer = httpx.post(f"{web.url}/workitems?1.2.3.4", content=body, headers=headers, timeout=30)
    assert (answer.status_code, Workitem.objects.count()) == (400, 0)
    assert where in answer.text


def test_a_search_for_nul_is_refused(send: Send, uid: str) -> None:
    assert send("GET", "/workitems?00741202=%00").status_code == 400


FILTERED = f"/workitems/{told.FILTERED}/subscribers"


def test_a_filtered_subscription_hears_of_what_it_wants(send: Send, uid: str) -> None:
    assert send("POST", f"{FILTERED}/BOARD?WorklistLabel=SEGMENTATION&ProcedureStepLabel=G*").status_code == 201
    assert send("POST", f"{FILTERED}/OTHER?filter=00741202=READING").status_code == 201
    send("PUT", f"/workitems/{uid}/state", state("IN PROGRESS"))
    send("POST", f"/workitems?{generate_uid()}", workitem(**{"00741202": ("LO", "READING")}))
    assert [(one.title, one.body["00741000"]["Value"]) for one in EventReport.objects.order_by("pk")] == [
        ("BOARD", ["IN PROGRESS"]),
        ("OTHER", ["SCHEDULED"]),
    ]
    assert send("DELETE", f"{FILTERED}/BOARD").status_code == 200
    send("PUT", f"/workitems/{uid}/state", state("CANCELED"))
    assert EventReport.objects.count() == 2


@pytest.mark.parametrize(
    "asked", ["", "?WorklistLabel=*", "?NoSuchThing=1", "?PatientID=1", "?00404021=1", "?00741202=%00", "?99999999=1"]
)
def test_a_filter_that_cannot_be_is_refused(send: Send, uid: str, asked: str) -> None:
    assert send("POST", f"{FILTERED}/BOARD{asked}").status_code == 400
    assert Subscriber.objects.count() == 0


def test_suspended_is_told_of_nothing_new(send: Send, uid: str) -> None:
    of_all = f"/workitems/{told.GLOBAL}/subscribers/BOARD"
    assert send("POST", of_all).status_code == 201
    assert send("POST", f"{of_all}/suspend").status_code == 200
    send("POST", f"/workitems?{generate_uid()}", workitem())
    assert EventReport.objects.count() == 0
    send("PUT", f"/workitems/{uid}/state", state("IN PROGRESS"))
    assert EventReport.objects.get().body["00001000"]["Value"] == [uid]


@pytest.mark.parametrize(
    "at",
    [
        "{uid}/subscribers/X?",
        f"{told.GLOBAL}/subscribers/X?",
        f"{told.FILTERED}/subscribers/X?WorklistLabel=SEGMENTATION&",
    ],
)
def test_what_somebody_wants_kept_is_kept(send: Send, uid: str, at: str) -> None:
    at = at.format(uid=uid)
    assert send("POST", f"/workitems/{at}deletionlock=maybe").status_code == 400
    assert send("POST", f"/workitems/{at}deletionlock=true").status_code == 201
    Workitem.objects.update(state="CANCELED", changed_at=datetime.now(UTC) - timedelta(days=31))
    assert send("GET", f"/workitems/{uid}").status_code == 200
    assert send("DELETE", f"/workitems/{at}").status_code == 200
    assert send("GET", f"/workitems/{uid}").status_code == 404


def test_a_lock_holds_for_a_year(send: Send, uid: str) -> None:
    assert send("POST", f"/workitems/{uid}/subscribers/X?deletionlock=true").status_code == 201
    Workitem.objects.update(state="CANCELED", changed_at=datetime.now(UTC) - timedelta(days=366))
    assert send("GET", f"/workitems/{uid}").status_code == 404
