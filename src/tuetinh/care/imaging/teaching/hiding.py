"""What is taken out of an object (PS3.15, Annex E): the Basic Application Level Confidentiality Profile with the
options Retain Longitudinal Temporal Information Modified Dates (E.3.6) and Retain Patient Characteristics (E.3.7: age,
sex).

What becomes of an attribute is told by table E.1-1, as dicom-anonymizer has it. Beside that go private and unknown
attributes, curves, overlays and every name of a person. Sequences that the table would fill with dummies go as a whole.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import tuetinh.care.imaging.library  # noqa: F401

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue

REMOVE, EMPTY, DUMMY, REPLACE = range(4)
_GROUPS: Final = (
    (REMOVE, table.X_TAGS),
    (EMPTY, table.Z_TAGS),
    (EMPTY, table.X_Z_TAGS),
    (DUMMY, table.D_TAGS),
    (DUMMY, table.Z_D_TAGS),
    (DUMMY, table.X_D_TAGS),
    (DUMMY, table.X_Z_D_TAGS),
    (REPLACE, table.U_TAGS),
    (REPLACE, table.X_Z_U_STAR_TAGS),
)
RULES: Final = {(tag[0] << 16) + tag[1]: rule for rule, tags in _GROUPS for tag in tags if len(tag) == 2}
"""What becomes of an attribute by its tag."""
CURVES, OVERLAYS = 0x5000, 0x6000  # groups of which the last byte is a number
PERSON: Final = 0x0010  # the group of the patient, whose dates are not shifted but go
OLDEST: Final = 89  # years; who is older is told as 90
METHOD: Final = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)


@dataclass(frozen=True, slots=True)
class Secret:
    """What makes new names of old ones, the same for all objects of an export; it is thrown away with the export.

    days: by which dates are put earlier.
    """

    key: bytes
    days: int

    def uid(self, old: str) -> str:
        """The new UID of one: 2.25 and a number of 128 bits (PS3.5, B.2)."""
        return f"2.25.{int.from_bytes(hmac.digest(self.key, old.encode(), 'sha256')[:16], 'big')}"

    def name(self, patient: str) -> str:
        """The new name and number of a patient."""
        return f"GD-{hmac.digest(self.key, b'patient ' + patient.encode(), 'sha256').hex()[:8].upper()}"

    def day(self, value: str) -> str:
        """A date (or what begins with one), earlier; "" where it is none."""
        text = value.strip()
        try:
            found = date(int(text[:4]), int(text[4:6]), int(text[6:8])) - timedelta(days=self.days)
        except (ValueError, OverflowError):
            return ""
        return f"{found:%Y%m%d}{text[8:]}"


def hide(dataset: FileDataset, secret: Secret) -> None:
    """Take out of an object whatever tells whose it is."""
    patient, age, sex = (str(dataset.get(tag, "") or "") for tag in ("PatientID", "PatientAge", "PatientSex"))
    _hide(dataset, secret)
    for word, value in (("PatientAge", _age(age)), ("PatientSex", sex if sex in ("M", "F", "O") else "")):
        if value:
            setattr(dataset, word, value)
    dataset.PatientID = dataset.PatientName = secret.name(patient)
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    dataset.DeidentificationMethod = "PS3.15 Annex E"
    dataset.DeidentificationMethodCodeSequence = [_code(*one) for one in METHOD]
    dataset.preamble = bytes(128)
    meta = dataset.file_meta
    for element in list(meta):
        if element.keyword not in ("FileMetaInformationVersion", "MediaStorageSOPClassUID", "TransferSyntaxUID"):
            del meta[element.tag]
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _code(value: str, meaning: str) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, "DCM", meaning
    return made


def _age(text: str) -> str:
    """An age (AS); of the very old, whom it would tell, only that they are."""
    if len(text) != 4 or not text[:3].isdecimal() or text[3] not in "DWMY":
        return ""
    return "090Y" if text[3] == "Y" and int(text[:3]) > OLDEST else text


def _hide(dataset: Dataset, secret: Secret) -> None:
    for tag in list(dataset.keys()):
        if tag.is_private or tag.group & 0xFF00 in (CURVES, OVERLAYS) or not dictionary_has_tag(tag):
            del dataset[tag]
            continue
        try:
            element = dataset[tag]
            keep = _keep(element, secret)
        except Exception:  # a value that is none of its VR
            keep = False
        if not keep:
            del dataset[tag]


def _keep(element: DataElement, secret: Secret) -> bool:
    """Change an element as it must be; False where it goes."""
    rule = RULES.get(int(element.tag))
    if element.VR == "SQ":
        for item in element.value:
            _hide(item, secret)
        return rule in (None, REPLACE)
    if element.VR in ("DA", "DT") and element.tag.group != PERSON:
        element.value = _each(element.value, secret.day)
        return True
    if element.VR == "TM" and element.tag.group != PERSON:  # days are shifted by whole ones
        return True
    if element.VR == "PN":
        element.value = ""
        return rule != REMOVE
    if rule is None:
        return True
    if rule == REPLACE or (element.VR == "UI" and rule != REMOVE):
        element.value = _each(element.value, secret.uid)
        return True
    if rule == REMOVE:
        return False
    element.value = _dummy(element.VR) if rule == DUMMY else None
    return True


def _each(value: Any, change: Any) -> Any:
    if isinstance(value, (MultiValue, list)):
        return [change(str(one)) for one in value]
    return change(str(value)) if value else value


def _dummy(vr: str) -> Any:
    """A value that tells nothing."""
    if vr in ("DS", "IS", "FL", "FD", "SL", "SS", "UL", "US"):
        return 0
    return {"TM": "000000", "AS": "000Y", "UR": "http://anonymized.invalid"}.get(
        vr, "ANONYMIZED" if vr in ("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT") else None
    )
