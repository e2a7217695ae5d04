"""PostgreSQL's streaming replication protocol, physical: the write-ahead log as it is written.

PostgreSQL manual, chapter "Frontend/Backend Protocol", section "Streaming Replication Protocol". `pg_receivewal` speaks
it too, but acknowledges what lies in a file of this machine; here what counts is that the archive has it.
"""

from __future__ import annotations

import os
import select
import struct
import time
from dataclasses import dataclass

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from tuetinh.node.database import ARCHIVE as NAME

STATUS_SECONDS = 5.0
CONNECT_SECONDS = 10
_XLOG_DATA, _KEEPALIVE, _STATUS = b"w", b"k", b"r"
_HEADER = struct.Struct("!cQQq")  # XLogData: 'w', start, end of the server, time
_ALIVE = struct.Struct("!cQqB")  # Primary keepalive: 'k', end of the server, time, reply asked for
_REPLY = struct.Struct("!cQQQqB")  # Standby status update: 'r', written, flushed, applied, time, reply wanted
_EPOCH = 946_684_800  # PostgreSQL counts microseconds from 2000-01-01


class ReplicationError(Exception):
    """The server refused or ended the stream; the text is its own."""


@dataclass(frozen=True, slots=True)
class Server:
    """Which server it is (IDENTIFY_SYSTEM)."""

    system: str
    timeline: int
    flushed: int


def lsn(text: str) -> int:
    """A position of the log, in bytes, from its written form `16/B374D848`."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def written(position: int) -> str:
    """A position of the log in its written form."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


class Stream:
    """One replication connection. Raises ReplicationError and psycopg.OperationalError."""

    def __init__(self, url: str) -> None:
        conninfo = make_conninfo(url, replication="true", application_name=NAME, connect_timeout=CONNECT_SECONDS)
        self._conn = pq.PGconn.connect(conninfo.encode())
        if self._conn.status != pq.ConnStatus.OK:
            raise ReplicationError(self._conn.get_error_message().strip())
        self._told = 0.0
        self._flushed = 0

    def identify(self) -> Server:
        """Ask who answers."""
        result = self._ask("IDENTIFY_SYSTEM")
        system, timeline, flushed = (_text(result.get_value(0, column)) for column in range(3))
        return Server(system, int(timeline), lsn(flushed))

    def show(self, parameter: str) -> str:
        """The value of a setting."""
        return _text(self._ask(f"SHOW {parameter}").get_value(0, 0))

    def make_slot(self) -> None:
        """Have the server keep the log from now on until it is acknowledged, unless it does already."""
        try:
            self._ask(f"CREATE_REPLICATION_SLOT {NAME} PHYSICAL RESERVE_WAL")
        except ReplicationError as error:
            if "already exists" not in str(error):
                raise

    def drop_slot(self) -> None:
        """Let the server forget what the slot kept."""
        self._ask(f"DROP_REPLICATION_SLOT {NAME}")

    def begin(self, position: int, timeline: int) -> None:
        """Have the log sent from a position on."""
        query = f"START_REPLICATION SLOT {NAME} PHYSICAL {written(position)} TIMELINE {timeline}"
        self._ask(query, pq.ExecStatus.COPY_BOTH)

    @property
    def socket(self) -> int:
        """To wait on."""
        return self._conn.socket

    def read(self, most: int) -> list[tuple[int, bytes]]:
        """What has come: positions and bytes of the log, about `most` bytes at a time; never waits."""
        found: list[tuple[int, bytes]] = []
        size = 0
        self._conn.consume_input()
        while size < most:
            length, data = self._conn.get_copy_data(1)
            if length == 0:
                break
            if length < 0:
                raise ReplicationError(self._conn.get_error_message().strip() or "the server ended the stream")
            message = bytes(data)
            if message[:1] == _XLOG_DATA:
                found.append((_HEADER.unpack_from(message)[1], message[_HEADER.size :]))
                size += len(message)
            elif message[:1] == _KEEPALIVE and _ALIVE.unpack(message)[3]:
                self._reply()
        return found

    def acknowledge(self, position: int) -> None:
        """Tell that everything up to a position is safe; repeated now and then, as the server wants signs of life."""
        if position > self._flushed or time.monotonic() - self._told > STATUS_SECONDS:
            self._flushed = max(position, self._flushed)
            self._reply()

    def close(self) -> None:
        """End the connection."""
        self._conn.finish()

    def _reply(self) -> None:
        now = int((time.time() - _EPOCH) * 1_000_000)
        self._conn.put_copy_data(_REPLY.pack(_STATUS, self._flushed, self._flushed, self._flushed, now, 0))
        while self._conn.flush():
            select.select([], [self._conn.socket], [], 1.0)
        self._told = time.monotonic()

    def _ask(self, query: str, expected: pq.ExecStatus = pq.ExecStatus.TUPLES_OK) -> pq.abc.PGresult:
        result = self._conn.exec_(query.encode())
        if result.status not in (expected, pq.ExecStatus.COMMAND_OK):
            raise ReplicationError(result.get_error_message().strip() or f"{query} was not understood")
        return result


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def open_stream(url: str | None = None) -> Stream:
    """A replication connection to the node's database. Raises ReplicationError with what is missing."""
    try:
        return Stream(url or os.environ["TUETINH_DATABASE_URL"])
    except psycopg.Error as error:
        raise ReplicationError(str(error).strip()) from error
