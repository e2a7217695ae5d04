"""Who may open which studies in the viewer, what is shown beside them, and who keeps measurements there."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.test import Client

from tuetinh.care.imaging.archive import queries as archive
from tuetinh.care.imaging.archive.keeping import Source, ask, keep
from tuetinh.care.imaging.archive.matching import Wanted
from tuetinh.care.imaging.archive.recording import record_studies
from tuetinh.care.imaging.models import Exam, Held, Instance, Study
from tuetinh.care.imaging.tests.conftest import HERE, part10
from tuetinh.care.imaging.tests.test_keep_objects import order
from tuetinh.care.imaging.viewer.queries import looks, opened
from tuetinh.care.imaging.viewer.tests.conftest import OTHER, STUDY, TOKEN, measurements
from tuetinh.commons.access.api import asker_of, forbidding
from tuetinh.commons.access.models import Account
from tuetinh.commons.identity.api import human_name
from tuetinh.commons.identity.facts import number
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.labels import ACT_CODE
from tuetinh.record.steps import enter, run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
Browser = Callable[[str], Client]
Calls = Callable[[str], httpx.Client]
PAGE = f"/imaging/viewer?StudyInstanceUIDs={STUDY}"
SCRIPTS = Path(__file__).parents[2] / "static" / "imaging"
KIND = {"Content-Type": "application/dicom"}
PROOF = KIND | {"X-CSRFToken": TOKEN}


def stored() -> tuple[int, int]:
    """How many objects are in the archive, and how many wait."""
    enter(SYSTEM)
    return Instance.objects.count(), Held.objects.count()


def noted(account: Account, action: str) -> list[str]:
    """The studies of which the access log tells that the account did this with them."""
    sql = "SELECT id FROM record.audit WHERE type = 'ImagingStudy' AND account = %s AND action = %s ORDER BY at"
    for _ in range(40):
        if rows := ask(sql, str(account.pk), action):
            return [row[0] for row in rows]
        time.sleep(0.05)
    return []


def test_who_sees_the_person_opens_the_viewer(person: r4.Patient, as_role: Browser, cast: dict[str, Account]) -> None:
    keep(HERE, part10())
    study = Study.objects.get()
    for role in ("doctor", "nurse", "imaging"):
        page = as_role(role).get(PAGE)
        assert page.status_code == 200
        assert f'data-study="{STUDY}"' in page.content.decode()
        assert ("data-reports" in page.content.decode()) == (role == "imaging")
        assert noted(cast[role], "read") == [study.resource]
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy and "worker-src 'self' blob:" in policy
    assert "wasm" not in as_role("imaging").get("/imaging").headers["Content-Security-Policy"]


def test_the_first_picture_is_there_before_the_viewer(person: r4.Patient, as_role: Browser) -> None:
    report = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33", "Modality": "SR", "SeriesNumber": 0}
    keep(HERE, part10(SOPInstanceUID=f"{STUDY}.0.1", SeriesInstanceUID=f"{STUDY}.0", **report))
    assert 'id="first"' not in as_role("doctor").get(PAGE).content.decode()
    keep(HERE, part10(SOPInstanceUID=f"{STUDY}.2.1", SeriesInstanceUID=f"{STUDY}.2", SeriesNumber=2))
    for at in (2, 1):
        keep(HERE, part10(SOPInstanceUID=f"{STUDY}.1.{at}", InstanceNumber=at))
    page = as_role("doctor").get(PAGE).content.decode()
    place = f"/dicom-web/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1/frames/1"
    at = f"{place}/rendered?viewport=1024,1024&amp;annotation=patient"
    assert f'<img src="{at}&amp;accept=image/jpeg"' in page
    assert f'<link rel="preload" as="image" href="{at}&amp;accept=image/jpeg"' in page


def test_lists_fetch_the_viewer_while_they_are_read(person: r4.Patient, as_role: Browser) -> None:
    for path in ("/imaging/read", "/imaging/studies"):
        page = as_role("imaging").get(path).content.decode()
        assert re.search(r'<link rel="prefetch" as="script" href="/static/vendor/ohif/[0-9a-f]{12}/app\.bundle\.', page)


WORDS = re.compile(r'<script id="viewer-words" type="application/json">(.*?)</script>')


def test_what_its_script_says_is_in_the_language_of_the_page(person: r4.Patient, as_role: Browser) -> None:
    keep(HERE, part10())
    browser, said = as_role("imaging"), {}
    for language in ("vi", "en"):
        browser.cookies[settings.LANGUAGE_COOKIE_NAME] = language
        [words] = WORDS.findall(browser.get(PAGE).content.decode())
        said[language] = json.loads(words)
    assert said["vi"]["kept"] == "Đã lưu số đo vào ca chụp."
    assert said["en"]["kept"] == "The measurements are kept in the study."
    assert all(word and word != said["en"][key] for key, word in said["vi"].items())


@pytest.mark.parametrize("name", sorted(one.name for one in SCRIPTS.glob("*.js") if one.name != "viewer.vi.js"))
def test_scripts_hold_no_words_of_their_own(name: str) -> None:
    """Pages bring them, in their language. Only the words of OHIF, whose own are English, are in a script."""
    script = (SCRIPTS / name).read_text().replace("Tuệ Tĩnh", "")
    assert re.findall(r"[\u00c0-\u1ef9]", re.sub(r"^\s*//.*", "", script, flags=re.MULTILINE)) == []
    said = re.findall(r"""(["'`])([A-Z]?[a-z]+(?: [a-z]+)+[.…]?)\1""", script)
    assert [words for _quote, words in said if words != "use strict"] == []


def test_a_guessed_study_is_not_there(person: r4.Patient, as_role: Browser, calls: Calls) -> None:
    keep(HERE, part10())
    forbidding.forbid(SYSTEM, str(person.id), "12001", "")
    Account.objects.filter(username="cast.imaging").update(facility="12001")
    browser = as_role("imaging")
    assert browser.get(PAGE).status_code == 404
    assert browser.get("/imaging/viewer").status_code == 404
    with calls("imaging") as call:
        assert call.get("/dicom-web/studies").status_code == 204
        assert call.get(f"/dicom-web/beside/{STUDY}/studies").status_code == 204
        assert call.get(f"/dicom-web/studies/{STUDY}/metadata").status_code == 404
        assert call.get(f"/dicom-web/studies/{STUDY}/thumbnail").status_code == 404
        assert call.post("/dicom-web/studies", content=measurements(), headers=PROOF).status_code == 409
    assert stored() == (1, 0)
    for role in ("outsider", "official", "citizen", "admin"):
        assert as_role(role).get(PAGE).status_code == 403


def test_only_studies_of_one_person_are_opened_together(person: r4.Patient) -> None:
    keep(HERE, part10())
    keep(HERE, part10(StudyInstanceUID=OTHER, SeriesInstanceUID="1.2.3.5.1", PatientID="UNKNOWN"))
    assert [one.study_instance_uid for one in opened(SYSTEM, [STUDY, STUDY])] == [STUDY]
    assert [one.study_instance_uid for one in opened(SYSTEM, [OTHER])] == [OTHER]
    assert opened(SYSTEM, [STUDY, OTHER]) == []
    assert opened(SYSTEM, [STUDY, "1.9"]) == []
    assert opened(SYSTEM, [STUDY, "x"]) == []
    assert opened(SYSTEM, [f"1.{n}" for n in range(9)]) == []


def test_beside_a_study_are_those_of_its_person_whatever_their_numbers(person: r4.Patient, calls: Calls) -> None:
    somebody = r4.Patient(
        name=[human_name("Lý Thị Hoa")],
        identifier=[number("mrn", "BN000017", facility="12001")],  # the same number, of another hospital
    )
    record.create(SYSTEM, somebody)
    keep(HERE, part10())
    keep(HERE, part10(StudyInstanceUID=OTHER, SeriesInstanceUID="1.2.3.5.1", PatientID=str(person.id)))
    elsewhere = {"PatientName": "Lý^Thị^Hoa", "PatientBirthDate": "", "PatientID": "BN000017"}
    keep(Source("12001", "AE X"), part10(StudyInstanceUID="1.6", SeriesInstanceUID="1.6.1", **elsewhere))
    keep(HERE, part10(StudyInstanceUID="1.7", SeriesInstanceUID="1.7.1", PatientID="UNKNOWN"))
    keep(HERE, part10(StudyInstanceUID="1.8", SeriesInstanceUID="1.8.1", PatientID="UNKNOWN"))

    def beside(uid: str) -> set[str]:
        found = run(SYSTEM, archive.find(SYSTEM, Wanted("STUDY", beside=uid)))
        return {one["0020000D"]["Value"][0] for one in found.matches}

    assert beside(STUDY) == beside(OTHER) == {STUDY, OTHER}
    assert beside("1.6") == {"1.6"}
    assert beside("1.7") == {"1.7"}  # of nobody: others of nobody may be of somebody else
    assert beside("1.9") == set()
    with calls("doctor") as call:
        asked = {"00100020": "BN000017", "limit": "101", "includefield": "00081030,00080060"}
        found = call.get(f"/dicom-web/beside/{STUDY}/studies", params=asked).json()
        assert {one["0020000D"]["Value"][0] for one in found} == {STUDY, OTHER}
        assert call.get(f"/dicom-web/beside/{STUDY}/studies/{OTHER}/metadata").status_code == 404


def test_who_reports_keeps_measurements_in_the_study(
    person: r4.Patient, calls: Calls, cast: dict[str, Account]
) -> None:
    keep(HERE, part10())
    record_studies([STUDY])
    with calls("imaging") as call:
        answer = call.post("/dicom-web/studies", content=measurements(), headers=PROOF)
        assert answer.status_code == 200, answer.text
        series = call.get(f"/dicom-web/studies/{STUDY}/series").json()
        assert [one["00080060"]["Value"] for one in series] == [["CT"], ["SR"]]
        assert call.get(f"/dicom-web/studies/{STUDY}/thumbnail").headers["content-type"] == "image/jpeg"
    study = record.read(SYSTEM, "ImagingStudy", Study.objects.get().resource)
    assert isinstance(study, r4.ImagingStudy)
    assert [one.modality.code for one in study.series or []] == ["CT", "SR"]
    assert noted(cast["imaging"], "update") == [study.id]


@pytest.mark.parametrize("role", ["doctor", "nurse", "imaging"])
def test_nobody_else_keeps_anything(person: r4.Patient, calls: Calls, node: str, role: str) -> None:
    keep(HERE, part10())
    with calls(role) as call:
        if role != "imaging":
            assert call.post("/dicom-web/studies", content=measurements(), headers=PROOF).status_code == 403
        else:
            for headers in (KIND, KIND | {"X-CSRFToken": "x" * 32}, PROOF | {"Origin": "https://elsewhere.vn"}):
                assert call.post("/dicom-web/studies", content=measurements(), headers=headers).status_code == 403
            wrong = (
                part10(SOPInstanceUID="1.2.3.4.1.2"),  # a picture
                measurements(StudyInstanceUID=OTHER),  # of a study that is not there
                b"nothing",
            )
            for data in wrong:
                assert call.post("/dicom-web/studies", content=data, headers=PROOF).status_code == 409
    assert stored() == (1, 0)


def test_pages_lead_to_the_viewer(person: r4.Patient, as_role: Browser, cast: dict[str, Account]) -> None:
    wanted = order(person)
    exam = Exam.objects.get(order=wanted.id)
    me = asker_of(cast["imaging"])
    assert looks(me, {exam.order}) == {}
    keep(HERE, part10(StudyInstanceUID=exam.study_instance_uid))
    (look,) = looks(me, {exam.order}).values()
    assert look.url == f"/imaging/viewer?StudyInstanceUIDs={exam.study_instance_uid}"
    browser = as_role("imaging")
    for page in ("/imaging", f"/imaging/exams/{exam.pk}"):
        shown = browser.get(page).content.decode()
        assert f'href="{look.url}" target="_blank"' in shown
        assert "Xem ảnh" in shown
    assert f'src="{look.thumbnail}"' in browser.get("/imaging").content.decode()
    assert looks(asker_of(cast["outsider"]), {exam.order}) == {}


def test_a_labelled_study_is_not_there_for_who_sees_no_label(person: r4.Patient, calls: Calls) -> None:
    keep(HERE, part10())
    study = Study.objects.get()
    told = r4.ImagingStudy(id=study.resource, status="available", subject=record.ref(person))
    here = replace(SYSTEM, facility="12104")

    def found(role: str) -> tuple[int, int]:
        with calls(role) as call:
            metadata = call.get(f"/dicom-web/studies/{STUDY}/metadata").status_code
            found = call.get("/dicom-web/studies")
            return len(found.json()) if found.content else 0, metadata

    record.put_many(here, [told])
    assert found("imaging") == (1, 200)
    told.meta = r4.Meta(security=[r4.Coding(system=ACT_CODE, code="SDV")])
    record.put_many(here, [told])
    assert (found("imaging"), found("doctor")) == ((0, 404), (1, 200))
    told.meta = None
    record.put_many(here, [told])
    assert found("imaging") == (1, 200)
