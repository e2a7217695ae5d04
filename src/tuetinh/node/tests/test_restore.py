"""A backup made while writes go on comes back whole; a restore that fails leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tuetinh.node.tests.conftest import Writers, missing, run, spoilt, token

pytestmark = pytest.mark.long


def pages(node: Any, headers: dict[str, str]) -> list[str]:
    """The ids of all organizations, page by page."""
    url, found = f"{node.url}/fhir/Organization?_count=40", []
    while url:
        page = httpx.get(url, headers=headers).json()
        found += [entry["resource"]["id"] for entry in page.get("entry", [])]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    return found


def test_a_backup_holds_all_that_was_acknowledged_before_it(
    start: Callable[..., Any], built: Path, folder: Path
) -> None:
    node = start(built)
    before = pages(node, token(node))
    writers = Writers(node)
    limit = time.monotonic() + 20
    while not writers.kept and time.monotonic() < limit:
        time.sleep(0.05)
    acknowledged = list(writers.kept)
    made = run(built, "backup", str(folder / "a.backup"))
    later = len(writers.kept)
    writers.end()
    assert made.returncode == 0, made.stderr
    assert acknowledged
    assert later > len(acknowledged)  # the node went on meanwhile
    assert writers.refused == []
    restored = run(folder / "var", "restore", str(folder / "a.backup"))
    assert restored.returncode == 0, restored.stderr
    node = start(folder / "var")
    assert missing(node, acknowledged) == []
    # the rows bear transaction numbers of the other server: no page may miss them
    assert len(before) > 100
    assert pages(node, token(node)) == before
    checked = run(folder / "var", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_restore_that_fails_leaves_nothing(kept: Path, folder: Path) -> None:
    bad = spoilt(kept, folder)
    before = sorted(path.name for path in folder.iterdir())
    failed = run(folder / "new" / "var", "restore", str(bad))
    assert failed.returncode == 1
    assert "could not load the backup, and nothing was changed" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


def test_force_replaces_all_or_nothing(start: Callable[..., Any], kept: Path, folder: Path) -> None:
    data = folder / "var"
    assert run(data, "restore", str(kept)).returncode == 0
    node = start(data)
    made = httpx.post(f"{node.url}/fhir/Patient", json={"resourceType": "Patient"}, headers=token(node)).json()["id"]
    in_use = run(data, "restore", str(kept), "--force")
    assert in_use.returncode == 1
    assert "in use" in in_use.stderr
    node.process.terminate()
    node.process.wait(20)

    failed = run(data, "restore", str(spoilt(kept, folder)), "--force")
    assert failed.returncode == 1
    assert run(data, "export", str(folder / "kept"), "--patient", made).returncode == 0
    (data / "files").mkdir(exist_ok=True)
    (data / "files" / "later").write_text("x")
    replaced = run(data, "restore", str(kept), "--force")
    assert replaced.returncode == 0, replaced.stderr
    assert not (data / "files" / "later").exists()
    assert f"there is no Patient/{made}" in run(data, "export", str(folder / "gone"), "--patient", made).stderr
    assert sorted(p.name for p in data.iterdir() if p.name.startswith(".")) == []


def test_a_folder_of_something_else_is_never_replaced(kept: Path, folder: Path) -> None:
    (folder / "thesis.docx").write_text("x")
    refused = run(folder, "restore", str(kept), "--force")
    assert refused.returncode == 1
    assert "something else" in refused.stderr
    assert [path.name for path in folder.iterdir()] == ["thesis.docx"]
