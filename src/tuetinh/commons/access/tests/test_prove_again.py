"""Before what matters, people prove again who they are, and what they had sent goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyotp
import pytest

from tuetinh.commons.access.models import Account, Glass, Policy, SightRule
from tuetinh.commons.access.proof import actions, policy
from tuetinh.node.testing import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

OPEN = "/records/cast-citizen/open"
REASON = {"reason": "Cấp cứu, <b>hôn mê</b> & cần biết tiền sử"}
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def stale(as_role: Callable[[str], Client]) -> Callable[[str], Client]:
    """A browser in which somebody has been logged in for three hours."""

    def browser(role: str) -> Client:
        client = as_role(role)
        session = client.session
        session["proved"] = int(time.time()) - 3 * 3600
        session.save()
        return client

    return browser


def test_a_fresh_login_is_proof_enough(as_role: Callable[[str], Client]) -> None:
    assert as_role("doctor").post(OPEN, REASON)["Location"] == "/people/cast-citizen"


def test_later_the_page_asks_and_then_goes_on(stale: Callable[[str], Client]) -> None:
    browser = stale("doctor")
    answer = browser.post(OPEN, REASON)
    page = answer.content.decode()
    assert (answer.status_code, Glass.objects.count()) == (403, 0)
    assert "Xác nhận đúng là bạn" in page
    assert 'name="reason" value="Cấp cứu, &lt;b&gt;hôn mê&lt;/b&gt; &amp; cần biết tiền sử"' in page
    assert "no-store" in answer["Cache-Control"]
    done = browser.post(OPEN, REASON | {"prove-password": PASSWORD, "prove-code": "", "prove-passkey": ""})
    assert done["Location"] == "/people/cast-citizen"
    assert Glass.objects.get().reason == REASON["reason"]
    assert time.time() - browser.session["proved"] < 60
    assert browser.post(OPEN, REASON)["Location"] == "/people/cast-citizen"


@pytest.mark.parametrize("wrong", ["", "sai", PASSWORD.upper()])
def test_a_wrong_password_changes_nothing(stale: Callable[[str], Client], wrong: str) -> None:
    browser = stale("doctor")
    before = browser.session["proved"]
    answer = browser.post(OPEN, REASON | {"prove-password": wrong})
    assert (answer.status_code, "Chưa đúng." in answer.content.decode()) == (422, True)
    assert wrong not in answer.content.decode() or not wrong
    assert Glass.objects.count() == 0
    assert browser.session["proved"] == before


def test_somebody_elses_password_is_no_proof(stale: Callable[[str], Client], cast: dict[str, Account]) -> None:
    policy.set_password(cast["doctor"], "chi-cua-bac-si-9", must_change=False)
    browser = stale("nurse")
    assert browser.post(OPEN, REASON | {"prove-password": "chi-cua-bac-si-9"}).status_code == 422
    assert Glass.objects.count() == 0


def test_who_has_a_second_factor_gives_it_too(stale: Callable[[str], Client], cast: dict[str, Account]) -> None:
    totp = pyotp.TOTP(SECRET)
    told = actions.add_totp(cast["doctor"], SECRET, totp.now())
    assert told is not None
    browser = stale("doctor")
    assert 'name="prove-code"' in browser.post(OPEN, REASON).content.decode()
    assert browser.post(OPEN, REASON | {"prove-password": PASSWORD}).status_code == 422
    assert browser.post(OPEN, REASON | {"prove-password": "sai", "prove-code": told[0]}).status_code == 422
    assert Glass.objects.count() == 0
    assert browser.post(OPEN, REASON | {"prove-password": PASSWORD, "prove-code": told[0]}).status_code == 302
    assert Glass.objects.count() == 1


def test_each_action_has_its_minutes_and_can_be_let_go(stale: Callable[[str], Client]) -> None:
    Policy.objects.create(open_minutes=0, rules_minutes=240)
    policy.forget()
    assert stale("doctor").post(OPEN, REASON).status_code == 302
    rule = {"labels": ["HIV"], "after_days": "30", "glass_hours": "4", "whole": ""}
    assert stale("admin").post("/accounts/rules/nurse", rule).status_code == 302
    Policy.objects.update(open_minutes=179, rules_minutes=179)
    policy.forget()
    assert stale("doctor").post(OPEN, REASON).status_code == 403
    assert stale("admin").post("/accounts/rules/nurse", rule | {"after_days": "31"}).status_code == 403
    assert SightRule.objects.get().after_days == 30


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("doctor", "/clinic/visits/x/close"),
        ("lab", "/lab/tubes/x/release"),
        ("admin", "/accounts/new"),
        ("admin", "/accounts/1/disable"),
        ("admin", "/accounts/policy"),
        ("admin", "/accounts/apps/new"),
        ("admin", "/accounts/apps/x/disable"),
        ("citizen", "/account/security/totp"),
        ("citizen", "/account/security/totp/remove"),
        ("citizen", "/account/security/codes"),
        ("citizen", "/account/security/passkeys"),
        ("citizen", "/account/security/passkeys/1/remove"),
    ],
)
def test_what_asks(stale: Callable[[str], Client], role: str, path: str) -> None:
    answer = stale(role).post(path, {"a": "b"})
    assert (answer.status_code, "Xác nhận đúng là bạn" in answer.content.decode()) == (403, True)


def test_five_wrong_passwords_lock_as_at_the_login(stale: Callable[[str], Client]) -> None:
    browser = stale("doctor")
    answers = [browser.post(OPEN, REASON | {"prove-password": f"sai-{n}"}).status_code for n in range(5)]
    assert answers == [422] * 4 + [429]
    assert browser.post(OPEN, REASON | {"prove-password": PASSWORD}).status_code == 429
    assert Glass.objects.count() == 0
