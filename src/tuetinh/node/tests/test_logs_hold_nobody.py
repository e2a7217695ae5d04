"""What a node writes while it is used: no query string, nothing typed, no number of a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tuetinh.node.journey.desk import Desk
from tuetinh.node.tests.conftest import Province

SCAN = "012190900777||Sùng Thị Bí Mật|05061990|Nữ|Bản Hua Thàng, Xã Pắc Ta, Lai Châu|01012022"


def test_no_log_holds_what_was_asked(
    built: Path, start: Callable[..., Province], capfd: pytest.CaptureFixture[str]
) -> None:
    node = start(built)
    account = node.account("reception")
    desk = Desk(node.url, account["username"], account["password"])
    desk.submit(desk.get("/reception"), "/reception", {"q": SCAN})
    desk.submit(desk.get("/reception"), "/reception", {"q": "sung thi bimat 0399777666"})
    desk.submit(desk.get("/people"), "/people", {"q": "bimat 0399777666"})
    for path in (
        "/reception",
        "/people",
        "/nowhere",
        "/reception/people/unknown",
        "/fhir/Patient",
        "/healthz",
        "/login",
    ):
        assert desk.http.get(path, params={"q": "bimat 0399777666", "name": "bimat"}).status_code < 500
    desk.http.close()
    httpx.get(f"{node.url}/fhir/Patient", params={"identifier": "012190900777"})
    node.process.terminate()
    node.process.wait(10)
    written = "".join(capfd.readouterr())
    assert [line for line in written.splitlines() if "?" in line.partition("http")[2].partition(" ")[0]] == []
    for secret in ("q=", "0399777666", "012190900777", "Bí Mật", "bimat", "identifier="):
        assert secret not in written, secret
