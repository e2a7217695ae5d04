"""One-time codes and recovery codes: set up, asked for at the login, good for once, taken away."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pyotp
import pytest
from django.test import Client

from tuetinh.commons.access import limits
from tuetinh.commons.access.models import Account, AccountEvent, Policy, RecoveryCode, Totp
from tuetinh.commons.access.proof import actions, codes, policy
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOON = 1_800_000_000.0  # begins a step


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The clock of the codes: `clock(30)` is half a minute after the beginning."""

    def put(seconds: float) -> None:
        monkeypatch.setattr(codes, "time", SimpleNamespace(time=lambda: NOON + seconds))

    put(0)
    return put


def code(seconds: float = 0) -> str:
    return pyotp.TOTP(SECRET).at(int(NOON + seconds))


@pytest.fixture
def told(cast: dict[str, Account], clock: Callable[[float], None]) -> list[str]:
    """The recovery codes of the doctor, who has set up one-time codes a minute ago."""
    found = actions.add_totp(cast["doctor"], SECRET, code())
    assert found is not None
    clock(60)
    return found


def first_step(browser: Client, **more: str) -> HttpResponse:
    return browser.post("/login", {"username": "cast.doctor", "password": PASSWORD, **more})


def is_in(browser: Client) -> bool:
    return "_auth_user_id" in browser.session


def test_set_up_on_the_page(as_role: Callable[[str], Client], cast: dict[str, Account], clock: object) -> None:
    browser = as_role("doctor")
    page = browser.post("/account/security/totp").content.decode()
    secret = page.split('class="secret-text">')[1].split("<")[0]
    assert re.fullmatch(r"[A-Z2-7]{32}", secret)
    assert "<svg" in page
    wrong = browser.post("/account/security/totp", {"code": "000000"})
    assert (wrong.status_code, "Mã chưa đúng" in wrong.content.decode()) == (422, True)
    assert not Totp.objects.exists()
    right = browser.post("/account/security/totp", {"code": pyotp.TOTP(secret).at(int(NOON))}).content.decode()
    shown = re.findall(r"<code>([a-z2-9-]{19})</code>", right)
    assert len(set(shown)) == 10
    kept = Totp.objects.get(account=cast["doctor"])
    assert secret.encode() not in bytes(kept.secret)
    assert secret not in str(dict(browser.session))
    assert Account.objects.get(pk=cast["doctor"].pk).has_factor
    assert [event.what for event in AccountEvent.objects.all()] == ["totp_added"]
    assert "Còn 10 mã" in browser.get("/account/security").content.decode()


def test_password_alone_lets_nobody_in(told: list[str]) -> None:
    browser = Client()
    assert first_step(browser)["Location"] == "/login/second"
    assert not is_in(browser)
    assert browser.get("/clinic")["Location"] == "/login?next=%2Fclinic"


def test_right_code_lets_in_where_one_wanted_to_go(told: list[str]) -> None:
    browser = Client()
    first_step(browser, next="/account/sessions")
    assert browser.post("/login/second", {"code": code(60)})["Location"] == "/account/sessions"
    assert is_in(browser)
    assert "mật khẩu và mã 6 số" in browser.get("/account/sessions").content.decode()


def test_a_code_is_good_for_once_also_when_it_was_the_first(
    cast: dict[str, Account], told: list[str], clock: Callable[[float], None]
) -> None:
    clock(0)
    assert not codes.use(cast["doctor"], code())
    clock(60)
    assert codes.use(cast["doctor"], code(60))
    assert not codes.use(cast["doctor"], code(60))
    assert not codes.use(cast["doctor"], code(30)), "an older one after a newer one"


@pytest.mark.parametrize(("off", "good"), [(0, False), (30, True), (60, True), (90, True), (120, False)])
def test_a_telephone_may_be_half_a_minute_off(cast: dict[str, Account], told: list[str], off: int, good: bool) -> None:
    assert codes.use(cast["doctor"], code(off)) is good


@pytest.mark.parametrize("wrong", ["", "000000", "12345", "１２３４５６", "x" * 500, "a\u0301"])
def test_wrong_codes_are_told_and_change_nothing(told: list[str], wrong: str) -> None:
    browser = Client()
    first_step(browser)
    before = Totp.objects.values().get()
    answer = browser.post("/login/second", {"code": wrong})
    assert (answer.status_code, "Mã chưa đúng" in answer.content.decode()) == (422, True)
    assert not is_in(browser)
    assert Totp.objects.values().get() == before
    assert RecoveryCode.objects.count() == 10


def test_ten_wrong_codes_make_one_wait(told: list[str]) -> None:
    browser = Client()
    first_step(browser)
    answers = [browser.post("/login/second", {"code": f"00000{n}"}) for n in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert 300 <= int(answers[-1]["Retry-After"]) <= 360
    assert browser.post("/login/second", {"code": code(60)}).status_code == 429
    assert not is_in(browser)


def test_recovery_code_lets_in_once(told: list[str], cast: dict[str, Account]) -> None:
    for answered in (302, 422):
        browser = Client()
        first_step(browser)
        assert browser.post("/login/second", {"code": told[0].upper().replace("-", " ")}).status_code == answered
    assert RecoveryCode.objects.filter(account=cast["doctor"]).count() == 9
    assert not RecoveryCode.objects.filter(digest=told[0].encode()).exists()
    assert [event.what for event in AccountEvent.objects.order_by("pk")] == ["totp_added", "code_used"]


def test_new_recovery_codes_end_the_old_ones(told: list[str], cast: dict[str, Account]) -> None:
    new = actions.renew_recovery_codes(cast["doctor"])
    assert set(new).isdisjoint(told)
    assert not codes.use_recovery_code(cast["doctor"], told[1])
    assert codes.use_recovery_code(cast["doctor"], new[1])


def test_the_second_step_is_over_after_ten_minutes_and_with_a_new_password(
    told: list[str], cast: dict[str, Account]
) -> None:
    late, changed = Client(), Client()
    first_step(late)
    session = late.session
    session["waiting"] = session["waiting"] | {"at": session["waiting"]["at"] - 601}
    session.save()
    first_step(changed)
    policy.set_password(cast["doctor"], "mot-mat-khau-khac", must_change=False)
    for browser in (late, changed, Client()):
        assert browser.post("/login/second", {"code": code(60)})["Location"] == "/login"
        assert not is_in(browser)


def test_last_factor_gone_means_a_long_password(as_role: Callable[[str], Client], told: list[str]) -> None:
    browser = as_role("doctor")
    assert browser.post("/account/security/totp/remove")["Location"] == "/account/security"
    account = Account.objects.get(role="doctor")
    assert (account.has_factor, account.must_change_password) == (False, True)
    assert not Totp.objects.exists()
    assert not RecoveryCode.objects.exists()


def test_roles_that_must_have_a_factor_set_one_up_first(as_role: Callable[[str], Client], clock: object) -> None:
    Policy.objects.create(factor_roles="doctor nurse")
    policy.forget()
    browser = as_role("doctor")
    assert browser.get("/clinic")["Location"] == "/account/security"
    assert "cần xác thực hai bước" in browser.get("/account/security").content.decode()
    actions.add_totp(Account.objects.get(role="doctor"), SECRET, code())
    assert browser.get("/clinic").status_code == 200
    assert as_role("lab").get("/lab").status_code == 200


def test_administrator_takes_lost_factors_away(as_role: Callable[[str], Client], told: list[str]) -> None:
    doctor, admin = Account.objects.get(role="doctor"), as_role("admin")
    admin.post(f"/accounts/{doctor.pk}/reset-factors")
    doctor.refresh_from_db()
    assert (doctor.has_factor, doctor.must_change_password) == (False, True)
    assert doctor.events.order_by("-pk").values_list("what", "by__role").first() == ("factors_reset", "admin")


def test_nobody_resets_the_own_factors_or_those_of_another_facility(
    as_role: Callable[[str], Client], cast: dict[str, Account], clock: object
) -> None:
    for role in ("admin", "outsider"):
        actions.add_totp(cast[role], SECRET, code())
        assert as_role("admin").post(f"/accounts/{cast[role].pk}/reset-factors").status_code == 403
    assert Totp.objects.count() == 2


def test_secret_of_another_node_is_no_secret(told: list[str], cast: dict[str, Account]) -> None:
    Totp.objects.update(secret=b"gAAAAABother")
    assert not codes.use(cast["doctor"], code(60))


def test_there_is_nothing_to_recover_without_a_factor(as_role: Callable[[str], Client]) -> None:
    page = as_role("nurse").post("/account/security/codes", follow=True).content.decode()
    assert "Hãy bật mã 6 số hoặc thêm khóa truy cập trước." in page
    assert not RecoveryCode.objects.exists()


def test_wrong_codes_of_one_do_not_slow_another(told: list[str], cast: dict[str, Account]) -> None:
    for _ in range(10):
        limits.spend("wrong-code", str(cast["doctor"].pk), 10)
    limits.spend("wrong-code", str(cast["nurse"].pk), 10)
    with pytest.raises(limits.Slow) as slow:
        limits.spend("wrong-code", str(cast["doctor"].pk), 10)
    assert 355 <= slow.value.seconds <= 360
