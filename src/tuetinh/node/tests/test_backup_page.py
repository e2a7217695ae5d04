"""The page of backups warns when they cannot be relied upon, in its menu as well; only the province's see it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tuetinh.node.backup import alarm, service, state
from tuetinh.node.backup.archive import stamp

LINE = "20261127T000000000000Z-abcdef"


@pytest.fixture
def data(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a node whose archive is as it should be."""
    settings.DATA = tmp_path
    for name in ("TUETINH_BACKUP_EVERY", "TUETINH_BACKUP_KEY", "TUETINH_BACKUP_DRILL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TUETINH_BACKUP", "/archive")
    now = datetime.now(UTC)
    state.set_line(tmp_path, LINE)
    state.tell(tmp_path, "log", {"at": now.isoformat(), "error": "", "waiting": True, "behind": 0, "seconds": 0})
    ended = now - timedelta(hours=3)
    state.tell(tmp_path, "base", {"line": LINE, "ended": ended.isoformat(), "size": 3 << 30, "error": ""})
    one = {"name": stamp(ended), "ended": ended.isoformat(), "size": 3 << 30, "contents": 1200}
    state.tell(tmp_path, "list", {"bases": [one]})
    return tmp_path


def change(data: Path, name: str, **told: Any) -> None:
    state.tell(data, name, state.told(data, name) | told)


def ago(**age: float) -> str:
    return (datetime.now(UTC) - timedelta(**age)).isoformat()


@pytest.mark.parametrize(
    ("name", "told", "expected", "words"),
    [
        ("log", {}, "ok", "Mọi dữ liệu đã được sao lưu."),
        ("base", {"ended": ago(hours=47)}, "ok", "Mọi dữ liệu đã được sao lưu."),
        ("base", {"ended": ago(hours=49)}, "late", "Bản sao lưu tốt gần nhất đã quá cũ."),
        ("base", {"line": "another"}, "late", "Bản sao lưu tốt gần nhất đã quá cũ."),
        ("log", {"error": "s3://x/y: refused"}, "behind", "s3://x/y: refused"),
        ("log", {"at": ago(minutes=3)}, "behind", "Kho lưu trữ không nhận dữ liệu mới."),
        ("log", {"seconds": 121.0}, "behind", "Kho lưu trữ không nhận dữ liệu mới."),
        ("drill", {"at": ago(hours=1), "good": False, "error": "Patient: 3"}, "drill", "Patient: 3"),
        ("drill", {"at": ago(hours=1), "good": True, "error": ""}, "ok", "đạt"),
    ],
)
@pytest.mark.django_db
def test_administrators_are_warned(
    data: Path, as_role: Callable[[str], Client], name: str, told: dict[str, Any], expected: str, words: str
) -> None:
    change(data, name, **told)
    assert service.health(data).state == expected
    page = as_role("province").get("/backups").content.decode()
    assert words in page
    assert "3,0" in page  # GB
    assert ('role="alert"' in page) == (expected != "ok")


@pytest.mark.django_db
def test_without_an_archive_the_page_says_what_is_at_stake(
    data: Path, as_role: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUETINH_BACKUP", "")
    assert "nếu máy hỏng, mọi dữ liệu sẽ mất" in as_role("province").get("/backups").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["admin", "doctor", "official", "citizen", "outsider"])
def test_others_do_not_see_it(data: Path, as_role: Callable[[str], Client], role: str) -> None:
    answer = as_role(role).get("/backups")
    assert answer.status_code == 403
    assert "3,0" not in answer.content.decode()


def test_what_is_due_is_told_in_its_order(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def due() -> list[tuple[str, ...]]:
        return [what for what, _ in service.due(data, datetime.now(UTC))]

    assert due() == []
    change(data, "base", ended=ago(hours=25))
    assert due() == [(), ("prune",)]
    change(data, "base", failed=ago(minutes=5))
    assert due() == []  # not again at once
    change(data, "base", failed=ago(minutes=16))
    assert due() == [(), ("prune",)]
    change(data, "base", ended=ago(hours=1))
    monkeypatch.setenv("TUETINH_BACKUP_KEY", "/key")
    assert due() == [("drill",)]
    change(data, "drill", at=ago(hours=2), good=True)
    assert due() == []
    change(data, "drill", at=ago(hours=2), good=False)
    assert due() == [("drill",)]
    state.set_line(data, "")
    assert due() == []


def test_administrators_get_mail_once_and_again_when_all_is_well(
    data: Path, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any]
) -> None:
    now = datetime.now(UTC)

    def look(minutes: float) -> list[str]:
        alarm.look(data, service.health(data), now + timedelta(minutes=minutes))
        return [mail.body.partition("\n")[0] for mail in mailoutbox]

    change(data, "drill", at=ago(hours=1), good=False, error="Patient: 3 versions instead of 4")
    assert look(0) == []  # nobody is named
    monkeypatch.setenv("TUETINH_BACKUP_MAIL", "truc@tinh.vn, so@tinh.vn")
    assert look(0) == [alarm.FAULTS["drill"]]
    assert mailoutbox[0].to == ["truc@tinh.vn", "so@tinh.vn"]
    assert "Patient: 3 versions instead of 4" in mailoutbox[0].body
    assert look(1) == [alarm.FAULTS["drill"]]
    change(data, "drill", good=True, error="")
    assert look(2)[1:] == [alarm.WELL]
    change(data, "base", ended=ago(hours=49))
    assert look(3)[2:] == []  # it may be under way
    assert look(12)[2:] == []
    assert look(13)[2:] == [alarm.FAULTS["late"]]


def test_mail_that_could_not_be_sent_is_tried_again(
    data: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, mailoutbox: list[Any]
) -> None:
    monkeypatch.setenv("TUETINH_BACKUP_MAIL", "truc@tinh.vn")
    change(data, "drill", at=ago(hours=1), good=False, error="x")
    right, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1  # where nobody listens
    alarm.look(data, service.health(data))
    settings.EMAIL_BACKEND = right
    assert mailoutbox == []
    alarm.look(data, service.health(data))
    assert len(mailoutbox) == 1
