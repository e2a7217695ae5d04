"""Threads that work with the database."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from tuetinh.care.imaging.archive.keeping import ask
from tuetinh.care.imaging.archive.workers import Workers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]


@pytest.fixture
def worker() -> Iterator[Workers]:
    """A thread whose connection to the database is lost."""
    workers = Workers(1, "test")
    workers.run(ask, "SELECT 1")
    workers.run(_cut)
    yield workers
    workers.close()


def _cut() -> None:
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def test_a_connection_that_was_lost_is_made_anew(cast: object, worker: Workers) -> None:
    """Just now believed to be there, it fails who meets it first, and nobody after."""
    with pytest.raises(psycopg.OperationalError):
        worker.run(ask, "SELECT 1")
    assert worker.run(ask, "SELECT 1") == [(1,)]


def test_a_connection_that_was_lost_in_silence_is_made_anew(
    cast: object, monkeypatch: pytest.MonkeyPatch, worker: Workers
) -> None:
    monkeypatch.setattr("tuetinh.care.imaging.archive.workers.BELIEVED", 0.0)
    assert worker.run(ask, "SELECT 1") == [(1,)]
