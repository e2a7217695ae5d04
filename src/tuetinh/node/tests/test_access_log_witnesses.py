"""What witnesses of the access log keep, and that a witness who was silenced is missed."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from tuetinh.node import access_log
from tuetinh.record.audit import chain
from tuetinh.record.audit.chain import Head, Seen
from tuetinh.record.audit.witnesses import Authority, Doubt, File, Telling
from tuetinh.record.tests.test_access_log_is_sealed import seal, started, superuser, write

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["started"]
HASH = "ab" * 32


def told(data: Path, *files: Path) -> list[str]:
    """What is wrong with the log of a data folder."""
    return [line for good, line in access_log.verify(data, list(files), []) if not good][:-1]


@pytest.fixture
def data(started: int, tmp_path: Path) -> Path:
    """The data folder of a node that has sealed three blocks in an hour, and told its file."""
    del started
    for number in range(3):
        write(1)
        head = seal()
        assert head is not None
        with superuser() as cursor:  # closed before times were hashed, so that they can be made old
            cursor.execute(f"SELECT {chain.COLUMNS}, {chain.ADDED} FROM record.audit WHERE position = %s", [number + 1])
            rows = cursor.fetchall()
            cursor.execute("SELECT hash FROM record.audit_block WHERE number = %s", [number])
            before = cursor.fetchone()
            old = chain._digest(bytes(before[0]) if before else chain.START, number + 1, None, rows)
            age = timedelta(minutes=20 * (2 - number))
            cursor.execute(
                "UPDATE record.audit_block SET hash = %s, at = at - %s WHERE number = %s", [old, age, number + 1]
            )
        File(tmp_path / "audit" / "heads.jsonl").tell(Head(number + 1, old.hex()))
    return tmp_path


def test_a_file_that_was_told_everything_is_believed(data: Path) -> None:
    assert told(data) == []


def test_a_file_that_is_gone_empty_cut_or_spoilt_is_missed(data: Path, tmp_path: Path) -> None:
    file = data / "audit" / "heads.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:1]))
    assert told(data) == [f"witness: {file} ends with block 1, and the log goes on"]
    file.write_text("".join([*lines, "garbage\n"]))
    assert told(data) == [f"witness: {file}: line 4 is none that a node writes"]
    file.write_text("")
    assert told(data) == [f"witness: {file}: empty"]
    file.unlink()
    assert told(data) == [f"witness: {file}: No such file or directory"]
    assert [good for good, _ in access_log.verify(data, [], [], unwitnessed=True)] == [True]
    assert told(data, tmp_path / "nowhere")[1:] == [f"witness: {tmp_path}/nowhere: No such file or directory"]


def test_half_a_line_of_a_power_loss_is_passed_over_and_taken_away(tmp_path: Path) -> None:
    file = File(tmp_path / "heads.jsonl")
    file.tell(Head(1, HASH))
    with file.path.open("a") as rest:
        rest.write('{"number": 2, "ha')
    assert list(file.kept()) == [Head(1, HASH)]
    file.tell(Head(2, HASH))
    seen = Seen(4, 9, ((5, 6),), HASH)
    file.tell_seen(seen)
    assert list(file.kept()) == [Head(1, HASH), Head(2, HASH), seen]


def test_what_cannot_be_sealed_is_told_and_missed_when_it_goes(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access_log, "STALL_SECONDS", 0.0)
    keeper = access_log.Keeper(data)
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT pg_current_xact_id()")
        write(2)
        with caplog.at_level(logging.ERROR, "tuetinh.node.access_log"):
            for _ in range(4):
                keeper.look()
        assert "the access log cannot be sealed: the process " in caplog.text
        with superuser() as cursor:
            cursor.execute("DELETE FROM record.audit WHERE position = 4")
        other.rollback()
    assert told(data) == ["seen: positions 4 to 5 are not what a witness was told of them"]


def test_a_log_that_was_emptied_is_missed_also_while_nothing_can_be_sealed(data: Path) -> None:
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT pg_current_xact_id()")
        with superuser() as cursor:
            cursor.execute("DELETE FROM record.audit; DELETE FROM record.audit_block")
        assert told(data) == [
            f"block {number}: missing: a witness knows block {number}, and the log ends with 0" for number in (1, 2, 3)
        ]
        (data / "audit" / "heads.jsonl").unlink()
        assert told(data) == []  # as of a node that has sealed nothing yet
        other.rollback()


def test_a_node_that_begins_tells_what_the_log_ends_with(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = data / "audit" / "heads.jsonl"
    file.unlink()
    access_log.Keeper(data).look()
    assert f"{file} is not there, though the access log has 3 blocks" in caplog.text
    assert [one.number for one in File(file).kept() if isinstance(one, Head)] == [3]


TSA = """
[tsa]
default_tsa = made
[made]
serial = {0}/serial
crypto_device = builtin
signer_cert = {0}/{1}.pem
signer_key = {0}/{1}.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
"""


def stamp(folder: Path, name: str, hash_: str) -> bytes:
    """The answer of an authority of that name, whose certificate is its own root, for a hash."""
    from rfc3161_client import TimestampRequestBuilder

    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(TSA.format(folder, name))
    (folder / "query").write_bytes(TimestampRequestBuilder().data(bytes.fromhex(hash_)).build().as_bytes())
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -subj /CN=tsa -days 2"
    extension = ["-addext", "extendedKeyUsage=critical,timeStamping"]
    subprocess.run([*make.split(), *extension], cwd=folder, check=True, capture_output=True)
    answer = "openssl ts -reply -config tsa.cnf -queryfile query -out reply"
    subprocess.run(answer.split(), cwd=folder, check=True, capture_output=True)
    return (folder / "reply").read_bytes()


@pytest.fixture
def stamps(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "stamps").mkdir()
    yield tmp_path / "stamps"


def test_a_stamp_counts_only_with_the_signature_of_its_authority(tmp_path: Path, stamps: Path) -> None:
    (stamps / f"7-{HASH}.tsr").write_bytes(stamp(tmp_path, "tsa", HASH))
    authority = Authority("https://tsa.example", stamps, tmp_path / "tsa.pem")
    assert list(authority.kept()) == [Head(7, HASH)]
    (stamps / f"7-{HASH}.tsr").write_bytes(stamp(tmp_path, "forged", HASH))
    told = f"the signature does not lead to a certificate of {tmp_path}/tsa.pem (TUETINH_AUDIT_TSA_ROOTS)"
    assert list(authority.kept()) == [Doubt(f"{stamps}/7-{HASH}.tsr: {told}")]
    (stamps / f"7-{HASH}.tsr").rename(stamps / f"7-{'cd' * 32}.tsr")
    assert list(authority.kept()) == [Doubt(f"{stamps}/7-{'cd' * 32}.tsr: the stamp is not for what was asked")]
    (stamps / f"7-{'cd' * 32}.tsr").write_bytes(b"nothing")
    assert list(authority.kept()) == [Doubt(f"{stamps}/7-{'cd' * 32}.tsr: no stamp")]
    (stamps / f"7-{'cd' * 32}.tsr").rename(stamps / "x.tsr")
    assert list(authority.kept()) == [Doubt(f"{stamps}/x.tsr: no name that a node gives")]


def test_a_stamp_that_was_taken_away_is_missed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://tsa.example"
    monkeypatch.setenv("TUETINH_AUDIT_WITNESSES", url)
    (data / "audit" / "told.json").write_text(f'{{"{url}": [2, "2026-01-01T00:00:00+00:00"]}}')
    assert Telling([], data / "audit").stamped(Authority(url, data, data)) == 2
    assert told(data) == [f"witness: {url} has stamped block 2, and the stamp is not there"]
