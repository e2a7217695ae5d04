"""The access log of a running node: sealed by itself, told to witnesses, verified from the command line."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller

from tuetinh.node.tests.conftest import Province, copied, free_port, run, token
from tuetinh.record.audit.chain import Head
from tuetinh.record.audit.witnesses import Authority, Doubt

pytestmark = pytest.mark.long

TSA = """
[tsa]
default_tsa = made
[made]
serial = {0}/serial
crypto_device = builtin
signer_cert = {0}/tsa.pem
signer_key = {0}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
"""


def wait_for(told: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def tamper(data: Path, *statements: str) -> None:
    """Run SQL on the database of a stopped node, as whoever owns it."""
    for statement in statements:
        whole = f"SET ROLE NONE; {statement}"
        code = f"from django.db import connection; connection.cursor().execute({whole!r})"
        done = run(data, "manage", "shell", "-v", "0", "-c", code)
        assert done.returncode == 0, done.stderr


class Mails:
    """An SMTP server that keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        del server, session
        self.got.append(envelope.content.decode())
        return "250 kept"


@pytest.fixture
def mails() -> Iterator[tuple[Mails, str]]:
    mails, port = Mails(), free_port()
    controller = Controller(mails, hostname="127.0.0.1", port=port)
    controller.start()
    yield mails, f"smtp://127.0.0.1:{port}"
    controller.stop()


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[str]:
    """A timestamp authority: OpenSSL's, behind HTTP."""
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "tsa.cnf").write_text(TSA.format(tmp_path))
    make = "openssl req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.pem -subj /CN=tsa -days 2"
    extensions = ["-addext", "extendedKeyUsage=critical,timeStamping"]
    subprocess.run([*make.split(), *extensions], cwd=tmp_path, check=True, capture_output=True)

    class Stamp(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (tmp_path / "query").write_bytes(self.rfile.read(int(self.headers["content-length"])))
            command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply"]
            subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
            self.send_response(200)
            self.end_headers()
            self.wfile.write((tmp_path / "reply").read_bytes())

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stamp)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_authority_that_sends_its_chain_as_openssl_does_is_believed(authority: str, tmp_path: Path) -> None:
    """The certificates of the answer are not in the order of DER: the longer one of the signer comes first."""
    conf = tmp_path / "tsa.cnf"
    conf.write_text(conf.read_text(encoding="utf-8") + f"certs = {tmp_path}/ca.pem\n", encoding="utf-8")
    ca = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=c"
    subprocess.run([*ca.split(), "-days", "2"], cwd=tmp_path, check=True, capture_output=True)
    head = Head(7, "ab" * 32)
    stamps = Authority(authority, tmp_path / "stamps", tmp_path / "tsa.pem")
    stamps.tell(head)
    assert list(stamps.kept()) == [head]
    (stamp,) = (tmp_path / "stamps").iterdir()
    stamp.write_bytes(b"0\x03\x02\x01\x00")
    assert [one.told.endswith("no stamp") for one in stamps.kept() if isinstance(one, Doubt)] == [True]


def read_some(node: Province) -> None:
    with httpx.Client(base_url=node.url, headers=token(node), timeout=20) as client:
        for number in range(5):
            made = client.put(f"/fhir/Patient/p{number}", json={"resourceType": "Patient", "id": f"p{number}"})
            assert made.status_code == 201
            assert client.get(f"/fhir/Patient/p{number}").status_code == 200


def kill(node: Province) -> None:
    node.process.kill()
    node.process.wait(20)


def test_a_log_is_sealed_by_itself_and_tampering_is_told(
    folder: Path, start: Callable[..., Province], built: Path
) -> None:
    data = folder / "node"
    copied(built, data)
    node = start(data)
    read_some(node)
    told = data / "audit" / "heads.jsonl"
    wait_for(told.exists)
    for _ in range(3):  # a block that is closed may be of what came before: its reach is that of the call before
        lines = told.read_text().count("\n")
        assert httpx.get(f"{node.url}/fhir/Patient/p1", headers=token(node)).status_code == 200
        wait_for(lambda lines=lines: told.read_text().count("\n") > lines)
    kill(node)

    good = run(data, "audit", "verify")
    assert good.returncode == 0, good.stdout + good.stderr
    assert "are whole" in good.stdout

    tamper(data, "DELETE FROM record.audit WHERE patient = 'p1' AND action = 'read'")
    bad = run(data, "audit", "verify")
    assert bad.returncode == 1
    assert ": changed: positions " in bad.stdout
    tamper(data, "DELETE FROM record.audit", "DELETE FROM record.audit_block")
    emptied = run(data, "audit", "verify")
    assert emptied.returncode == 1
    assert "a witness knows block" in emptied.stdout


def test_witnesses_outside_are_told(
    folder: Path, start: Callable[..., Province], built: Path, authority: str, mails: tuple[Mails, str], tmp_path: Path
) -> None:
    data, other = folder / "node", folder / "elsewhere" / "heads"
    env = {
        "TUETINH_AUDIT_WITNESSES": f"file:{other} mailto:auditor@tinh.example {authority}",
        "TUETINH_AUDIT_TSA_ROOTS": str(tmp_path / "tsa.pem"),
        "TUETINH_SMTP_URL": mails[1],
    }
    copied(built, data)
    node = start(data, env=env)
    read_some(node)
    stamps = data / "audit" / "stamps"
    wait_for(lambda: bool(mails[0].got) and stamps.exists() and other.exists())
    node.process.terminate()
    node.process.wait(20)

    anchored = run(data, "audit", "anchor", env=env)
    assert anchored.returncode == 0, anchored.stderr
    number, _, digest = anchored.stdout.strip().partition(" ")
    assert f'"hash": "{digest}"' in other.read_text()
    assert digest in mails[0].got[-1]
    (tmp_path / "head").write_bytes(bytes.fromhex(digest))
    foreign = ["openssl", "ts", "-verify", "-data", "head", "-in", str(stamps / f"{number}-{digest}.tsr")]
    checked = subprocess.run(
        [*foreign, "-CAfile", "tsa.pem"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Verification: OK" in checked.stdout + checked.stderr
    assert run(data, "audit", "verify", "--heads", str(other), env=env).returncode == 0

    other.write_text(other.read_text().replace(digest, "0" * 64))
    doubted = run(data, "audit", "verify", "--heads", str(other))
    assert doubted.returncode == 1
    assert f"block {number}: witness" in doubted.stdout


def test_a_witness_that_is_not_understood_is_named(built: Path) -> None:
    refused = run(built, "audit", "anchor", env={"TUETINH_AUDIT_WITNESSES": "ftp://x"})
    assert refused.returncode == 1
    assert "'ftp://x' is no witness" in refused.stderr
