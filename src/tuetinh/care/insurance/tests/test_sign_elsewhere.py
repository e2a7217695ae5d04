"""Claims are signed by keys that stay in a token (SoftHSM), or with a signing service (a CSC server not of ours)."""

from __future__ import annotations

import base64
import gzip
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pkcs11
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from django.test import Client
from django.utils import timezone

from tuetinh.care.insurance.actions import set_account, set_key
from tuetinh.care.insurance.errors import BadKeyFile, KeyRefused, NoKey, SignerAway
from tuetinh.care.insurance.models import ClaimCase, GatewayAccount
from tuetinh.care.insurance.sending import queue, send
from tuetinh.care.insurance.sending.elsewhere import OnToken, Remote
from tuetinh.care.insurance.sending.signing import open_elsewhere, sign, signer_of
from tuetinh.care.insurance.tests.keeping import Memory, queued
from tuetinh.care.insurance.tests.keys import key_file

pytestmark = [pytest.mark.peer, pytest.mark.django_db]
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
DOCUMENT = b"<GIAMDINHHS><A>\xc4\x90</A><CHUKYDONVI/></GIAMDINHHS>"
State = ClaimCase.State
Serve = Callable[[Callable[..., Awaitable[None]]], str]


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnToken:
    """A token with a key and its certificate."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm.conf"))
    monkeypatch.setenv("TUETINH_PKCS11", SOFTHSM)
    private, certificate, _ = pkcs12.load_key_and_certificates(key_file("x"), b"x")
    assert private is not None
    assert certificate is not None
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "certificate.der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    run("softhsm2-util", "--init-token", "--free", "--label", "ttyt", "--pin", "246813", "--so-pin", "135792")
    run("softhsm2-util", "--import", str(tmp_path / "key.pem"), "--token", "ttyt", "--label", "ky", "--id", "a1",
        "--pin", "246813")  # fmt: skip
    run("pkcs11-tool", "--module", SOFTHSM, "--token-label", "ttyt", "--login", "--pin", "246813", "--id", "a1",
        "--write-object", str(tmp_path / "certificate.der"), "--type", "cert")  # fmt: skip
    pkcs11.lib(SOFTHSM).reinitialize()
    return OnToken(SOFTHSM, "ttyt", "ky", "246813")


def verified(signed: bytes, tmp_path: Path) -> bool:
    """What xmlsec1 says of a signature."""
    (tmp_path / "signed.xml").write_bytes(signed)
    command = ["xmlsec1", "--verify", "--insecure", "--enabled-key-data", "x509", str(tmp_path / "signed.xml")]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_key_in_a_token_signs(token: OnToken, tmp_path: Path) -> None:
    found = open_elsewhere(token)
    assert (found.subject, "PRIVATE KEY" in found.secret) == ("CN=TTYT Tam Đường", False)
    signed = sign(DOCUMENT, found.secret)
    assert signer_of(signed) == "CN=TTYT Tam Đường"
    assert verified(signed, tmp_path)
    assert not verified(signed.replace(b"<A>", b"<A>x"), tmp_path)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"pin": "000000"}, KeyRefused),
        ({"label": "khác"}, BadKeyFile),
        ({"token": "khác"}, SignerAway),
        ({"module": "/usr/lib/x86_64-linux-gnu/libc.so.6"}, KeyRefused),  # what the node's keeper did not name
    ],
)
def test_what_is_wrong_with_a_token_is_told(token: OnToken, wrong: dict[str, str], error: type[Exception]) -> None:
    told = {name: getattr(token, name) for name in ("module", "token", "label", "pin")}
    with pytest.raises(error):
        open_elsewhere(OnToken(**told | wrong))


def test_a_claim_waits_for_a_token_that_is_away(token: OnToken, visit: str, ledger: Memory, tmp_path: Path) -> None:
    set_key("12001", open_elsewhere(token))
    found = queued(visit)
    (tmp_path / "tokens").rename(tmp_path / "away")
    (tmp_path / "tokens").mkdir()
    pkcs11.lib(SOFTHSM).reinitialize()
    assert send.send_due(3) == 0
    found.refresh_from_db()
    assert (found.state, found.words, found.transmissions.count()) == (State.WAITING, str(SignerAway()), 0)
    assert found.due > timezone.now()
    (tmp_path / "tokens").rmdir()
    (tmp_path / "away").rename(tmp_path / "tokens")
    pkcs11.lib(SOFTHSM).reinitialize()
    ClaimCase.objects.update(due=timezone.now())
    assert send.send_due(20) == 1
    file = gzip.decompress(bytes(found.transmissions.get().file))
    assert (len(ledger.taken), verified(file, tmp_path)) == (1, True)


def test_a_pin_that_is_refused_is_not_tried_again(token: OnToken, visit: str, ledger: Memory) -> None:
    key = open_elsewhere(token)
    set_key("12001", key._replace(secret=key.secret.replace(token.pin, "000000")))
    found = queued(visit)
    assert send.send_due(3) == 0
    found.refresh_from_db()
    assert (found.state, found.words) == (State.FAULTY, str(KeyRefused()))
    assert GatewayAccount.objects.get().key is None
    queue.release(found)
    assert send.send_due(3) == 0
    found.refresh_from_db()
    assert (found.state, found.words) == (State.FAULTY, str(NoKey()))
    assert ledger.taken == []


# A signing service ----------------------------------------------------------------------------------------------------

PKI = """
keysets:
  keys:
    path-prefix: {folder}
    keys: {{root: {{path: root.pem}}, ttyt: {{path: ttyt.pem}}}}
pki-architectures:
  province:
    keyset: keys
    entity-defaults: {{country-name: VN}}
    entities: {{root: {{common-name: Root}}, ttyt: {{common-name: TTYT Tam Duong}}}}
    certs:
      root: {{subject: root, issuer: root, subject-key: root, authority-key: root, validity: {validity}}}
      ttyt: {{subject: ttyt, issuer: root, subject-key: ttyt, authority-key: root, validity: {validity}}}
"""
VALIDITY = '{valid-from: "2026-01-01T00:00:00+0000", valid-to: "2036-01-01T00:00:00+0000"}'


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A CSC server in a process of its own; it asks nobody who they are."""
    folder = tmp_path_factory.mktemp("csc")
    for name in ("root", "ttyt"):
        made = rsa.generate_private_key(65537, 2048)
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{name}.pem").write_bytes(pem)
    (folder / "pki.yml").write_text(PKI.format(folder=folder, validity=VALIDITY))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "csc_dummy", str(folder / "pki.yml"), str(port), "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        address = f"http://127.0.0.1:{port}/csc/v1"
        for _ in range(100):
            with suppress(httpx.HTTPError):
                httpx.post(f"{address}/info", json={}, trust_env=False)
                break
            time.sleep(0.1)
        yield address
        server.terminate()


class Door:
    """Lets in to a service who has logged in, which it does not ask by itself: by name and password, or as OAuth 2 has
    it. up: whether it answers at all.
    """

    def __init__(self, behind: str, how: str) -> None:
        self.behind, self.how, self.up, self.given = behind, how, True, 0

    async def __call__(self, scope: Any, receive: Any, reply: Any) -> None:
        body = (await receive()).get("body", b"")
        told = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        status, content = await self.answer(scope["path"], told, body)
        size = [(b"content-length", b"%d" % len(content))]
        await reply({"type": "http.response.start", "status": status, "headers": size})
        await reply({"type": "http.response.body", "body": content})

    async def answer(self, path: str, told: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if not self.up:
            return 503, b"bao tri"
        call = path.removeprefix("/csc/v1/")
        if call == "info":
            return 200, b'{"authType": ["%s"]}' % self.how.encode()
        if call in ("auth/login", "oauth2/token"):
            basic = told.get("authorization") == "Basic " + base64.b64encode(b"ttyt:m").decode()
            allowed = basic if call == "auth/login" else b"client_secret=m" in body
            self.given += allowed
            return (200, b'{"access_token": "t%d", "expires_in": 3600}' % self.given) if allowed else (400, b"{}")
        if told.get("authorization") != f"Bearer t{self.given}":
            return 401, b"{}"
        async with httpx.AsyncClient(trust_env=False) as client:
            found = await client.post(f"{self.behind}/{call}", content=body)
        return found.status_code, found.content


def test_a_key_of_a_signing_service_signs(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUETINH_CSC", service)
    found = open_elsewhere(Remote(service, "", "", "province/ttyt"))
    assert found.subject == "CN=TTYT Tam Duong,C=VN"
    signed = sign(DOCUMENT, found.secret)
    assert signer_of(signed) == found.subject
    assert verified(signed, tmp_path)


@pytest.mark.parametrize("how", ["basic", "oauth2client"])
def test_a_service_lets_in_who_logs_in(
    service: str, how: str, over_a_socket: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(service, how)
    address = over_a_socket(door) + "/csc/v1"
    monkeypatch.setenv("TUETINH_CSC", address)
    found = open_elsewhere(Remote(address, "ttyt", "m", "province/ttyt"))
    sign(DOCUMENT, found.secret)
    assert door.given == 1  # kept between calls
    door.given += 1  # whatever was given is no longer good
    assert signer_of(sign(DOCUMENT, found.secret)) == found.subject
    door.up = False
    with pytest.raises(SignerAway):
        sign(DOCUMENT, found.secret)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"password": "khác"}, KeyRefused),
        ({"credential": "province/khac"}, KeyRefused),
        ({"address": "http://127.0.0.1:9/csc/v1"}, KeyRefused),  # what the node's keeper did not name
    ],
)
def test_what_is_wrong_with_a_service_is_told(
    service: str, wrong: dict[str, str], error: type[Exception], over_a_socket: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = over_a_socket(Door(service, "basic")) + "/csc/v1"
    monkeypatch.setenv("TUETINH_CSC", address)
    told = {"address": address, "account": "ttyt", "password": "m", "credential": "province/ttyt"}
    with pytest.raises(error):
        open_elsewhere(Remote(**told | wrong))


# The administrator's page ---------------------------------------------------------------------------------------------


def test_an_administrator_chooses_where_the_key_is(
    as_role: Callable[[str], Client], token: OnToken, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUETINH_CSC", service)
    set_account("12104", "12104_BV", "mật khẩu")
    browser = as_role("admin")
    page = browser.get("/insurance/account").content.decode()
    assert (SOFTHSM in page, service in page) == (True, True)
    told = {
        "place": "token",
        "token-module": SOFTHSM,
        "token-token": "ttyt",
        "token-label": "ky",
        "token-pin": "000000",
    }
    refused = browser.post("/insurance/account/key", told)
    assert (refused.status_code, str(KeyRefused()) in refused.content.decode()) == (422, True)
    assert GatewayAccount.objects.get(facility="12104").key is None
    assert browser.post("/insurance/account/key", told | {"token-pin": token.pin}).status_code == 302
    known = GatewayAccount.objects.get(facility="12104")
    assert (known.signer, token.pin.encode() in bytes(known.key or b"")) == ("CN=TTYT Tam Đường", False)
    told = {"place": "remote", "remote-address": service, "remote-credential": "province/ttyt"}
    assert browser.post("/insurance/account/key", told).status_code == 302
    assert GatewayAccount.objects.get(facility="12104").signer == "CN=TTYT Tam Duong,C=VN"
    elsewhere = told | {"remote-address": "http://169.254.169.254/csc/v1"}
    assert browser.post("/insurance/account/key", elsewhere).status_code == 422


def test_where_the_node_names_nothing_only_a_file_is_asked_for(as_role: Callable[[str], Client]) -> None:
    page = as_role("admin").get("/insurance/account").content.decode()
    assert ("key-file" in page, "token-pin" in page, "remote-pin" in page) == (True, False, False)
