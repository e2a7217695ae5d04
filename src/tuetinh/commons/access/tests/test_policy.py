"""The policy of login: what holds without one, who changes it, and what passwords must be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.forms.models import model_to_dict
from django.test import Client
from django.utils import timezone

from tuetinh.commons.access.models import Account, PastPassword, Policy, PolicyChange
from tuetinh.commons.access.proof import policy
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

FORM = {name: value for name, value in model_to_dict(Policy(), exclude=["id"]).items() if value not in ("", None)}


@pytest.fixture
def province(as_role: Callable[[str], Client], cast: dict[str, Account]) -> Client:
    """The browser of the province's administrator."""
    Account.objects.filter(role="admin").update(facility="")
    return as_role("admin")


def test_what_holds_without_a_policy(db: None) -> None:
    assert FORM == {
        "password_length": 14,
        "password_length_with_factor": 8,
        "password_history": 10,
        "password_days": 0,
        "admin_password_days": 60,
        "password_refuses_common": True,
        "sign_minutes": 120,
        "open_minutes": 15,
        "rules_minutes": 30,
        "factors_minutes": 5,
        "take_minutes": 15,
        "session_hours": 12,
        "idle_minutes": 120,
        "wrong_per_account": 30,
        "wrong_per_address": 300,
        "idle_days": 45,
        "open_days": 90,
        "review_months": 6,
    }
    assert policy.now().factor_roles == ""


def test_province_changes_it_and_it_is_noted(province: Client, cast: dict[str, Account]) -> None:
    change = FORM | {"password_length": 20, "factor_roles": ["doctor", "admin"]}
    assert province.post("/accounts/policy", change)["Location"] == "/accounts/policy"
    kept = Policy.objects.get()
    assert (kept.password_length, kept.factor_roles) == (20, "doctor admin")
    noted = PolicyChange.objects.get()
    assert noted.by == cast["admin"]
    assert (noted.before["password_length"], noted.after["password_length"]) == (14, 20)
    policy.forget()
    page = province.get("/account/security").content.decode()
    assert "cần xác thực hai bước" in page


def test_the_same_again_is_no_change(province: Client) -> None:
    for _ in range(2):
        province.post("/accounts/policy", FORM | {"password_days": 90})
    page = province.get("/accounts/policy").content.decode()
    assert PolicyChange.objects.count() == 1
    assert "Phải đổi mật khẩu sau (ngày): 0 → 90" in page


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password_length", "7"),
        ("password_length", ""),
        ("session_hours", "0"),
        ("idle_minutes", "-1"),
        ("factors_minutes", "0"),
        ("wrong_per_address", "1"),
        ("wrong_per_account", "99999999999999"),
        ("factor_roles", "boss"),
    ],
)
def test_what_is_not_safe_is_told_beside_its_field(province: Client, field: str, value: str) -> None:
    answer = province.post("/accounts/policy", FORM | {field: value})
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode() or 'aria-invalid="true"' in answer.content.decode()
    assert not Policy.objects.exists()


def test_a_facility_looks_but_changes_nothing(as_role: Callable[[str], Client]) -> None:
    browser = as_role("admin")
    assert "Lưu quy định" not in browser.get("/accounts/policy").content.decode()
    answer = browser.post("/accounts/policy", FORM | {"password_length": 8})
    assert (answer.status_code, "Chỉ quản trị của tỉnh" in answer.content.decode()) == (422, True)
    assert not Policy.objects.exists()
    assert not PolicyChange.objects.exists()


@pytest.mark.parametrize(
    ("password", "has_factor", "code"),
    [
        ("muoi-ba-chu-x", False, "password_too_short"),
        ("muoi-bon-chu-xy", False, ""),
        ("tam-chu-", True, ""),
        ("bay-chu", True, "password_too_short"),
        ("12345678901234", False, "password_entirely_numeric"),
        ("cast.doctor-cast", False, "password_too_similar"),
    ],
)
def test_passwords(cast: dict[str, Account], password: str, has_factor: bool, code: str) -> None:
    account = cast["doctor"]
    account.has_factor = has_factor
    codes = []
    try:
        validate_password(password, account)
    except ValidationError as error:
        codes = [one.code for one in error.error_list]
    assert codes == ([code] if code else [])


def test_common_passwords_are_refused_unless_the_policy_takes_them(cast: dict[str, Account]) -> None:
    Policy.objects.create(password_length=8)
    policy.forget()
    with pytest.raises(ValidationError) as refused:
        validate_password("trustno1", cast["nurse"])
    assert [one.code for one in refused.value.error_list] == ["password_too_common"]
    Policy.objects.update(password_refuses_common=False)
    policy.forget()
    validate_password("trustno1", cast["nurse"])


def test_old_passwords_do_not_come_back(cast: dict[str, Account]) -> None:
    Policy.objects.create(password_history=3)
    policy.forget()
    account = cast["nurse"]
    for n in range(4):
        policy.set_password(account, f"mat-khau-thu-{n}", must_change=False)

    def is_taken(password: str) -> bool:
        try:
            validate_password(password, account)
        except ValidationError:
            return False
        return True

    assert [is_taken(f"mat-khau-thu-{n}") for n in range(4)] == [True, False, False, False]
    assert PastPassword.objects.filter(account=account).count() == 2


@pytest.mark.parametrize(
    ("days", "admin_days", "age", "role", "must"),
    [
        (0, 60, 61, "admin", True),
        (0, 60, 59, "admin", False),
        (0, 60, 61, "doctor", False),
        (90, 0, 91, "admin", True),
        (30, 60, 31, "admin", True),
        (0, 0, 9999, "admin", False),
    ],
)
def test_administrators_change_theirs_more_often(
    cast: dict[str, Account], days: int, admin_days: int, age: int, role: str, must: bool
) -> None:
    Policy.objects.create(password_days=days, admin_password_days=admin_days)
    cast[role].password_changed = timezone.now() - timedelta(days=age)
    assert policy.is_too_old(cast[role]) is must


def test_a_password_grows_old(cast: dict[str, Account]) -> None:
    Policy.objects.create(password_days=60)
    policy.forget()
    for role, days in (("nurse", 59), ("doctor", 61)):
        Account.objects.filter(role=role).update(password_changed=timezone.now() - timedelta(days=days))
        Client().post("/login", {"username": f"cast.{role}", "password": PASSWORD})
        assert Account.objects.get(role=role).must_change_password is (days > 60)
