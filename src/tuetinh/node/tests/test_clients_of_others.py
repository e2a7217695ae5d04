"""FHIR clients that are not ours work against a node unchanged."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from tuetinh.node.tests.conftest import Province, free_port

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

KINDS = (
    "Patient",
    "Encounter",
    "Observation",
    "Condition",
    "MedicationRequest",
    "Organization",
    "Location",
    "Coverage",
)
TOOLS = Path(__file__).parents[4] / "tools"


@pytest.fixture(scope="module")
def token(province: Province) -> str:
    """A token of the province's connected system."""
    client = province.demo["client"]
    asked = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
    return str(httpx.post(f"{province.url}/oauth/token", data=asked).json()["access_token"])


@pytest.fixture(scope="module")
def node_program() -> Path:
    """Node, from its wheel; the clients lie beside their scripts."""
    if not (TOOLS / "clients" / "node_modules").is_dir():
        pytest.skip("tools/test_packages.py, which `make test` runs, has not unpacked the clients")
    return Path(sys.executable).with_name("node")


def test_medplum_client(province: Province, node_program: Path) -> None:
    client = province.demo["client"]
    seen = _run(node_program, "medplum.mjs", province.url, client["id"], client["secret"])
    assert seen == {
        "created": "1", "read": True, "updated": "female", "patched": "1972-03-12", "history": 3, "version": None,
        "found": 1, "one": True, "conditional": True, "upserted": True, "transaction": ["201"] * 3, "paged": 3,
        "gone": "deleted", "refused": "Patient.gender", "batch": ["200", "404", "200", "422"], "counted": 3,
        "stale": "conflict", "everything": ["Observation"] * 3 + ["Patient"], "valid": 0, "reference": True,
        "expanded": ["male", "female", "other", "unknown"], "graphql": seen["graphql"],
    }  # fmt: skip
    assert seen["graphql"]["ObservationList"] == [{"status": "final"}] * 3
    assert str(seen["graphql"]["Patient"]["name"][0]["family"]).startswith("Medplum")


def test_smart_client(province: Province, node_program: Path, token: str) -> None:
    seen = _run(node_program, "smart.mjs", province.url, token)
    print(seen)
    assert seen == {
        "created": "1", "read": True, "updated": "male", "patched": "other", "paged": 3, "resolved": True,
        "version": 4, "gone": 410, "conditional": True, "stale": 412, "matched": "4", "batch": ["200", "404"],
        "history": ["4", "3", "2", "1"], "everything": 4,
    }  # fmt: skip


def test_smart_client_is_let_in_by_a_citizen(province: Province, node_program: Path) -> None:
    """Standalone launch with PKCE, data of the person alone, renewal, and what follows when a renewal is replayed."""
    port, name = free_port(), f"let-in-{uuid.uuid4().hex[:8]}"
    with _signed_in(province, "admin") as browser:
        form = {
            "name": "Ứng dụng thử", "client_id": name, "proof": "none", "redirect_uris": f"http://127.0.0.1:{port}/back",
            "scopes": "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs",
        }  # fmt: skip
        assert _sent(browser, "/accounts/apps/new", form).status_code == 200
    command = [node_program, TOOLS / "clients" / "launch.mjs", province.url, name, str(port)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as app,
        _signed_in(province, "citizen") as browser,
    ):
        assert app.stdout is not None
        assert app.stdout.readline() == "ready\n"
        asked = httpx.get(f"http://127.0.0.1:{port}/launch").headers["location"]
        assert asked.startswith(f"{province.url}/oauth/authorize?")
        allowed = _sent(browser, asked.removeprefix(province.url), {"decision": "allow"})
        httpx.get(allowed.headers["location"], timeout=60)
        seen = json.loads(app.stdout.readline())
    print(seen)
    assert seen == {
        "patient": seen["patient"], "user": f"Patient/{seen['patient']}", "read": True,
        "granted": "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Observation.rs",
        "some": True, "others": 0, "beyond": 403, "write": 403, "renewed": True, "again": True,
        "replayed": "invalid_grant", "ended": 401,
    }  # fmt: skip


@contextmanager
def _signed_in(province: Province, role: str) -> Iterator[httpx.Client]:
    """A browser, as far as pages without JavaScript need one, in which a person is signed in."""
    account = province.account(role)
    with httpx.Client(base_url=province.url, timeout=60) as browser:
        signed = _sent(browser, "/login", {name: account[name] for name in ("username", "password")})
        assert signed.status_code == 302
        yield browser


def _sent(browser: httpx.Client, path: str, form: dict[str, str]) -> httpx.Response:
    """The answer to a form that stands on a page."""
    page = browser.get(path).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token, page
    return browser.post(path, data=form | {"csrfmiddlewaretoken": token[1]}, headers={"referer": str(browser.base_url)})


def _run(node: Path, script: str, *arguments: str) -> dict[str, Any]:
    """What a client's script says it saw."""
    told = subprocess.run(
        [node, TOOLS / "clients" / script, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert told.returncode == 0, told.stderr
    return dict(json.loads(told.stdout.splitlines()[-1]))


def test_fhirpy(province: Province, token: str) -> None:
    from fhirpy import AsyncFHIRClient
    from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

    family = f"Fhirpy{uuid.uuid4().hex}"

    async def walk() -> None:
        client = AsyncFHIRClient(f"{province.url}/fhir", authorization=f"Bearer {token}")
        patient = client.resource("Patient", name=[{"family": family, "given": ["Pâng"]}])
        await patient.save()
        assert patient["meta"]["versionId"] == "1"
        patient["gender"] = "female"
        await patient.save()
        await patient.patch(birthDate="1972-03-12")
        again = await client.reference("Patient", patient.id).to_resource()
        assert (again["gender"], again["birthDate"]) == ("female", "1972-03-12")
        for number in range(5):
            observation = client.resource(
                "Observation", status="final", code={"text": f"test {number}"}, subject=patient.to_reference()
            )
            await observation.save()
        found = client.resources("Observation").search(patient=patient.to_reference().reference).limit(2)
        everything = await found.fetch_all()
        assert len(everything) == 5
        with_patient = await found.include("Observation", "subject").fetch_raw()
        assert {entry.resource["resourceType"] for entry in with_patient.entry} == {"Observation", "Patient"}
        one = await client.resources("Patient").search(family=family).get()
        assert one.id == patient.id
        same, made = await client.resources("Patient").search(family=family).get_or_create(patient)
        assert (same.id, made) == (patient.id, False)
        assert await patient.is_valid()
        history = await patient.execute("_history", method="get")
        assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["3", "2", "1"]
        record = await patient.execute("$everything", method="get")
        assert len(record["entry"]) == 6
        assert await client.resources("Observation").search(patient=patient.id).count() == 5
        batch = {"resourceType": "Bundle", "type": "batch", "entry": [_get(f"Patient/{patient.id}"), _get("Patient/x")]}
        answered = await client.execute("", method="post", data=batch)
        assert [entry["response"]["status"][:3] for entry in answered["entry"]] == ["200", "404"]
        make = {"resource": {"resourceType": "Basic", "code": {"text": family}}}
        make["request"] = {"method": "POST", "url": "Basic"}
        made = await client.execute("", method="post", data=batch | {"type": "transaction", "entry": [make]})
        assert made["entry"][0]["response"]["status"].startswith("201")
        stale = AsyncFHIRClient(f"{province.url}/fhir", f"Bearer {token}", {"if-match": 'W/"1"'})
        with pytest.raises(MultipleResourcesFound, match="is at version 3, not 1"):  # what fhirpy makes of a 412
            await stale.execute(f"Patient/{patient.id}", method="put", data=patient.serialize())
        for observation in everything:
            await observation.delete()
        await patient.delete()
        with pytest.raises(ResourceNotFound):
            await client.reference("Patient", patient.id).to_resource()
        with pytest.raises(OperationOutcome):
            await client.resource("Patient", gender="x").save()

    asyncio.run(walk())


def test_fhirclient(province: Province, token: str) -> None:
    from fhirclient import client as smart
    from fhirclient.models.humanname import HumanName
    from fhirclient.models.observation import Observation
    from fhirclient.models.patient import Patient
    from requests import HTTPError

    family = f"Fhirclient{uuid.uuid4().hex}"
    there = smart.FHIRClient(settings={"app_id": "tests", "api_base": f"{province.url}/fhir"}).server
    there.session.headers["Authorization"] = f"Bearer {token}"
    name = HumanName({"family": family, "given": ["Pâng"]})
    patient = Patient()
    patient.name = [name]
    patient.id = patient.create(there)["id"]
    patient.gender = "female"
    patient.update(there)
    again = Patient.read(patient.id, there)
    assert (again.gender, again.name[0].family, again.meta.versionId) == ("female", family, "2")
    for number in range(3):
        Observation(
            {
                "status": "final",
                "code": {"text": f"test {number}"},
                "subject": {"reference": f"Patient/{patient.id}"},
                "effectiveDateTime": "2026-11-01T08:00:00+07:00",
            }
        ).create(there)
    search = Observation.where({"patient": patient.id, "_count": "2", "_include": "Observation:subject"})
    found = list(search.perform_resources_iter(there))
    assert sorted(one.resource_type for one in found) == ["Observation"] * 3 + ["Patient"] * 2
    assert Patient.where({"family": family}).perform_resources(there)[0].id == patient.id
    for one in found:
        if one.resource_type == "Observation":
            one.delete(there)
    again.delete(there)
    with pytest.raises(HTTPError, match="410 Client Error"):
        Patient.read(patient.id, there)


def test_smart_fetch(province: Province, token: str, tmp_path: Path) -> None:
    """The bulk data client of SMART Health IT exports the province, asked for by scopes, and again what is new."""
    (tmp_path / "token").write_text(token)
    auth = ("--fhir-url", f"{province.url}/fhir", "--bearer-token", str(tmp_path / "token"))
    program = Path(sys.executable).with_name("smart-fetch")
    for folder, more in (("all", ()), ("some", ("--type", "Patient", "--type-filter", "Patient?gender=female"))):
        command = [str(program), "bulk", str(tmp_path / folder), *auth, *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    with httpx.Client(base_url=f"{province.url}/fhir", headers={"Authorization": f"Bearer {token}"}) as door:
        for folder, kind, query in (
            ("all", "Patient", ""),
            ("all", "Observation", ""),
            ("all", "Encounter", ""),
            ("some", "Patient", "gender=female&"),
        ):
            total = door.get(f"/{kind}?{query}_summary=count").json()["total"]
            text = gzip.decompress((tmp_path / folder / f"{kind}.001.ndjson.gz").read_bytes())
            assert len(text.splitlines()) == total


def test_everything_that_is_told_can_be_parsed(province: Province, token: str) -> None:
    """`fhir.resources` parses each resource of the province, whatever its type, and every other form of answer."""
    by_type = import_module("fhir.resources.R4B").get_fhir_model_class
    with httpx.Client(base_url=f"{province.url}/fhir", headers={"Authorization": f"Bearer {token}"}) as door:
        statement = door.get("/metadata").json()
        types = [one["type"] for one in statement["rest"][0]["resource"]]
        told = [statement, *_answers(door)]
        told += [page for kind in types for page in _pages(door, f"/{kind}?_count=200")]
    entries = [entry for bundle in told for entry in bundle.get("entry", ())]
    assert {entry["resource"]["resourceType"] for entry in entries if "resource" in entry} >= set(KINDS)
    for resource in told:
        by_type(resource["resourceType"]).model_validate(_known(resource))


def _known(value: Any) -> Any:
    """What is told without extensions of the values of extensions (`_valueString`).

    HL7's own code systems have them, for translations, and `fhir.resources` has no place for them.
    """
    if isinstance(value, list):
        return [_known(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _known(one) for name, one in value.items() if not name.startswith("_value") or "url" not in value}


def _answers(door: httpx.Client) -> Iterator[dict[str, Any]]:
    """One of each form in which the door answers."""
    patient = door.get("/Patient?_count=1").json()["entry"][0]["resource"]["id"]
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender"
    code = f"code=male&system={gender.replace('ValueSet', 'CodeSystem')}"
    for path in (
        "/metadata?mode=terminology",
        "/Patient/absent",
        "/Patient?nothing=1",
        "/Patient?_summary=count",
        "/Patient?_count=2&_total=accurate&_include=*&_revinclude=Observation:subject",
        "/Patient?_count=2&_elements=name",
        f"/Patient/{patient}/_history",
        "/Patient/_history?_count=5",
        "/_history?_count=20",
        f"/Patient/{patient}/$everything",
        f"/Patient/{patient}/$meta",
        f"/Observation/$lastn?patient={patient}",
        f"/ValueSet/$expand?url={gender}",
        f"/ValueSet/$validate-code?url={gender}&{code}",
        f"/CodeSystem/$lookup?{code}",
        f"/CodeSystem/$subsumes?codeA=male&codeB=male&system={gender.replace('ValueSet', 'CodeSystem')}",
        "/$reindex-status",
    ):
        yield door.get(path).json()
    make = {"resource": {"resourceType": "Basic", "code": {"text": "x"}}, "request": {"method": "POST", "url": "Basic"}}
    for kind, entry in (("batch", [_get(f"Patient/{patient}"), _get("Patient/absent"), make]), ("transaction", [make])):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": entry}
        yield door.post("/", json=bundle, headers={"Prefer": "return=representation"}).json()
    wrong = {"resourceType": "Patient", "gender": "x"}
    yield door.post("/Patient", json=wrong).json()
    yield door.post("/Patient/$validate", json=wrong).json()
    basic = door.post("/Basic", json=make["resource"])
    name = f"/Basic/{basic.json()['id']}"
    yield door.put(name, json=basic.json() | {"language": "vi"}, headers={"Prefer": "return=OperationOutcome"}).json()
    yield door.get(f"{name}/$diff").json()
    door.delete(name)
    yield door.get(name).json()


def _get(url: str) -> dict[str, Any]:
    """An entry of a batch that reads."""
    return {"request": {"method": "GET", "url": url}}


def _pages(door: httpx.Client, url: str) -> Iterator[dict[str, Any]]:
    """The first pages of a search."""
    for _ in range(3):
        page = door.get(url).json()
        yield page
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        url = following[0]
