"""Pictures are destroyed with their visit, object by object with proof, unless their study is held."""

from __future__ import annotations

import io
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pypdf import PdfReader

from tuetinh.care.imaging import api as imaging
from tuetinh.care.imaging.archive import keeping, recording
from tuetinh.care.imaging.archive.keeping import Source, ask, keep
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.errors import Held, NotThere
from tuetinh.care.imaging.models import Instance, Series, Study
from tuetinh.care.imaging.retention.models import DestroyedObject, StudyHold
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.governance.privacy.errors import PrivacyError
from tuetinh.governance.privacy.models import Destruction
from tuetinh.governance.privacy.retention import actions
from tuetinh.governance.privacy.tests.test_destroy_what_is_due import THREE, visit
from tuetinh.node.contents import sweep
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files
from tuetinh.record.errors import Gone
from tuetinh.record.labels import BITS
from tuetinh.record.steps import enter

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


@pytest.fixture
def other(cast: dict[str, Account]) -> Account:
    """Another archivist of the health centre."""
    account = Account.objects.create_account("luu-tru-2", "x" * 14, role="archivist", full_name="Lưu Trữ Hai")
    account.facility = "12104"
    account.save()
    return account


@pytest.fixture
def pictures(cast: dict[str, Account], tmp_path: Path, settings: Any) -> list[bytes]:
    """Two pictures of a visit whose time is over."""
    settings.DATA = tmp_path
    keeping._known.clear()
    visit("old", timezone.localdate().year - 12)
    made = [part10(SOPInstanceUID=f"1.2.3.4.1.{n}", PatientID="NOBODY", AccessionNumber="CT77") for n in (1, 2)]
    for data in made:
        keep(HERE, data)
    ask("UPDATE imaging_study SET encounter = 'old', patient = 'cast-citizen'")
    record_studies(["1.2.3.4"])
    return made


def propose(cast: dict[str, Account]) -> Destruction:
    """The decision of a council on the visit."""
    return actions.propose(cast["archivist"], "12/BB", timezone.localdate(), THREE, ["old"])


def count() -> tuple[int, int, int]:
    """How many studies, series and objects there are."""
    enter(SYSTEM)
    return Study.objects.count(), Series.objects.count(), Instance.objects.count()


def test_pictures_go_with_their_visit_and_leave_a_proof(
    pictures: list[bytes],
    cast: dict[str, Account],
    other: Account,
    as_role: Callable[[str], Client],
) -> None:
    one = propose(cast)
    actions.decide(other, one.pk, confirm=True)
    assert actions.carry_out(one.pk) == 3  # the visit, its diagnosis, its ImagingStudy
    assert count() == (0, 0, 0)
    proved = list(DestroyedObject.objects.order_by("pk").values_list("sop_instance_uid", "sha256", "size", "decision"))
    assert proved == [
        (f"1.2.3.4.1.{n}", sha256(data).hexdigest(), len(data), "12104/12/BB") for n, data in enumerate(pictures, 1)
    ]
    paper = as_role("archivist").get(f"/privacy/retention/{one.pk}/minutes.pdf").content
    text = "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages).split())
    for data in pictures:
        assert sha256(data).hexdigest() in text
        path = files.path_of(sha256(data).digest())

        os.utime(path, (0, 0))
    assert sweep() == 2
    assert not any(files.path_of(sha256(data).digest()).exists() for data in pictures)


def test_a_study_that_is_held_keeps_its_visit(
    pictures: list[bytes],
    cast: dict[str, Account],
    other: Account,
    as_role: Callable[[str], Client],
) -> None:
    one = propose(cast)
    actions.decide(other, one.pk, confirm=True)
    browser = as_role("archivist")
    assert browser.post("/imaging/holds", {"study": "CT78", "reason": "Đang khiếu nại"}).status_code == 422
    assert browser.post("/imaging/holds", {"study": "CT77", "reason": "ngắn"}).status_code == 422
    assert as_role("imaging").post("/imaging/holds", {"study": "CT77", "reason": "Đang khiếu nại"}).status_code == 403
    assert StudyHold.objects.count() == 0
    assert browser.post("/imaging/holds", {"study": "CT77", "reason": "Đang khiếu nại"}).status_code == 302
    enter(asker_of(cast["outsider"]))
    page = browser.get("/imaging/holds").content.decode()
    assert ("Đang khiếu nại" in page, cast["archivist"].full_name in page) == (True, True)
    assert actions.carry_out(one.pk) == 0
    assert [item.skipped for item in one.items.all()] == ["hold"]
    assert (count(), record.read(SYSTEM, "Encounter", "old").id) == ((1, 1, 2), "old")
    with pytest.raises(Held):
        record.destroy(SYSTEM, "ImagingStudy", keeping.resource_id("1.2.3.4"), "12/BB")
    assert (count(), DestroyedObject.objects.count()) == ((1, 1, 2), 0)
    held = StudyHold.objects.get()
    assert browser.post("/imaging/holds", {"release": str(held.pk)}).status_code == 302
    assert browser.post("/imaging/holds", {"release": str(held.pk)}).status_code == 422
    assert record.destroy(SYSTEM, "ImagingStudy", keeping.resource_id("1.2.3.4"), "12/BB") == 1
    assert count() == (0, 0, 0)


def unvisited(uid: str, years: int, source: Source = HERE, came: int | None = None, **told: str) -> str:
    """A study that no visit names, made so many years ago, and come then or `came` years ago; its ImagingStudy."""
    year = timezone.localdate().year
    day = {"StudyDate": f"{year - years}0506"}
    assert (
        keep(source, part10(StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1", PatientID="X", **day | told)).state
        == "stored"
    )
    came_at = datetime(year - (years if came is None else came), 5, 6, 12, tzinfo=UTC)
    ask("UPDATE imaging_study SET encounter = '', received_at = %s WHERE study_instance_uid = %s", came_at, uid)
    return f"ImagingStudy/{keeping.resource_id(uid)}"


def offered(cast: dict[str, Account]) -> dict[str, tuple[str, bool]]:
    """What the archivist is offered: its kind, and whether it is held, by the StudyInstanceUID."""
    rows, following = actions.due_pictures(asker_of(cast["archivist"]))
    assert following is None
    return {row.uid: (row.kind, row.held) for row in rows}


def test_pictures_without_a_visit_are_offered_when_their_time_is_over(
    pictures: list[bytes],
    cast: dict[str, Account],
    other: Account,
    as_role: Callable[[str], Client],
) -> None:
    """A study that no visit names, and one of nobody; younger ones are not, and held ones cannot be chosen."""
    year = timezone.localdate().year
    ask(
        "UPDATE imaging_study SET encounter = '', study_date = %s, received_at = %s",
        *(f"{year - 12}-05-06", datetime(year - 12, 5, 6, tzinfo=UTC)),
    )
    old = f"ImagingStudy/{keeping.resource_id('1.2.3.4')}"
    nobodys = unvisited("1.9", 30, PatientName="GIANG^A^SUNG", AccessionNumber="CT9")
    young = unvisited("1.8", 3)
    browser = as_role("archivist")
    assert browser.post("/imaging/holds", {"study": "1.2.3.4", "reason": "Đang khiếu nại"}).status_code == 302
    page = browser.get("/privacy/retention").content.decode()
    assert [f'value="{one}"' in page for one in (old, nobodys, young)] == [False, True, False]
    assert ["CT77" in page, "GIANG A SUNG" in page, "CT9" in page, "<code>1.9</code>" in page] == [True] * 4
    minutes = {"number": "13/BB", "day": str(timezone.localdate()), "members": "\n".join(THREE)}
    for one in (old, young, "ImagingStudy/none"):
        assert browser.post("/privacy/retention", minutes | {"encounter": one}).status_code == 422
    assert browser.post("/imaging/holds", {"release": str(StudyHold.objects.get().pk)}).status_code == 302
    assert browser.post("/privacy/retention", minutes | {"encounter": [old, nobodys]}).status_code == 302
    decision = Destruction.objects.get()
    assert "ca chụp 1.9" in browser.get(f"/privacy/retention/{decision.pk}").content.decode()
    actions.decide(other, decision.pk, confirm=True)
    enter(SYSTEM)
    digests = [
        bytes(digest)
        for digest in Instance.objects.exclude(study__study_instance_uid="1.8").values_list("digest", flat=True)
    ]
    assert actions.carry_out(decision.pk) == 2  # an ImagingStudy; an object of nobody
    assert count() == (1, 1, 1)
    assert ask("SELECT count(*) FROM record.content WHERE digest = ANY(%s)", digests) == [(0,)]
    for digest in digests:
        os.utime(files.path_of(digest), (0, 0))
    assert (sweep(), len(digests)) == (3, 3)
    told = DestroyedObject.objects.order_by("pk").values_list("study_instance_uid", "decision")
    assert list(told) == [("1.2.3.4", "12104/13/BB")] * 2 + [("1.9", "12104/13/BB")]
    told = browser.get(f"/privacy/retention/{decision.pk}").content.decode()
    assert ["1.2.3.4.1.2" in told, "ca chụp 1.9" in told, "ca chụp 1.2.3.4<" in told] == [True, True, True]
    paper = browser.get(f"/privacy/retention/{decision.pk}/minutes.pdf").content
    text = "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages).split())
    assert ["cachụp1.9" in text, "cachụp1.2.3.4" in text] == [True, True]
    assert list(as_role("archivist").get("/privacy/retention").context["pictures"]) == []


def test_the_time_of_pictures_runs_from_when_they_came(pictures: list[bytes], cast: dict[str, Account]) -> None:
    """Old pictures that were brought a while ago are not offered yet, nor those that came before their day."""
    unvisited("1.9", 30, came=12)
    unvisited("1.8", 30, came=2)
    unvisited("1.7", 2, came=30)
    unvisited("1.6", 12, StudyDate="")
    assert offered(cast) == {"1.9": ("record", False), "1.6": ("record", False)}


def test_pictures_without_a_visit_are_kept_as_long_as_a_visit_would_be(
    pictures: list[bytes], cast: dict[str, Account]
) -> None:
    """By their labels and their person, the longest time of all; only those of the own facility."""
    unvisited("1.9", 12)
    young, old = unvisited("1.8", 12), unvisited("1.7", 22)
    unvisited("1.6", 12)
    unvisited("1.5", 12, Source("12001", "AE THERE"))
    ask("UPDATE imaging_study SET labels = %s WHERE study_instance_uid IN ('1.8', '1.7')", BITS["PSY"])
    ask("UPDATE imaging_study SET patient = 'cast-citizen' WHERE study_instance_uid = '1.6'")
    dead = record.read(SYSTEM, "Patient", "cast-citizen")
    assert isinstance(dead, r4.Patient)
    dead.deceasedDateTime = f"{timezone.localdate().year - 13}-01-01"
    record.update(SYSTEM, dead)
    assert offered(cast) == {"1.9": ("record", False)}  # what is labelled is offered to whoever sees it
    dead.deceasedDateTime = None
    record.update(SYSTEM, dead)
    assert offered(cast)["1.6"] == ("record", False)
    held = actions.hold(cast["archivist"], "cast-citizen", "Toà án yêu cầu giữ")
    assert offered(cast) == {"1.9": ("record", False), "1.6": ("record", True)}
    actions.release(cast["archivist"], held.pk)
    assert offered(cast)["1.6"] == ("record", False)
    with pytest.raises(PrivacyError):
        actions.propose(cast["archivist"], "14/BB", timezone.localdate(), THREE, [young])
    made = actions.propose(cast["archivist"], "14/BB", timezone.localdate(), THREE, [old])
    assert made.items.get().kind == "record-20"


@pytest.mark.parametrize("changes", ["encounter = 'old'", "custodian = '12001'", "received_at = now()"])
def test_what_has_changed_since_the_decision_is_kept(
    pictures: list[bytes], cast: dict[str, Account], other: Account, changes: str
) -> None:
    one = actions.propose(cast["archivist"], "14/BB", timezone.localdate(), THREE, [unvisited("1.9", 30)])
    actions.decide(other, one.pk, confirm=True)
    ask(f"UPDATE imaging_study SET {changes} WHERE study_instance_uid = '1.9'")
    assert actions.carry_out(one.pk) == 0
    assert [bool(item.skipped) for item in one.items.all()] == [True]
    assert (count(), DestroyedObject.objects.count()) == ((2, 2, 3), 0)
    if "received_at" not in changes:
        with pytest.raises(NotThere):
            imaging.destroy_study(asker_of(cast["archivist"]), keeping.resource_id("1.9"), "14/BB")


def test_a_study_that_the_record_does_not_know_yet_is_destroyed_too(
    pictures: list[bytes], cast: dict[str, Account], other: Account
) -> None:
    """Somebody has just said whose it is; it is written first, so that its proof is that of the person's study."""
    named = unvisited("1.9", 30)
    ask("UPDATE imaging_study SET patient = 'cast-citizen' WHERE study_instance_uid = '1.9'")
    one = actions.propose(cast["archivist"], "14/BB", timezone.localdate(), THREE, [named])
    actions.decide(other, one.pk, confirm=True)
    assert actions.carry_out(one.pk) == 1
    assert next((line.type, line.id) for line in actions.proof(cast["archivist"], one)) == ("ImagingStudy", named[13:])
    assert count() == (1, 1, 2)


def test_what_of_a_visit_the_record_does_not_know_yet_goes_with_it(
    pictures: list[bytes], cast: dict[str, Account], other: Account
) -> None:
    keep(HERE, part10(StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", PatientID="X"))
    ask("UPDATE imaging_study SET encounter = 'old', patient = 'cast-citizen'")
    one = propose(cast)
    actions.decide(other, one.pk, confirm=True)
    assert actions.carry_out(one.pk) == 4  # the visit, its diagnosis, its two ImagingStudies
    assert count() == (0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_study_that_is_being_written_is_waited_for(
    pictures: list[bytes], cast: dict[str, Account], other: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes a study for the first time while its visit is destroyed leaves nothing of it behind."""
    keep(HERE, part10(StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", PatientID="X"))
    ask("UPDATE imaging_study SET encounter = 'old', patient = 'cast-citizen'")
    one = propose(cast)
    actions.decide(other, one.pk, confirm=True)
    written, goes_on = threading.Event(), threading.Event()

    def want(study: Study) -> None:
        written.set()
        goes_on.wait(60)

    monkeypatch.setattr(recording, "want", want)
    with ThreadPoolExecutor(2) as others:
        writing = others.submit(closing, lambda: record_studies(["1.9"]))
        assert written.wait(60)
        destroying = others.submit(closing, lambda: actions.carry_out(one.pk))
        while not destroying.done() and not ask(_WAITING):
            time.sleep(0.02)
        goes_on.set()
        assert (writing.result(60), destroying.result(60)) == (1, 4)
    assert count() == (0, 0, 0)
    with pytest.raises(Gone):
        record.read(SYSTEM, "ImagingStudy", keeping.resource_id("1.9"))


_WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def closing(do: Callable[[], int]) -> int:
    """Do something on a connection of its own."""
    try:
        return do()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_study_that_is_proposed_keeps_nobody_waiting(pictures: list[bytes], cast: dict[str, Account]) -> None:
    resource = unvisited("1.9", 30)
    with transaction.atomic(), ThreadPoolExecutor(1) as others:
        actions.propose(cast["archivist"], "14/BB", timezone.localdate(), THREE, [resource])
        free = "SELECT 1 FROM imaging_study WHERE study_instance_uid = '1.9' FOR UPDATE SKIP LOCKED"
        assert others.submit(closing, lambda: len(ask(free))).result(60) == 1
