"""A database that is away is told in one line; other faults with their traceback, crashes too."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import DatabaseError
from django.test import RequestFactory

from tuetinh.commons.access.pages import server_error
from tuetinh.node.logs import Outages


def caught(error: Exception, cause: Exception | None = None) -> logging.LogRecord:
    try:
        raise error from cause
    except type(error) as raised:
        info = (type(raised), raised, raised.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "listener of %s failed:\nmore", ("jobs",), info)
    assert Outages().filter(record)
    return record


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (psycopg.OperationalError("connection refused"), None),
        (psycopg.errors.AdminShutdown("terminated"), None),
        (RuntimeError("of a library"), psycopg.OperationalError("connection refused")),
    ],
)
def test_an_outage_is_a_line(error: Exception, cause: Exception | None) -> None:
    record = caught(error, cause)
    assert record.getMessage() == "listener of jobs failed: (the database does not answer)"
    assert (record.levelname, record.exc_info) == ("WARNING", None)


@pytest.mark.parametrize("error", [psycopg.errors.QueryCanceled("too long"), DatabaseError("x"), ValueError("x")])
def test_any_other_fault_keeps_its_traceback(error: Exception) -> None:
    record = caught(error)
    assert record.getMessage() == "listener of jobs failed:\nmore"
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_page_says_503_while_the_database_is_away() -> None:
    request = RequestFactory().get("/")
    try:
        raise RuntimeError from psycopg.OperationalError("connection refused")
    except RuntimeError:
        answer = server_error(request)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    try:
        raise ValueError
    except ValueError:
        assert server_error(request).status_code == 500


CRASH = """
import argparse, os, signal, sys
from tuetinh.node import cli
asked = argparse.Namespace(data=sys.argv[1], run=lambda _: os.kill(os.getpid(), signal.SIGSEGV))
cli._parser = lambda: argparse.Namespace(parse_args=lambda _: asked)
cli.main([])
"""


def test_a_process_that_crashes_tells_where_it_was(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr and "tuetinh/node/cli.py" in done.stderr
