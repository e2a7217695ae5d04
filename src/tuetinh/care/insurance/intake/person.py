"""The Patient and the Coverages that table 1 tells of."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from tuetinh.care.insurance.facts import AREA, CLASSES, EXEMPT, FIVE_YEARS, INSURER, OUR_CLASSES
from tuetinh.care.insurance.filling.summary import NATIONALITY
from tuetinh.care.insurance.intake import reading
from tuetinh.care.insurance.tables import Row
from tuetinh.commons.catalogues.api import ethnic_group
from tuetinh.commons.identity.api import (
    BHYT_CARD,
    JOB_CODES,
    OCCUPATION,
    PersonDraft,
    check_number,
    number,
)
from tuetinh.commons.identity.api import patient as draft_patient
from tuetinh.record import r4

SEXES: Final = {"1": "male", "2": "female", "3": "other"}
COUNTRIES: Final = "https://tuetinh.vn/fhir/CodeSystem/ma-quoctich"
CARD = re.compile(r"[A-Z]{2}[1-5][0-9]{12}")


def patient(row: Row, organization: str) -> r4.Patient:
    """The person of a claim, with the record number that the hospital has given."""
    name = " ".join(row.get("HO_TEN", "").split())
    cccd = row.get("SO_CCCD", "")
    card = next((one for one in reading.parts(row.get("MA_THE_BHYT", "")) if CARD.fullmatch(one)), "")
    people = ethnic_group(row.get("MA_DANTOC", ""))
    found = draft_patient(
        PersonDraft(
            name.title() if name.isupper() else name,
            birth=reading.birth(row.get("NGAY_SINH", "")),
            gender=SEXES.get(row.get("GIOI_TINH", ""), "unknown"),
            cccd=cccd if is_personal(cccd) else "",
            card="" if card.endswith("0" * 10) else card,
            phone=row.get("DIEN_THOAI", ""),
            address=row.get("DIA_CHI", ""),
            commune=reading.code(row.get("MAXA_CU_TRU", "")),
            province=reading.code(row.get("MATINH_CU_TRU", "")),
            ethnic=people.code if people else "",
            ethnic_name=people.name if people else "",
        ),
        facility=organization,
        mrn=row.get("MA_BN", ""),
    )
    if passport := row.get("SO_CCCD", "") if re.fullmatch(r"[A-Z][0-9A-Z]{6,8}", cccd) else "":
        found.identifier = [*(found.identifier or []), number("passport", passport)]
    if found.address and (district := row.get("MAHUYEN_CU_TRU")):
        found.address[0].district = district
    found.extension = [*(found.extension or []), *_told_beside(row)] or None
    return found


def _told_beside(row: Row) -> list[r4.Extension]:
    """Occupation and nationality, where they say something."""
    told = []
    job = reading.code(row.get("MA_NGHE_NGHIEP", ""))
    if job.strip("0"):
        told.append(r4.Extension(url=OCCUPATION, valueCodeableConcept=reading.coded(JOB_CODES, job)))
    if (country := reading.code(row.get("MA_QUOCTICH", ""))).strip("0"):
        part = r4.Extension(url="code", valueCodeableConcept=reading.coded(COUNTRIES, country))
        told.append(r4.Extension(url=NATIONALITY, extension=[part]))
    return told


def is_personal(number_: str) -> bool:
    """Whether this can be somebody's personal number: placeholders would make one person of many."""
    odd = check_number(number_)
    return not odd and len(set(number_)) > 2


def coverages(row: Row, patient_id: str) -> list[r4.Coverage]:
    """The cards of a claim, each with its days; their ids are the same in every claim of the person."""
    numbers = reading.parts(row.get("MA_THE_BHYT", ""))
    sides = [row.get(name, "").split(";") for name in ("MA_DKBD", "GT_THE_TU", "GT_THE_DEN")]
    found = []
    for place, card in enumerate(numbers):
        registered, since, until = (side[place].strip() if place < len(side) else "" for side in sides)
        found.append(_coverage(row, patient_id, card, registered, reading.day(since), reading.day(until)))
    return list({one.id: one for one in found}.values())


def _coverage(row: Row, patient_id: str, card: str, registered: str, since: str, until: str) -> r4.Coverage:  # noqa: PLR0917
    classes = [_class("group", card[:2]), _class("plan", card[2])] if CARD.fullmatch(card) else []
    if registered:
        classes.append(_class("registered-facility", registered, OUR_CLASSES))
    dates = ((FIVE_YEARS, row.get("NAM_NAM_LIEN_TUC", "")), (EXEMPT, row.get("NGAY_MIEN_CCT", "")))
    extensions = [r4.Extension(url=url, valueDate=iso) for url, told in dates if (iso := reading.day(told))]
    if area := reading.code(row.get("MA_KHUVUC", "")):
        extensions.append(r4.Extension(url=AREA, valueCode=area))
    until = until if since <= until else ""
    key = blake2b(f"{patient_id}|{card}|{since}".encode(), digest_size=12).hexdigest()
    return r4.Coverage(
        id=f"hs-the-{key}",
        extension=extensions or None,
        identifier=[r4.Identifier(system=BHYT_CARD, value=card)],
        status="active",
        type=r4.CodeableConcept(
            coding=[r4.Coding(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="PUBLICPOL")],
            text="Bảo hiểm y tế",
        ),
        subscriberId=card,
        beneficiary=r4.Reference(reference=f"Patient/{patient_id}"),
        period=r4.Period(start=since or None, end=until or None) if since or until else None,
        payor=[INSURER],
        class_=classes or None,
    )


def _class(code: str, value: str, system: str = CLASSES) -> r4.CoverageClass:
    return r4.CoverageClass(type=r4.CodeableConcept(coding=[r4.Coding(system=system, code=code)]), value=value)
