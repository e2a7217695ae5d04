"""One patient goes the whole way through a running node."""

from __future__ import annotations

import subprocess
import sys

from tuetinh.node.journey.desk import Desk
from tuetinh.node.tests.conftest import Province


def choose_language(province: Province, role: str, language: str) -> None:
    account = province.account(role)
    desk = Desk(province.url, account["username"], account["password"])
    desk.submit(desk.get("/"), "/language", {"language": language})
    desk.http.close()


def test_the_journey_holds_twice(province: Province) -> None:
    for language in ("en", "vi"):  # what the first leaves behind, or what a person chose, is in nobody's way
        choose_language(province, "lab", language)
        command = [sys.executable, "-m", "tuetinh.node.cli", "journey", "--data", str(province.data)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert ran.stdout.count("✓") == 12


def test_the_journey_without_a_province_says_so(tmp_path: object) -> None:
    command = [sys.executable, "-m", "tuetinh.node.cli", "journey", "--data", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "demo.json" in ran.stderr
