"""sqlmap against a running node finds nothing to inject into; `make attack` lets it and wapiti work for long."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tuetinh.node.tests.conftest import Province, token

pytestmark = pytest.mark.peer
SECONDS = int(os.environ.get("TUETINH_ATTACK_SECONDS", "60"))
LONG = SECONDS > 60
WAPITI = Path(os.environ.get("TUETINH_WAPITI", "wapiti"))
MODULES = ("sql", "xss", "permanentxss", "exec", "file", "crlf", "redirect", "ssrf", "xxe", "methods")
PLACES = ["/fhir/Patient?name=a", "/fhir/AuditEvent?patient=a", "/people?q=a", "/login"]


def session(node: Province, role: str) -> str:
    """The cookies of a browser in which a role is logged in."""
    account = node.account(role)
    with httpx.Client(base_url=node.url, follow_redirects=True, timeout=30) as browser:
        browser.get("/login")
        form = {"username": account["username"], "password": account["password"]}
        form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
        browser.post("/login", data=form, headers={"Referer": f"{node.url}/login"})
        return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def run(command: list[str], folder: Path) -> str:
    """What a tool says until its time is over."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode(errors="replace")
    return done.stdout


@pytest.mark.skipif(shutil.which("sqlmap") is None, reason="sqlmap (Debian) is not installed")
@pytest.mark.parametrize("place", PLACES if LONG else PLACES[:1])
def test_sqlmap_finds_nothing(province: Province, tmp_path: Path, place: str) -> None:
    told = token(province) if place.startswith("/fhir") else {"Cookie": session(province, "reception")}
    header = "\\n".join(f"{name}: {value}" for name, value in told.items())
    command = ["sqlmap", "-u", province.url + place, "--headers", header, "--batch", "--dbms", "PostgreSQL"]
    command += ["--technique", "BEUSTQ" if LONG else "BE", "--output-dir", str(tmp_path), "--disable-coloring"]
    command += ["--level", "5" if LONG else "1", "--risk", "3" if LONG else "1", "--ignore-code", "400,401,403,404"]
    command += ["--data", "username=a&password=b"] if place == "/login" else []
    said = run(command, tmp_path)
    assert "testing connection to the target URL" in said
    assert "identified the following injection point" not in said
    assert re.findall(r"^\s*Payload: ", said, re.MULTILINE) == []
    assert httpx.get(f"{province.url}/healthz").status_code == 200


@pytest.mark.skipif(not WAPITI.exists(), reason="wapiti comes with `make attack`")
@pytest.mark.parametrize("role", ["", "reception", "doctor", "citizen", "admin"])
def test_wapiti_finds_nothing(province: Province, tmp_path: Path, role: str) -> None:
    report = tmp_path / "found.json"
    command = [str(WAPITI), "-u", f"{province.url}/", "--flush-session", "--store-session", str(tmp_path)]
    command += ["-H", f"Cookie: {session(province, role)}"] if role else []
    command += ["-x", f"{province.url}/logout", "-m", ",".join(MODULES), "-f", "json", "-o", str(report)]
    command += ["--max-scan-time", str(SECONDS // 3), "--max-attack-time", str(SECONDS // 3 // len(MODULES))]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=SECONDS * 3, check=False)
    told = json.loads(report.read_text())
    found = {name: many for kind in ("vulnerabilities", "anomalies") for name, many in told[kind].items() if many}
    assert found == {}
    assert told["infos"]["crawled_pages_nbr"] > 3
