"""The administrator sees which subscriptions fail, and acts on those of the own facility."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM, Asker
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.subscriptions import api as subscriptions

pytestmark = pytest.mark.django_db
OWN, OTHER = (
    Asker(
        f"client:{facility}",
        "system",
        facility,
        "HOPERAT",
        frozenset({"system/*.cruds"}),
        client=facility,
        sight=EVERYTHING,
    )
    for facility in ("12104", "12001")
)


@pytest.fixture(autouse=True)
def receivers_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUETINH_SUBSCRIPTION_HOSTS", "")


def make(owner: Asker, waiting: int = 3, host: str = "his.example") -> str:
    """A subscription that fails, with events that wait."""
    channel = r4.SubscriptionChannel(
        type="rest-hook", endpoint=f"https://{host}/secret-path", header=["Authorization: Bearer hidden-4711"]
    )
    made = record.create(
        owner,
        r4.Subscription(
            status="requested", reason="Nối HIS", criteria="Patient?identifier=cccd|0123456", channel=channel
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE record.subscription SET status = 'error', error = 'the receiver answered 503', failing = now(),"
            " begins = 1, events = %s, next_try = now() + interval '1 hour', tries = 5 WHERE id = %s",
            [waiting, made.id],
        )
        cursor.execute(
            "INSERT INTO record.subscription_event (subscription, number, position, at, type, id, version, change)"
            " SELECT %s, n, (SELECT max(position) FROM record.feed) + n, now(), 'Patient', 'x', 1, 'update'"
            " FROM generate_series(1, %s) n",
            [made.id, waiting],
        )
    return str(made.id)


def row(id_: str, *columns: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)} FROM record.subscription WHERE id = %s", [id_])
        return cursor.fetchone()


def test_it_lists_what_fails_without_secrets(as_role: Callable[[str], Client]) -> None:
    make(OWN)
    make(OTHER, host="elsewhere.example")
    page = as_role("admin").get("/subscriptions").content.decode()
    assert page.count("https://his.example") == 1
    assert "the receiver answered 503" in page
    assert "3 tin" in page
    for hidden in ("hidden-4711", "secret-path", "cccd", "elsewhere.example"):
        assert hidden not in page


def test_long_lists_are_paged_with_few_statements(
    as_role: Callable[[str], Client], django_assert_max_num_queries: Any
) -> None:
    for n in range(30):
        make(OWN, waiting=1, host=f"h{n}.example")
    browser = as_role("admin")
    with django_assert_max_num_queries(12):
        first = browser.get("/subscriptions").content.decode()
    second = browser.get("/subscriptions?page=2").content.decode()
    assert (first.count(".example</strong>"), second.count(".example</strong>")) == (25, 5)


def test_retry_pause_and_resume(as_role: Callable[[str], Client]) -> None:
    id_, browser = make(OWN), as_role("admin")
    browser.post(f"/subscriptions/{id_}/retry")
    assert row(id_, "next_try", "paused", "status") == (None, False, "error")
    browser.post(f"/subscriptions/{id_}/pause")
    assert row(id_, "paused") == (True,)
    assert "Tạm dừng" in browser.get("/subscriptions").content.decode()
    browser.post(f"/subscriptions/{id_}/resume")
    assert row(id_, "paused") == (False,)


def test_dropping_needs_a_reason_that_the_owner_reads(as_role: Callable[[str], Client]) -> None:
    id_, browser = make(OWN), as_role("admin")
    page = browser.post(f"/subscriptions/{id_}/drop", {"reason": " "}, follow=True).content.decode()
    assert "Chưa làm được" in page
    assert row(id_, "status", "delivered") == ("error", 0)
    browser.post(f"/subscriptions/{id_}/drop", {"reason": "Hệ thống đã ngừng"})
    assert row(id_, "status", "delivered") == ("off", 3)
    read = record.read(OWN, "Subscription", id_)
    assert isinstance(read, r4.Subscription)
    assert (read.status, read.error) == ("off", "Hệ thống đã ngừng")


def test_setting_back_drops_what_will_be_told_again(as_role: Callable[[str], Client]) -> None:
    id_, browser = make(OWN), as_role("admin")
    browser.post(f"/subscriptions/{id_}/set-back", {"since": "2020-01-01T08:00"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(position) - 1 FROM record.feed")
        assert row(id_, "position") == cursor.fetchone()
        cursor.execute("SELECT count(*) FROM record.subscription_event WHERE subscription = %s", [id_])
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("verb", ["retry", "pause", "resume", "drop", "set-back"])
def test_another_facilitys_is_not_touched(as_role: Callable[[str], Client], verb: str) -> None:
    id_ = make(OTHER)
    columns = ("status", "paused", "position", "next_try", "delivered")
    before = row(id_, *columns)
    form = {"reason": "x", "since": "2020-01-01T08:00"}
    page = as_role("admin").post(f"/subscriptions/{id_}/{verb}", form, follow=True).content.decode()
    assert "Đăng ký này không thuộc cơ sở bạn quản trị." in page
    assert row(id_, *columns) == before


def test_the_province_adds_a_topic_and_a_facility_does_not(as_role: Callable[[str], Client]) -> None:
    browser = as_role("province")
    url = "https://benhvien.example/fhir/SubscriptionTopic/cap-cuu"
    form = {
        "title": "Vào cấp cứu",
        "url": url,
        "resource": "Encounter",
        "interactions": ["create", "update"],
        "previous": "class:not=EMER",
        "current": "class=EMER",
    }
    refused = browser.post("/subscriptions/topics", form | {"current": "nonsense=1"})
    assert refused.status_code == 422
    assert url not in [topic.url for topic in subscriptions.known_topics()]
    assert as_role("admin").post("/subscriptions/topics", form).status_code == 403
    assert "Thêm chủ đề" not in as_role("admin").get("/subscriptions/topics").content.decode()
    assert url not in [topic.url for topic in subscriptions.known_topics()]
    assert browser.post("/subscriptions/topics", form).status_code == 302
    (topic,) = (one for one in subscriptions.known_topics() if one.url == url)
    (trigger,) = topic.triggers
    assert (topic.title, trigger.type, trigger.both) == ("Vào cấp cứu", "Encounter", True)
    assert trigger.interactions == {"create", "update"}


def test_rights_are_those_of_now(cast: dict[str, Any]) -> None:
    """A client whose scopes shrink, an account that is disabled, an app that was let go."""
    from tuetinh.commons.access.models import Client as System
    from tuetinh.commons.access.models import Grant
    from tuetinh.commons.access.oauth.standing import now
    from tuetinh.record.steps import run

    System.objects.create(id="12104", name="HIS", scopes="system/Patient.rs system/Observation.rs", facility="12104")
    assert run(SYSTEM, now(OWN)).scopes == {"system/Patient.rs", "system/Observation.rs"}
    System.objects.filter(pk="12104").update(is_active=False)
    assert run(SYSTEM, now(OWN)) is None

    doctor = cast["doctor"]
    owner = Asker(str(doctor.pk), "doctor", "12104", "TREAT", frozenset({"user/Patient.cruds"}), sight=EVERYTHING)
    assert run(SYSTEM, now(owner)).scopes == {"user/Patient.cruds"}
    app = System.objects.create(id="app", name="App", scopes="user/Patient.rs")
    through = Asker(
        str(doctor.pk), "doctor", "12104", "TREAT", frozenset({"user/Patient.rs"}), client="app", sight=EVERYTHING
    )
    assert run(SYSTEM, now(through)) is None  # no grant
    later = "2030-01-01T00:00Z"
    grant = Grant.objects.create(client=app, account=doctor, scopes="", code_digest=b"1", code_expires=later)
    assert run(SYSTEM, now(through)).scopes == {"user/Patient.rs"}
    Grant.objects.filter(pk=grant.pk).update(ended=True)
    assert run(SYSTEM, now(through)) is None
    type(doctor).objects.filter(pk=doctor.pk).update(role="reception")
    assert run(SYSTEM, now(owner)).scopes == {"user/Patient.crus"}
    type(doctor).objects.filter(pk=doctor.pk).update(is_active=False)
    assert run(SYSTEM, now(owner)) is None
