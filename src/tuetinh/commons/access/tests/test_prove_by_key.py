"""Backend services prove themselves by a signed assertion, and every fault in it is refused (RFC 7523, SMART)."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.test import Client
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from tuetinh.commons.access.models import Assertion, Token
from tuetinh.commons.access.models import Client as System
from tuetinh.commons.access.oauth import clients

AUDIENCE = "http://testserver/oauth/token"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EC = ECKey.generate_key("P-384", {"kid": "ec"})
OTHER = ECKey.generate_key("P-384", {"kid": "ec"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
WEAK = ECKey.generate_key("P-256", {"kid": "weak"})


def public(*keys: Any) -> dict[str, Any]:
    """The JWKS of keys."""
    return dict(KeySet(list(keys)).as_dict(private=False))


@pytest.fixture
def warehouse(db: None) -> System:
    """A system that proves itself by two keys."""
    return System.objects.create(
        id="warehouse", name="Kho dữ liệu", scopes="system/Patient.rs", jwks=public(EC, RSA, WEAK)
    )


def assertion(key: Any = EC, alg: str = "ES384", kid: str | None = None, jku: str = "", **changes: Any) -> str:
    """A signed assertion; a change to None leaves the claim out."""
    claims: dict[str, Any] = {
        "iss": "warehouse",
        "sub": "warehouse",
        "aud": AUDIENCE,
        "exp": int(time.time()) + 240,
        "jti": uuid.uuid4().hex,
    } | changes
    header = {"alg": alg} | ({"kid": kid or key.kid} if kid != "" else {}) | ({"jku": jku} if jku else {})
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(header, claims, key, algorithms=[alg])


def ask(client: Client, text: str, **form: str) -> Any:
    """Ask for a token with an assertion."""
    fields = {"grant_type": "client_credentials", "client_assertion_type": TYPE, "client_assertion": text} | form
    return client.post("/oauth/token", fields)


@pytest.mark.parametrize(("key", "alg"), [(EC, "ES384"), (RSA, "RS384")])
def test_signed_by_its_key(client: Client, warehouse: System, key: Any, alg: str) -> None:
    answer = ask(client, assertion(key, alg), scope="system/Patient.rs")
    assert answer.status_code == 200
    assert answer.json()["scope"] == "system/Patient.rs"
    assert Token.objects.get().client_id == "warehouse"


NOW = int(time.time())


@pytest.mark.parametrize(
    "make",
    [
        lambda: assertion(OTHER),
        lambda: assertion(kid="nobody"),
        lambda: assertion(kid=""),
        lambda: assertion(WEAK, "ES256"),
        lambda: assertion(RSA, "RS256"),
        lambda: assertion(RSA, "PS384"),
        lambda: assertion(OctKey.import_key(b"x" * 48), "HS384", kid="ec"),
        lambda: assertion(sub="somebody"),
        lambda: assertion(iss="somebody", sub="somebody"),
        lambda: assertion(sub=None),
        lambda: assertion(iss=None),
        lambda: assertion(iss=7),
        lambda: assertion(aud="https://elsewhere/oauth/token"),
        lambda: assertion(aud=["https://elsewhere/oauth/token"]),
        lambda: assertion(aud=None),
        lambda: assertion(exp=int(time.time()) - 60),
        lambda: assertion(exp=int(time.time()) + 3600),
        lambda: assertion(exp=None),
        lambda: assertion(exp="tomorrow"),
        lambda: assertion(exp=1e300),
        lambda: assertion(nbf=int(time.time()) + 600),
        lambda: assertion(iat=int(time.time()) + 600),
        lambda: assertion(jti=None),
        lambda: assertion(jti=""),
        lambda: assertion(jti=7),
        lambda: "nothing",
        lambda: "a.b.c",
        lambda: "e30.e30.",
        lambda: "eyJhbGciOiJub25lIiwia2lkIjoiZWMifQ.eyJpc3MiOiJ3YXJlaG91c2UifQ.",
        lambda: assertion()[:-8],
        lambda: "W10.W10.W10",
    ],
)
def test_every_fault_is_invalid_client(client: Client, warehouse: System, make: Callable[[], str]) -> None:
    answer = ask(client, make())
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert Token.objects.count() == 0


def test_assertion_is_good_for_once(client: Client, warehouse: System) -> None:
    text = assertion()
    assert ask(client, text).status_code == 200
    again = ask(client, text)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert Token.objects.count() == Assertion.objects.count() == 1


def test_audience_may_be_a_list(client: Client, warehouse: System) -> None:
    assert ask(client, assertion(aud=["https://x", AUDIENCE])).status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "somebody"}, 401, "invalid_client"),
        ({"client_secret": "x"}, 400, "invalid_request"),
        ({"client_assertion_type": "x"}, 400, "invalid_request"),
        ({"client_assertion": ""}, 400, "invalid_request"),
        ({"scope": "system/Observation.rs"}, 400, "invalid_scope"),
        ({"scope": "system/Patient.rs?identifier=a|b|c"}, 400, "invalid_scope"),
        ({"grant_type": "x"}, 400, "unsupported_grant_type"),
    ],
)
def test_other_mistakes(client: Client, warehouse: System, form: dict[str, str], status: int, error: str) -> None:
    answer = ask(client, assertion(), **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert Token.objects.count() == 0


def test_shut_out_and_keyless_clients_get_nothing(client: Client, warehouse: System) -> None:
    System.objects.update(is_active=False)
    assert ask(client, assertion()).status_code == 401
    System.objects.update(is_active=True, jwks=None)
    assert ask(client, assertion()).status_code == 401


class _Keys(BaseHTTPRequestHandler):
    status, body, asked, kept = 200, b"", 0, ""

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("location", "/elsewhere")
        if self.kept:
            self.send_header("cache-control", self.kept)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[tuple[str, type[_Keys]]]:
    """A server of keys at an address."""
    handler = type("Keys", (_Keys,), {})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    clients._fetched.clear()
    yield f"http://127.0.0.1:{server.server_port}/jwks", handler
    server.shutdown()
    server.server_close()
    thread.join()
    clients._fetched.clear()


def test_keys_are_fetched_kept_and_renewed(
    client: Client, warehouse: System, served: tuple[str, type[_Keys]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, handler = served
    handler.body = json.dumps(public(EC)).encode()
    System.objects.update(jwks=None, jwks_url=url)
    assert [ask(client, assertion()).status_code for _ in range(3)] == [200, 200, 200]
    assert handler.asked == 1
    new = ECKey.generate_key("P-384", {"kid": "new"})
    handler.body = json.dumps(public(new)).encode()
    assert ask(client, assertion(new)).status_code == 401  # an unknown kid does not make us ask again at once
    assert handler.asked == 1
    monkeypatch.setattr(clients, "KEYS_AGAIN", 0.0)
    assert ask(client, assertion(new)).status_code == 200
    assert ask(client, assertion(EC)).status_code == 401
    assert handler.asked == 3


@pytest.mark.parametrize(
    ("kept", "believed"),
    [("no-store", False), ("private, max-age=0", False), ("Max-Age=60, must-revalidate", True), ("public", True)],
)
def test_keys_are_kept_no_longer_than_their_sender_says(
    client: Client, warehouse: System, served: tuple[str, type[_Keys]], kept: str, believed: bool
) -> None:
    url, handler = served
    handler.body, handler.kept = json.dumps(public(EC)).encode(), kept
    System.objects.update(jwks=None, jwks_url=url)
    assert ask(client, assertion()).status_code == 200
    handler.body = json.dumps(public(RSA)).encode()  # the key was given up
    assert ask(client, assertion()).status_code == (200 if believed else 401)
    assert (handler.asked == 1) is believed


def test_an_address_of_keys_in_the_header_is_the_registered_one(
    client: Client, warehouse: System, served: tuple[str, type[_Keys]]
) -> None:
    url, handler = served
    handler.body = json.dumps(public(EC)).encode()
    System.objects.update(jwks=None, jwks_url=url)
    assert ask(client, assertion(jku=url)).status_code == 200
    assert ask(client, assertion(jku="https://elsewhere/jwks")).status_code == 401


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (302, b""), (200, b"x"), (200, b"{}"), (200, b'{"keys": 1}'), (200, b" " * 70_000), (200, b"[]")],
)
def test_keys_that_cannot_be_had(
    client: Client, warehouse: System, served: tuple[str, type[_Keys]], status: int, body: bytes
) -> None:
    url, handler = served
    handler.status, handler.body = status, body
    System.objects.update(jwks=None, jwks_url=url)
    assert (ask(client, assertion()).status_code, handler.asked) == (401, 1)


@pytest.mark.parametrize("url", ["http://keys.example/jwks", "ftp://x/y", "https://a:b@x/y", "file:///etc/passwd", ""])
def test_addresses_that_keys_never_come_from(url: str) -> None:
    with pytest.raises(ValueError, match=r"keys"):
        clients.check_keys_url(url)


def test_private_keys_are_not_registered() -> None:
    for bad in (KeySet([EC]).as_dict(private=True), {"keys": []}, [], {"keys": [{"kty": "oct", "k": "x", "kid": "a"}]}):
        with pytest.raises(ValueError, match=r"key"):
            clients.check_keys(bad)
