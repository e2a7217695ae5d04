"""The next examination goes to one reader only, emergencies first; what nobody goes on with is free again."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from tuetinh.care.imaging import reports
from tuetinh.care.imaging.errors import NotAllowed, NotReader, TakenByOther
from tuetinh.care.imaging.models import Reader, ReadingCase
from tuetinh.care.imaging.reading import claims, queries, work
from tuetinh.care.imaging.reading.tables import regions_of
from tuetinh.care.imaging.reading.tests.conftest import FACILITY, Waits, reader
from tuetinh.care.imaging.reading.work import Typed
from tuetinh.commons.access.api import asker_of

if TYPE_CHECKING:
    from tuetinh.commons.access.models import Account
    from tuetinh.record.asker import Asker

pytestmark = pytest.mark.django_db


def test_emergencies_first_then_who_waits_longest(waits: Waits, an: Asker, binh: Asker) -> None:
    young, old, urgent = waits(5), waits(50), waits(1, urgent=True)
    assert [one.exam.pk for one in queries.unread(an, "first")] == [urgent.pk, old.pk, young.pk]
    assert [(one.minutes, one.late) for one in queries.unread(an, "first")] == [(1, False), (50, False), (5, False)]
    assert claims.take_next(an, "first") == urgent
    assert claims.take_next(binh, "first") == old
    assert claims.take_next(an, "first") == urgent  # who has one goes on with it
    assert [one.exam.pk for one in queries.unread(binh, "mine")] == [old.pk]
    assert {one.exam.pk: one.is_free for one in queries.unread(an, "first")} == {
        urgent.pk: True, old.pk: False, young.pk: True,
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_those_who_ask_at_once_get_one_each(waits: Waits, an: Asker, binh: Asker) -> None:
    wanted = [waits(minutes).pk for minutes in range(1, 13)]
    got: list[int] = []
    readers = [an, binh, reader("Chi"), reader("Dung")]
    together = threading.Barrier(len(readers))

    def take(who: Asker) -> None:
        together.wait()
        for _ in range(3):
            exam = claims.take_next(who, "first")
            got.append(exam.pk if exam else 0)
            if exam:
                work.hand_over(who, exam.pk, Typed("Mô tả", "Kết luận"))  # the next one is another one
        connection.close()

    threads = [threading.Thread(target=take, args=(who,)) for who in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got) == sorted(wanted)
    assert ReadingCase.objects.exclude(first_at=None).count() == 12


def test_what_is_taken_is_nobody_elses_until_it_ends(waits: Waits, an: Asker, binh: Asker) -> None:
    exam = waits()
    claims.take(an, exam.pk)
    for attempt in (
        lambda: claims.take(binh, exam.pk),
        lambda: work.keep(binh, exam.pk, Typed("Khác", "Khác")),
        lambda: reports.sign(binh, exam.pk, "Khác", "Khác"),
    ):
        with pytest.raises(TakenByOther):
            attempt()
    assert claims.take_next(binh, "first") is None
    assert reports.reading_of(an, exam) == reports.Reading()
    held = ReadingCase.objects.get()
    assert timedelta(minutes=29) < held.held_until - datetime.now(UTC) <= claims.HOLDS
    ReadingCase.objects.update(held_until=datetime.now(UTC) - timedelta(seconds=1))
    assert claims.take_next(binh, "first") == exam
    with pytest.raises(TakenByOther):
        work.keep(an, exam.pk, Typed("Khác", "Khác"))
    claims.release(an, exam.pk)  # not hers any more: nothing happens
    assert ReadingCase.objects.get().reader == binh.account
    claims.release(binh, exam.pk)
    assert claims.take_next(an, "first") == exam


def test_who_reads_what_is_data(waits: Waits, an: Asker, binh: Asker) -> None:
    head = waits(description="Chụp cắt lớp vi tính sọ não", modality="CT")
    knee = waits(5, description="Chụp X-quang khớp gối", modality="DX")
    other = waits(1, description="Chụp X-quang", modality="DX")
    Reader.objects.create(facility=FACILITY, account=an.account, level="senior", regions=["limbs"])
    Reader.objects.create(facility=FACILITY, account=binh.account, level="senior", modalities=["CT"])
    assert [one.exam.pk for one in queries.unread(an, "first")] == [knee.pk, other.pk]
    assert [one.exam.pk for one in queries.unread(binh, "first")] == [head.pk]
    assert [one.exam.pk for one in queries.unread(an, "first", region="limbs")] == [knee.pk]
    assert claims.take_next(binh, "first", modality="DX") is None
    assert claims.take_next(an, "first") == knee


def test_nobody_else_takes(waits: Waits, an: Asker, cast: dict[str, Account]) -> None:
    exam = waits()
    Reader.objects.create(facility=FACILITY, account=an.account, level="senior")
    with pytest.raises(NotReader):  # somebody is named, and this one is not
        claims.take_next(asker_of(cast["imaging"]), "first")
    for role in ("doctor", "nurse", "outsider"):
        with pytest.raises(NotAllowed):
            claims.take(asker_of(cast[role]), exam.pk)
    assert not ReadingCase.objects.exists()


def test_a_wrist_is_no_neck() -> None:
    assert regions_of("Chụp X-quang cổ tay phải") == {"limbs"}
    assert regions_of("Siêu âm tuyến giáp, vùng cổ") == {"neck"}
    assert regions_of("CT CHEST ABDOMEN") == {"chest", "abdomen"}
    assert regions_of("Chụp tim phổi thẳng") == {"heart", "chest"}
    assert regions_of("Chụp X-quang") == frozenset()
