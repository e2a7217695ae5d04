"""The archive over HTTP, as viewers and other systems meet it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import dcmread, examples
from requests import Session

from tuetinh.care.imaging.dicomweb import frames
from tuetinh.care.imaging.models import Held, Instance
from tuetinh.care.imaging.tests.conftest import Web, part10
from tuetinh.record.asker import SYSTEM
from tuetinh.record.contents import files
from tuetinh.record.steps import enter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]
ONE = "/studies/1.2.3.4/series/1.2.3.4.1/instances/1.2.3.4.1.1"
DICOM = "application/dicom"


def value(match: dict[str, Any], tag: str) -> Any:
    """The first value of an attribute."""
    return match[tag]["Value"][0]


def test_nobody_and_whoever_may_not_see_get_nothing(web: Web) -> None:
    web.store(part10(SOPInstanceUID="1.2.3.4.1.1"))
    assert web.get("/studies", who="nobody").status_code == 401
    for who in ("outsider", "official"):
        assert web.get("/studies", who=who).status_code == 403
        assert web.get(ONE, who=who).status_code == 403
    assert web.get("/studies", who="citizen").json() == []  # it is another patient's
    assert web.get(ONE, who="citizen").status_code == 404


def test_who_only_reads_stores_nothing(web: Web) -> None:
    assert web.store(part10(), who="reader").status_code == 403
    assert web.store(part10(), who="official").status_code == 403
    enter(SYSTEM)
    assert (Instance.objects.count(), Held.objects.count()) == (0, 0)


def test_a_nobodys_study_is_seen_at_its_facility(web: Web) -> None:
    web.store(part10(PatientID="UNKNOWN"))
    assert len(web.get("/studies").json()) == 1


def test_store_tells_of_each_object(web: Web) -> None:
    first = part10(SOPInstanceUID="1.2.3.4.1.1")
    answer = web.store(first, part10(SOPInstanceUID="1.2.3.4.1.2", StudyInstanceUID=None), b"nothing")
    assert answer.status_code == 202
    told = answer.json()
    assert [value(one, "00081155") for one in told["00081199"]["Value"]] == ["1.2.3.4.1.1"]
    assert [value(one, "00081197") for one in told["00081198"]["Value"]] == [0xA900, 0xC000]
    assert web.store(first).status_code == 200  # once more is harmless
    assert web.store(part10(SOPInstanceUID="1.2.3.4.1.1", PixelData=bytes(32))).status_code == 409
    assert web.post(first, DICOM).status_code == 200
    assert web.post(b"x", "text/plain").status_code == 415
    assert web.post(b"x", "multipart/related; boundary=x").status_code == 400
    assert web.store(part10(), path="/studies/1.9").status_code == 409
    enter(SYSTEM)
    assert (Instance.objects.count(), Held.objects.count()) == (1, 3)


def test_a_large_object_comes_by_and_by(web: Web) -> None:
    """One that is a file before it is whole: stored, held in another study's address, refused where it is cut off."""
    large = part10(SOPInstanceUID="1.2.3.4.1.1", Rows=1024, Columns=1024, PixelData=bytes(range(256)) * 2**13)
    assert web.store(large).status_code == 200
    assert web.get(ONE, f"{DICOM}; transfer-syntax=*").content == large
    assert web.get(f"{ONE}/frames/1", "application/octet-stream").content == bytes(range(256)) * 2**13
    assert web.get(f"{ONE}/bulkdata/7FE00010", "application/octet-stream").content == bytes(range(256)) * 2**13
    assert web.post(large, DICOM, path="/studies/1.9").status_code == 409
    cut = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + large
    assert web.post(cut, "multipart/related; boundary=x").status_code == 400
    enter(SYSTEM)
    assert (Instance.objects.count(), Held.objects.count()) == (1, 0)
    assert list((files.folder() / files.ARRIVING).iterdir()) == []


def test_find_at_every_level(web: Web) -> None:
    web.store(part10(SOPInstanceUID="1.2.3.4.1.1"), part10(SOPInstanceUID="1.2.3.4.1.2", InstanceNumber=2))
    (study,) = web.get("/studies?PatientName=nguyen*&includefield=all").json()
    assert value(study, "0020000D") == "1.2.3.4"
    assert value(study, "00100010") == {"Alphabetic": "Nguyễn^Văn^Ánh"}
    assert (value(study, "00201206"), value(study, "00201208"), value(study, "00080061")) == (1, 2, "CT")
    assert value(study, "00081190") == f"{web.url}/studies/1.2.3.4"
    (series,) = web.get("/studies/1.2.3.4/series").json()
    assert (value(series, "00080060"), value(series, "00201209")) == ("CT", 2)
    images = web.get("/studies/1.2.3.4/instances").json()
    assert [value(one, "00080018") for one in images] == ["1.2.3.4.1.1", "1.2.3.4.1.2"]
    assert [value(one, "00200013") for one in web.get("/instances?limit=1&offset=1").json()] == [2]
    assert len(web.get("/studies?fuzzymatching=true&PatientName=anh nguy").json()) == 1
    assert web.get("/studies?StudyDate=20260101-20260102").json() == []
    assert web.get("/studies?00080020=20261102").json() != []
    assert web.get("/studies?StudyDate=soon").status_code == 400
    assert web.get("/studies?Nonsense=1").status_code == 400
    unmatched = web.get("/studies?PerformedStationAETitle=X").headers["warning"]
    assert unmatched == '299 tuetinh "Some attributes were not matched"'


def test_who_searches_is_told_of_more(web: Web) -> None:
    web.store(*(part10(InstanceNumber=number) for number in (1, 2, 3)))
    wanted = {"": (3, False), "limit=3": (3, False), "limit=2": (2, True), "limit=2&offset=1": (2, False)}
    answers = {query: web.get(f"/instances?{query}") for query in wanted}
    told = {query: (len(answer.json()), "warning" in answer.headers) for query, answer in answers.items()}
    assert told == wanted
    warning = answers["limit=2"].headers["warning"]
    assert warning == '299 tuetinh "There are additional results that can be requested"'


def test_objects_come_back_as_they_came(web: Web) -> None:
    data = part10(SOPInstanceUID="1.2.3.4.1.1")
    web.store(data)
    answer = web.get(ONE, f"{DICOM}; transfer-syntax=*")
    assert (answer.status_code, answer.content) == (200, data)
    part = web.get(ONE, f"{DICOM}; transfer-syntax=*", Range="bytes=128-131")
    assert (part.status_code, part.content) == (206, b"DICM")
    assert part.headers["content-range"] == f"bytes 128-131/{len(data)}"
    assert web.get(ONE, f"{DICOM}; transfer-syntax=*", Range=f"bytes={len(data)}-").status_code == 416
    assert web.get(ONE, "text/html").status_code == 406
    assert web.get(ONE + "9").status_code == 404


def test_metadata_frames_bulk_data_and_pictures(web: Web) -> None:
    web.store(part10(SOPInstanceUID="1.2.3.4.1.1"))
    (told,) = web.get("/studies/1.2.3.4/metadata").json()
    assert told["7FE00010"] == {"vr": "OW", "BulkDataURI": f"{web.url}{ONE}/bulkdata/7FE00010"}
    assert value(told, "00100020") == "BN000017"
    assert web.get(f"{ONE}/bulkdata/7FE00010", "application/octet-stream").content == bytes(range(32))
    assert web.get(f"{ONE}/frames/1", "application/octet-stream").content == bytes(range(32))
    assert web.get(f"{ONE}/frames/2").status_code == 404
    picture = web.get(f"{ONE}/rendered", "image/png")
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(BytesIO(picture.content)).size == (4, 4)
    assert web.get(f"{ONE}/rendered?window=100,50,linear&viewport=2,2").headers["content-type"] == "image/jpeg"
    assert web.get(f"{ONE}/rendered?window=x").status_code == 400
    assert web.get("/studies/1.2.3.4/thumbnail").status_code == 200


@pytest.mark.parametrize("name", ["ybr_color", "jpeg2k"])
def test_frames_of_large_files_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = Path(examples.get_path(name))
    digest = files.store(path.read_bytes()).digest
    numbers = [1, 30] if name == "ybr_color" else [1]
    whole = frames.decoded(digest, numbers)
    assert len(whole[0]) == len(dcmread(path).pixel_array.tobytes()) // numbers[-1]
    monkeypatch.setattr(frames, "WHOLE", 0)
    assert frames.decoded(digest, numbers) == whole
    assert list(frames.all_decoded(digest))[:: numbers[-1] - 1 or 1] == whole


@pytest.mark.peer
def test_another_client_stores_finds_and_retrieves(web: Web) -> None:
    session = Session()
    session.headers["Authorization"] = "Bearer system"
    client = DICOMwebClient(web.url, session=session)
    dataset = dcmread(BytesIO(part10(SOPInstanceUID="1.2.3.4.1.1")))
    client.store_instances([dataset])
    assert [
        one["0020000D"]["Value"] for one in client.search_for_studies(search_filters={"PatientID": "BN000017"})
    ] == [["1.2.3.4"]]
    assert len(client.search_for_series("1.2.3.4")) == 1
    assert len(client.search_for_instances("1.2.3.4")) == 1
    assert client.retrieve_instance("1.2.3.4", "1.2.3.4.1", "1.2.3.4.1.1").PixelData == bytes(range(32))
    assert [one.SOPInstanceUID for one in client.retrieve_study("1.2.3.4")] == ["1.2.3.4.1.1"]
    assert client.retrieve_series_metadata("1.2.3.4", "1.2.3.4.1")[0]["00280010"]["Value"] == [4]
    again = dcmread(BytesIO(part10(SOPInstanceUID="1.2.3.4.1.2", InstanceNumber=2)))
    client.store_instances([again], study_instance_uid="1.2.3.4")
    found = client.search_for_instances("1.2.3.4", limit=1, get_remaining=True)
    assert [value(one, "00080018") for one in found] == ["1.2.3.4.1.1", "1.2.3.4.1.2"]
    assert Image.open(BytesIO(client.retrieve_instance_rendered(*ONE.split("/")[2::2]))).size == (4, 4)
    assert client.retrieve_bulkdata(f"{web.url}{ONE}/bulkdata/7FE00010") == [bytes(range(32))]
    frames = client.retrieve_instance_frames("1.2.3.4", "1.2.3.4.1", "1.2.3.4.1.1", frame_numbers=[1])
    assert frames == [bytes(range(32))]
