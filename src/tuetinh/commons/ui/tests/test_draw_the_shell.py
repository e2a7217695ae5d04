"""The shell shows each role its own things, and no page carries a script or style inside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

import tuetinh
from tuetinh.commons.access.roles import ROLES
from tuetinh.commons.ui.api import home_url, menu, menu_items, paginate
from tuetinh.commons.ui.context import shell
from tuetinh.commons.ui.templatetags.ui import icon

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client, RequestFactory

TEMPLATES = sorted(Path(tuetinh.__file__).parent.rglob("templates/**/*.html"))


def test_every_menu_entry_leads_somewhere() -> None:
    for item in menu_items():
        assert reverse(item.url), item
        assert icon(item.icon), item
        assert set(item.roles) <= set(ROLES), item


@pytest.mark.parametrize("facility", ["12104", ""])
@pytest.mark.parametrize("role", list(ROLES))
def test_rail_is_short(role: str, facility: str) -> None:
    assert len(menu(role, facility)) <= 8


@pytest.mark.parametrize(("facility", "shown"), [("12104", {"insurance:account"}), ("", {"backups", "identity:model"})])
def test_what_is_of_the_province_or_of_a_facility_is_in_its_own_menu(facility: str, shown: set[str]) -> None:
    entries = {item.url for rare in (False, True) for item, _ in menu("admin", facility, rare=rare)}
    assert entries & {"insurance:account", "backups", "identity:model"} == shown


def test_outsider_has_no_home() -> None:
    assert home_url("outsider", "12001") == ""


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_page_keeps_to_the_content_policy(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", source), "inline script"
    assert not re.search(r"\son[a-z]+\s*=", source), "inline handler"
    assert not re.search(r"""class=["'][^"']*\bti ti-""", source), "icons are drawn by {{ 'name'|icon }}"
    assert not re.search(r"""(?:src|href)=["']https?://""", source), "nothing comes from another host"


def test_policy_allows_no_inline_script(client: Client, db: None) -> None:
    policy = client.get("/login")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy or "unsafe" not in policy.split("script-src")[1].split(";")[0]
    assert "unsafe-eval" not in policy


@pytest.mark.parametrize("role", [role for role in ROLES if role not in ("outsider", "citizen")])
def test_shell_names_the_place_and_the_person(as_role: Callable[[str], Client], role: str) -> None:
    page = as_role(role).get("/account/password").content.decode()
    assert "Trung tâm Y tế huyện Than Uyên" in page
    assert f"Lò Văn {role.title()}" in page
    assert ("Phòng khám Nội 2" in page) is (role in ("doctor", "nurse"))
    assert ('id="find"' in page) is (role not in ("official", "admin"))


def test_page_beyond_the_end_is_the_last(rf: RequestFactory) -> None:
    numbers = list(range(60))
    assert list(paginate(rf.get("/?page=3"), numbers)) == list(range(50, 60))
    assert list(paginate(rf.get("/?page=99"), numbers)) == list(range(50, 60))
    assert list(paginate(rf.get("/?page=x"), numbers)) == list(range(25))


def test_static_files_are_kept_by_browsers_and_sent_small(client: Client, db: None) -> None:
    page = client.get("/login").content.decode()
    url = re.search(r'href="(/static/vendor/tabler\.css\?v=[0-9a-f]{12})"', page)
    assert url
    answer = client.get(url[1], headers={"Accept-Encoding": "gzip"})
    size = len(b"".join(answer.streaming_content))
    assert answer["Content-Encoding"] == "gzip"
    assert size < 100_000
    assert "max-age=2592000" in answer["Cache-Control"]


def test_no_page_gives_another_meaning_to_what_the_shell_says(rf: RequestFactory) -> None:
    names = "|".join(shell(rf.get("/")))
    taken = re.compile(rf'^\s+"({names})":|context\["({names})"\]|\{{"({names})":', re.M)
    pages = [file for file in Path(tuetinh.__file__).parent.rglob("*pages.py") if "tests" not in file.parts]
    assert [f"{file.name}: {found[0].strip()}" for file in pages for found in taken.finditer(file.read_text())] == []
