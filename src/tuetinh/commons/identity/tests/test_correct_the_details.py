"""A desk that has seen the papers corrects a person's details; the old version stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuetinh.commons.identity.api import CCCD, PersonDraft, patient
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
OLD, NEW = "012185000001", "012185000002"


@pytest.fixture
def person(cast: object) -> str:
    draft = PersonDraft("Vàng A Của", "1980", "male", cccd=OLD, phone="0912000001", address="Bản Mường, xã Than Uyên")
    return str(record.create(SYSTEM, patient(draft, mrn="BN1", facility="12104")).id)


def told(**changed: str) -> dict[str, str]:
    known = {"name": "Vàng A Của", "birth": "1980", "gender": "male", "cccd": OLD, "phone": "0912000001"}
    return known | {"address": "Bản Mường, xã Than Uyên", "version": "1"} | changed


def now(person: str) -> r4.Patient:
    found = record.read(SYSTEM, "Patient", person)
    assert isinstance(found, r4.Patient)
    return found


def test_correct_and_keep_what_was(as_role: Callable[[str], Client], person: str) -> None:
    desk, path = as_role("reception"), f"/people/{person}/edit"
    assert 'value="1980"' in desk.get(path).content.decode()
    assert desk.post(path, told(name="Vàng A Của Dế", birth="5/3/1980", cccd=NEW, phone="")).status_code == 302
    stored = now(person)
    assert (stored.name[0].text, stored.birthDate, stored.telecom) == ("Vàng A Của Dế", "1980-03-05", None)  # type: ignore[index]
    numbers = [(one.value, one.use) for one in stored.identifier or []]
    assert numbers == [(NEW, "official"), (OLD, "old"), ("BN1", "secondary")]
    assert [one.meta.versionId for one in record.history(SYSTEM, "Patient", person)] == ["2", "1"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": " "}, "bắt buộc"),
        ({"birth": "31/02/1980"}, "Ngày sinh không đúng."),
        ({"birth": "01/01/2999"}, "Ngày sinh không đúng."),
        ({"cccd": "123"}, "Số định danh có 12 chữ số."),
        ({"phone": "gọi con"}, "Số điện thoại chỉ gồm chữ số."),
        ({"gender": "x"}, "không phải là một trong các lựa chọn khả thi"),
        ({"version": "7"}, "Hồ sơ vừa được nơi khác sửa."),
        ({"cccd": NEW}, "đã thuộc về Lò Văn Khác"),
    ],
)
def test_what_is_wrong_changes_nothing(
    as_role: Callable[[str], Client], person: str, wrong: dict[str, str], words: str
) -> None:
    record.create(SYSTEM, patient(PersonDraft("Lò Văn Khác", "1990-01-01", "male", cccd=NEW)))
    answer = as_role("reception").post(f"/people/{person}/edit", told(**wrong))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert [one.value for one in now(person).identifier or [] if one.system == CCCD] == [OLD]
    assert now(person).meta.versionId == "1"  # type: ignore[union-attr]
