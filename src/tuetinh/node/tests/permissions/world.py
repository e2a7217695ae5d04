"""Four patients with an Observation and one of each of `OTHERS` for each row of `sight.csv`, the cast, and the door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connection
from django.test import Client as Browser

from tuetinh.commons.access.api import authenticate, create_client
from tuetinh.commons.access.models import Account, Client, Grant, SightRule, Token
from tuetinh.commons.access.oauth import asking
from tuetinh.commons.access.oauth.words import digest
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.access.sight import rules
from tuetinh.node.tests.permissions import table
from tuetinh.record import api, r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import enter
from tuetinh.record.tests.door_world import Client as Door
from tuetinh.record.tests.door_world import opened

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
HOME, ELSEWHERE = "12104", "12001"
MINE = "p-yes-no"  # the citizen's: with a relation, nothing forbidden
SCOPES = {
    "doctor-app-launched": ("doctor", "patient/*.rs", MINE),
    "vital-signs-app": ("doctor", "user/Observation.rs?category=vital-signs", ""),
    "citizen-app": ("citizen", "patient/*.cruds", MINE),
}
OTHERS = {"Condition": "BENH", "MedicationRequest": "THUOC", "DocumentReference": "GIAY", "ImagingStudy": "PHIM"}
"""Further types that follow the rows, with the word by which their marks are known."""
SYSTEMS = {"system": "system/*.cruds", "system-of-patients": "system/Patient.rs"}


def patient_of(row: dict[str, str]) -> str:
    """The patient of a row: one for each relation and denial."""
    return f"p-{row['relation to 12104']}-{row['12104 forbidden']}"


def mark(case: str, word: str = "DAU") -> str:
    """What the resource of a case says, an Observation or one of `OTHERS`, and nothing else does."""
    return f"{word}-{case}"


PATIENTS = sorted({patient_of(row) for row in table("sight")})


class World(Door):
    """The door, to which each asker comes as it does in life: with a token, a browser's session, or neither."""

    credentials: dict[str, dict[str, str]]

    async def asend(self, method: str, path: str, who: str = "system", **kwargs: Any) -> Any:
        headers = self.credentials[who] | kwargs.pop("headers", {})
        return await self.http.request(method, f"http://record.test/fhir{path}", headers=headers, **kwargs)


@contextmanager
def world() -> Iterator[World]:
    """The world while it is needed; nothing of it is left."""
    asking._answers.clear()
    rules.forget()
    with opened(authenticate) as door:
        made = World(door.door, door.loop)
        try:
            _facts()
            made.credentials = _cast()
            yield made
        finally:
            door.run(made.http.aclose())
            _leave()


def _facts() -> None:
    for id_ in (HOME, ELSEWHERE):
        api.create(SYSTEM, r4.Organization(id=id_, name=id_, active=True))
    for id_ in PATIENTS:
        _, related, forbidden = id_.split("-")
        api.create(SYSTEM, r4.Patient(id=id_, gender="female", name=[r4.HumanName(family="Matrix", text=id_)]))
        if related == "yes":
            api.create(
                replace(SYSTEM, facility=HOME),
                r4.Encounter(
                    id=f"v-{id_}",
                    status="in-progress",
                    class_=r4.Coding(code="AMB"),
                    subject=r4.Reference(reference=f"Patient/{id_}"),
                    serviceProvider=r4.Reference(reference=f"Organization/{HOME}"),
                ),
            )
        if forbidden == "yes":
            enter(SYSTEM)
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO record.denial VALUES (%s, %s, '', 'Consent/x')", [id_, HOME])
    for row in table("sight"):
        at = replace(SYSTEM, facility=row["written at"])
        api.create(at, _observation(row))
        api.create_many(at, _others(row))
    results = [r4.Reference(reference=f"Observation/o-{row['case']}") for row in table("sight")]
    code = r4.CodeableConcept(text="matrix")
    api.create(replace(SYSTEM, facility=HOME), r4.DiagnosticReport(id="all", status="final", code=code, result=results))


def _observation(row: dict[str, str]) -> r4.Observation:
    labels = [] if row["label"] == "none" else [r4.Coding(system=ACT_CODE, code=row["label"])]
    category = "laboratory" if labels else "vital-signs"
    return r4.Observation(
        id=f"o-{row['case']}",
        meta=r4.Meta(security=labels) if labels else None,
        status="final",
        category=[r4.CodeableConcept(coding=[r4.Coding(system=CATEGORY, code=category)])],
        code=r4.CodeableConcept(coding=[r4.Coding(system="urn:matrix", code="matrix")]),
        subject=r4.Reference(reference=f"Patient/{patient_of(row)}"),
        effectiveDateTime="2026-01-01",
        valueString=mark(row["case"]),
    )


def _condition(case: str, **common: Any) -> r4.Resource:
    return r4.Condition(code=r4.CodeableConcept(text=mark(case, OTHERS["Condition"])), **common)


def _prescription(case: str, **common: Any) -> r4.Resource:
    drug = r4.CodeableConcept(text=mark(case, OTHERS["MedicationRequest"]))
    return r4.MedicationRequest(status="active", intent="order", medicationCodeableConcept=drug, **common)


def _document(case: str, **common: Any) -> r4.Resource:
    attachment = r4.Attachment(title=mark(case, OTHERS["DocumentReference"]))
    content = [r4.DocumentReferenceContent(attachment=attachment)]
    return r4.DocumentReference(status="current", content=content, **common)


def _study(case: str, **common: Any) -> r4.Resource:
    return r4.ImagingStudy(status="available", description=mark(case, OTHERS["ImagingStudy"]), **common)


def _others(row: dict[str, str]) -> list[r4.Resource]:
    """The resources of `OTHERS` of a row; each has the id `x-CASE`."""
    case, subject = row["case"], r4.Reference(reference=f"Patient/{patient_of(row)}")
    labels = [] if row["label"] == "none" else [r4.Coding(system=ACT_CODE, code=row["label"])]
    makers = (_condition, _prescription, _document, _study)
    meta = [r4.Meta(security=labels) if labels else None for _ in makers]
    return [make(case, id=f"x-{case}", meta=one, subject=subject) for make, one in zip(makers, meta, strict=True)]


def _cast() -> dict[str, dict[str, str]]:
    """The header by which each asker is known."""
    whole = {"by_relation": False, "labels": ROLES["pharmacist"].labels, "after_days": 30, "glass_hours": 0}
    SightRule.objects.create(role="pharmacist", **whole)
    rules.forget()
    accounts = {role: _account(role, "" if role == "citizen" else HOME) for role in ROLES}
    found: dict[str, dict[str, str]] = {"anonymous": {}}
    for role, account in {**accounts, "doctor-of-12001": _account("doctor", ELSEWHERE)}.items():
        browser = Browser()
        browser.force_login(account, backend="django.contrib.auth.backends.ModelBackend")
        found[role] = {
            "cookie": f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
        }
    for name, scopes in SYSTEMS.items():
        create_client(f"matrix-{name}", name, scopes=scopes)  # of the whole province
        found[name] = _token(f"matrix-{name}", scopes)
    create_client("matrix-app", "app", scopes="user/*.cruds patient/*.cruds", facility=HOME)
    apps = {f"{role}-app": (role, "user/*.cruds", "") for role in ROLES}
    for name, (role, scopes, patient) in (apps | SCOPES).items():
        grant = Grant.objects.create(
            client_id="matrix-app",
            account=accounts[role],
            scopes=scopes,
            patient=patient,
            redirect_uri="http://127.0.0.1/x",
            challenge="x" * 43,
            code_digest=digest(name),
            code_expires=datetime.now(UTC),
            code_used=True,
        )
        found[name] = _token("matrix-app", scopes, grant)
    return found


def _account(role: str, facility: str) -> Account:
    account = Account(username=f"matrix.{role}.{facility}", full_name=role, role=role, password="!", facility=facility)
    account.patient = MINE if role == "citizen" else ""
    account.save()
    return account


def _token(client: str, scopes: str, grant: Grant | None = None) -> dict[str, str]:
    token = uuid4().hex
    expires = datetime.now(UTC) + timedelta(hours=1)
    Token.objects.create(digest=digest(token), client_id=client, grant=grant, scopes=scopes, expires=expires)
    return {"authorization": f"Bearer {token}"}


def _leave() -> None:
    import_module(settings.SESSION_ENGINE).SessionStore.get_model_class().objects.all().delete()
    Client.objects.filter(pk__startswith="matrix-").delete()
    SightRule.objects.filter(role="pharmacist").delete()
    Account.objects.filter(username__startswith="matrix.").delete()
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM record.denial WHERE source = 'Consent/x'")
    asking._answers.clear()
    rules.forget()
