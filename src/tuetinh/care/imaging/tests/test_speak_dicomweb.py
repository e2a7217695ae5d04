"""The archive over HTTP, as viewers and other systems meet it."""

from __future__ import annotations

import subprocess
from collections.abc import Set
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import Dataset, dcmread, dcmwrite, examples
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless
from requests import Session

from tuetinh.care.imaging.dicomweb import frames, native, wado
from tuetinh.care.imaging.dicomweb.multipart import parameters
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
    assert web.get("/studies", who="citizen").status_code == 204  # it is another patient's
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


def test_a_part_that_is_no_object_hinders_no_other(web: Web) -> None:
    """What was stored before it is told, for it stays stored."""
    dicom = b"Content-Type: application/dicom\r\n\r\n"
    first, last = (part10(SOPInstanceUID=f"1.2.3.4.1.{number}") for number in (1, 2))
    body = b"--x\r\n" + dicom + first + b"\r\n--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\n" + dicom + last
    answer = web.post(body + b"\r\n--x--\r\n", "multipart/related; type=application/dicom; boundary=x")
    assert answer.status_code == 202
    told = answer.json()
    assert [value(one, "00081155") for one in told["00081199"]["Value"]] == ["1.2.3.4.1.1", "1.2.3.4.1.2"]
    assert [value(one, "00081197") for one in told["00081198"]["Value"]] == [0xC000]
    alone = b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n"
    assert web.post(alone, "multipart/related; boundary=x").status_code == 415


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
    nothing = web.get("/studies?StudyDate=20260101-20260102")
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert web.get("/studies?00080020=20261102").json() != []
    assert web.get("/studies?StudyDate=soon").status_code == 400
    assert web.get("/studies?Nonsense=1").status_code == 400
    unmatched = web.get("/studies?PerformedStationAETitle=X").headers["warning"]
    assert unmatched == '299 tuetinh "Some attributes were not matched"'


def test_find_by_what_stands_in_sequences(web: Web) -> None:
    asked = [Dataset(), Dataset()]
    asked[0].ScheduledProcedureStepID, asked[1].ScheduledProcedureStepID = "P1", "P2"
    asked[1].ScheduledProtocolCodeSequence = [Dataset()]
    asked[1].ScheduledProtocolCodeSequence[0].CodeValue = "C7"
    web.store(part10(RequestAttributesSequence=asked), part10(SeriesInstanceUID="1.2.3.4.2"))
    for query, found in {
        "RequestAttributesSequence.ScheduledProcedureStepID=P2": 1,
        "00400275.00400009=P?": 1,
        "00400275.00400009=P3": 0,
        "RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue=C7": 1,
        "RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeValue=C8": 0,
        "RequestAttributesSequence.ScheduledProcedureStepID=": 2,
        "RequestAttributesSequence.ScheduledProcedureStepID='": 0,
    }.items():
        answer = web.get(f"/series?{query}")
        assert (len(answer.json()) if answer.content else 0, "warning" in answer.headers) == (found, False), query
    assert "warning" in web.get("/series?PatientName.CodeValue=C7").headers
    assert web.get("/series?RequestAttributesSequence.Nonsense=C7").status_code == 400


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
    for query in ("window=x", "window=1,0,linear", "window=1,nan", "window=1,2,cubic", "viewport=1", "quality=0",
                  "viewport=2,2,x,0,1,1", "annotation=all"):  # fmt: skip
        assert web.get(f"{ONE}/rendered?{query}").status_code == 400, query
    assert web.get("/studies/1.2.3.4/thumbnail").status_code == 200


def drawn(web: Web, query: str = "", path: str = f"{ONE}/rendered") -> np.ndarray:
    """A picture as it is drawn."""
    answer = web.get(f"{path}?{query}", "image/png")
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(BytesIO(answer.content)))


def test_pictures_are_drawn_as_they_are_asked_for(web: Web) -> None:
    values = np.arange(16, dtype="<u2").reshape(4, 4)
    web.store(part10(SOPInstanceUID="1.2.3.4.1.1", PixelData=values.tobytes(), PatientID="BN000017"))
    whole = drawn(web)
    assert (whole.min(), whole.max()) == (0, 255)
    corner = drawn(web, "viewport=4,4,2,1,2,3")
    assert np.array_equal(corner, whole[1:4, 2:4])
    assert np.array_equal(drawn(web, "viewport=4,4,2,1,-2,-3"), corner[::-1, ::-1])
    assert np.array_equal(drawn(web, "viewport=4,4,,,2,"), whole[:, :2])
    assert web.get(f"{ONE}/rendered?viewport=4,4,4,0,2,2").status_code == 404
    linear, exact, sigmoid = (drawn(web, f"window=8,4,{one}") for one in ("linear", "linear-exact", "sigmoid"))
    for found, width in ((linear, 3), (exact, 4)):
        assert found.ravel().tolist() == [int(np.clip((x - 6) / width, 0, 1) * 255) for x in range(16)]
    assert sigmoid.ravel().tolist() == [int(255 / (1 + np.exp(8.0 - x))) for x in range(16)]


def test_what_is_told_of_a_picture_is_written_upon_it(web: Web) -> None:
    web.store(part10(SOPInstanceUID="1.2.3.4.1.1", Rows=256, Columns=256, PixelData=bytes(2 * 256**2)))
    plain = drawn(web)
    kinds = ("patient", "technique", "patient,technique")
    patient, technique, both = (drawn(web, f"annotation={one}") for one in kinds)
    assert not plain.any()
    assert patient[:128].any() and not patient[128:].any()
    assert technique[128:].any() and not technique[:128].any()
    assert both[:128].any() and both[128:].any()


def test_frames_of_enhanced_objects_are_drawn_by_their_own_words(web: Web) -> None:
    """Rescale and window stand in the functional groups, of all frames or of each."""
    first, second, everywhere = Dataset(), Dataset(), Dataset()
    for one, centre in ((first, 8), (second, 108)):
        one.FrameVOILUTSequence = [Dataset()]
        one.FrameVOILUTSequence[0].WindowCenter, one.FrameVOILUTSequence[0].WindowWidth = centre, 4
        one.FrameVOILUTSequence[0].VOILUTFunction = "LINEAR_EXACT"
    everywhere.PixelValueTransformationSequence = [Dataset()]
    everywhere.PixelValueTransformationSequence[0].RescaleIntercept = 0
    everywhere.PixelValueTransformationSequence[0].RescaleSlope = 1
    values = np.concatenate([np.arange(16), np.arange(100, 116)]).astype("<u2")
    web.store(
        part10(
            SOPInstanceUID="1.2.3.4.1.1", NumberOfFrames=2, PixelData=values.tobytes(),
            PerFrameFunctionalGroupsSequence=[first, second], SharedFunctionalGroupsSequence=[everywhere],
        )
    )  # fmt: skip
    one, other = (drawn(web, path=f"{ONE}/frames/{number}/rendered") for number in (1, 2))
    both = web.get(f"{ONE}/frames/1,2/rendered", 'multipart/related; type="image/png"')
    assert both.headers["content-type"].startswith('multipart/related; type="image/png"')
    assert both.content.count(b"\x89PNG") == 2
    assert one.ravel().tolist() == [int(np.clip((x - 6) / 4, 0, 1) * 255) for x in range(16)]
    assert np.array_equal(one, other)


def test_bulk_data_of_each_item_has_its_own_address(web: Web) -> None:
    """Of two curves, or of a picture beside its icon, each is given; and words with their first byte first."""
    curves = [Dataset(), Dataset()]
    for number, curve in enumerate(curves, start=1):
        curve.WaveformBitsAllocated = 16
        curve.add_new("WaveformData", "OW", bytes([0, number]) * 1000)
    icon = Dataset()
    icon.add_new("PixelData", "OW", bytes([9, 0]) * 1000)
    web.store(part10(SOPInstanceUID="1.2.3.4.1.1", WaveformSequence=curves, IconImageSequence=[icon]))
    (told,) = web.get("/studies/1.2.3.4/metadata").json()
    octets = "application/octet-stream"
    addresses = [item["54001010"]["BulkDataURI"] for item in told["54000100"]["Value"]]
    addresses += [told["00880200"]["Value"][0]["7FE00010"]["BulkDataURI"], told["7FE00010"]["BulkDataURI"]]
    found = [web.get(one.removeprefix(web.url), octets).content for one in addresses]
    assert found == [bytes([0, 1]) * 1000, bytes([0, 2]) * 1000, bytes([9, 0]) * 1000, bytes(range(32))]
    assert web.get(f"{ONE}/bulkdata/54000100/3/54001010", octets).status_code == 404
    assert web.get(f"{ONE}/bulkdata/54000100/1/00100010", octets).status_code == 404
    big = dcmread(BytesIO(part10(SOPInstanceUID="1.2.3.4.1.2", WaveformSequence=curves)))
    out = BytesIO()
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dcmwrite(out, big, implicit_vr=False, little_endian=False)
    assert web.store(out.getvalue()).status_code == 200
    path = ONE.removesuffix("1") + "2/bulkdata/54000100/2/54001010"
    assert web.get(path, octets).content == bytes([2, 0]) * 1000


def test_what_cannot_be_decoded_is_refused(web: Web) -> None:
    """An unknown syntax, a size that is none: each object is given as it is."""
    odd = part10(SOPInstanceUID="1.2.3.4.1.1").replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00XX")
    strange = part10(SOPInstanceUID="1.2.3.4.1.2").replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.7\0", 1)
    for number, data in enumerate((odd, strange), start=1):
        assert web.store(data).status_code == 200
        path = f"{ONE[:-1]}{number}"
        assert web.get(path, f"{DICOM}; transfer-syntax=*").content == data
        for end in ("/rendered", "/thumbnail", "/frames/1"):
            assert web.get(path + end).status_code == 406, (number, end)


def test_a_document_is_drawn_as_itself(web: Web) -> None:
    paper = dcmread(BytesIO(part10(SOPClassUID=wado.PAPER, SOPInstanceUID="1.2.3.4.1.1", Modality="DOC", Rows=None)))
    del paper.PixelData
    paper.EncapsulatedDocument, paper.MIMETypeOfEncapsulatedDocument = b"%PDF-1.7 papers ", "application/pdf"
    out = BytesIO()
    paper.save_as(out)
    assert web.store(out.getvalue()).status_code == 200
    answer = web.get(f"{ONE}/rendered", "application/pdf")
    assert (answer.headers["content-type"], answer.content) == ("application/pdf", b"%PDF-1.7 papers ")
    assert web.get("/studies/1.2.3.4/rendered").content == answer.content
    assert web.get(f"{ONE}/rendered", "image/png").status_code == 406


def test_bulk_data_is_given_in_pieces(web: Web) -> None:
    """Pixels as they lie in the file, and any other element."""
    web.store(part10(SOPInstanceUID="1.2.3.4.1.1", NumberOfFrames=2, Rows=2, ICCProfile=bytes(range(250)) * 8))
    for tag, data in (("7FE00010", bytes(range(32))), ("00282000", bytes(range(250)) * 8)):
        url = f"{ONE}/bulkdata/{tag}"
        whole = web.get(url, "application/octet-stream")
        assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, data, "bytes")
        piece = web.get(url, "application/octet-stream", Range="bytes=8-11")
        assert (piece.status_code, piece.content) == (206, data[8:12])
        assert piece.headers["content-range"] == f"bytes 8-11/{len(data)}"
        assert web.get(url, "application/octet-stream", Range="bytes=99999-").status_code == 416
        assert data in web.get(url, 'multipart/related; type="application/octet-stream"').content


def test_objects_are_given_in_the_syntax_that_is_asked_for(web: Web) -> None:
    pixels = bytes(value for number in range(64 * 64) for value in (number % 256, number % 16))
    web.store(part10(SOPInstanceUID="1.2.3.4.1.1", Rows=64, Columns=64, PixelData=pixels))
    for syntax in (JPEGLSLossless, JPEG2000Lossless, RLELossless):
        answer = web.get(ONE, f"{DICOM}; transfer-syntax={syntax}")
        assert answer.headers["content-type"] == f"{DICOM}; transfer-syntax={syntax}"
        found = dcmread(BytesIO(answer.content))
        assert found.file_meta.TransferSyntaxUID == syntax
        found.decompress(generate_instance_uid=False)
        assert (found.PixelData, found.SOPInstanceUID) == (pixels, "1.2.3.4.1.1")
    related = f'multipart/related; type="{DICOM}"; transfer-syntax={JPEGLSLossless}'
    assert f"transfer-syntax={JPEGLSLossless}".encode() in web.get("/studies/1.2.3.4", related).content
    lossy = f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.50"
    assert web.get(ONE, lossy).status_code == 406
    assert web.get(ONE, f"{lossy}, {DICOM}; transfer-syntax=*; q=0.5").status_code == 200
    beyond = part10(SOPInstanceUID="1.2.3.4.1.2", Rows=64, Columns=64, PixelData=b"\xff" * 8192)  # of twelve bits
    web.store(beyond)
    other = ONE.removesuffix("1") + "2"
    assert web.get(other, f"{DICOM}; transfer-syntax={JPEGLSLossless}").status_code == 406


def test_metadata_and_answers_are_xml_where_that_is_asked_for(web: Web, tmp_path: Path) -> None:
    """As dcmtk writes the Native DICOM Model."""
    data = part10(SOPInstanceUID="1.2.3.4.1.1", PatientComments="a < b")
    block = dcmread(BytesIO(data))
    block.private_block(0x0009, "TUETINH TEST", create=True).add_new(1, "LO", ["x", "y"])
    block.ProcedureCodeSequence = [Dataset()]
    block.ProcedureCodeSequence[0].CodeValue = "C1"
    block.save_as(tmp_path / "one.dcm")
    related = f'multipart/related; type="{native.MEDIA}"'
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + (tmp_path / "one.dcm").read_bytes() + b"\r\n--x--"
    kind = "multipart/related; type=application/dicom; boundary=x"
    told = httpx.post(
        f"{web.url}/studies",
        content=body,
        headers={"Authorization": "Bearer system", "Content-Type": kind, "Accept": native.MEDIA},
    )
    assert (told.status_code, told.headers["content-type"]) == (200, native.MEDIA)
    assert attributes(told.content)["00081190"] == [f"{web.url}/studies/1.2.3.4"]
    theirs = subprocess.run(["dcm2xml", "-nat", tmp_path / "one.dcm"], capture_output=True, check=True).stdout
    [ours] = xml_parts(web.get(f"{ONE}/metadata", related))
    left_out = {"7FE00010", "00083002"}  # an address here, bytes there; what it can be given in
    wanted, found = (attributes(text, left_out) for text in (theirs, ours))
    assert found == wanted
    assert (found["00104000"], found["00090001"], found["00081032"]) == (["a < b"], ["x", "y"], ["C1"])
    matches = web.get("/studies?limit=5", related)
    assert [attributes(one)["0020000D"] for one in xml_parts(matches)] == [["1.2.3.4"]]
    assert web.get("/studies", native.MEDIA).status_code == 406  # matches are several documents
    assert web.get("/studies", "text/html").status_code == 406
    assert web.get(f"{ONE}/metadata", "text/html").status_code == 406
    assert web.get("/studies", f"{native.MEDIA}, application/json").headers["content-type"] == "application/dicom+json"


def xml_parts(answer: httpx.Response) -> list[bytes]:
    """The documents of a multipart answer."""
    assert answer.status_code == 200
    boundary = parameters(answer.headers["content-type"])["boundary"].encode()
    parts = answer.content.split(b"--" + boundary)[1:-1]
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]


def attributes(document: bytes, left_out: Set[str] = frozenset()) -> dict[str, list[str]]:
    """What a Native DICOM Model tells, and by which names: all text within each attribute."""
    root = ElementTree.fromstring(document)
    assert root.tag.endswith("NativeDicomModel")
    found = {}
    for one in root:
        tag = one.attrib["tag"].upper()
        if tag not in left_out:
            texts = [inner.text for inner in one.iter() if inner.text and inner.text.strip()]
            found[tag] = texts
            found[f"{tag} as"] = [one.attrib["vr"], one.get("privateCreator", ""), one.get("keyword", "")]
    return found


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


SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def single_bits(columns: int, **changes: object) -> tuple[bytes, list[bytes]]:
    """A segmentation of three frames with three rows, and each of its frames as it is to be sent."""
    size = 3 * columns
    bits = np.random.default_rng(columns).integers(0, 2, 3 * size, dtype=np.uint8)
    told = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": 3, "Rows": 3, "Columns": columns}
    packed = np.packbits(bits, bitorder="little").tobytes()
    made = part10(
        SOPClassUID=SEGMENTATION, Modality="SEG", PixelData=packed + b"\0" * (len(packed) % 2), **told, **changes
    )
    return made, [np.packbits(bits[at : at + size], bitorder="little").tobytes() for at in (0, size, 2 * size)]


@pytest.mark.parametrize("columns", [3, 8])
def test_frames_of_single_bits_begin_with_a_byte(web: Web, columns: int) -> None:
    """In the object a frame begins where the one before it has ended, be it within a byte (PS3.5, 8.1.1)."""
    data, expected = single_bits(columns, SOPInstanceUID="1.2.3.4.1.1")
    assert web.store(data).status_code == 200
    octets = "application/octet-stream"
    assert [web.get(f"{ONE}/frames/{number}", octets).content for number in (1, 2, 3)] == expected
    whole = dcmread(BytesIO(data)).PixelData[: -(-9 * columns // 8)]
    assert web.get(f"{ONE}/bulkdata/7FE00010", octets).content == whole
    drawn = Image.open(BytesIO(web.get(f"{ONE}/frames/2/rendered", "image/png").content))
    assert np.packbits(np.asarray(drawn) > 0, bitorder="little").tobytes() == expected[1]


def test_a_study_is_shown_by_its_pictures(web: Web) -> None:
    """Not by what lies over them, and that by itself where there is nothing else."""
    seg, _frames = single_bits(8, SOPInstanceUID="1.2.3.4.2.1", SeriesInstanceUID="1.2.3.4.2", SeriesNumber=2)
    web.store(seg)
    alone = Image.open(BytesIO(web.get("/studies/1.2.3.4/rendered").content))
    web.store(part10(SOPInstanceUID="1.2.3.4.1.1"))
    both = Image.open(BytesIO(web.get("/studies/1.2.3.4/rendered").content))
    assert (alone.size, both.size) == ((8, 3), (4, 4))


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
