from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tuetinh.record import bundles, r4, store
from tuetinh.record.asker import SYSTEM
from tuetinh.record.steps import Pause, Step
from tuetinh.record.versioning import new_id

pytestmark = pytest.mark.django_db
A, B = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059"


def entry(method: str, url: str, resource: Any = None, full: str | None = None, **request: str) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full:
        made["fullUrl"] = full
    return made


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **more}


def observation(subject: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": subject},
        **more,
    }


def located(answer: dict[str, Any], number: int) -> str:
    """`/Type/id` of an entry of the answer."""
    place: str = answer["entry"][number]["response"]["location"]
    return place.removeprefix("http://record.test/fhir").partition("/_history")[0]


def test_links_between_entries_lead_to_what_was_stored(fhir: Any) -> None:
    name = {"system": "urn:ietf:rfc:3986", "value": A}
    person = patient(
        identifier=[name],
        text={
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{B}">kết quả</a></div>',
        },
        generalPractitioner=[{"reference": "#doc"}],
        contained=[{"resourceType": "Practitioner", "id": "doc"}],
    )
    seen = observation(A, note=[{"text": f"about {A}"}], valueString=A, derivedFrom=[{"reference": f"{B}"}])
    answer = fhir.post("", bundle(entry("POST", "Observation", seen, B), entry("POST", "Patient", person, A)))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["type"] == "transaction-response"
    assert [e["response"]["status"] for e in body["entry"]] == ["201 Created"] * 2
    seen_at, person_at = located(body, 0), located(body, 1)
    stored = fhir.get(seen_at).json()
    assert stored["subject"]["reference"] == person_at[1:]
    assert stored["derivedFrom"][0]["reference"] == seen_at[1:]  # a circle
    assert stored["valueString"] == A  # a string is no link
    assert stored["note"][0]["text"] == f"about {A}"
    who = fhir.get(person_at).json()
    assert who["identifier"] == [name]
    assert f'href="{seen_at[1:]}"' in who["text"]["div"]
    assert who["generalPractitioner"][0]["reference"] == "#doc"


@pytest.mark.parametrize(
    ("link", "version"),
    [
        ("http://other.test/fhir/Patient/of-theirs/_history/3", "/_history/1"),
        ("Patient/of-theirs/_history/3", "/_history/1"),
        ("Patient/of-theirs", ""),
    ],
)
def test_links_to_the_version_that_comes_along_lead_to_it(fhir: Any, link: str, version: str) -> None:
    """FHIR R4, bundle.html#references: the version is that of the entry's own meta."""
    person = entry("POST", "Patient", patient(meta={"versionId": "3"}), "http://other.test/fhir/Patient/of-theirs")
    older = observation("Patient/of-theirs/_history/2")
    answer = fhir.post(
        "", bundle(person, entry("POST", "Observation", observation(link)), entry("POST", "Observation", older))
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert fhir.get(located(body, 1)).json()["subject"]["reference"] == located(body, 0)[1:] + version
    assert fhir.get(located(body, 2)).json()["subject"]["reference"] == "Patient/of-theirs/_history/2"


def test_one_bad_entry_rolls_everything_back_and_is_named(fhir: Any, stored_count: Callable[[], int]) -> None:
    before = stored_count()
    entries = [
        entry("POST", "Patient", patient(gender="male")),
        entry("POST", "Patient", patient(gender="m", active=1)),
    ]
    answer = fhir.post("", bundle(*entries))
    places = {issue["expression"][0] for issue in answer.json()["issue"]}
    assert answer.status_code in (400, 422)
    assert places == {"Bundle.entry[1].resource.gender", "Bundle.entry[1].resource.active"}
    assert stored_count() == before


@pytest.mark.parametrize(
    ("bad", "status", "place"),
    [
        ({"resource": patient()}, 400, "Bundle.entry[1].request"),
        (entry("POST", "Nonsense", patient()), 400, "Bundle.entry[1].request.url"),
        (entry("POST", "Basic", patient()), 400, "Bundle.entry[1].resource"),
        (entry("JUMP", "Patient", patient()), 400, "Bundle.entry[1].request.method"),
        (entry("POST", "Patient"), 400, "Bundle.entry[1].resource"),
        (entry("PUT", "Patient", patient()), 400, "Bundle.entry[1].request.url"),
        (entry("PUT", "Patient/x", patient(id="x"), ifMatch='W/"9"'), 412, "Bundle.entry[1]"),
        (entry("GET", "Patient/never-seen"), 404, "Bundle.entry[1]"),
        (
            entry("POST", "Observation", observation("Patient?identifier=http://example.org|none")),
            412,
            "Bundle.entry[1]",
        ),
    ],
)
def test_an_entry_that_cannot_be_done_undoes_the_others(
    fhir: Any, stored_count: Callable[[], int], bad: dict[str, Any], status: int, place: str
) -> None:
    before = stored_count()
    answer = fhir.post("", bundle(entry("POST", "Patient", patient(gender="male")), bad))
    assert answer.status_code == status, answer.text
    assert answer.json()["issue"][0]["expression"][0].startswith(place)
    assert stored_count() == before


def test_deletes_go_before_creates_and_reads_come_last(fhir: Any) -> None:
    old = fhir.post("/Patient", patient(gender="male")).json()["id"]
    new = new_id()
    answer = fhir.post(
        "",
        bundle(
            entry("GET", f"Patient/{new}"),
            entry("PUT", f"Patient/{new}", patient(id=new, gender="female")),
            entry("DELETE", f"Patient/{old}"),
            entry("GET", f"Patient?_id={new}"),
        ),
    ).json()
    assert [e["response"]["status"] for e in answer["entry"]] == ["200 OK", "201 Created", "204 No Content", "200 OK"]
    assert answer["entry"][0]["resource"]["gender"] == "female"
    assert answer["entry"][3]["resource"]["entry"][0]["resource"]["id"] == new
    assert fhir.get(f"/Patient/{old}").status_code == 410


def test_the_same_resource_twice_is_refused(fhir: Any, stored_count: Callable[[], int]) -> None:
    id_, before = new_id(), stored_count()
    twice = [entry("PUT", f"Patient/{id_}", patient(id=id_)), entry("DELETE", f"Patient/{id_}")]
    answer = fhir.post("", bundle(*twice))
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].request.url"]
    assert stored_count() == before


def test_a_transaction_reads_whatever_can_be_read(fhir: Any) -> None:
    one = fhir.post("/Patient", patient(gender="male")).json()["id"]
    url = {"name": "url", "valueUri": "http://hl7.org/fhir/ValueSet/administrative-gender"}
    expand = {"resourceType": "Parameters", "parameter": [url]}
    reads = {
        f"Patient/{one}/_history": "Bundle",
        f"Patient/{one}/_history/1": "Patient",
        f"Patient/{one}/Observation?status=final": "Bundle",
        f"Patient/{one}/$everything": "Bundle",
        "?_type=Patient,Observation": "Bundle",
        "metadata": "CapabilityStatement",
        "_history?_count=1": "Bundle",
        "Patient/_history?_count=1": "Bundle",
    }
    entries = [entry("GET", url) for url in reads]
    made = entry("POST", "Observation", observation(f"Patient/{one}"))
    sent = bundle(*entries, entry("POST", "ValueSet/$expand", expand), made)
    answer = fhir.post("/", sent)
    assert answer.status_code == 200, answer.text
    found = answer.json()["entry"]
    assert [each["resource"]["resourceType"] for each in found[:-1]] == [*reads.values(), "ValueSet"]
    assert [len(found[n]["resource"].get("entry", ())) for n in (2, 3)] == [1, 2]  # what was just written is there


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "Patient/{}/_history/7", 404),
        ("GET", "Patient/{}/nothing", 404),
        ("GET", "Patient?nonsense=1", 400),
        ("GET", "_bulk/1", 400),
        ("POST", "Patient/{}/$meta-add", 400),
    ],
)
def test_a_read_that_is_refused_undoes_the_transaction(
    fhir: Any, stored_count: Callable[[], int], method: str, url: str, status: int
) -> None:
    one = fhir.post("/Patient", patient()).json()["id"]
    before = stored_count()
    answer = fhir.post("/", bundle(entry("POST", "Patient", patient()), entry(method, url.format(one))))
    assert answer.status_code == status, answer.text
    assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert stored_count() == before


def test_conditional_references_are_resolved_outside_of_transactions(
    fhir: Any, stored_count: Callable[[], int]
) -> None:
    value = new_id()
    one = fhir.post("/Patient", patient(identifier=[{"system": "urn:c", "value": value}])).json()["id"]
    by = f"Patient?identifier=urn:c|{value}"
    made = fhir.post("/Observation", observation(by)).json()
    assert made["subject"]["reference"] == f"Patient/{one}"
    put = fhir.put("/Observation/by-condition", observation(by, id="by-condition")).json()
    assert put["subject"]["reference"] == f"Patient/{one}"
    change = [{"op": "replace", "path": "/subject/reference", "value": by}]
    patched = fhir.send("PATCH", f"/Observation/{made['id']}", json=change).json()
    assert patched["subject"]["reference"] == f"Patient/{one}"
    entries = [entry("POST", "Observation", observation(by)), entry("POST", "Observation", observation(f"{by}x"))]
    good, bad = fhir.post("/", bundle(*entries, kind="batch"), headers={"prefer": "return=representation"}).json()[
        "entry"
    ]
    assert good["resource"]["subject"]["reference"] == f"Patient/{one}"
    assert bad["response"]["status"].startswith("412")
    before = stored_count()
    for sent in (
        fhir.post("/Observation", observation("Patient?identifier=none")),
        fhir.put("/Observation/by-condition", observation("Patient?identifier=none", id="by-condition")),
    ):
        assert sent.status_code == 412, sent.text
    assert stored_count() == before


def test_conditional_entries_find_what_is_there(fhir: Any) -> None:
    number = {"system": "http://example.org/number", "value": new_id()}
    search = f"identifier={number['system']}|{number['value']}"
    who = patient(identifier=[number])
    first = fhir.post(
        "", bundle(entry("POST", "Patient", who, A, ifNoneExist=search), entry("POST", "Observation", observation(A)))
    ).json()
    again = fhir.post(
        "", bundle(entry("POST", "Patient", who, A, ifNoneExist=search), entry("POST", "Observation", observation(A)))
    ).json()
    assert [e["response"]["status"] for e in first["entry"]] == ["201 Created"] * 2
    assert [e["response"]["status"] for e in again["entry"]] == ["200 OK", "201 Created"]
    assert located(again, 0) == located(first, 0)
    linked = fhir.post("", bundle(entry("POST", "Observation", observation(f"Patient?{search}")))).json()
    for answer, place in ((again, 1), (linked, 0)):
        assert fhir.get(located(answer, place)).json()["subject"]["reference"] == located(first, 0)[1:]
    changed = fhir.post("", bundle(entry("PUT", f"Patient?{search}", who | {"gender": "other"}))).json()
    assert changed["entry"][0]["response"]["etag"] == 'W/"2"'
    gone = fhir.post("", bundle(entry("DELETE", f"Patient?{search}"))).json()
    assert gone["entry"][0]["response"]["status"] == "204 No Content"
    assert fhir.get(located(first, 0)).status_code == 410


def test_conditional_interactions_of_the_door(fhir: Any) -> None:
    number = {"system": "http://example.org/number", "value": new_id()}
    search = f"identifier={number['system']}|{number['value']}"
    calls = [
        fhir.asend("POST", "/Patient", json=patient(identifier=[number]), headers={"if-none-exist": search})
        for _ in range(8)
    ]
    answers = fhir.together(*calls)
    assert sorted(a.status_code for a in answers) == [200] * 7 + [201]
    assert len({a.headers["location"] for a in answers}) == 1
    assert fhir.put(f"/Patient?{search}", patient(identifier=[number], gender="male")).status_code == 200
    kind = {"content-type": "application/json-patch+json"}
    operations = '[{"op":"replace","path":"/gender","value":"other"}]'
    assert fhir.send("PATCH", f"/Patient?{search}", content=operations, headers=kind).json()["gender"] == "other"
    fhir.post("/Patient", patient(identifier=[number]))
    many = fhir.put(f"/Patient?{search}", patient(identifier=[number]))
    assert (many.status_code, many.json()["issue"][0]["code"]) == (412, "multiple-matches")
    assert fhir.send("DELETE", f"/Patient?{search}").status_code == 412


def test_links_within_patches_lead_to_what_was_stored(fhir: Any) -> None:
    known = fhir.post("/Patient", patient(identifier=[{"system": "http://x.test/ids", "value": "7"}])).json()["id"]
    paths = [f"/Observation/{fhir.post('/Observation', observation('Patient/a')).json()['id']}" for _ in range(3)]

    def replacing(reference: str) -> dict[str, Any]:
        part = [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": "Observation.subject"},
            {"name": "value", "valueReference": {"reference": reference}},
        ]
        return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}

    operations = [{"op": "replace", "path": "/subject", "value": {"reference": A}}]
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    answer = fhir.post(
        "",
        bundle(
            entry("PATCH", paths[0][1:], replacing(A)),
            entry("PATCH", paths[1][1:], replacing("Patient?identifier=http://x.test/ids|7")),
            entry("PATCH", paths[2][1:], binary),
            entry("POST", "Patient", patient(), A),
        ),
    )
    assert answer.status_code == 200, answer.text
    made = located(answer.json(), 3).removeprefix("/")
    subjects = [fhir.get(path).json()["subject"]["reference"] for path in paths]
    assert subjects == [made, f"Patient/{known}", made]
    nobody = fhir.post("", bundle(entry("PATCH", paths[0][1:], replacing("Patient?identifier=http://x.test/ids|8"))))
    assert nobody.status_code == 412
    assert fhir.get(paths[0]).json()["meta"]["versionId"] == "2"


def test_a_patch_in_a_bundle_comes_in_a_binary(fhir: Any) -> None:
    who = fhir.post("/Patient", patient(gender="male")).json()["id"]
    operations = base64.b64encode(b'[{"op":"replace","path":"/gender","value":"other"}]').decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": operations}
    for kind, version in (("transaction", 2), ("batch", 3)):
        answer = fhir.post("", bundle(entry("PATCH", f"Patient/{who}", binary), kind=kind)).json()
        assert answer["entry"][0]["response"]["etag"] == f'W/"{version}"'
    assert fhir.get(f"/Patient/{who}").json()["gender"] == "other"


def test_entries_of_a_batch_stand_alone(fhir: Any) -> None:
    who = fhir.post("/Patient", patient(gender="male")).json()["id"]
    answer = fhir.post(
        "",
        bundle(
            entry("POST", "Patient", patient(gender="m")),
            entry("GET", f"Patient/{who}"),
            entry("POST", "Patient", patient(gender="female")),
            entry("GET", "Nonsense/1"),
            {"resource": patient()},
            entry("PATCH", f"Patient/{who}", patient()),
            kind="batch",
        ),
    )
    assert answer.status_code == 200
    statuses = [e["response"]["status"][:3] for e in answer.json()["entry"]]
    assert statuses[1:] == ["200", "201", "404", "400", "400"]
    assert statuses[0] in ("400", "422")
    assert answer.json()["entry"][0]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.gender"]
    assert answer.json()["entry"][1]["resource"]["id"] == who


def test_entries_have_the_preconditions_of_requests(fhir: Any, stored_count: Callable[[], int]) -> None:
    who = fhir.post("/Patient", patient()).json()["id"]
    later, long_ago = "2099-01-01T00:00:00+07:00", "2001-01-01T00:00:00Z"
    reads = [entry("GET", f"Patient/{who}", ifModifiedSince=moment) for moment in (later, long_ago, "no date")]
    answer = fhir.post("", bundle(*reads, kind="batch")).json()
    assert [e["response"]["status"][:3] for e in answer["entry"]] == ["304", "200", "200"]
    before = stored_count()
    first = entry("PUT", f"Patient/{who}", patient(id=who), ifNoneMatch="*")
    refused = fhir.post("", bundle(entry("POST", "Patient", patient()), first))
    assert (refused.status_code, stored_count()) == (412, before)
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
    fresh = entry("PUT", "Patient/first-of-all", patient(id="first-of-all"), ifNoneMatch="*")
    assert fhir.post("", bundle(fresh)).json()["entry"][0]["response"]["status"] == "201 Created"


def test_a_transaction_returns_resources_when_asked_to(fhir: Any) -> None:
    answer = fhir.post(
        "", bundle(entry("POST", "Patient", patient(gender="male"))), headers={"prefer": "return=representation"}
    )
    assert answer.json()["entry"][0]["resource"]["gender"] == "male"


def test_simultaneous_transactions_on_the_same_resources_all_end_well(fhir: Any) -> None:
    ids = [new_id() for _ in range(4)]
    entries = [entry("PUT", f"Patient/{i}", patient(id=i)) for i in ids]
    calls = [fhir.asend("POST", "", json=bundle(*(entries if n % 2 else entries[::-1]))) for n in range(10)]
    assert [a.status_code for a in fhir.together(*calls)] == [200] * 10
    assert [fhir.get(f"/Patient/{i}").headers["etag"] for i in ids] == ['W/"10"'] * 4


def test_digits_survive_a_transaction(fhir: Any) -> None:
    text = json.dumps(
        bundle(
            entry("POST", "Observation", observation(A) | {"valueQuantity": {"value": 0}}, B),
            entry("POST", "Patient", patient(), A),
        )
    )
    answer = fhir.send("POST", "", content=text.replace('"value": 0', '"value": 72.50'))
    assert '"value":72.50' in fhir.get(located(answer.json(), 0)).text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"reference": "urn:uuid:a"}', b'{"reference":"Patient/1"}'),
        (b'{"reference":"urn:uuid:a#frag"}', b'{"reference":"Patient/1#frag"}'),
        (b'{"reference":"urn:uuid:ab"}', b'{"reference":"urn:uuid:ab"}'),
        (b'{"value":"urn:uuid:a"}', b'{"value":"urn:uuid:a"}'),
        (b'{"valueString":"\\"reference\\":\\"urn:uuid:a\\""}', b'{"valueString":"\\"reference\\":\\"urn:uuid:a\\""}'),
        (b'{"reference":"urn:uuid:\\u0061"}', b'{"reference":"Patient/1"}'),
        (b'{"url":"urn:uuid:a"}', b'{"url":"Patient/1"}'),
    ],
)
def test_only_links_are_rewritten(raw: bytes, expected: bytes) -> None:
    assert bundles.rewrite(raw, {"urn:uuid:a": "Patient/1"}) == expected


def test_a_batch_ends_when_its_client_has_left(fhir: Any, stored_count: Callable[[], int]) -> None:
    entries = [
        {
            "request": {"method": "PUT", "url": f"Basic/left-{n}"},
            "resource": {"resourceType": "Basic", "id": f"left-{n}"},
        }
        for n in range(200)
    ]
    for entry in entries:
        entry["resource"]["code"] = {"text": "x"}  # type: ignore[index]
    body = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()
    messages = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]
    scope = {"type": "http", "method": "POST", "path": "/fhir", "query_string": b"", "scheme": "http"}
    headers = [(b"authorization", b"Bearer system"), (b"content-type", b"application/fhir+json"), (b"host", b"x")]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    before = stored_count()
    fhir.run(fhir.door({**scope, "headers": headers}, receive, send))
    assert sent[0]["status"] == 400
    assert stored_count() - before <= 2


def test_others_run_while_many_resources_are_prepared(fhir: Any) -> None:
    kinds: list[type] = []

    def watched(step: Step[Any]) -> Step[Any]:
        request = next(step)
        while True:
            kinds.append(type(request))
            try:
                request = step.send((yield request))
            except StopIteration as stop:
                return stop.value

    made = [r4.Basic(code=r4.CodeableConcept(text="x")) for _ in range(100)]
    assert len(fhir.run(fhir.door.transact(SYSTEM, lambda: watched(store.create(SYSTEM, made))))) == 100
    assert kinds.count(Pause) == 100 // store.PAUSE
