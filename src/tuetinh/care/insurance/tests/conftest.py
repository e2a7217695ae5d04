"""A finished visit of an insured person, and the gateway on a socket."""

# ruff: noqa: E501 - tables of cases read better unbroken

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal as D
from typing import Any

import httpx
import pytest

from tuetinh.care.insurance import gateway
from tuetinh.care.insurance.actions import set_account, set_key
from tuetinh.care.insurance.claim_tables import REGISTRATION, TENDER
from tuetinh.care.insurance.sending import send
from tuetinh.care.insurance.simulator import Simulator
from tuetinh.care.insurance.tests.keeping import Memory
from tuetinh.care.insurance.tests.keys import key
from tuetinh.commons.catalogues.api import condition_code, drug_code, drugs, icd10, list_code, service, service_code
from tuetinh.commons.identity.api import PersonDraft, patient
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

GLUCOSE = "23.0075.1494"
EXAM = "02.1897"
DOCTOR, TECHNICIAN = "000456/LCH-GPHN", "000789/LCH-GPHN"
LAB = r4.Coding(system="http://terminology.hl7.org/CodeSystem/observation-category", code="laboratory")


Serve = Callable[[Callable[..., Awaitable[None]]], str]


def practitioner(licence: str) -> r4.Reference:
    qualification = r4.PractitionerQualification(
        code=r4.CodeableConcept(text="GPHN"), identifier=[r4.Identifier(value=licence)]
    )
    return record.ref(record.create(SYSTEM, r4.Practitioner(qualification=[qualification])))


def money(amount: int) -> r4.Money:
    return r4.Money(value=D(amount), currency="VND")


@pytest.fixture
def visit(desk: Any) -> str:
    """A finished visit: an examination, a test with its result, a medicine; paid."""
    who = patient(
        PersonDraft(name="Lò Thị Pâng", birth="1972-03-15", gender="female", cccd="012172000017", ethnic="03", address="Bản Nà Khan",
                    commune="03390", province="12", phone="0912345678")
    )  # fmt: skip
    who.id = desk.patient.id
    record.update(SYSTEM, who)
    doctor, technician = practitioner(DOCTOR), practitioner(TECHNICIAN)
    me, about = record.ref(who), record.ref(desk.encounter)
    disease = icd10("I10")
    assert disease is not None
    condition = record.create(SYSTEM, r4.Condition(subject=me, encounter=about, code=condition_code(disease)))
    known = service(GLUCOSE)
    assert known is not None
    order = record.create(
        SYSTEM,
        r4.ServiceRequest(status="completed", intent="order", code=service_code(known), subject=me, encounter=about,
                          authoredOn="2026-11-02T08:30:00+07:00", requester=doctor),
    )  # fmt: skip
    glucose = r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code="14749-6")], text="Glucose")
    record.create(
        SYSTEM,
        r4.Observation(status="final", category=[r4.CodeableConcept(coding=[LAB])], code=glucose, subject=me, encounter=about,
                       basedOn=[record.ref(order)], effectiveDateTime="2026-11-02T08:45:00+07:00", issued="2026-11-02T09:45:00+07:00",
                       valueQuantity=r4.Quantity(value=D("6.10"), unit="mmol/L"), performer=[technician]),
    )  # fmt: skip
    weight = r4.CodeableConcept(coding=[r4.Coding(system="http://loinc.org", code="29463-7")])
    record.create(
        SYSTEM,
        r4.Observation(status="final", code=weight, subject=me, encounter=about, effectiveDateTime="2026-11-02T08:20:00+07:00",
                       valueQuantity=r4.Quantity(value=D("52.5"), unit="kg")),
    )  # fmt: skip
    medicine = next(d for d in drugs() if d.substance_code)
    dosage = r4.Dosage(
        text="Mỗi lần 1 viên, ngày 2 lần, uống sáng, tối",
        timing=r4.Timing(repeat=r4.TimingRepeat(frequency=2, period=D(1), periodUnit="d")),
        doseAndRate=[r4.DosageDoseAndRate(doseQuantity=r4.Quantity(value=D("1.0"), unit="viên"))],
    )
    supply = r4.MedicationRequestDispenseRequest(expectedSupplyDuration=r4.Duration(value=D(10), unit="ngày"))
    prescribed = record.create(
        SYSTEM,
        r4.MedicationRequest(status="active", intent="order", medicationCodeableConcept=drug_code(medicine), subject=me, encounter=about,
                             authoredOn="2026-11-02T10:30:00+07:00", requester=doctor,
                             dosageInstruction=[dosage], dispenseRequest=supply),
    )  # fmt: skip
    exam = service("02.1897")
    lines: list[tuple[r4.CodeableConcept, int, int, r4.Reference | None]] = [
        (service_code(exam) if exam else r4.CodeableConcept(coding=[r4.Coding(code=EXAM)]), 1, 45_000, None),
        (service_code(known), 1, 442_500, record.ref(order)),
        (drug_code(medicine), 20, 500, record.ref(prescribed)),
    ]
    for n, (code, quantity, price, source) in enumerate(lines):
        item = r4.ChargeItem(status="billed", code=code, subject=me, context=about, occurrenceDateTime=f"2026-11-02T08:3{n}:00+07:00",
                             quantity=r4.Quantity(value=D(quantity)), priceOverride=money(price))  # fmt: skip
        item.supportingInformation = [source] if source else None
        if n == 2:
            said = {REGISTRATION: "VD-00000-00", TENDER: "0000/QĐ-SYT;G1;N1;2026"}
            item.extension = [r4.Extension(url=url, valueString=value) for url, value in said.items()]
        record.create(SYSTEM, item)
    finish(desk.encounter, condition, doctor)
    return str(desk.id)


def finish(encounter: r4.Encounter, condition: r4.Condition, doctor: r4.Reference) -> None:
    encounter.status = "finished"
    encounter.period = r4.Period(start="2026-11-02T08:15:00+07:00", end="2026-11-02T10:40:00+07:00")
    encounter.reasonCode = [r4.CodeableConcept(text="Đau đầu")]
    encounter.participant = [r4.EncounterParticipant(individual=doctor)]
    encounter.diagnosis = [r4.EncounterDiagnosis(condition=record.ref(condition), rank=1)]
    leaving = r4.CodeableConcept(
        coding=[
            c for name, code in (("KET_QUA_DTRI", "2"), ("MA_LOAI_RV", "1")) for c in list_code(name, code).coding or []
        ]
    )
    encounter.hospitalization = r4.EncounterHospitalization(dischargeDisposition=leaving)
    record.update(SYSTEM, encounter)


@pytest.fixture
def ledger(over_a_socket: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """The gateway runs, and the facility has an account and a certificate."""
    found = Memory()
    gateway.forget_tokens()
    set_account("12001", "12001_BV", "mật khẩu")
    set_key("12001", key())
    monkeypatch.setenv("TUETINH_GATEWAY_URL", over_a_socket(Simulator(lambda _: None, found, slow=3)))
    monkeypatch.setattr(send, "SENDING", httpx.Timeout(1.0))
    yield found
    gateway.forget_tokens()
