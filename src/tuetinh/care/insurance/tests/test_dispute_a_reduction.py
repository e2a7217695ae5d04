"""A reduction is disputed: once, in time, by who may, with its history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from msgspec.structs import replace as replaced

from tuetinh.care.insurance.errors import AlreadyDisputed, NoReduction, NotAllowed, TooLate, WrongStep
from tuetinh.care.insurance.models import Adjudication, ClaimCase, Dispute, DisputeStep
from tuetinh.care.insurance.results import actions
from tuetinh.care.insurance.results.disputes import go_on, last_day, open_dispute
from tuetinh.care.insurance.results.queries import dispute_sums
from tuetinh.care.insurance.results.wire import LineResult, Result
from tuetinh.care.insurance.rules.book import in_force
from tuetinh.care.insurance.rules.changes import change
from tuetinh.care.insurance.runs import carry_out, start
from tuetinh.care.insurance.tests.sent import sent_claim
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    As = Callable[[str], Client]

pytestmark = pytest.mark.django_db
HERE = replace(SYSTEM, facility="12104", account="7")
TEST = ("XML3", 2)
SAID = {"ground": "record", "text": "Bệnh án có y lệnh"}


@pytest.fixture
def reduced(cast: Any) -> ClaimCase:
    """A claim of which the test is paid only in part."""
    case = sent_claim("LK1")
    lines = (LineResult(*TEST, refused=D(30_000), code="TL01", words="Giá cao"),)
    actions.keep(HERE, case, Result("LK1", "reduced", lines=lines))
    return case


def test_a_dispute_goes_its_way(reduced: ClaimCase) -> None:
    dispute = open_dispute(HERE, reduced, TEST, **SAID)
    assert (dispute.state, dispute.amount, dispute.reason) == ("open", D(30_000), "TL01 Giá cao")
    assert dispute.until == last_day(Adjudication.objects.get())
    go_on(HERE, dispute, "sent", "", number="12/CV")
    go_on(HERE, dispute, "accepted", "theo biên bản", won=D(20_000))
    dispute.refresh_from_db()
    assert (dispute.state, dispute.number, dispute.won) == ("accepted", "12/CV", D(20_000))
    steps = DisputeStep.objects.order_by("id").values_list("state", "account", "words")
    assert list(steps) == [("open", "7", "Bệnh án có y lệnh"), ("sent", "7", ""), ("accepted", "7", "theo biên bản")]
    assert dispute_sums("12104")["accepted"] == (1, D(30_000), D(20_000))
    again = open_dispute(HERE, reduced, TEST, **SAID)  # what is closed may be taken up again
    go_on(HERE, again, "withdrawn", "ghi nhầm")
    assert dispute_sums("12104")["withdrawn"].count == 1


def test_what_is_not_reduced_or_has_a_dispute_has_none_more(reduced: ClaimCase) -> None:
    with pytest.raises(NoReduction):
        open_dispute(HERE, reduced, ("XML3", 1), **SAID)
    open_dispute(HERE, reduced, TEST, **SAID)
    with pytest.raises(AlreadyDisputed):
        open_dispute(HERE, reduced, TEST, **SAID)
    assert Dispute.objects.count() == 1


@pytest.mark.parametrize("said", [{"ground": "none", "text": "x"}, {"ground": "record", "text": " "}])
def test_a_dispute_needs_ground_and_words(reduced: ClaimCase, said: dict[str, str]) -> None:
    with pytest.raises(WrongStep):
        open_dispute(HERE, reduced, TEST, **said)
    assert not Dispute.objects.exists()


def test_nobody_from_elsewhere_and_no_desk_that_only_reads(reduced: ClaimCase) -> None:
    dispute = open_dispute(HERE, reduced, TEST, **SAID)
    for asker in (replace(HERE, facility="12001"), replace(HERE, scopes=frozenset({"user/ClaimResponse.rs"}))):
        with pytest.raises(NotAllowed):
            open_dispute(asker, reduced, TEST, **SAID)
        with pytest.raises(NotAllowed):
            go_on(asker, dispute, "sent", "", number="1")
    assert (Dispute.objects.count(), DisputeStep.objects.count(), Dispute.objects.get().state) == (1, 1, "open")


def test_after_its_last_day_nothing_is_opened_or_sent(reduced: ClaimCase) -> None:
    dispute = open_dispute(HERE, reduced, TEST, **SAID)
    Dispute.objects.update(until=timezone.localdate() - timedelta(days=1))
    with pytest.raises(TooLate):
        go_on(HERE, dispute, "sent", "", number="1")
    go_on(HERE, dispute, "withdrawn", "quá hạn")
    Adjudication.objects.update(taken=timezone.now() - timedelta(days=30))
    with pytest.raises(TooLate):
        open_dispute(HERE, reduced, TEST, **SAID)
    assert Dispute.objects.count() == 1


@pytest.mark.parametrize(
    ("way", "step", "more"),
    [
        ([], "accepted", {}),
        ([], "sent", {}),
        ([], "withdrawn", {}),
        (["sent"], "refused", {}),
        (["sent"], "accepted", {"won": D(30_001)}),
        (["sent"], "accepted", {"won": D(0)}),
        (["sent", "accepted"], "withdrawn", {"words": "x"}),
    ],
)
def test_steps_that_are_none(reduced: ClaimCase, way: list[str], step: str, more: dict[str, Any]) -> None:
    dispute = open_dispute(HERE, reduced, TEST, **SAID)
    for one in way:
        go_on(HERE, dispute, one, "", number="1")
    before = Dispute.objects.get().state
    with pytest.raises(WrongStep):
        go_on(HERE, dispute, step, more.pop("words", ""), **more)
    assert (Dispute.objects.get().state, DisputeStep.objects.count()) == (before, len(way) + 1)


def test_the_officers_pages(as_role: As, reduced: ClaimCase) -> None:
    browser = as_role("cashier")
    assert "95.000" in browser.get("/insurance/results?month=2026-11").content.decode()
    page = browser.get(f"/insurance/results/{reduced.pk}").content.decode()
    assert page.count("data-reduced") == 1
    assert "Giá cao" in page
    form = {"table": "XML3", "place": "2", "ground": "record", "text": "Có y lệnh"}
    assert browser.post(f"/insurance/results/{reduced.pk}/dispute", form).status_code == 302
    dispute = Dispute.objects.get()
    assert "Có y lệnh" in browser.get(f"/insurance/disputes/{dispute.pk}").content.decode()
    browser.post(f"/insurance/disputes/{dispute.pk}/step", {"state": "sent", "number": "5/CV"})
    browser.post(f"/insurance/disputes/{dispute.pk}/step", {"state": "accepted", "won": "30.000"})
    dispute.refresh_from_db()
    assert (dispute.state, dispute.won) == ("accepted", D(30_000))
    assert "Được chấp nhận" in browser.get("/insurance/disputes?state=accepted").content.decode()
    assert "Không có khiếu nại nào" in browser.get("/insurance/disputes?state=refused").content.decode()


def test_claims_of_other_facilities_do_not_exist(as_role: As, reduced: ClaimCase) -> None:
    open_dispute(HERE, reduced, TEST, **SAID)
    Adjudication.objects.update(facility="12001")
    Dispute.objects.update(facility="12001")
    browser, one = as_role("cashier"), Dispute.objects.get().pk
    assert browser.get(f"/insurance/results/{reduced.pk}").status_code == 404
    assert browser.post(f"/insurance/results/{reduced.pk}/dispute", {"table": "XML3", "place": "1"}).status_code == 404
    assert browser.get(f"/insurance/disputes/{one}").status_code == 404
    assert browser.post(f"/insurance/disputes/{one}/step", {"state": "sent", "number": "1"}).status_code == 404
    assert (Dispute.objects.get().state, Dispute.objects.count()) == ("open", 1)


def test_long_lists_cost_no_more(as_role: As, cast: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    browser = as_role("cashier")

    def cost(url: str) -> int:
        browser.get(url)
        with CaptureQueriesContext(connection) as asked:
            assert browser.get(url).status_code == 200
        return len(asked)

    pages = ("/insurance/results?month=2026-11", "/insurance/disputes", "/insurance/caught?month=2026-11")
    for n in range(2):
        _disputed(f"LK{n}")
    few = [cost(url) for url in pages]
    for n in range(2, 12):
        _disputed(f"LK{n}")
    assert [cost(url) for url in pages] == few


def test_the_rules_that_would_have_caught_a_line(as_role: As, reduced: ClaimCase) -> None:
    (line,) = reduced.adjudication.reduced.all()
    assert line.caught["line"] == ["PERFORMER"]  # hints would have stopped nobody
    change(HERE, replaced(in_force("12104").rules["NO-RESULT"], on=False), "thử")
    page = as_role("cashier").get("/insurance/caught?month=2026-11&reason=TL01").content.decode()
    assert [f"data-{name}>{n}<" in page for name, n in (("total", 1), ("found", 1), ("missed", 0))] == [True] * 3
    assert "Quy tắc đã đổi" in page
    change(HERE, replaced(in_force("12104").rules["PERFORMER"], on=False), "thử")
    run = start(HERE, "weigh", "2026-11", what={"month": "2026-11"})
    carry_out(run.pk)
    line.refresh_from_db()
    assert line.caught["line"] == []
    page = as_role("cashier").get("/insurance/caught?month=2026-11").content.decode()
    assert [f"data-{name}>{n}<" in page for name, n in (("total", 1), ("found", 0), ("missed", 1))] == [True] * 3
    assert "Quy tắc đã đổi" not in page


def _disputed(ma_lk: str) -> None:
    case = sent_claim(ma_lk)
    lines = (LineResult(*TEST, refused=D(30_000), code="TL01"),)
    actions.keep(HERE, case, Result(ma_lk, "reduced", lines=lines))
    open_dispute(HERE, case, TEST, **SAID)
