"""Every string of every page has its English."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from django.utils import translation
from django.utils.translation import gettext


@pytest.fixture(scope="module")
def messages() -> ModuleType:
    """`tools/messages.py`, which is beside the sources and not in the package."""
    path = Path(__file__).parents[5] / "tools" / "messages.py"
    spec = importlib.util.spec_from_file_location("tuetinh_tools_messages", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def test_every_string_has_its_english(messages: ModuleType) -> None:
    assert "\n".join(messages.check()) == ""


def test_strings_are_found_where_they_stand(messages: ModuleType) -> None:
    found = messages.found()
    assert any("ui/templates/ui/shell.html" in place for place in found[messages.Text("Bàn làm việc")])
    assert any(place.startswith("commons/ui/context.py:") for place in found[messages.Text("Đóng")])
    assert messages.Text("Dị ứng: %(allergy)s") in found
    assert messages.Text("%d ngày tuổi", "", "%d ngày tuổi") in found


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ('msgid "Có %(n)s"\nmsgstr "%(n)s there"', ""),
        ('msgid "Có %(n)s"\nmsgstr ""', "empty"),
        ('#, fuzzy\nmsgid "Có"\nmsgstr "There"', "fuzzy"),
        ('msgid "Có %(n)s"\nmsgstr "There"', "lost a placeholder"),
        ('msgid "Có"\nmsgstr "There %(n)s"', "names a placeholder that the Vietnamese does not have"),
    ],
)
def test_bad_entries_are_named(messages: ModuleType, tmp_path: Path, entry: str, fault: str) -> None:
    path = tmp_path / "django.po"
    path.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n' + entry + "\n", encoding="utf-8"
    )
    (message,) = [message for message in messages._read(path) if message.id]
    assert messages._fault(message) == fault


def test_compiled_catalogues_are_read() -> None:
    with translation.override("en"):
        assert gettext("Đăng xuất") == "Log out"
    with translation.override("vi"):
        assert gettext("Đăng xuất") == "Đăng xuất"
