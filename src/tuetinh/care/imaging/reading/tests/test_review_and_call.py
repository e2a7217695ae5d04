"""Peers judge readings blind; urgent findings stay open until they are read back; the board shouts what is late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tuetinh.care.imaging.errors import NeedsReason, NeedsSecond, NotAllowed, NotReadBack, WrongStage
from tuetinh.care.imaging.models import Exam, PeerReview, Reader, ReadingCase, ReadingRules
from tuetinh.care.imaging.reading import board, peers, work
from tuetinh.care.imaging.reading.tests.conftest import FACILITY, Waits
from tuetinh.care.imaging.reading.work import Typed
from tuetinh.commons.access.api import asker_of
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account
    from tuetinh.record.asker import Asker

pytestmark = pytest.mark.django_db
Browser = Callable[[str], Client]
WORDS = Typed("Máu tụ ngoài màng cứng trán phải.", "Máu tụ ngoài màng cứng.")


def test_a_share_goes_blind_to_another_reader(
    waits: Waits, an: Asker, as_role: Browser, cast: dict[str, Account]
) -> None:
    work.sign(an, waits().pk, WORDS)
    assert not PeerReview.objects.exists()  # nobody has asked for it
    ReadingRules.objects.create(facility=FACILITY, reviewed=100)
    work.sign(an, waits(modality="CT").pk, WORDS)
    work.sign(an, Exam.objects.latest("pk").pk, WORDS, why="Sửa chữ")  # once, however often it is amended
    row = PeerReview.objects.get()
    assert peers.take_next(an) is None  # not her own
    browser = as_role("imaging")
    assert browser.post("/imaging/peers/next")["Location"] == f"/imaging/peers/{row.pk}"
    shown = browser.get(f"/imaging/peers/{row.pk}").content.decode()
    assert WORDS.conclusion in shown
    assert "Lò Thị An" not in shown
    assert browser.post(f"/imaging/peers/{row.pk}", {"score": "3", "comment": ""}).status_code == 422
    assert browser.post(f"/imaging/peers/{row.pk}", {"score": "9", "comment": "x"}).status_code == 422
    row.refresh_from_db()
    assert row.score is None
    told = {"score": "3", "comment": "Bỏ sót gãy xương", "matters": "1"}
    assert browser.post(f"/imaging/peers/{row.pk}", told).status_code == 302
    row.refresh_from_db()
    assert (row.score, row.matters, row.reviewer) == (3, True, str(cast["imaging"].pk))
    assert browser.get(f"/imaging/peers/{row.pk}").status_code == 404  # it is done
    (tally,) = peers.tally(FACILITY)
    assert (tally.modality, tally.scores, tally.total, tally.agreed, tally.matters) == ("CT", (0, 0, 1, 0), 1, 0, 1)
    listed = browser.get("/imaging/peers").content.decode()
    assert 'data-modality="CT"' in listed
    assert "Lò Thị An" not in listed
    assert peers.tally("12001") == []


def test_only_who_signs_judges(waits: Waits, an: Asker, binh: Asker, cast: dict[str, Account]) -> None:
    ReadingRules.objects.create(facility=FACILITY, reviewed=100)
    work.sign(an, waits().pk, WORDS)
    row = PeerReview.objects.get()
    with pytest.raises(WrongStage):  # without having taken it
        peers.judge(binh, row.pk, 1, "", matters=False)
    Reader.objects.create(facility=FACILITY, account=binh.account, level="resident")
    with pytest.raises(NeedsSecond):
        peers.take_next(binh)
    with pytest.raises(NotAllowed):
        peers.take_next(asker_of(cast["doctor"]))
    row.refresh_from_db()
    assert (row.reviewer, row.score) == ("", None)


def test_a_finding_is_open_until_it_is_read_back(waits: Waits, an: Asker, binh: Asker, as_role: Browser) -> None:
    exam = waits()
    with pytest.raises(NeedsReason):
        work.tell(an, exam.pk, " ")
    work.tell(an, exam.pk, "Thoát vị não")
    assert list(board.to_call(FACILITY)) == [exam]
    with pytest.raises(NotReadBack):
        work.log_call(binh, exam.pk, "BS Lò", answered=True, read_back=False)
    work.log_call(binh, exam.pk, "BS Lò, không nghe máy", answered=False, read_back=False)
    assert list(board.to_call(FACILITY)) == [exam]
    work.sign(an, exam.pk, WORDS)
    browser = as_role("imaging")
    assert "Thoát vị não" in browser.get("/imaging/board").content.decode()  # also after it was signed
    assert "<b>1</b>" in browser.get("/imaging").content.decode()
    told = {"told": "BS Lò", "read_back": "yes"}
    assert browser.post(f"/imaging/read/{exam.pk}/call", told).status_code == 302
    assert list(board.to_call(FACILITY)) == []
    assert ReadingCase.objects.get().called_at is not None
    with pytest.raises(WrongStage):
        work.log_call(an, exam.pk, "BS Lò", answered=True, read_back=True)
    shown = [(one.what, one.told, one.answered) for one in board.calls(an)]
    assert sorted(shown, key=lambda one: one[2]) == [
        ("Thoát vị não", "BS Lò, không nghe máy", False), ("Thoát vị não", "BS Lò", True),
    ]  # fmt: skip
    page = browser.get("/imaging/calls").content.decode()
    assert page.count("data-call") == 2
    assert len(record.search(SYSTEM, "Communication", f"subject=Patient/{exam.patient}").resources) == 2


def test_the_board_tells_medians_and_shouts_what_is_late(waits: Waits, an: Asker, as_role: Browser) -> None:
    now = datetime.now(UTC)
    slow, fast = waits(70, urgent=True, modality="CT"), waits(70, modality="CT")
    assert [(exam, minutes) for exam, minutes in board.late(FACILITY)] == [(slow, 70)]
    for minutes in (10, 30, 80):
        exam = waits(modality="DX")
        work.sign(an, exam.pk, WORDS)
        Exam.objects.filter(pk=exam.pk).update(
            ordered_at=now - timedelta(minutes=minutes + 9), ended_at=now - timedelta(minutes=minutes)
        )
        ReadingCase.objects.filter(exam=exam).update(first_at=now - timedelta(minutes=4), signed_at=now)
    rows = {one.modality: one for one in board.today(FACILITY)}
    dx, ct = rows["DX"], rows["CT"]
    if now.astimezone().hour:  # what began yesterday counts with the day on which it ended
        assert (dx.done, dx.read, dx.signed, dx.whole) == (3, 26, 4, 39)
    assert (ct.to_read, ct.to_sign, ct.done, ct.whole) == (2, 0, 0, None)
    browser = as_role("imaging")
    shown = browser.get("/imaging/board").content.decode()
    assert "data-late" in shown and f"/imaging/read/{slow.pk}" in shown
    assert f"/imaging/read/{fast.pk}" not in shown


def test_the_list_costs_the_same_for_many(waits: Waits, as_role: Browser) -> None:
    browser = as_role("imaging")
    for address in ("/imaging/read", "/imaging/board"):
        waits()
        browser.get(address)
        with CaptureQueriesContext(connection) as few:
            browser.get(address)
        for _ in range(8):
            waits(2000)
        with CaptureQueriesContext(connection) as many:
            browser.get(address)
        assert len(many) - len(few) <= 1


def test_an_administrator_names_the_readers(an: Asker, binh: Asker, as_role: Browser) -> None:
    browser = as_role("admin")
    level = {f"level-{an.account}": "resident", "reviewed": "5"}
    refused = browser.post("/imaging/readers", level)
    assert refused.status_code == 422
    assert not Reader.objects.exists()
    told = level | {f"level-{binh.account}": "senior", f"modality-{binh.account}": ["CT", "MR"]}
    assert browser.post("/imaging/readers", told | {f"region-{binh.account}": "neuro"}).status_code == 302
    rows = {row.account: (row.level, row.modalities, row.regions) for row in Reader.objects.all()}
    assert rows == {an.account: ("resident", [], []), binh.account: ("senior", ["CT", "MR"], ["neuro"])}
    assert ReadingRules.objects.get().reviewed == 5
    assert browser.post("/imaging/readers", told | {f"region-{binh.account}": "soul"}).status_code == 422
    assert as_role("imaging").post("/imaging/readers", told).status_code == 403
    assert Reader.objects.count() == 2
