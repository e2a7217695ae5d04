"""The whole API is asked at random: whatever comes, the answer is FHIR, no fault of ours, and a refusal stores nothing.

The short run has the same chances each time but for the last test. A long one, with new chances: `make fuzz`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuetinh.record import formats, operations, permits
from tuetinh.record.r4 import RESOURCES
from tuetinh.record.tests import fuzz
from tuetinh.record.validate import check

pytestmark = pytest.mark.django_db
FHIR = "application/fhir+json"
MEDIA = (FHIR, "application/json", "application/fhir+xml", "text/xml", "application/json-patch+json", "", ";")
MEDIA += ("application/xml-patch+xml", "application/x-www-form-urlencoded", "text/plain", f"{FHIR}; charset=utf-16")
HEADERS = (
    "if-match",
    "if-none-match",
    "if-none-exist",
    "if-modified-since",
    "prefer",
    "accept",
    "content-encoding",
    "host",
)
HEADER_VALUES = (
    'W/"1"',
    "*",
    "",
    "x",
    "gzip",
    "return=minimal",
    "handling=lenient",
    "a=b",
    "%",
    "\xff",
    "é",
    "9" * 400,
)
HEADER_VALUES += ("application/fhir+xml", "text/html", "Sat, 31 Feb 2026 25:61:61 GMT", "identifier=a", "q=2;q=x")
LONG = settings.get_current_profile_name() == "long"


def often(examples: int, *, random: bool = False) -> Callable[[Any], Any]:
    """So many examples, the same ones each time unless said otherwise; in the long profile, as many as that says."""
    quiet = list(HealthCheck)
    if LONG:
        return settings(deadline=None, suppress_health_check=quiet)
    return settings(max_examples=examples, derandomize=not random, deadline=None, suppress_health_check=quiet)


class Api:
    """Sends requests and checks what must hold of every answer."""

    def __init__(self, fhir: Any, stored_count: Callable[[], int]) -> None:
        self.fhir, self.stored_count = fhir, stored_count

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> httpx.Response:
        before = self.stored_count()
        named = {name.replace("_", "-"): value.encode() for name, value in headers.items()}
        answer = self.fhir.send(method, path, content=body, headers=named)
        assert answer.status_code < 500, answer.text
        if answer.status_code < 400:
            return answer
        assert self.stored_count() == before, answer.text
        if method != "HEAD":
            self.told(answer)
        return answer

    def told(self, answer: httpx.Response) -> dict[str, Any]:
        """The OperationOutcome of a refusal, itself sound FHIR, that says what is wrong."""
        xml = answer.headers["content-type"].startswith("application/fhir+xml")
        body = formats.read(answer.content) if xml else answer.content
        resource, problems = check(body)
        assert resource is not None, problems
        outcome = json.loads(body)
        assert outcome["resourceType"] == "OperationOutcome"
        for issue in outcome["issue"]:
            assert issue["severity"] in ("error", "fatal", "warning", "information")
            assert issue.get("diagnostics") or issue["details"]["text"]
        assert "error" in {issue["severity"] for issue in outcome["issue"]}
        return outcome  # type: ignore[no-any-return]


def test_a_refusal_that_quotes_a_nul_is_sound_itself(api: Api) -> None:
    assert "\ufffd" in api.told(api.ask("GET", "/Patient?zz%00=a"))["issue"][0]["expression"][0]


def test_the_self_link_of_a_history_names_what_was_understood(api: Api) -> None:
    answer = api.ask("GET", "/Patient/a/_history?zz=1&_count=5", prefer="handling=lenient")
    url = "http://record.test/fhir/Patient/a/_history?_count=5"
    assert answer.json()["link"][0] == {"relation": "self", "url": url}


@pytest.fixture
def api(fhir: Any, stored_count: Callable[[], int]) -> Api:
    fhir.put("/Patient/a", {"resourceType": "Patient", "id": "a", "name": [{"family": "Lò"}]})
    return Api(fhir, stored_count)


@given(rng=fuzz.RANDOM, kind=st.sampled_from(sorted(RESOURCES.keys() - {permits.ACCESS_LOG})))  # which nobody writes
@often(80)
def test_sound_resources_are_stored_as_they_are_or_told_what_is_wrong(api: Api, rng: Random, kind: str) -> None:
    body = fuzz.resource(rng, kind)
    answer = api.ask("POST", f"/{kind}", fuzz.text_of(body), content_type=FHIR)
    if answer.status_code == 201:
        kept = json.loads(answer.content)
        for name in ("id", "meta"):
            kept.pop(name), body.pop(name, None)
        assert kept == body
        written = formats.write(answer.content)
        again = api.ask("POST", f"/{kind}", written, content_type="application/fhir+xml")
        assert again.status_code == 201, again.text
        assert {**again.json(), "id": "", "meta": ""} == {**json.loads(answer.content), "id": "", "meta": ""}
    else:
        places = [issue.get("expression") for issue in api.told(answer)["issue"]]
        assert all(place and place[0].startswith(kind) for place in places), answer.text


@given(rng=fuzz.RANDOM, kind=st.sampled_from(fuzz.KINDS))
@often(80)
def test_mutated_resources(api: Api, rng: Random, kind: str) -> None:
    body = fuzz.resource(rng, kind)
    for _ in range(rng.choice((1, 2, 5))):
        body = fuzz.mutated(rng, body)
    method, path = rng.choice(
        (("POST", f"/{kind}"), ("PUT", f"/{kind}/a"), ("PUT", f"/{kind}"), ("POST", f"/{kind}/$validate"))
    )
    text = fuzz.text_of(body)
    if rng.random() < 0.2:
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice((b"", b"\x00", b"\xff", b"}", b'"', b"[")) + text[place + 1 :]
    api.ask(method, path, text, content_type=rng.choice(MEDIA[:4]))


@given(rng=fuzz.RANDOM, kind=st.sampled_from(fuzz.KINDS))
@often(150)
def test_searches(api: Api, rng: Random, kind: str) -> None:
    query = fuzz.query(rng, kind)
    path = rng.choice((f"/{kind}", f"/Patient/a/{kind}", "", "/Patient/a/*", f"/{kind}/_history", f"/{kind}/a"))
    if rng.random() < 0.3:
        form = "application/x-www-form-urlencoded"
        answer = api.ask("POST", f"{path}/_search", query.encode(), content_type=form)
    else:
        answer = api.ask(
            rng.choice(("GET", "GET", "GET", "HEAD")), f"{path}?{query}", prefer=rng.choice(("", "handling=lenient"))
        )
    if answer.status_code == 200 and answer.content.startswith(b'{"resourceType":"Bundle"'):
        for link in answer.json()["link"]:
            assert api.ask("GET", link["url"].removeprefix("http://record.test/fhir")).status_code == 200


@given(rng=fuzz.RANDOM, kind=st.sampled_from(fuzz.KINDS[:4]))
@often(40)
def test_conditional_changes(api: Api, rng: Random, kind: str) -> None:
    query, body = fuzz.query(rng, kind), fuzz.text_of(fuzz.resource(rng, kind))
    method = rng.choice(("PUT", "DELETE", "PATCH", "POST"))
    api.ask(method, f"/{kind}?{query}", body, content_type=FHIR, if_none_exist=fuzz.query(rng, kind))


@given(rng=fuzz.RANDOM)
@often(60)
def test_bundles(api: Api, rng: Random) -> None:
    body: Any = fuzz.bundle(rng)
    if rng.random() < 0.4:
        body = fuzz.mutated(rng, body)
    answer = api.ask(
        "POST", "", fuzz.text_of(body), content_type=FHIR, prefer=rng.choice(("return=representation", ""))
    )
    if answer.status_code == 200:
        statuses = [entry["response"]["status"][0] for entry in answer.json().get("entry", [])]
        assert "5" not in statuses, answer.text


@given(rng=fuzz.RANDOM)
@often(60)
def test_patches(api: Api, rng: Random) -> None:
    json_patch, kind = "application/json-patch+json", rng.choice(MEDIA)
    body, media = rng.choice(((fuzz.patch(rng), json_patch), (fuzz.fhirpath_patch(rng), FHIR), (fuzz.patch(rng), kind)))
    api.ask(
        "PATCH",
        "/Patient/a",
        fuzz.text_of(fuzz.mutated(rng, body) if rng.random() < 0.2 and body else body),
        content_type=media,
    )


@given(rng=fuzz.RANDOM, one=st.sampled_from(operations.known()))
@often(120)
def test_operations(api: Api, rng: Random, one: operations.Operation) -> None:
    kind = rng.choice(sorted(one.types or RESOURCES))
    level = rng.choice(one.levels)
    path = {"system": "", "type": f"/{kind}", "instance": f"/{kind}/a"}[level]
    if rng.random() < 0.4:
        names = [*(p.name for p in one.params), "zz", "_count", "_since", "_format"]
        pairs = [f"{rng.choice(names)}={fuzz.quote(fuzz.value_text(rng))}" for _ in range(rng.randrange(4))]
        api.ask(rng.choice(("GET", "POST")), f"{path}/${one.name}?{'&'.join(pairs)[: fuzz.LONGEST]}")
    else:
        body = fuzz.text_of(fuzz.parameters(rng, one.name))
        api.ask("POST", f"{path}/${one.name}", body, content_type=rng.choice((FHIR, FHIR, rng.choice(MEDIA))))


@given(rng=fuzz.RANDOM)
@often(100, random=True)
def test_any_request(api: Api, rng: Random) -> None:
    """Method, address, headers and body that need not go together."""
    kind = rng.choice(fuzz.KINDS)
    parts = [
        rng.choice((kind, "a", "_history", "_search", "$validate", "$x", "1", "*", "metadata", "%00", "%ff", "..", "é"))
        for _ in range(rng.randrange(5))
    ]
    query = rng.choice(("", fuzz.query(rng, kind)))
    headers = {rng.choice(HEADERS): rng.choice(HEADER_VALUES) for _ in range(rng.choice((0, 1, 2)))}
    body = rng.choice((b"", b"\xff", fuzz.text_of(fuzz.resource(rng, kind)), b"a=b", b"<Patient/>", b"[]"))
    method = rng.choice(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "ZZ"))
    api.ask(method, "/" + "/".join(parts) + "?" + query, body, content_type=rng.choice(MEDIA), **headers)
