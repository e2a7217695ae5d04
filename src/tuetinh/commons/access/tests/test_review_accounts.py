"""Administrators look at the accounts of their facility again: who is there still, and who has not come for long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tuetinh.commons.access.api import create_client
from tuetinh.commons.access.models import Account, AccountEvent, Policy
from tuetinh.commons.access.models import Client as System

As = Callable[[str], Client]
LONG_AGO = timezone.now() - timedelta(days=200)


def text(browser: Client, address: str = "/accounts/review") -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def make_late(*accounts: Account) -> None:
    Account.objects.filter(pk__in=[one.pk for one in accounts]).update(reviewed=LONG_AGO)


def reviewed(account: Account) -> datetime:
    return Account.objects.get(pk=account.pk).reviewed


def test_who_was_looked_at_lately_need_not_be(as_role: As) -> None:
    assert "Không có tài khoản nào cần xem lại" in text(as_role("admin"))
    assert "Lò Văn Doctor" in text(as_role("admin"), "/accounts/review?all=1")


def test_what_is_overdue_is_shown_and_counted_in_the_menu(as_role: As, cast: dict[str, Account]) -> None:
    make_late(cast["doctor"], cast["nurse"], cast["citizen"], cast["outsider"])  # who is of the hospital elsewhere
    page = text(as_role("admin"))
    assert ("Lò Văn Doctor" in page, "Lò Văn Nurse" in page, "Lò Văn Lab" in page) == (True, True, False)
    assert ("Lò Văn Outsider" in page, "Lò Văn Citizen" in page) == (False, False)
    assert page.count("Quá hạn") == 2
    assert '<span class="pill warn">2</span>' in text(as_role("admin"), "/accounts")
    assert text(as_role("province")).count("Quá hạn") == 3


def test_a_tick_notes_who_and_when(as_role: As, cast: dict[str, Account]) -> None:
    make_late(cast["doctor"], cast["nurse"])
    browser = as_role("admin")
    answer = browser.post("/accounts/review", {"account": [cast["doctor"].pk]})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/review")
    assert reviewed(cast["doctor"]) > timezone.now() - timedelta(minutes=1)
    event = AccountEvent.objects.get()
    assert (event.account, event.by, event.what) == (cast["doctor"], cast["admin"], "reviewed")
    assert reviewed(cast["nurse"]) == LONG_AGO
    assert "Lò Văn Doctor" not in text(browser)
    every = text(browser, "/accounts/review?all=1")
    row = every.partition(f'data-row="{cast["doctor"].pk}"')[2].partition("</tr>")[0]
    assert "Lò Văn Admin" in row


def test_nobody_ticks_the_own_account_or_one_elsewhere(as_role: As, cast: dict[str, Account]) -> None:
    make_late(cast["admin"], cast["outsider"], cast["citizen"])
    ids = [cast["admin"].pk, cast["outsider"].pk, cast["citizen"].pk, 2**70, "x", -1]
    page = as_role("admin").post("/accounts/review", {"account": ids}, follow=True).content.decode()
    assert "Đã xác nhận 0 tài khoản." in page
    assert {reviewed(cast[one]) for one in ("admin", "outsider", "citizen")} == {LONG_AGO}
    assert not AccountEvent.objects.exists()
    as_role("province").post("/accounts/review", {"account": ids})
    assert [event.account for event in AccountEvent.objects.order_by("account__username")] == [
        cast["admin"],
        cast["outsider"],
    ]


def test_who_is_alone_ticks_the_own_account(as_role: As, cast: dict[str, Account]) -> None:
    Account.objects.exclude(pk=cast["province"].pk).filter(role="admin").update(is_active=False)
    make_late(cast["province"])
    as_role("province").post("/accounts/review", {"account": [cast["province"].pk]})
    assert reviewed(cast["province"]) > LONG_AGO


@pytest.mark.parametrize(("months", "shown"), [(6, True), (7, False), (0, False)])
def test_how_long_is_the_policys(as_role: As, cast: dict[str, Account], months: int, shown: bool) -> None:
    Policy.objects.create(review_months=months)
    make_late(cast["doctor"])
    assert ("Lò Văn Doctor" in text(as_role("admin"))) is shown


def test_another_desk_counts_as_looked_at(as_role: As, cast: dict[str, Account]) -> None:
    make_late(cast["nurse"])
    as_role("admin").post(f"/accounts/{cast['nurse'].pk}/place", {"role": "reception"})
    assert reviewed(cast["nurse"]) > LONG_AGO


def test_systems_that_are_silent_are_shown_and_go_on(as_role: As, db: None) -> None:
    create_client("may-cu", "Máy cũ", facility="12104")
    create_client("may-moi", "Máy mới", facility="12104")
    create_client("may-noi-khac", "Máy nơi khác", facility="12001")
    System.objects.filter(pk="may-moi").update(last_used=timezone.now())
    System.objects.filter(pk="may-cu").update(last_used=LONG_AGO)
    page = text(as_role("admin"))
    assert ("Máy cũ" in page, "Máy mới" in page, "Máy nơi khác" in page) == (True, False, False)
    assert System.objects.filter(is_active=True).count() == 3
