"""A stay in which everything happened that any table of a claim tells of, with ids that never change."""

# ruff: noqa: E501 - resources read better unbroken

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

from tuetinh.care.insurance.facts import coverage
from tuetinh.care.insurance.filling.reading import ICD9, MACHINE
from tuetinh.care.insurance.gateway import Answer
from tuetinh.care.insurance.papers.catalogue import PAPERS, Paper
from tuetinh.care.insurance.papers.facts import appointment, response
from tuetinh.care.insurance.situations import CEILING, HEAD, OTHER_SOURCES, REGISTRATION, SUPPLIES, TENDER
from tuetinh.care.insurance.tests.conftest import EXAM, GLUCOSE, money
from tuetinh.commons.catalogues.api import (
    PriceRow,
    codes,
    condition_code,
    drug_code,
    drugs,
    icd10,
    list_code,
    service,
    service_code,
    set_price,
)
from tuetinh.commons.identity.api import BHXH, PersonDraft, patient
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

VISIT = "full-visit"
ISSUED = "2026-11-05T10:00:00+07:00"
SURGERY = "10.0807.0577"
ME, ABOUT = r4.Reference(reference="Patient/full-patient"), r4.Reference(reference=f"Encounter/{VISIT}")
HERE, DOCTOR = r4.Reference(reference="Organization/12001"), r4.Reference(reference="Practitioner/full-doctor")


def loinc(code: str, text: str = "") -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code=code)], text=text or None)


def quantity(value: str, unit: str) -> r4.Quantity:
    return r4.Quantity(value=D(value), unit=unit)


def sample(paper: Paper, name: str) -> str:
    """An answer to a question, of its kind."""
    kind, field = paper.kind(name), paper.fields()[name]
    known = list(codes(field.codes[-1][1])) if field.codes else []
    return {
        "code": known[0] if known else "",
        "codes": ";".join(known[:2]),
        "flag": "1",
        "facility": "12002",
        "date": "20261106" if name in (paper.days or ()) else "20261103",
        "moment": "202611030830",
        "number": "3",
        "text": "1290000001" if name in ("MA_CHA", "MA_ME") else f"Mẫu {name}"[:10],
        "lines": f"Mẫu <{name}> & dài",
    }[kind]


def store_full_visit() -> str:
    """Store the stay; returns its id."""
    _people()
    _stay()
    _orders()
    _charges()
    _papers()
    return VISIT


def _people() -> None:
    organization = r4.Organization(id="12001", name="Bệnh viện đa khoa tỉnh", active=True)
    organization.extension = [r4.Extension(url=HEAD, valueString="000123/LCH-GPHN")]
    record.create(SYSTEM, organization)
    licence = r4.PractitionerQualification(
        code=r4.CodeableConcept(text="GPHN"), identifier=[r4.Identifier(value="000456/LCH-GPHN")]
    )
    name = [r4.HumanName(text="Lò Văn Ún")]
    record.create(SYSTEM, r4.Practitioner(id="full-doctor", name=name, qualification=[licence]))
    draft = PersonDraft(
        name="Lò Thị Pâng", birth="1992-03-15", gender="female", cccd="012192000017", ethnic="03", address="Bản Nà Khan",
        commune="03390", province="12", phone="0912345678",
    )  # fmt: skip
    who = patient(draft)
    who.id = "full-patient"
    who.identifier = [
        *(who.identifier or []),
        r4.Identifier(system=BHXH, value="1290000017"),
    ]
    record.create(SYSTEM, who)
    answer = Answer(
        "000", ma_the="GD4120000000017", gt_the_tu="01/01/2026", gt_the_den="31/12/2026", ma_dkbd="12001",
        ngay_du_5_nam="01/01/2025", ma_kv="K1",
    )  # fmt: skip
    record.create(SYSTEM, coverage(answer, "full-patient", id_="full-card"))
    ward = r4.CodeableConcept(coding=[r4.Coding(system="https://tuetinh.vn/fhir/CodeSystem/ma-khoa", code="K19")])
    record.create(SYSTEM, r4.Location(id="full-room", name="Khoa Ngoại", type=[ward]))
    record.create(SYSTEM, r4.Location(id="full-bed", name="H001"))
    machine = [r4.Identifier(system=MACHINE, value="HH.1.BC5000")]
    record.create(SYSTEM, r4.Device(id="full-machine", identifier=machine))


def _stay() -> None:
    disease = icd10("K35.8")
    assert disease is not None
    record.create(
        SYSTEM,
        r4.Condition(
            id="full-condition", subject=ME, encounter=ABOUT, code=condition_code(disease),
            stage=[r4.ConditionStage(summary=r4.CodeableConcept(text="Giai đoạn sớm"))],
        ),
    )  # fmt: skip
    leaving = [c for n, k in (("KET_QUA_DTRI", "1"), ("MA_LOAI_RV", "2")) for c in list_code(n, k).coding or []]
    where = [r4.EncounterLocation(location=r4.Reference(reference=f"Location/full-{n}")) for n in ("room", "bed")]
    record.create(
        SYSTEM,
        r4.Encounter(
            id=VISIT, status="finished", class_=r4.Coding(code="IMP"), subject=ME, serviceProvider=HERE,
            identifier=[r4.Identifier(system="https://tuetinh.vn/fhir/ma-lk", value="12001-FULL")],
            period=r4.Period(start="2026-11-02T08:15:00+07:00", end="2026-11-05T10:40:00+07:00"),
            reasonCode=[r4.CodeableConcept(text="Đau bụng")], participant=[r4.EncounterParticipant(individual=DOCTOR)],
            diagnosis=[r4.EncounterDiagnosis(condition=r4.Reference(reference="Condition/full-condition"), rank=1)],
            location=where, hospitalization=r4.EncounterHospitalization(
                dischargeDisposition=r4.CodeableConcept(coding=leaving),
                preAdmissionIdentifier=r4.Identifier(value="26/CT/000009"),
                origin=r4.Reference(reference="Organization/12104"),
            ),
        ),
    )  # fmt: skip
    for key, code, value, unit in (
        ("w", "29463-7", "52.5", "kg"),
        ("h", "8302-2", "155", "cm"),
        ("t", "8310-5", "37.5", "°C"),
    ):
        record.create(
            SYSTEM,
            r4.Observation(
                id=f"full-{key}", status="final", code=loinc(code), subject=ME, encounter=ABOUT,
                effectiveDateTime="2026-11-03T08:00:00+07:00", valueQuantity=quantity(value, unit),
            ),
        )  # fmt: skip
    blood = r4.Observation(
        id="full-b", status="final", code=loinc("883-9"), subject=ME, encounter=ABOUT, valueString="O+"
    )
    record.create(SYSTEM, blood)
    note = r4.ClinicalImpression(
        id="full-note", status="completed", subject=ME, encounter=ABOUT, date="2026-11-03T09:00:00+07:00", assessor=DOCTOR,
        summary="Bụng mềm", note=[r4.Annotation(text="Hội chẩn: mổ")], description="Đau hai ngày",
    )  # fmt: skip
    record.create(SYSTEM, note)
    record.create(
        SYSTEM,
        r4.CarePlan(
            id="full-plan",
            status="active",
            intent="plan",
            subject=ME,
            encounter=ABOUT,
            description="Thay băng mỗi ngày",
        ),
    )


def _orders() -> None:
    test, operation = service(GLUCOSE), service(SURGERY)
    assert test is not None
    code = service_code(operation) if operation else r4.CodeableConcept(text="Phẫu thuật nội soi cắt ruột thừa")
    for id_, concept in (("full-test", service_code(test)), ("full-operation", code)):
        record.create(
            SYSTEM,
            r4.ServiceRequest(
                id=id_, status="completed", intent="order", code=concept, subject=ME, encounter=ABOUT,
                authoredOn="2026-11-02T09:00:00+07:00", requester=DOCTOR,
            ),
        )  # fmt: skip
    of_test = [r4.Reference(reference="ServiceRequest/full-test")]
    record.create(
        SYSTEM,
        r4.Observation(
            id="full-glucose", status="final", code=loinc("14749-6", "Glucose"), subject=ME, encounter=ABOUT, basedOn=of_test,
            effectiveDateTime="2026-11-02T09:20:00+07:00", issued="2026-11-02T09:45:00+07:00", performer=[DOCTOR],
            valueQuantity=quantity("6.10", "mmol/L"), note=[r4.Annotation(text="Mẫu đạt")],
            device=r4.Reference(reference="Device/full-machine"),
        ),
    )  # fmt: skip
    record.create(
        SYSTEM,
        r4.DiagnosticReport(
            id="full-report", status="final", code=service_code(test), subject=ME, encounter=ABOUT, basedOn=of_test,
            issued="2026-11-02T09:50:00+07:00", conclusion="Bình thường", resultsInterpreter=[DOCTOR],
        ),
    )  # fmt: skip
    anaesthesia = list_code("PP_VO_CAM", "1")
    surgical = r4.CodeableConcept(coding=[r4.Coding(system="http://snomed.info/sct", code="387713003")])
    record.create(
        SYSTEM,
        r4.Procedure(
            id="full-procedure", status="completed", subject=ME, encounter=ABOUT, category=surgical, usedCode=[anaesthesia],
            basedOn=[r4.Reference(reference="ServiceRequest/full-operation")],
            code=r4.CodeableConcept(coding=[r4.Coding(system=ICD9, code="47.01")], text="Cắt ruột thừa nội soi"),
            performedPeriod=r4.Period(start="2026-11-02T14:00:00+07:00", end="2026-11-02T15:30:00+07:00"),
            performer=[r4.ProcedurePerformer(actor=DOCTOR)], note=[r4.Annotation(text="Ruột thừa viêm mủ")],
        ),
    )  # fmt: skip
    first = next(one for one in drugs() if one.substance_code)
    record.create(
        SYSTEM,
        r4.MedicationRequest(
            id="full-medicine", status="active", intent="order", medicationCodeableConcept=drug_code(first), subject=ME,
            encounter=ABOUT, authoredOn="2026-11-02T16:00:00+07:00", requester=DOCTOR,
            dosageInstruction=[r4.Dosage(text="Ngày uống 2 viên")],
        ),
    )  # fmt: skip
    record.create(
        SYSTEM,
        r4.MedicationAdministration(
            id="full-given", status="completed", medicationCodeableConcept=drug_code(first), subject=ME, context=ABOUT,
            effectiveDateTime="2026-11-02T16:30:00+07:00", request=r4.Reference(reference="MedicationRequest/full-medicine"),
        ),
    )  # fmt: skip


def _charges() -> None:
    first = next(one for one in drugs() if one.substance_code)
    set_price(
        "12001",
        PriceRow(first.code, "drug", D(500), "VD-00001-26", "01/QĐ-SYT;G1;N4;2026"),
        valid_from=date(2026, 1, 1),
    )
    known, test, operation = service(EXAM), service(GLUCOSE), service(SURGERY)
    assert test is not None
    exam = service_code(known) if known else r4.CodeableConcept(coding=[r4.Coding(code=EXAM)])
    cut = (
        service_code(operation)
        if operation
        else r4.CodeableConcept(coding=[r4.Coding(code=SURGERY)], text="Cắt ruột thừa")
    )
    suture = r4.CodeableConcept(coding=[r4.Coding(system=SUPPLIES, code="N05.02.030")], text="Chỉ khâu")
    lines = (
        ("exam", exam, 1, 45_000, "", {}),
        ("test", test and service_code(test), 1, 39_900, "ServiceRequest/full-test", {}),
        ("cut", cut, 1, 2_000_000, "ServiceRequest/full-operation", {}),
        ("supply", suture, 2, 300_000, "", {TENDER: "02/QĐ-SYT;G1;N0;2026", CEILING: 250_000}),
        ("drug", drug_code(first), 10, 500, "MedicationRequest/full-medicine", {OTHER_SOURCES["VTTN"]: 1_000}),
    )
    for n, (key, code, count, price, source, more) in enumerate(lines):
        told = [
            r4.Extension(url=url, valueMoney=money(value)) if isinstance(value, int) else r4.Extension(url=url, valueString=value)
            for url, value in more.items()
        ]  # fmt: skip
        record.create(
            SYSTEM,
            r4.ChargeItem(
                id=f"full-{key}", status="billed", code=code, subject=ME, context=ABOUT, extension=told or None,
                occurrenceDateTime=f"2026-11-02T09:0{n}:00+07:00", priceOverride=money(price),
                quantity=r4.Quantity(value=D(count), unit="Sợi" if key == "supply" else None),
                supportingInformation=[r4.Reference(reference=source)] if source else None,
            ),
        )  # fmt: skip
    assert REGISTRATION not in {url for *_, more in lines for url in more}  # it comes from the price list


def _papers() -> None:
    encounter = record.read(SYSTEM, "Encounter", VISIT)
    assert isinstance(encounter, r4.Encounter)
    for paper in PAPERS.values():
        answers = {name: sample(paper, name) for name in paper.asked}
        places = ("1", "2") if paper.many else ("",)
        for place in places:
            id_, number = f"{VISIT}-{paper.code.lower()}{place}", f"26/{paper.code}/00000{place or 1}"
            made = response(paper, id_, encounter, answers, number=number, now=ISSUED, author=DOCTOR)
            record.create(SYSTEM, made)
    record.create(SYSTEM, appointment(encounter, "2026-11-12", number="26/HK/000001", now=ISSUED, author=DOCTOR))
