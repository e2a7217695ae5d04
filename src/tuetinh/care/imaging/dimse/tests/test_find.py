"""What machines ask, over C-FIND."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
)

from tuetinh.care.imaging.dimse import finding
from tuetinh.care.imaging.dimse.tests.calling import call, find, send
from tuetinh.care.imaging.tests.conftest import part10

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


def test_store_and_find_at_every_level(port: int) -> None:
    second = part10(SeriesInstanceUID="1.2.3.4.2", SOPInstanceUID="1.2.3.4.2.1", SeriesNumber=2, InstanceNumber=7)
    assert send(port, part10(SOPInstanceUID="1.2.3.4.1.1"), second) == [0, 0]
    studies = find(
        port, QueryRetrieveLevel="STUDY", PatientName="", PatientID="BN000017", StudyInstanceUID="", StudyDate="",
        ModalitiesInStudy="", NumberOfStudyRelatedSeries="", NumberOfStudyRelatedInstances="", StudyDescription="",
    )  # fmt: skip
    assert len(studies) == 1
    (study,) = studies
    assert (str(study.PatientName), study.StudyDate, study.ModalitiesInStudy) == ("Nguyễn^Văn^Ánh", "20261102", "CT")
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (2, 2)
    assert (study.RetrieveAETitle, study.SpecificCharacterSet) == ("TUETINH", "ISO_IR 192")
    series = find(port, QueryRetrieveLevel="SERIES", StudyInstanceUID="1.2.3.4", SeriesNumber="", Modality="CT")
    assert [one.SeriesNumber for one in series] == [1, 2]
    images = find(port, QueryRetrieveLevel="IMAGE", SeriesInstanceUID="1.2.3.4.2", SOPInstanceUID="", InstanceNumber="")
    assert [(one.SOPInstanceUID, one.InstanceNumber) for one in images] == [("1.2.3.4.2.1", 7)]
    people = find(
        port, PatientRootQueryRetrieveInformationModelFind, QueryRetrieveLevel="PATIENT", PatientName="nguyen*",
        PatientID="",
    )  # fmt: skip
    assert [one.PatientID for one in people] == ["BN000017"]


MATCHES: list[tuple[dict[str, Any], int]] = [
    ({"PatientName": "Nguyễn*"}, 1),
    ({"PatientName": "NGUYEN^VAN^ANH"}, 1),
    ({"PatientName": "*anh"}, 1),
    ({"PatientName": "Tran*"}, 0),
    ({"StudyDate": "20261101-20261103"}, 1),
    ({"StudyDate": "20261103-"}, 0),
    ({"StudyDate": "-20261102"}, 1),
    ({"StudyTime": "08"}, 1),
    ({"StudyTime": "0816-"}, 0),
    ({"StudyInstanceUID": ["1.2.3.4", "9.9"]}, 1),
    ({"StudyInstanceUID": "9.9"}, 0),
    ({"ModalitiesInStudy": "MR"}, 0),
    ({"ModalitiesInStudy": ["MR", "CT"]}, 1),
    ({"StudyDescription": "*não"}, 1),
    ({"StudyDescription": "CLVT s? não"}, 1),
    ({"StudyDescription": "%"}, 0),
    ({"ReferringPhysicianName": "tran thi*"}, 1),
    ({"PatientSex": "F"}, 0),
    ({"AccessionNumber": "1"}, 0),
]


def test_matching(port: int) -> None:
    send(port, part10())
    usual = {"QueryRetrieveLevel": "STUDY", "SpecificCharacterSet": "ISO_IR 192"}
    assert [(keys, len(find(port, **usual, **keys))) for keys, _ in MATCHES] == MATCHES


def test_matching_within_sequences(port: int) -> None:
    step = Dataset()
    step.ScheduledProcedureStepID, step.RequestedProcedureID = "P1", "R1"
    send(port, part10(RequestAttributesSequence=[step]))
    for wanted, count in (("P1", 1), ("P*", 1), ("P2", 0), ("", 1)):
        asked = Dataset()
        asked.ScheduledProcedureStepID, asked.RequestedProcedureID = wanted, ""
        found = find(port, QueryRetrieveLevel="SERIES", SeriesInstanceUID="", RequestAttributesSequence=[asked])
        assert len(found) == count, wanted
        assert [one.RequestAttributesSequence[0].RequestedProcedureID for one in found] == ["R1"] * count


@pytest.mark.parametrize(("most", "statuses"), [(3, [0xFF00, 0xFF00, 0xFF00, 0]), (2, [0xFF00, 0xFF01, 0])])
def test_who_searches_is_told_of_more(
    port: int, monkeypatch: pytest.MonkeyPatch, most: int, statuses: list[int]
) -> None:
    monkeypatch.setattr(finding, "MOST", most)
    send(port, *(part10(InstanceNumber=number) for number in (1, 2, 3)))
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.SOPInstanceUID = "IMAGE", ""
    association = call(port, StudyRootQueryRetrieveInformationModelFind)
    told = [status for status, _ in association.send_c_find(asked, StudyRootQueryRetrieveInformationModelFind)]
    association.release()
    assert [one.Status for one in told] == statuses
