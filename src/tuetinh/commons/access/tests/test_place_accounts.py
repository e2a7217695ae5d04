"""Desks and places of work: a facility's administrator gives none above the own one, and moves nobody in or out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuetinh.commons.access import actions
from tuetinh.commons.access.errors import AccessError
from tuetinh.commons.access.models import Account, AccountEvent, Session
from tuetinh.commons.access.queries import administered, grantable

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client


@pytest.fixture
def province(cast: dict[str, Account]) -> Account:
    """The province's administrator, beside that of the facility."""
    return cast["province"]


def state() -> list[tuple[object, ...]]:
    return list(Account.objects.order_by("pk").values_list("pk", "role", "facility", "room", "is_active", "password"))


def test_another_desk(as_role: Callable[[str], Client], cast: dict[str, Account]) -> None:
    nurse, browser = cast["nurse"], as_role("nurse")
    page = as_role("admin").post(f"/accounts/{nurse.pk}/place", {"role": "lab"}, follow=True).content.decode()
    nurse.refresh_from_db()
    assert (nurse.role, nurse.facility) == ("lab", "12104")
    assert f"Đã đổi nơi làm việc của {nurse.full_name}." in page
    assert [(e.what, e.by_id) for e in nurse.events.all()] == [("role_changed", cast["admin"].pk)]
    assert browser.get("/account/security").status_code == 302, "the session at the old desk has ended"


def test_the_same_desk_is_no_change(cast: dict[str, Account]) -> None:
    actions.change_role(cast["admin"], cast["nurse"].pk, "nurse")
    assert AccountEvent.objects.count() == 0


@pytest.mark.parametrize(
    ("whom", "role", "code"),
    [
        ("nurse", "official", "role"),
        ("nurse", "citizen", "role"),
        ("nurse", "boss", "role"),
        ("nurse", "", "role"),
        ("official", "nurse", "role"),
        ("admin", "doctor", "yourself"),
        ("outsider", "nurse", "not-yours"),
        ("citizen", "doctor", "not-yours"),
    ],
)
def test_desks_that_a_facility_does_not_give(
    as_role: Callable[[str], Client], cast: dict[str, Account], whom: str, role: str, code: str
) -> None:
    before = state()
    answer = as_role("admin").post(f"/accounts/{cast[whom].pk}/place", {"role": role})
    assert answer.status_code == (403 if code == "not-yours" else 302)
    with pytest.raises(AccessError) as refused:
        actions.change_role(cast["admin"], cast[whom].pk, role)
    assert refused.value.code == code
    assert (state(), AccountEvent.objects.count()) == (before, 0)


@pytest.mark.parametrize("whom", ["nurse", "outsider", "admin", "citizen"])
@pytest.mark.parametrize("facility", ["", "12001", "12104"])
def test_a_facility_moves_nobody(
    as_role: Callable[[str], Client], cast: dict[str, Account], whom: str, facility: str
) -> None:
    before = state()
    as_role("admin").post(f"/accounts/{cast[whom].pk}/place", {"facility": facility, "role": "admin"})
    with pytest.raises(AccessError):
        actions.move(cast["admin"], cast[whom].pk, facility)
    assert (state(), AccountEvent.objects.count()) == (before, 0)


def test_a_facility_creates_no_official_and_nobody_elsewhere(
    as_role: Callable[[str], Client], cast: dict[str, Account]
) -> None:
    before = state()
    form = {"full_name": "X", "username": "x.y.z", "role": "official", "facility": "12001"}
    assert as_role("admin").post("/accounts/new", form).status_code == 422
    assert state() == before
    as_role("admin").post("/accounts/new", form | {"role": "admin"})
    assert Account.objects.get(username="x.y.z").facility == "12104"


def test_the_province_moves_and_ends_what_was_open(
    province: Account, cast: dict[str, Account], as_role: Callable[[str], Client]
) -> None:
    browser = as_role("doctor")
    moved = actions.move(province, cast["doctor"].pk, "12001")
    assert (moved.facility, moved.room) == ("12001", "")
    assert browser.get("/account/security").status_code == 302
    assert [event.what for event in moved.events.all()] == ["moved"]
    assert not administered(cast["admin"]).filter(pk=moved.pk).exists()
    with pytest.raises(AccessError):
        actions.reset_password(cast["admin"], moved.pk)


@pytest.mark.parametrize(("whom", "facility"), [("doctor", "nowhere"), ("doctor", ""), ("citizen", "12001")])
def test_places_that_there_are_not(province: Account, cast: dict[str, Account], whom: str, facility: str) -> None:
    before = state()
    with pytest.raises(AccessError) as refused:
        actions.move(province, cast[whom].pk, facility)
    assert refused.value.code == "place"
    assert state() == before


def test_roles_that_may_be_given(province: Account, cast: dict[str, Account]) -> None:
    assert set(grantable(province)) - set(grantable(cast["admin"])) == {"official"}
    assert grantable(cast["doctor"]) == ()
    assert Session.objects.count() == 0
