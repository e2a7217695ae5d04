"""Pictures are destroyed with their visit, object by object with proof, unless their study is held."""

from __future__ import annotations

import io
import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from pypdf import PdfReader

from tuetinh.care.imaging.archive import keeping
from tuetinh.care.imaging.archive.keeping import ask, keep
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.errors import Held
from tuetinh.care.imaging.models import Instance, Series, Study
from tuetinh.care.imaging.retention.models import DestroyedObject, StudyHold
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.governance.privacy.models import Destruction
from tuetinh.governance.privacy.retention import actions
from tuetinh.governance.privacy.tests.test_destroy_what_is_due import THREE, visit
from tuetinh.node.contents import sweep
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files
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


def test_pictures_without_a_visit_are_offered_when_their_time_is_over(
    pictures: list[bytes],
    cast: dict[str, Account],
    other: Account,
    as_role: Callable[[str], Client],
) -> None:
    """A study that no visit names, and one of nobody; younger ones are not, and held ones cannot be chosen."""
    year = timezone.localdate().year
    ask("UPDATE imaging_study SET encounter = '', study_date = %s", f"{year - 12}-05-06")
    lost = {"PatientName": "GIANG^A^SUNG", "AccessionNumber": "CT9", "StudyDate": f"{year - 30}0102"}
    keep(HERE, part10(StudyInstanceUID="1.9", SeriesInstanceUID="1.9.1", PatientID="X", **lost))
    keep(HERE, part10(StudyInstanceUID="1.8", SeriesInstanceUID="1.8.1", PatientID="X", StudyDate=f"{year - 3}0102"))
    old, nobodys, young = (f"ImagingStudy/{keeping.resource_id(uid)}" for uid in ("1.2.3.4", "1.9", "1.8"))
    browser = as_role("archivist")
    assert browser.post("/imaging/holds", {"study": "1.2.3.4", "reason": "Đang khiếu nại"}).status_code == 302
    page = browser.get("/privacy/retention").content.decode()
    assert [f'value="{one}"' in page for one in (old, nobodys, young)] == [False, True, False]
    assert ["CT77" in page, "GIANG A SUNG" in page, "CT9" in page] == [True, True, True]
    minutes = {"number": "13/BB", "day": str(timezone.localdate()), "members": "\n".join(THREE)}
    for one in (old, young, "ImagingStudy/none"):
        assert browser.post("/privacy/retention", minutes | {"encounter": one}).status_code == 422
    assert browser.post("/imaging/holds", {"release": str(StudyHold.objects.get().pk)}).status_code == 302
    assert browser.post("/privacy/retention", minutes | {"encounter": [old, nobodys]}).status_code == 302
    decision = Destruction.objects.get()
    actions.decide(other, decision.pk, confirm=True)
    assert actions.carry_out(decision.pk) == 2  # an ImagingStudy; an object of nobody
    assert count() == (1, 1, 1)
    told = DestroyedObject.objects.order_by("pk").values_list("study_instance_uid", "decision")
    assert list(told) == [("1.2.3.4", "12104/13/BB")] * 2 + [("1.9", "12104/13/BB")]
    told = browser.get(f"/privacy/retention/{decision.pk}").content.decode()
    assert "1.2.3.4.1.2" in told
    assert "ca chụp " + keeping.resource_id("1.9") in told
    assert list(as_role("archivist").get("/privacy/retention").context["pictures"]) == []
