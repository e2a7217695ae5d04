"""What attackers try first (OWASP ASVS 4, level 2), on every page, on the door, and on a node on the wire."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tuetinh.commons.access.models import Account
from tuetinh.node.settings import _transport
from tuetinh.node.tests.conftest import Province, token
from tuetinh.node.tests.permissions import roles, table

pytestmark = pytest.mark.long

MACHINES = {
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/introspect",
    "/cds-services/x",
    "/cds-services/x/feedback",
    "/billing/webhooks/bank",
}
"""What is posted to without a browser: each proves itself by a token, a secret or a signature, never by a cookie."""
OF_NOBODY = {"/oauth/jwks", "/.well-known/smart-configuration", "/.well-known/openid-configuration", "/cds-services"}
PAGES = [(row["address"], roles(row["who"])) for row in table("pages")]


def somebody(allowed: frozenset[str] | None) -> str:
    """A role that may open a page; nobody where all may."""
    return sorted(allowed)[0] if allowed else ""


def strict(cast: dict[str, Account], role: str) -> Client:
    """A browser whose forms are looked at as those of real ones are."""
    browser = Client(enforce_csrf_checks=True)
    if role:
        browser.force_login(cast[role], backend="django.contrib.auth.backends.ModelBackend")
    return browser


# -- pages ------------------------------------------------------------------------------------------------------------


def test_a_form_of_another_site_changes_nothing(cast: dict[str, Account]) -> None:
    browsers = {role: strict(cast, role) for role in {somebody(allowed) for _, allowed in PAGES}}
    open_ = set()
    for address, allowed in PAGES:
        answer = browsers[somebody(allowed)].post(address, {"x": "y"}, headers={"origin": "https://evil.example"})
        if answer.status_code != 403:
            open_.add(address)
    assert open_ <= MACHINES | OF_NOBODY, open_ - MACHINES - OF_NOBODY


def test_a_session_does_not_help_where_forms_are_not_checked(as_role: Callable[[str], Client]) -> None:
    browser = as_role("admin")
    for address in sorted(MACHINES):
        answer = browser.post(address, b"{}", content_type="application/json")
        assert answer.status_code in (400, 401, 403, 404), address


def test_every_page_guards_the_browser(as_role: Callable[[str], Client]) -> None:
    browsers = {role: as_role(role) for role in {somebody(allowed) for _, allowed in PAGES}}
    for address, allowed in PAGES:
        role = somebody(allowed)
        answer = browsers[role].get(address)
        assert answer["X-Content-Type-Options"] == "nosniff", address
        assert answer["X-Frame-Options"] in ("SAMEORIGIN", "DENY"), address
        assert answer["Referrer-Policy"] == "same-origin", address
        policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'self'", address
        assert "script-src" not in policy or "unsafe" not in policy["script-src"], address
        assert (policy["base-uri"], policy["frame-ancestors"]) == ("'self'", "'self'"), address
        if role:
            assert "no-store" in answer["Cache-Control"], address


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(cast: dict[str, Account]) -> None:
    browser = Client()
    browser.get("/login")
    browser.post("/login", {"username": "cast.doctor", "password": "mot-mat-khau-dai"})
    assert browser.cookies["sessionid"]["httponly"]
    assert {cookie["samesite"] for cookie in browser.cookies.values()} == {"Lax"}


def test_behind_https_cookies_and_browsers_come_no_other_way() -> None:
    assert _transport("http://127.0.0.1:8000") == {}
    secure = _transport("https://tinh.example.vn")
    assert secure["SESSION_COOKIE_SECURE"] is secure["CSRF_COOKIE_SECURE"] is True
    assert secure["SECURE_HSTS_SECONDS"] == 31_536_000


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\r\nSet-Cookie: x=y"],
)
def test_nothing_leads_out_of_the_house_or_writes_headers(as_role: Callable[[str], Client], target: str) -> None:
    answer = as_role("doctor").post("/language", {"language": "en", "next": target})
    assert "evil" not in answer.get("Location", "")
    assert "\n" not in answer.get("Location", "")
    assert "x" not in answer.cookies


def test_a_name_cannot_forge_a_line_of_the_log(cast: dict[str, Account], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Client().post("/login", {"username": "a\nERROR forged line", "password": "x"})
        Client().get("/people/x%0aERROR%20forged")
    assert [r for r in caplog.records if "\nERROR forged" in r.getMessage()] == []


def test_numbers_in_addresses_open_nothing_of_another_facility(
    as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    other = cast["outsider"]
    for address in (f"/accounts/{other.pk}", f"/accounts/{other.pk}/disable", f"/accounts/{other.pk}/unlock"):
        assert as_role("admin").get(address).status_code in (403, 404, 405), address
        assert as_role("admin").post(address, {"role": "admin", "full_name": "x"}).status_code in (403, 404, 405)
    again = Account.objects.get(pk=other.pk)
    assert (again.is_active, again.role, again.full_name) == (True, "outsider", other.full_name)


def test_fields_that_a_form_does_not_have_are_passed_over(
    as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    more = {
        "facility": "12001",
        "is_superuser": "on",
        "is_staff": "on",
        "patient": "cast-citizen",
        "id": "1",
        "pk": "1",
    }
    form = {"username": "moi.moi", "full_name": "Lò Văn Mới", "role": "nurse"}
    as_role("admin").post("/accounts/new", form | more)
    made = Account.objects.get(username="moi.moi")
    assert (made.facility, made.role, made.patient) == ("12104", "nurse", "")
    assert not getattr(made, "is_superuser", False)
    as_role("nurse").post("/account/password", {"role": "admin", "facility": "", "old_password": "x"})
    assert Account.objects.get(pk=cast["nurse"].pk).role == "nurse"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("../../../etc/passwd", b"{}"),
        ("model.json", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("model.json.php", b"GIF89a;<?php echo 1;?>"),
        ("model.json", b"[" * 200_000),
        ("model.json", gzip.compress(b"0" * 10_000_000)),
        ("model\x00.json", b'{"cut":1e999}'),
    ],
)
def test_a_file_that_is_something_else_is_refused(as_role: Callable[[str], Client], name: str, body: bytes) -> None:
    browser = as_role("province")
    before = browser.get("/people/model?file").content
    answer = browser.post("/people/model", {"model": SimpleUploadedFile(name, body)})
    assert answer.status_code == 422
    assert browser.get("/people/model?file").content == before


DEEP = b'{"hook":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize("address", sorted(MACHINES))
@pytest.mark.django_db
def test_bodies_without_bottom_are_refused(address: str) -> None:
    for body in (DEEP, b"[" * 100_000, b'{"a":' + b"9" * 100_000 + b"}", b"\xff\xfe", b"null"):
        answer = Client().post(address, body, content_type="application/json")
        assert 400 <= answer.status_code < 500, (address, body[:20])


# -- a node on the wire -----------------------------------------------------------------------------------------------


def ask(
    node: Province, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[int, Any, bytes]:
    """An answer without a client that would tidy the request up."""
    wire = http.client.HTTPConnection(urlsplit(node.url).netloc, timeout=20)
    wire.putrequest(method, path, skip_host="Host" in (headers or {}))
    for name, value in (headers or {}).items():
        wire.putheader(name, value)
    if body:
        wire.putheader("Content-Length", str(len(body)))
    wire.endheaders(body or None)
    answer = wire.getresponse()
    found = answer.status, answer.headers, answer.read()
    wire.close()
    return found


@pytest.fixture(scope="module")
def patient(province: Province) -> str:
    made = httpx.post(f"{province.url}/fhir/Patient", headers=token(province), json={"resourceType": "Patient"})
    return str(made.json()["id"])


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "DEBUG", "PROPFIND", "LINK"])
@pytest.mark.parametrize("path", ["/fhir/Patient", "/login", "/static/x"])
def test_other_verbs_do_nothing(province: Province, method: str, path: str) -> None:
    status, _, body = ask(province, method, path, token(province))
    assert status in (400, 401, 403, 404, 405, 501)
    assert b"authorization" not in body.lower()


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_verb_is_not_put_in_the_place_of_another(province: Province, patient: str, name: str) -> None:
    for method, path in (("GET", f"/fhir/Patient/{patient}"), ("POST", f"/fhir/Patient/{patient}?_method=DELETE")):
        ask(province, method, path, token(province) | {name: "DELETE"})
    assert ask(province, "GET", f"/fhir/Patient/{patient}", token(province))[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/static/../settings.py", "/static/%2e%2e/%2e%2e/node/settings.py", "/static//etc/passwd", "/static/..%5c..%5cx",
     "/fhir/_bulk/..%2f..%2f..%2fetc/passwd", "/fhir/_bulk/x/..%2f..%2fkeys", "/fhir/Binary/..%2f..%2fkeys",
     "/%00", "/fhir/%00"],
)  # fmt: skip
def test_no_path_leads_to_files(province: Province, path: str) -> None:
    status, _, body = ask(province, "GET", path, token(province))
    assert status in (400, 401, 404), (path, status)
    assert b"root:" not in body
    assert b"SECRET_KEY" not in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80@x", "a\tb", "'><script>", "x" * 5000])
def test_a_strange_host_breaks_nothing(province: Province, host: str) -> None:
    for path in ("/fhir/metadata", "/login", "/.well-known/smart-configuration"):
        status, headers, body = ask(province, "GET", path, {"Host": host})
        assert status in (200, 400), (path, status)
        assert b"<script>" not in body if path != "/login" else b"'><script>" not in body
        assert "evil" not in headers.get("Location", "")


def test_a_page_that_somebody_stored_does_not_run(province: Province) -> None:
    page = b"<script>fetch('/accounts/new')</script>"
    kept = token(province) | {"content-type": "text/html"}
    place = httpx.post(f"{province.url}/fhir/Binary", headers=kept, content=page).headers["location"]
    answer = httpx.get(place.partition("/_history")[0], headers=token(province) | {"accept": "text/html"})
    assert answer.content == page
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert httpx.get(f"{province.url}/fhir/Patient", headers=token(province)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", ["application/fhir+json", "application/fhir+xml"])
def test_what_unpacks_to_very_much_is_refused(province: Province, kind: str) -> None:
    bomb = gzip.compress(b" " * 200_000_000, 9)
    headers = token(province) | {"content-type": kind, "content-encoding": "gzip"}
    for path in ("/fhir/Patient", "/fhir", "/fhir/$validate"):
        answer = httpx.post(province.url + path, headers=headers, content=bomb, timeout=30)
        assert answer.status_code == 413, path
    twice = headers | {"content-encoding": "gzip, gzip"}
    assert httpx.post(f"{province.url}/fhir/Patient", headers=twice, content=gzip.compress(bomb)).status_code == 415


LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%s;" % (str(n - 1).encode() if n > 1 else b"") * 10) for n in range(1, 10)
    )
    + b"]>"
)
XML_DOORS = [("PUT", "/Patient/x"), ("PATCH", "/Patient/x")]
XML_DOORS += [("POST", path) for path in ("/Patient", "", "/$validate", "/Patient/$match")]
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("head", [LAUGHS, OUTSIDE], ids=["laughs", "outside"])
@pytest.mark.parametrize(("method", "path"), XML_DOORS)
def test_entities_of_xml_are_never_read(province: Province, patient: str, head: bytes, method: str, path: str) -> None:
    body = head + b'<Patient xmlns="http://hl7.org/fhir"><gender value="&a9;"/></Patient>'
    kind = "application/xml-patch+xml" if method == "PATCH" else "application/fhir+xml"
    answer = httpx.request(
        method,
        f"{province.url}/fhir{path.replace('/x', f'/{patient}')}",
        headers=token(province) | {"content-type": kind},
        content=body,
        timeout=30,
    )
    assert answer.status_code in (400, 422)
    assert "root:" not in answer.text


def test_a_body_of_json_without_bottom_is_refused(province: Province) -> None:
    for path in ("/fhir/Patient", "/fhir", "/fhir/$graphql", "/fhir/$viewdefinition-run"):
        headers = token(province) | {"content-type": "application/fhir+json"}
        answer = httpx.post(province.url + path, headers=headers, content=DEEP, timeout=30)
        assert answer.status_code in (400, 413, 422), path
        assert json.loads(answer.text)["resourceType"] == "OperationOutcome"
