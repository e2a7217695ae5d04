"""A page opens only for the roles that it is marked with; a page with no mark opens for nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

from tuetinh.commons.access.api import ROLES, asker_of, desk, open_to_all, signed_in
from tuetinh.commons.access.middleware import DeskMiddleware
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.sessions import SessionStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client, RequestFactory

pytestmark = pytest.mark.django_db  # the rail counts what waits


@desk("doctor", "nurse")
def ward(request: HttpRequest) -> HttpResponse:
    """A page of two desks."""
    return HttpResponse("ward")


@open_to_all
def wall(request: HttpRequest) -> HttpResponse:
    """A public page."""
    return HttpResponse("wall")


@signed_in
def own(request: HttpRequest) -> HttpResponse:
    """A page of every account."""
    return HttpResponse("own")


def unmarked(request: HttpRequest) -> HttpResponse:
    """A page that someone forgot to mark."""
    return HttpResponse("unmarked")


def refusal(rf: RequestFactory, view: Callable[..., HttpResponse], role: str, **headers: str) -> HttpResponse | None:
    """What the middleware answers in place of a view."""
    request = rf.get("/some/page?x=1", headers=headers)
    request.session = SessionStore()
    request.user = Account(username="x", full_name="X", role=role) if role else AnonymousUser()
    return DeskMiddleware(unmarked).process_view(request, view, (), {})


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_desk_opens_for_its_roles_only(rf: RequestFactory, role: str) -> None:
    answer = refusal(rf, ward, role)
    if role in ("doctor", "nurse"):
        assert answer is None
    elif role:
        assert answer is not None
        assert answer.status_code == 403
        assert "Trang này của bàn khác" in answer.content.decode()
    else:
        assert answer is not None
        assert (answer.status_code, answer["Location"]) == (302, "/login?next=%2Fsome%2Fpage%3Fx%3D1")


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_unmarked_page_opens_for_nobody(rf: RequestFactory, role: str) -> None:
    answer = refusal(rf, unmarked, role)
    assert answer is not None
    assert answer.status_code == (403 if role else 302)


@pytest.mark.parametrize("role", [*ROLES, ""])
def test_public_page_opens_for_everyone(rf: RequestFactory, role: str) -> None:
    assert refusal(rf, wall, role) is None


def test_page_of_every_account_still_needs_a_login(rf: RequestFactory) -> None:
    assert refusal(rf, own, "outsider") is None
    assert refusal(rf, own, "").status_code == 302  # type: ignore[union-attr]


def test_part_of_a_page_sends_the_whole_page_to_the_login(rf: RequestFactory) -> None:
    answer = refusal(rf, ward, "", **{"HX-Request": "true", "HX-Current-URL": "http://testserver/clinic"})
    assert answer is not None
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/login?next=http%3A%2F%2Ftestserver%2Fclinic"


def test_part_of_a_page_is_refused_in_one_line(rf: RequestFactory) -> None:
    answer = refusal(rf, ward, "cashier", **{"HX-Request": "true"})
    assert answer is not None
    assert answer.status_code == 403
    assert "<html" not in answer.content.decode()


def test_given_password_must_be_changed_first(as_role: Callable[[str], Client]) -> None:
    browser = as_role("admin")
    Account.objects.filter(role="admin").update(must_change_password=True)
    assert browser.get("/accounts")["Location"] == "/account/password"
    assert "Đây là mật khẩu được cấp" in browser.get("/account/password").content.decode()


@pytest.mark.parametrize("roles", [(), ("docter",), ("doctor", "boss")])
def test_misspelt_role_fails_at_import(roles: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no such role"):
        desk(*roles)


def test_no_page_says_so(client: Client, db: None) -> None:
    answer = client.get("/khong-co")
    assert answer.status_code == 404
    assert "Không có trang này" in answer.content.decode()


@pytest.mark.parametrize("role", ["outsider", "admin", "official"])
def test_roles_without_patients_see_no_patient(role: str) -> None:
    asker = asker_of(Account(username="x", role=role))
    assert not asker.may("r", "Patient")
    assert not asker.may("s", "Observation")
    assert not asker.may("u", "Encounter")


def test_citizen_reads_only_an_own_record() -> None:
    asker = asker_of(Account(username="x", role="citizen", patient="p1"))
    assert (asker.patient, asker.purpose) == ("p1", "PATRQT")
    assert asker.may("r", "Observation")
    assert not asker.may("c", "Observation")
    assert asker_of(Account(username="x", role="citizen")).patient == "-"  # nobody's record, never everyone's


def test_only_doctors_erase() -> None:
    erasing = [name for name in ROLES if asker_of(Account(username="x", role=name)).may("d", "Condition")]
    assert erasing == ["doctor"]


def test_browser_session_at_the_fhir_door_reads_only() -> None:
    letters = {scope.rpartition(".")[2] for role in ROLES.values() for scope in role.api_scopes}
    assert letters == {"rs"}


@pytest.mark.parametrize("url", ["/login", "/oauth/token", "/accounts/new", "/language"])
def test_zero_bytes_are_refused_before_any_page(as_role: Callable[[str], Client], url: str) -> None:
    browser = as_role("admin")
    for answer in (browser.post(url, {"username": "a\x00b", "next": "/"}), browser.get(f"{url}?q=%00")):
        assert answer.status_code == 400
        assert "Không đọc được yêu cầu" in answer.content.decode()
