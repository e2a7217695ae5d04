"""Claims reach the gateway once, signed, whatever the gateway and this process do meanwhile."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import xmlsec
from django.db import connection as database
from django.utils import timezone
from lxml import etree
from msgspec.structs import replace

from tuetinh.care.insurance import gateway
from tuetinh.care.insurance.actions import connection
from tuetinh.care.insurance.claims import claim
from tuetinh.care.insurance.errors import BadKeyFile, NotNow, NoVisit
from tuetinh.care.insurance.gateway import Gateway
from tuetinh.care.insurance.models import ClaimCase, GatewayAccount, Transmission
from tuetinh.care.insurance.sending import lists, queue, send
from tuetinh.care.insurance.sending.deadlines import answer_by, last_day
from tuetinh.care.insurance.sending.signing import Key, open_key, sign, signer_of
from tuetinh.care.insurance.simulator import RESERVED
from tuetinh.care.insurance.simulator_claims import Receipt
from tuetinh.care.insurance.situations import REASON
from tuetinh.care.insurance.tests.keeping import Memory, queued
from tuetinh.care.insurance.tests.keys import key, key_file
from tuetinh.care.insurance.wire_xml3176 import read, read_status
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
State = ClaimCase.State
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
Serve = Callable[[Callable[..., Awaitable[None]]], str]


def case(visit: str) -> ClaimCase:
    return ClaimCase.objects.get(encounter=visit, kind="claim")


def pass_time(hours: float) -> None:
    """Let what was put off be due, and what was sent be long ago."""
    earlier = timedelta(hours=hours)
    for one in ClaimCase.objects.all():
        ClaimCase.objects.filter(pk=one.pk).update(due=one.due - earlier)
    for sent in Transmission.objects.all():
        check = sent.next_check - earlier if sent.next_check else None
        Transmission.objects.filter(pk=sent.pk).update(began=sent.began - earlier, next_check=check)


def test_a_claim_is_sent_once_signed_and_kept_as_sent(visit: str, ledger: Memory) -> None:
    queued(visit)
    assert send.send_due(20) == 1
    found = case(visit)
    assert (found.state, found.code, found.problems) == (State.ACCEPTED, "200", [])
    sent = found.transmissions.get()
    file = gzip.decompress(bytes(sent.file))
    assert [(one.ma_lk, one.sha256, one.kind) for one in ledger.taken] == [(found.ma_lk, sent.sha256, "130")]
    assert hashlib.sha256(file).hexdigest() == sent.sha256
    assert (sent.transaction, len(sent.received)) == (ledger.taken[0].transaction, 14)
    assert signer_of(file) == "CN=TTYT Tam Đường"
    assert read(file).tables["XML1"][0]["MA_LK"] == found.ma_lk
    assert send.send_due(5) == 0
    assert len(ledger.taken) == 1


def test_the_notice_of_a_visit_goes_before_its_claim(desk: Any, visit: str, ledger: Memory) -> None:
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    queue.announce_visit(SYSTEM, encounter)
    queue.announce_visit(SYSTEM, encounter)
    queued(visit)
    ClaimCase.objects.update(due=timezone.now())
    assert send.send_due(20) == 2
    assert [one.kind for one in ledger.taken] == ["0", "130"]
    notice = ClaimCase.objects.get(kind="status")
    (row,) = read_status(gzip.decompress(bytes(notice.transmissions.get().file)))
    assert (row["MA_DICH_VU"], row["NGAY_YL"], row["MA_LOAI_KCB"]) == ("02.1897", "202611020830", "01")


def test_an_emergency_and_a_person_without_card_are_not_announced(desk: Any) -> None:
    urgent = desk.encounter
    urgent.class_.code = "EMER"
    queue.announce_visit(SYSTEM, urgent)
    stranger = record.create(SYSTEM, r4.Patient(gender="male"))
    queue.queue_claim(SYSTEM, r4.Encounter(id="x", status="finished", subject=record.ref(stranger)), paid=True)
    assert not ClaimCase.objects.exists()


def test_a_stay_in_which_the_card_expired_is_claimed(visit: str, ledger: Memory) -> None:
    (card,) = record.search(SYSTEM, "Coverage", "_count=10").resources
    assert isinstance(card, r4.Coverage)
    card.period = r4.Period(start="2026-01-01", end="2026-10-31")
    record.update(SYSTEM, card)
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    queue.queue_claim(SYSTEM, encounter, paid=True)
    assert not ClaimCase.objects.exists()  # it began without a card
    encounter.period = r4.Period(start="2026-10-30T08:15:00+07:00", end="2026-11-02T10:40:00+07:00")
    record.update(SYSTEM, encounter)
    queue.queue_claim(SYSTEM, encounter, paid=True)
    assert send.send_due(20) == 1
    (row,) = read(gzip.decompress(bytes(case(visit).transmissions.get().file))).tables["XML1"]
    assert (row["GT_THE_DEN"], row["MA_DOITUONG_KCB"]) == ("20261031", "1.1")


def test_a_newborn_needs_no_card(visit: str) -> None:
    (card,) = record.search(SYSTEM, "Coverage", "_count=10").resources
    record.delete(SYSTEM, "Coverage", card.id or "")
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    encounter.extension = [r4.Extension(url=REASON, valueCode="newborn")]
    queue.queue_claim(SYSTEM, encounter, paid=True)
    assert case(visit).state == State.WAITING


def test_what_is_owed_holds_a_claim_till_the_evening(visit: str, ledger: Memory) -> None:
    found = queued(visit, paid=False)
    assert found.due - timezone.now() > timedelta(minutes=29)
    assert send.send_due(2) == 0
    queue.claim_is_paid(visit)
    assert send.send_due(20) == 1


def test_a_claim_with_problems_waits_for_a_person(visit: str, ledger: Memory) -> None:
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    encounter.hospitalization = None
    record.update(SYSTEM, encounter)
    queued(visit)
    assert send.send_due(5) == 0
    found = case(visit)
    assert found.state == State.FAULTY
    assert {problem["field"] for problem in found.problems} == {"KET_QUA_DTRI", "MA_LOAI_RV"}
    assert ledger.taken == []
    queue.release(found, despite="Bệnh án giấy chưa có")
    assert send.send_due(20) == 1
    assert (case(visit).state, case(visit).despite) == (State.ACCEPTED, "Bệnh án giấy chưa có")
    queued(visit)
    assert send.send_due(5) == 0  # the reason was for that one time
    assert (case(visit).state, len(ledger.taken)) == (State.FAULTY, 1)


def test_without_account_or_certificate_nothing_leaves(visit: str, ledger: Memory) -> None:
    GatewayAccount.objects.update(key=None)
    queued(visit)
    assert send.send_due(5) == 0
    assert (case(visit).state, case(visit).transmissions.count()) == (State.FAULTY, 0)
    assert "chứng thư số" in case(visit).words
    GatewayAccount.objects.all().delete()
    queue.release(case(visit))
    assert send.send_due(5) == 0
    assert case(visit).state == State.WAITING
    assert "tài khoản" in case(visit).words


@pytest.mark.parametrize("code", ["701", "403"])
def test_a_refusal_is_told_and_not_repeated(visit: str, ledger: Memory, code: str) -> None:
    queued(visit, card=RESERVED + code)
    assert send.send_due(20) == 1
    found = case(visit)
    assert (found.state, found.code) == (State.REFUSED, code)
    assert found.words
    pass_time(30)
    assert send.send_due(3) == 0
    assert found.transmissions.count() == 1


def test_a_gateway_that_is_not_there_is_tried_again_less_and_less_often(
    visit: str, ledger: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = gateway.os.environ["TUETINH_GATEWAY_URL"]
    monkeypatch.setenv("TUETINH_GATEWAY_URL", "http://127.0.0.1:9")
    queued(visit)
    waits = []
    for _ in range(3):
        assert send.send_due(5) == 0
        waits.append(round((case(visit).due - timezone.now()).total_seconds(), -1))
        ClaimCase.objects.update(due=timezone.now())
    assert waits == [10, 20, 40]
    assert [one.outcome for one in case(visit).transmissions.all()] == ["lost"] * 3
    monkeypatch.setenv("TUETINH_GATEWAY_URL", url)
    assert send.send_due(20) == 1
    assert (case(visit).state, len(ledger.taken)) == (State.ACCEPTED, 1)


@pytest.mark.parametrize("trouble", ["504", "505", "599"])
def test_a_file_whose_answer_was_lost_is_found_and_not_sent_again(visit: str, ledger: Memory, trouble: str) -> None:
    queued(visit, card=RESERVED + trouble)
    send.send_due(8)
    assert case(visit).state == State.UNCLEAR
    pass_time(1)
    ledger.taken[:] = [one._replace(received=one.received - timedelta(hours=1)) for one in ledger.taken]
    assert send.send_due(3) == 0
    found = case(visit)
    assert (found.state, found.transmissions.get().transaction) == (State.ACCEPTED, ledger.taken[0].transaction)
    assert found.transmissions.get().next_check is not None  # its faults are asked for as of any other
    assert len(ledger.taken) == 1


@pytest.mark.parametrize("total", ["1", "98.900,00"])
def test_a_strange_file_in_the_list_is_for_a_person_to_judge(visit: str, ledger: Memory, total: str) -> None:
    queued(visit, card=RESERVED + "503")
    send.send_due(5)
    now = datetime.now(HANOI)
    ledger.add(Receipt("strange", "12001", "130", "x", "", total, now, []))  # type: ignore[arg-type]
    pass_time(0.2)
    assert not send.clear("12001")
    assert (case(visit).state, case(visit).due > timezone.now()) == (State.UNCLEAR, True)


@pytest.mark.parametrize(("ours", "theirs"), [(-1, 1), (1, -1)])
def test_a_file_sent_about_midnight_is_found_on_either_day(visit: str, ledger: Memory, ours: int, theirs: int) -> None:
    queued(visit, card=RESERVED + "504")
    send.send_due(8)
    midnight = datetime.now(HANOI).replace(hour=0, minute=0, second=0)
    ledger.taken[:] = [one._replace(received=midnight + timedelta(minutes=theirs)) for one in ledger.taken]
    Transmission.objects.update(began=midnight + timedelta(minutes=ours))
    ClaimCase.objects.update(due=midnight)
    assert send.clear("12001")
    assert (case(visit).state, len(ledger.taken)) == (State.ACCEPTED, 1)


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_of_others_that_was_there_before_is_not_taken_for_ours(visit: str, ledger: Memory, taken: bool) -> None:
    total = Decimal(claim(SYSTEM, visit).summary["T_TONGCHI_BH"])
    ledger.add(Receipt("strange", "12001", "130", "x", "", total, datetime.now(HANOI), []))
    queued(visit, card=RESERVED + ("504" if taken else "503"))
    send.send_due(8)
    assert case(visit).transmissions.get().strange == "strange"
    pass_time(0.2)
    assert send.clear("12001")
    sent = case(visit).transmissions.get()
    if taken:
        assert (case(visit).state, sent.transaction) == (State.ACCEPTED, ledger.taken[1].transaction)
    else:
        assert (case(visit).state, sent.outcome, sent.transaction) == (State.WAITING, "lost", "")


def test_a_file_that_the_line_doubled_is_no_later_one(visit: str, ledger: Memory) -> None:
    queued(visit, card=RESERVED + "606")
    assert send.send_due(20) == 1
    assert (case(visit).state, [one.ma_lk for one in ledger.taken]) == (State.ACCEPTED, [case(visit).ma_lk] * 2)
    queued(visit, card=RESERVED + "503")
    send.send_due(8)
    pass_time(0.2)
    assert send.clear("12001")
    assert (case(visit).state, len(ledger.taken)) == (State.WAITING, 2)
    assert [one.outcome for one in case(visit).transmissions.order_by("id")] == ["accepted", "lost"]


def test_a_file_that_was_taken_under_no_number_is_looked_for(
    visit: str, ledger: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = Gateway.send
    monkeypatch.setattr(Gateway, "send", lambda *told: replace(answered(*told), ma_giao_dich=""))
    queued(visit)
    send.send_due(5)
    assert case(visit).state == State.UNCLEAR
    ClaimCase.objects.update(due=timezone.now())
    assert send.clear("12001")
    assert case(visit).transmissions.get().transaction == ledger.taken[0].transaction


def test_a_file_that_the_gateway_tries_to_keep_by_itself_is_waited_for(visit: str, ledger: Memory) -> None:
    queued(visit, card=RESERVED + "124")
    send.send_due(5)
    assert (case(visit).state, case(visit).transmissions.get().code) == (State.UNCLEAR, "124")
    pass_time(0.2)
    assert not send.clear("12001")
    pass_time(1)
    assert send.clear("12001")
    assert (case(visit).state, case(visit).transmissions.get().outcome) == (State.WAITING, "lost")


def test_a_claim_that_cannot_be_made_keeps_no_other(
    visit: str, ledger: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = queued(visit)
    monkeypatch.setattr(send, "status", lambda *_: {}["nothing"])
    broken = {"encounter": "b", "kind": "status", "facility": "12001", "patient": "p", "by": found.by}
    ClaimCase.objects.create(ended=found.ended, due=found.due - timedelta(hours=1), **broken)
    assert send.send_due(20) == 1
    assert [(one.kind, one.state) for one in ClaimCase.objects.order_by("kind")] == [
        ("claim", State.ACCEPTED),
        ("status", State.FAULTY),
    ]


def test_a_facility_without_account_keeps_nobody_from_their_faults(visit: str, ledger: Memory) -> None:
    queued(visit, card=RESERVED + "602")
    send.send_due(20)
    other = ClaimCase.objects.create(
        encounter="o", facility="12999", patient="p", ended=timezone.now(), due=timezone.now(), by=date(2099, 1, 1)
    )
    long_ago = timezone.now() - timedelta(days=9)
    Transmission.objects.create(case=other, began=long_ago, outcome="accepted", file=b"", next_check=long_ago)
    pass_time(1.1)
    assert send.look_after(5) == 1
    assert Transmission.objects.get(case=other).next_check > timezone.now()


def test_a_file_that_did_not_arrive_is_sent_again(visit: str, ledger: Memory) -> None:
    queued(visit, card=RESERVED + "503")
    send.send_due(5)
    assert case(visit).state == State.UNCLEAR
    ClaimCase.objects.update(due=timezone.now())
    assert not send.clear("12001")  # it may still be on its way
    pass_time(1)
    assert send.clear("12001")
    assert (case(visit).state, case(visit).transmissions.get().outcome) == (State.WAITING, "lost")
    assert ledger.taken == []


def test_a_killed_sender_leaves_a_question_and_no_second_file(visit: str, ledger: Memory) -> None:
    queued(visit)
    assert send.send_due(20) == 1
    found, sent = case(visit), case(visit).transmissions.get()
    ClaimCase.objects.update(state=State.SENDING, due=timezone.now())  # killed after the gateway took it
    Transmission.objects.update(outcome="sending", ended=None, transaction="", next_check=None)
    assert send.send_due(2) == 0
    assert case(visit).state == State.SENDING  # perhaps somebody is still at it
    pass_time(0.2)
    assert send.send_due(2) == 0
    assert case(visit).state == State.ACCEPTED
    assert case(visit).transmissions.get().transaction == ledger.taken[0].transaction
    assert (len(ledger.taken), found.pk, sent.pk) == (1, case(visit).pk, case(visit).transmissions.get().pk)


def test_nothing_of_the_facility_passes_a_file_without_an_answer(desk: Any, visit: str, ledger: Memory) -> None:
    queued(visit, card=RESERVED + "504")
    send.send_due(8)
    other = ClaimCase.objects.create(
        encounter="other", facility="12001", patient="p", ended=timezone.now(), due=timezone.now(), by=date(2099, 1, 1)
    )
    assert send.send_due(2) == 0
    other.refresh_from_db()
    assert (other.state, other.tries) == (State.WAITING, 0)


def test_a_person_may_say_what_the_portal_shows(visit: str, ledger: Memory) -> None:
    queued(visit, card=RESERVED + "504")
    send.send_due(8)
    with pytest.raises(NotNow):
        queue.take_back_claim(visit)
    with pytest.raises(NotNow):
        queued(visit)
    queue.decide(case(visit), "GD-1")
    assert (case(visit).state, case(visit).transmissions.get().transaction) == (State.ACCEPTED, "GD-1")
    with pytest.raises(NotNow):
        queue.decide(case(visit), "GD-2")


def test_a_fault_found_later_is_fetched(visit: str, ledger: Memory) -> None:
    queued(visit, card=RESERVED + "602")
    assert send.send_due(20) == 1
    assert send.look_after(5) == 0  # not yet
    pass_time(1.1)
    ClaimCase.objects.update(by=timezone.localdate() + timedelta(days=30))
    assert send.look_after(5) == 1
    assert (case(visit).state, case(visit).code) == (State.REFUSED, "202")
    assert case(visit).transmissions.get().next_check is None
    assert case(visit).by == answer_by(timezone.localdate())


def test_a_corrected_claim_is_sent_again_with_its_number(visit: str, ledger: Memory) -> None:
    queued(visit)
    send.send_due(20)
    queue.take_back_claim(visit)
    assert case(visit).state == State.HELD
    assert send.send_due(2) == 0
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    encounter.reasonCode = [r4.CodeableConcept(text="Đau đầu, chóng mặt")]
    record.update(SYSTEM, encounter)
    queued(visit)
    assert send.send_due(20) == 1
    first, second = ledger.taken
    assert (first.ma_lk, first.sha256 != second.sha256) == (second.ma_lk, True)
    assert [one.outcome for one in case(visit).transmissions.order_by("id")] == ["accepted", "accepted"]


@pytest.mark.parametrize("trouble", ["", "504"])
def test_what_changed_while_it_was_sent_goes_once_more(visit: str, ledger: Memory, trouble: str) -> None:
    queued(visit, card=RESERVED + trouble if trouble else "")
    send.send_due(8)
    ClaimCase.objects.filter(state=State.ACCEPTED).update(
        state=State.SENDING, due=timezone.now()
    )  # not yet written down
    Transmission.objects.update(outcome="sending", ended=None, transaction="", next_check=None)
    queue.claim_is_changed(visit, "Sửa giấy")
    assert case(visit).state in (State.SENDING, State.UNCLEAR)
    pass_time(0.2)
    assert send.clear("12001")
    assert (case(visit).state, case(visit).words, case(visit).changed) == (State.WAITING, "Sửa giấy", "Sửa giấy")
    assert case(visit).transmissions.get().outcome == "accepted"
    send.send_due(8)
    assert len(ledger.taken) == 2
    assert case(visit).changed == ""


def test_a_payment_after_it_was_sent_sends_it_again(visit: str, ledger: Memory) -> None:
    queued(visit)
    send.send_due(20)
    queue.claim_is_paid(visit)
    assert (case(visit).state, case(visit).words) == (State.WAITING, "Thu đủ tiền sau khi gửi: gửi lại.")


def test_a_changed_or_unsigned_file_is_refused(visit: str, ledger: Memory) -> None:
    account = GatewayAccount.objects.get()
    queued(visit)
    send.send_due(20)
    file = gzip.decompress(bytes(case(visit).transmissions.get().file))
    changed = file.replace(b"<MACSKCB>12001", b"<MACSKCB>12002")
    bare = b"<GIAMDINHHS><CHUKYDONVI/></GIAMDINHHS>"
    asked = [connection(account).send("claim", one, "12001").ma_ket_qua for one in (changed, bare, b"no xml")]
    assert asked == ["125", "123", "205"]
    assert len(ledger.taken) == 1


def test_a_foreign_verifier_accepts_the_signature() -> None:
    signed = sign(b"<GIAMDINHHS><A>\xc4\x90</A><CHUKYDONVI/></GIAMDINHHS>", key().secret)
    root = etree.fromstring(signed)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key().secret.encode(), xmlsec.constants.KeyDataFormatPem)
    context.verify(xmlsec.tree.find_node(root, xmlsec.constants.NodeSignature))
    root.find("A").text = "D"
    with pytest.raises(xmlsec.Error):
        context.verify(xmlsec.tree.find_node(root, xmlsec.constants.NodeSignature))


def test_a_key_file_is_opened_by_its_password_alone() -> None:
    found = open_key(key_file("bí mật"), "bí mật")
    assert (found.subject, found.until) == ("CN=TTYT Tam Đường", date(2030, 1, 1))
    assert isinstance(found, Key)
    for file, password in ((key_file("bí mật"), "khác"), (b"no such file", ""), (b"", "")):
        with pytest.raises(BadKeyFile):
            open_key(file, password)


@pytest.mark.parametrize(
    ("ended", "last"),
    [
        (date(2026, 11, 2), date(2026, 11, 11)),
        (date(2026, 11, 28), date(2026, 12, 5)),  # before the 5th of the next month
        (date(2026, 12, 28), date(2027, 1, 5)),
        (date(2026, 4, 22), date(2026, 5, 5)),  # holidays do not count
        (date(2026, 2, 12), date(2026, 3, 2)),
    ],
)
def test_the_last_day(ended: date, last: date) -> None:
    assert last_day(ended) == last


@pytest.mark.parametrize(
    ("told", "last"),
    [
        (date(2026, 11, 2), date(2026, 11, 4)),
        (date(2026, 11, 6), date(2026, 11, 10)),  # a Friday
        (date(2026, 4, 29), date(2026, 5, 5)),  # before holidays
    ],
)
def test_what_the_gateway_finds_is_answered_in_two_working_days(told: date, last: date) -> None:
    assert answer_by(told) == last


def test_a_claim_that_was_never_queued_is_queued_once(visit: str, ledger: Memory) -> None:
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    first = queue.queue_unclaimed(SYSTEM, encounter)
    assert first is not None
    assert send.send_due(20, {"12001"}) == 1
    again = queue.queue_unclaimed(SYSTEM, encounter)
    assert again is not None
    assert (again.pk, again.state) == (first.pk, State.ACCEPTED)
    assert send.send_due(5, {"12001"}) == 0
    assert len(ledger.taken) == 1


def test_what_never_came_into_the_queue_is_found(desk: Any, visit: str, ledger: Memory) -> None:
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    now = timezone.localtime()
    for id_, days, status in (("today", 0, "finished"), ("old", 9, "finished"), ("open", 0, "in-progress")):
        end = now - timedelta(days=days)
        encounter.id, encounter.status = id_, status
        encounter.period = r4.Period(start=(end - timedelta(hours=1)).isoformat(), end=end.isoformat())
        record.update(SYSTEM, encounter)
    assert queue.queue_forgotten("12001") == 1
    assert queue.queue_forgotten("12001") == 0
    assert [one.encounter for one in ClaimCase.objects.all()] == ["today"]


def test_a_claim_that_people_hold_back_stays_held(visit: str, ledger: Memory) -> None:
    queue.hold(queued(visit), "chờ hội chẩn")
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    found = queue.queue_unclaimed(SYSTEM, encounter)
    assert found is not None
    assert (found.state, found.words) == (State.HELD, "chờ hội chẩn")
    assert (send.send_due(5, {"12001"}), ledger.taken) == (0, [])


def test_a_visit_that_goes_on_has_no_claim(visit: str) -> None:
    encounter = record.read(SYSTEM, "Encounter", visit)
    assert isinstance(encounter, r4.Encounter)
    encounter.status = "in-progress"
    with pytest.raises(NoVisit):
        queue.queue_unclaimed(SYSTEM, encounter)
    assert ClaimCase.objects.count() == 0


def test_only_the_facilities_that_were_asked_for_are_sent(visit: str, ledger: Memory) -> None:
    queued(visit)
    assert send.send_due(5, {"12002"}) == 0
    assert (case(visit).state, ledger.taken) == (State.WAITING, [])


def test_while_another_process_sends_for_the_facility_nothing_leaves(visit: str, ledger: Memory) -> None:
    queued(visit)
    with psycopg.connect(**database.get_connection_params()) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('insurance.send 12001', 0))")
        assert send.send_due(5) == 0
        assert (case(visit).state, ledger.taken) == (State.WAITING, [])
    assert send.send_due(20) == 1


def test_a_claim_that_was_accepted_is_withdrawn_and_sent_anew(visit: str, ledger: Memory) -> None:
    queued(visit)
    with pytest.raises(NotNow):
        queue.recall(case(visit), "Gửi nhầm")  # the gateway does not have it yet
    send.send_due(20)
    first = case(visit)
    queue.recall(first, "Gửi nhầm")
    assert (case(visit).state, case(visit).recall, case(visit).words) == (State.WAITING, True, "Gửi nhầm")
    queue.claim_is_changed(visit, "Sửa giấy")
    assert send.send_due(20) == 1
    found = case(visit)
    assert (found.state, found.recall, found.first_accepted) == (State.RECALLED, True, first.first_accepted)
    before, withdrawn = (read(gzip.decompress(bytes(one.file))) for one in found.transmissions.order_by("id"))
    assert withdrawn.tables["XML1"][0] == before.tables["XML1"][0] | {"MA_DOITUONG_KCB": "8"}
    assert withdrawn.tables["XML3"] == before.tables["XML3"]
    assert [one.ma_lk for one in ledger.taken] == [first.ma_lk] * 2
    assert not lists.needing_people("12001").exists()
    assert lists.sums("12001", date(2026, 11, 2)).accepted == 0
    assert send.send_due(5) == 0
    queue.release(found)
    assert send.send_due(20) == 1
    assert (case(visit).state, case(visit).recall) == (State.ACCEPTED, False)
    assert read(gzip.decompress(bytes(case(visit).transmissions.latest("id").file))).tables == before.tables


def test_a_withdrawal_without_an_answer_is_found(visit: str, ledger: Memory) -> None:
    queued(visit)
    send.send_due(20)
    queue.recall(case(visit), "Gửi nhầm")
    send.send_due(20)
    ClaimCase.objects.update(state=State.UNCLEAR, due=timezone.now())
    Transmission.objects.order_by("-id").filter(pk=case(visit).transmissions.latest("id").pk).update(transaction="")
    assert send.clear("12001")
    assert (case(visit).state, len(ledger.taken)) == (State.RECALLED, 2)
