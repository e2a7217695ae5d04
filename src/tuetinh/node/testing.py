"""pytest plug-in: the database that tests run on and the fixed cast, for every module's tests.

The database is the embedded PostgreSQL in a folder of the test run, or the server of `TUETINH_TEST_DATABASE_URL`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Start the database before Django's settings are read. xdist workers inherit the one of their parent."""
    from tuetinh.node import database

    if "TUETINH_TEST_DATA" not in os.environ:
        root = Path(tempfile.mkdtemp(prefix="tuetinh-test-", dir=os.environ.get("TUETINH_TEST_DIR")))
        root.chmod(0o755)
        os.environ["TUETINH_TEST_DATA"] = str(root)
    root = Path(os.environ["TUETINH_TEST_DATA"])
    os.environ["TUETINH_DATA"] = str(root)
    if url := os.environ.get("TUETINH_TEST_DATABASE_URL"):
        os.environ["TUETINH_DATABASE_URL"] = url
    database.start(root)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public test data beside the checkout; tests that need it skip where it is absent."""
    root = Path(os.environ.get("TUETINH_SHARED", Path(__file__).parents[4] / "shared"))
    if not (root / "data").is_dir():
        pytest.skip("public test data (../shared) is not on this machine")
    return root
