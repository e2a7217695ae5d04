"""Blocks of the access log: what is sealed, and that every way of tampering is found."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tuetinh.record import api, audit, r4
from tuetinh.record.asker import Asker
from tuetinh.record.audit import archive, chain, months, sent
from tuetinh.record.audit.chain import Fault, Head, Sealer, Verdict
from tuetinh.record.sight import EVERYTHING
from tuetinh.record.steps import run

pytestmark = pytest.mark.django_db(transaction=True)
DOCTOR = Asker("7", "doctor", "12104", "TREAT", frozenset({"user/*.cruds"}), sight=EVERYTHING)


@pytest.fixture
def block_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "BLOCK", 3)


@pytest.fixture
def started() -> int:
    """The position where the test's own entries begin: what is before lies in blocks of its own."""
    seal()
    with superuser() as cursor:
        cursor.execute("DELETE FROM record.audit_block")
        cursor.execute("ALTER SEQUENCE record.audit_position RESTART")
        cursor.execute("DELETE FROM record.audit")
    return 0


@pytest.fixture
def other() -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(**connection.get_connection_params()) as conn:
        yield conn


def seal() -> Head | None:
    sealer = Sealer()
    sealer.seal()
    calm()
    return sealer.seal()


def calm() -> None:
    """Wait until the transactions that run now have ended: other tests share the server, and its numbers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        (number,) = cursor.fetchone()
        for _ in range(1200):
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            if cursor.fetchone()[0] > number:
                return
            time.sleep(0.05)


def write(count: int) -> None:
    for _ in range(count):
        api.create(DOCTOR, r4.Basic(code=r4.CodeableConcept(text="x")))


def faults(*heads: Head) -> list[tuple[int, str]]:
    return [(fault.number, fault.kind) for fault in chain.verify(heads)]


@contextmanager
def superuser() -> Iterator[Any]:
    """A cursor that passes by the row policies, as whoever owns the server can."""
    with psycopg.connect(**connection.get_connection_params()) as conn:
        conn.execute("SET ROLE NONE")
        yield conn.cursor()


def tamper(sql: str, *values: object) -> int:
    with superuser() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


@pytest.mark.usefixtures("started", "block_of_three")
def test_what_is_logged_is_sealed_and_whole() -> None:
    write(7)
    head = seal()
    assert head is not None
    assert (head.number, len(head.hash)) == (3, 64)
    verdict = Verdict()
    assert list(chain.verify([head], verdict)) == []
    assert (verdict.entries, verdict.blocks, verdict.open, verdict.heads) == (7, 3, 0, 1)
    write(1)
    verdict = Verdict()
    assert list(chain.verify((), verdict)) == []
    assert verdict.open == 1
    assert seal() == chain.head()
    assert seal() is None


@pytest.mark.usefixtures("started", "block_of_three")
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE record.audit SET account = '8' WHERE position = 5",
        "UPDATE record.audit SET at = at + interval '1 microsecond' WHERE position = 5",
        "UPDATE record.audit SET patient = 'somebody' WHERE position = 5",
        "UPDATE record.audit SET client = 'app' WHERE position = 5",
        "UPDATE record.audit SET address = '10.0.0.1' WHERE position = 5",
        "UPDATE record.audit SET agent = 'curl' WHERE position = 5",
        "UPDATE record.audit SET reason = 'desk' WHERE position = 5",
        "UPDATE record.audit SET outcome = '4' WHERE position = 5",
        "DELETE FROM record.audit WHERE position = 5",
        "INSERT INTO record.audit (position, at, account, role, facility, purpose, action, type, id)"
        " SELECT position, at, account, role, facility, purpose, action, type, id FROM record.audit WHERE position = 5",
        "UPDATE record.audit SET what = ARRAY['Basic/other'] WHERE position = 5",
        "UPDATE record.audit SET event = '{}' WHERE position = 5",
        "UPDATE record.audit SET position = 11 - position WHERE position IN (5, 6)",
        "UPDATE record.audit_block SET hash = sha256('x') WHERE number = 2",
        'UPDATE record.audit_block SET "end" = 5 WHERE number = 2',
        "UPDATE record.audit_block SET entries = 0 WHERE number = 2",
        "UPDATE record.audit_block SET at = at - interval '1 day' WHERE number = 2",
    ],
)
def test_tampering_is_found_where_it_happened(sql: str) -> None:
    write(9)
    seal()
    assert faults() == []
    assert tamper(sql) in (1, 2)
    assert (2, "changed") in faults()


@pytest.mark.usefixtures("started", "block_of_three")
def test_what_another_system_sent_is_sealed_with_who_sent_it() -> None:
    """What it tells, in whatever letters, is hashed by the database and by Python alike."""
    system = Asker("client:ris", "system", "12104", "HOPERAT", frozenset({"system/AuditEvent.c"}), client="ris")
    write(1)
    event = r4.AuditEvent(outcomeDesc='Đã "xem"\\\n\u2028', agent=[r4.AuditEventAgent(altId="x", requestor=True)])
    entry = run(system, sent.send(system, event, "http://node.test/fhir"))
    write(4)
    seal()
    assert faults() == []
    for change in ("client = 'pacs'", "event = replace(event, 'xem', 'ghi')", "event = NULL"):
        tamper(f"UPDATE record.audit SET {change} WHERE position = {entry.position}")
        assert faults() == [(1, "changed")]
        tamper("UPDATE record.audit SET client = 'ris', event = %s WHERE position = %s", entry.event, entry.position)
        assert faults() == []


@pytest.mark.usefixtures("started", "block_of_three")
def test_an_entry_moved_to_another_block_changes_both() -> None:
    write(9)
    seal()
    tamper("UPDATE record.audit SET position = 90 WHERE position = 3")
    tamper("UPDATE record.audit SET position = 3 WHERE position = 7")
    assert faults() == [(0, "misplaced"), (1, "changed"), (3, "changed")]


FORGED = (
    "INSERT INTO record.audit (position, at, account, role, facility, purpose, action, type, id, patient)"
    " VALUES (%s, {}, '7', 'doctor', '12104', 'TREAT', 'read', 'Patient', 'p', 'p')"
)


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("position", [0, -5, 2**62])
def test_an_entry_at_a_position_that_is_never_drawn_is_found(position: int) -> None:
    write(1)
    seal()
    tamper(FORGED.format("now()"), position)
    assert faults() == [(0, "misplaced")]


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("at", ["now() - interval '11 minutes'", "now() + interval '11 minutes'"])
def test_an_entry_that_is_not_sealed_in_time_is_told(at: str) -> None:
    write(1)
    seal()
    tamper("SELECT setval('record.audit_position', 900)")
    tamper(FORGED.format(at), 900)
    verdict = Verdict()
    (fault,) = chain.verify((), verdict)
    assert fault.kind == "open"
    assert fault.told.startswith("1 entries from position 900 on are not sealed, and not of now; ")
    assert verdict.open == 1


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM record.audit WHERE position = 5",
        "UPDATE record.audit SET account = '8' WHERE position = 5",
        "DELETE FROM record.audit WHERE position = 7",
    ],
)
def test_what_was_seen_before_it_could_be_sealed_is_missed(
    other: psycopg.Connection[tuple[object, ...]], sql: str
) -> None:
    write(2)
    seal()
    other.execute(
        "INSERT INTO record.audit (at, account, role, facility, purpose, client, action, type, id)"
        " VALUES (now(), 'slow', '', '', '', '', 'read', 'Patient', '')"
    )
    write(2)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        write(1)
        _ = 1 / 0
    write(1)
    seen = chain.look_at(2)
    assert seen is not None
    assert (seen.after, seen.end, seen.gaps) == (2, 7, ((3, 3), (6, 6)))
    assert list(chain.verify([seen])) == []
    other.commit()
    seal()
    assert list(chain.verify([seen])) == []
    assert chain.look_at(7) is None
    tamper("DELETE FROM record.audit_block")  # as if nothing had been sealed when it went
    tamper(sql)
    seal()
    assert list(chain.verify()) == []
    assert [(fault.number, fault.kind) for fault in chain.verify([seen])] == [(0, "seen")]


@pytest.mark.usefixtures("started")
def test_a_block_that_was_closed_before_its_time_was_hashed_stays_whole() -> None:
    write(1)
    seal()
    with superuser() as cursor:
        cursor.execute(f"SELECT {chain.COLUMNS}, {chain.ADDED} FROM record.audit")
        old = chain._digest(chain.START, 1, None, cursor.fetchall())
        cursor.execute("UPDATE record.audit_block SET hash = %s", [old])
    assert faults() == []


@pytest.mark.usefixtures("started", "block_of_three")
def test_a_block_that_is_gone_is_missed() -> None:
    write(9)
    seal()
    tamper("DELETE FROM record.audit_block WHERE number = 2")
    assert (2, "missing") in faults()


@pytest.mark.usefixtures("started", "block_of_three")
def test_an_end_that_is_cut_off_is_known_to_a_witness() -> None:
    write(9)
    head = seal()
    assert head is not None
    tamper("DELETE FROM record.audit WHERE position > 6")
    tamper("DELETE FROM record.audit_block WHERE number = 3")
    assert faults() == []
    assert faults(head) == [(3, "missing")]


@pytest.mark.usefixtures("started", "block_of_three")
def test_a_chain_that_is_written_anew_is_known_to_a_witness() -> None:
    write(9)
    head = seal()
    assert head is not None
    tamper("UPDATE record.audit SET account = 'another' WHERE position = 1")
    tamper("DELETE FROM record.audit_block")
    again = seal()
    assert again is not None
    assert faults() == []
    assert faults(head) == [(3, "witness")]
    assert faults(again) == []


@pytest.mark.usefixtures("started")
def test_an_entry_of_a_transaction_that_still_runs_is_waited_for(other: psycopg.Connection[tuple[object, ...]]) -> None:
    other.execute(
        "INSERT INTO record.audit (at, account, role, facility, purpose, client, action, type, id)"
        " VALUES (now(), 'slow', '', '', '', '', 'read', 'Patient', '')"
    )
    write(2)  # later positions, sooner done
    sealer = Sealer()
    assert [sealer.seal(), sealer.seal(), sealer.seal()] == [None, None, None]
    other.commit()
    calm()
    assert sealer.seal() is not None
    verdict = Verdict()
    assert list(chain.verify((), verdict)) == []
    assert verdict.entries == 3


@pytest.mark.usefixtures("started")
def test_the_newest_of_all_transactions_is_waited_for(other: psycopg.Connection[tuple[object, ...]]) -> None:
    other.execute(
        "INSERT INTO record.audit (at, account, role, facility, purpose, client, action, type, id)"
        " VALUES (now(), 'slow', '', '', '', '', 'read', 'Patient', '')"
    )
    sealer = Sealer()
    assert [sealer.seal(), sealer.seal(), sealer.seal()] == [None, None, None]
    assert chain.head() is None
    other.commit()
    calm()
    head = sealer.seal()
    assert head is not None
    verdict = Verdict()
    assert list(chain.verify([head], verdict)) == []
    assert (verdict.entries, verdict.open) == (1, 0)


@pytest.mark.usefixtures("started")
def test_a_log_that_is_sealed_takes_no_numbers_of_transactions() -> None:
    write(1)
    seal()
    with CaptureQueriesContext(connection) as asked:
        sealer = Sealer()
        assert [sealer.seal(), sealer.seal()] == [None, None]
    assert not [one["sql"] for one in asked if "pg_current_xact_id" in one["sql"]]
    assert len(asked) == 4


@pytest.mark.usefixtures("started")
def test_a_position_is_drawn_after_the_number_of_its_transaction(
    other: psycopg.Connection[tuple[object, ...]],
) -> None:
    default = "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'record.audit'::regclass"
    draw = other.execute(f"{default} AND adnum = 1").fetchone()
    other.rollback()
    assert draw and "nextval('record.audit_position'" in str(draw[0])
    assert other.execute(f"SELECT {draw[0]}").fetchone()  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        oldest = cursor.fetchone()[0]
    running = other.execute("SELECT pg_current_xact_id_if_assigned()::text::bigint").fetchone()
    assert running is not None
    assert running[0] >= oldest  # those of other tests share the server


@pytest.mark.usefixtures("started")
def test_positions_of_what_was_rolled_back_are_no_gap() -> None:
    write(1)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        write(2)
        _ = 1 / 0
    write(1)
    seal()
    verdict = Verdict()
    assert list(chain.verify((), verdict)) == []
    assert verdict.entries == 2


@pytest.mark.usefixtures("started")
def test_reads_are_sealed_too() -> None:
    made = api.create(DOCTOR, r4.Basic(code=r4.CodeableConcept(text="x")))
    with audit.one_request():
        api.read(DOCTOR, "Basic", made.id or "")
        api.read(DOCTOR, "Basic", made.id or "")
        api.search(DOCTOR, "Observation", "code=x")
    audit.writer.close()
    seal()
    with superuser() as cursor:
        cursor.execute("SELECT action, type, id FROM record.audit ORDER BY position")
        assert cursor.fetchall() == [("create", "Basic", made.id), ("read", "Basic,Observation", "")]
    assert faults() == []
    tamper("DELETE FROM record.audit WHERE action = 'read'")
    assert faults() == [(1, "changed")]


def test_each_month_has_its_partition_before_it_begins() -> None:
    far = datetime(2031, 11, 30, 23, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO record.audit (at, account, role, facility, purpose, client, action, type, id)"
            " VALUES (%s, 'early', '', '', '', '', 'read', 'Patient', '')",
            [far + timedelta(days=2)],
        )
    assert months.prepare(far) == ["audit_2031_11", "audit_2031_12", "audit_2032_01", "audit_2032_02"]
    assert months.prepare(far) == []
    with superuser() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM record.audit WHERE account = 'early'")
        assert cursor.fetchall() == [("record.audit_2031_12",)]
        for name in ("2031_11", "2031_12", "2032_01", "2032_02"):
            cursor.execute(f"DROP TABLE record.audit_{name}")
    first = months.prepare()
    assert first == []


def test_a_fault_says_what_is_wrong(started: int, block_of_three: None) -> None:
    del started, block_of_three
    write(3)
    seal()
    tamper("DELETE FROM record.audit WHERE position = 2")
    (fault,) = chain.verify()
    assert isinstance(fault, Fault)
    assert fault.told.startswith("positions 1 to 3, closed 2")
    assert fault.told.endswith("2 entries where 3 were sealed")


@pytest.mark.usefixtures("started")
def test_entries_from_before_a_column_are_hashed_as_they_were() -> None:
    at = datetime.now(UTC)
    added = [{}, {"address": "10.0.0.7"}, {"address": "10.0.0.7", "agent": "Firefox", "reason": "desk"}]
    added.append({"what": ["Basic/a", "Basic/b"]})
    for more in added:
        columns = ["at", "account", "role", "facility", "purpose", "client", "action", "type", "id", *more]
        values = [at, "7", "doctor", "", "TREAT", "", "read", "Patient", "p", *more.values()]
        tamper(f"INSERT INTO record.audit ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(values))})", *values)
    head = seal()
    moment = at.isoformat(timespec="microseconds")
    old = ["7", "doctor", "", "TREAT", "", "read", "Patient", "p", None]
    lines = [[1, moment, *old], [2, moment, *old, None, "10.0.0.7", None, None]]
    lines.append([3, moment, *old, None, "10.0.0.7", None, None, "Firefox", "desk"])
    lines.append([4, moment, *old, None, None, None, None, None, None, ["Basic/a", "Basic/b"]])
    with superuser() as cursor:
        cursor.execute("SELECT at FROM record.audit_block")
        (closed,) = cursor.fetchone()
    digest = sha256(bytes(32) + f"4 {chain.iso(closed)}\n".encode())
    for line in lines:
        digest.update(json.dumps(line, separators=(",", ":")).encode() + b"\n")
    assert head == Head(1, digest.hexdigest())


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    "text", ['Ngô "Bảo" Châu', "a\\b/c", "\t\r\n\b\f", "\x01\x1f\x7f\x9f", "\u2028\ufffe", "𝔸", "0", "null"]
)
def test_whatever_an_entry_says_is_sealed_as_it_is_verified(text: str) -> None:
    tamper(
        "INSERT INTO record.audit (at, account, role, facility, purpose, client, action, type, id, patient, agent)"
        " VALUES (now(), %s, %s, '', '', '', 'read', 'Patient', %s, %s, %s)",
        *[text] * 5,
    )
    assert seal() is not None
    assert faults() == []


OLD = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)


@pytest.fixture
def january(started: int, block_of_three: None) -> Iterator[None]:
    """Five entries of January among eight, sealed in three blocks; the month has its partition."""
    del started, block_of_three
    months.prepare(OLD)
    for number in range(8):
        tamper(
            "INSERT INTO record.audit (at, account, role, facility, purpose, client, action, type, id, address)"
            " VALUES (%s, '7', 'doctor', '', '', '', 'read', 'Patient', '', %s)",
            OLD if number % 3 != 2 and number < 7 else datetime.now(UTC),
            "10.0.0.7" if number % 2 else None,
        )
    seal()
    yield
    for month in ("01", "02", "03", "04"):
        tamper(f"DROP TABLE IF EXISTS record.audit_2026_{month}")
    tamper("DELETE FROM record.audit_archive")


def found(*archives: Path) -> list[tuple[int, str]]:
    return [(fault.number, fault.kind) for fault in chain.verify((), None, archives)]


@pytest.mark.usefixtures("january")
def test_a_month_leaves_for_a_file_and_stays_in_the_chain(tmp_path: Path) -> None:
    path, count = archive.archive("2026-01", tmp_path)
    assert (path, count) == (tmp_path / "access-log-2026-01.jsonl.gz", 5)
    assert sorted(tmp_path.iterdir()) == [path]
    with superuser() as cursor:
        cursor.execute("SELECT count(*), min(at) > '2026-02-01' FROM record.audit")
        assert cursor.fetchone() == (3, True)
        cursor.execute("SELECT to_regclass('record.audit_2026_01')")
        assert cursor.fetchone() == (None,)
    verdict = Verdict()
    assert list(chain.verify((), verdict, [path])) == []
    assert (verdict.entries, verdict.blocks) == (8, 3)
    assert found() == [(0, "archived")]


NEXT = datetime(2026, 2, 1, tzinfo=UTC)


def looked(*patients: str, at: datetime = OLD) -> None:
    for patient in patients:
        tamper(
            "INSERT INTO record.audit"
            " (at, account, role, facility, purpose, client, action, type, id, patient, address)"
            " VALUES (%s, '7', 'doctor', '12104', '', '', 'update', 'Patient', '', %s, '10.0.0.9')",
            at,
            patient,
        )


def seen(since: datetime, until: datetime, *archives: Path, facility: str = "") -> tuple[list[Any], list[str]]:
    """Whom the doctor saw, how often, and the months that could not be read."""
    keeper = Asker("1", "admin", facility, "HOPERAT", frozenset({"user/AuditEvent.rs"}), sight=EVERYTHING)
    found = api.exposed(keeper, since, until, address="10.0.0.9", archives=archives)
    return [(one.patient, one.entries, one.changed) for one in found], found.unread


@pytest.mark.usefixtures("january")
def test_whom_somebody_saw_in_a_month_that_was_archived_is_read_from_its_file(tmp_path: Path) -> None:
    looked("p1", "p2", "p1")
    looked("p2", at=datetime.now(UTC))
    seal()
    whole = [("p1", 2, True), ("p2", 2, True)]
    today = datetime.now(UTC) + timedelta(hours=1)
    assert seen(OLD, today) == (whole, [])
    path, _ = archive.archive("2026-01", tmp_path)
    found, unread = seen(OLD, today, path)
    assert (sorted(found), unread) == (whole, [])
    assert seen(OLD, today) == ([("p2", 1, True)], ["2026-01"])
    assert seen(NEXT, today) == ([("p2", 1, True)], [])
    assert seen(OLD, today, path, facility="12001")[0] == [("p2", 1, True)]  # this asker sees all of the table
    path.write_bytes(path.read_bytes()[:-40])
    assert seen(OLD, today, path)[1] == ["2026-01"]


@pytest.mark.usefixtures("january")
def test_a_month_that_was_detached_by_hand_is_named() -> None:
    looked("p1")
    seal()
    tamper("UPDATE record.audit_block SET at = %s WHERE number = 1", OLD)
    assert seen(OLD, NEXT) == ([("p1", 1, True)], [])
    tamper("ALTER TABLE record.audit DETACH PARTITION record.audit_2026_01")
    assert seen(OLD, NEXT) == ([], ["2026-01"])


@pytest.mark.usefixtures("january")
@pytest.mark.parametrize("spoil", ["change", "remove", "swap", "cut"])
def test_a_file_that_was_tampered_with_is_found(tmp_path: Path, spoil: str) -> None:
    path, _ = archive.archive("2026-01", tmp_path)
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    if spoil == "change":
        lines[2] = lines[2].replace(b'"doctor"', b'"nurse"')
    elif spoil == "remove":
        del lines[2]
    elif spoil == "swap":
        first, second = (line.split(b",", 1) for line in lines[2:4])
        lines[2:4] = [first[0] + b"," + second[1], second[0] + b"," + first[1]]
    whole = gzip.compress(b"".join(lines))
    path.write_bytes(whole[: len(whole) // 2] if spoil == "cut" else whole)
    assert (2, "changed") in found(path)


@pytest.mark.usefixtures("january")
def test_a_month_that_is_not_over_sealed_and_whole_stays(tmp_path: Path) -> None:
    def refused(month: str) -> str:
        with pytest.raises(archive.NotArchived) as told:
            archive.archive(month, tmp_path)
        return str(told.value)

    assert refused("2026-13") == "'2026-13' is no month such as 2026-01"
    assert refused("2025-12") == "2025-12 is not in the database"
    assert refused(f"{datetime.now(UTC):%Y-%m}").endswith("is not over")
    tamper(
        "INSERT INTO record.audit (at, account, role, facility, purpose, client, action, type, id)"
        " VALUES (%s, 'late', '', '', '', '', 'read', 'Patient', '')",
        OLD,
    )
    assert refused("2026-01").startswith("2026-01 has entries that are not sealed yet")
    tamper("UPDATE record.audit SET account = 'x' WHERE position = 4")
    assert refused("2026-01") == "the access log is not whole (block 2); nothing is archived"
    assert list(tmp_path.iterdir()) == []
    with superuser() as cursor:
        cursor.execute("SELECT count(*) FROM record.audit_2026_01")
        assert cursor.fetchone() == (6,)
