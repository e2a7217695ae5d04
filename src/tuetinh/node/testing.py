"""pytest plug-in: the database that tests run on and the fixed cast, for every module's tests.

The database is the embedded PostgreSQL in a folder of the test run, or the server of `TUETINH_TEST_DATABASE_URL`.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

# Machines that run tests are shared: how long an example takes says nothing.
patient = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("patient", patient)
hypothesis.settings.register_profile("long", patient, max_examples=3000, print_blob=True)
hypothesis.settings.load_profile("patient")

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.test import Client
    from playwright.sync_api import Page
    from pytest_django import DjangoDbBlocker

    from tuetinh.commons.access.models import Account

BROWSER = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
LONG_TURNS = 5
LEFT = pytest.StashKey[list[str]]()
PASSWORD = "mot-mat-khau-dai"  # noqa: S105 - of the cast, which lives as long as a test


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--screenshots DIR`: where browser tests leave the pictures of the documentation; `--long`: how many of these."""
    parser.addoption("--screenshots", default="", help="folder for the pictures that browser tests take")
    told = "of the files that are marked long: all, or another fifth each day"
    parser.addoption("--long", choices=("all", "fifth"), default="all", help=told)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Start the database before Django's settings are read.

    The first of xdist's workers takes the server of the parent, each other one starts its own: what is sealed, told or
    exported waits for every transaction of its server, and many a test is a transaction of seconds.
    """
    from tuetinh.node import database

    if "TUETINH_TEST_DATA" not in os.environ:
        root = Path(tempfile.mkdtemp(prefix="tuetinh-test-", dir=os.environ.get("TUETINH_TEST_DIR")))
        root.chmod(0o755)
        os.environ["TUETINH_TEST_DATA"] = str(root)
        _watch_over(root)
        atexit.register(shutil.rmtree, root, ignore_errors=True)
    root = Path(os.environ["TUETINH_TEST_DATA"])
    if (worker := os.environ.get("PYTEST_XDIST_WORKER", "gw0")) != "gw0":
        root = root / worker
        root.mkdir()
        root.chmod(0o755)  # whatever the umask says: the server's own user is to enter
        del os.environ["TUETINH_DATABASE_URL"]
    os.environ["TUETINH_DATA"] = str(root)
    os.environ.setdefault("TUETINH_HOSTS", "*")  # clients of tests call it by names of their own
    os.environ.setdefault("TUETINH_READS", "0")  # and read as fast as they can
    if url := os.environ.get("TUETINH_TEST_DATABASE_URL"):
        os.environ["TUETINH_DATABASE_URL"] = url
    # What a test run has stored need not outlive a power cut; a server of a worker would speak Django's time by itself.
    database.SETTINGS |= {"fsync": "off", "timezone": "UTC"}
    database.start(root)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _compile_messages()


# Waits for the end of its input, which only the process of the tests could write to and never does: it is gone. What
# that did not stop itself is stopped, as when it was killed, and what it left is removed.
_WATCH = """
cat
for own in "$0"/postgres/postmaster.pid "$0"/gw*/postgres/postmaster.pid; do
  [ -e "$own" ] && kill -QUIT "$(head -n 1 "$own")"
done
sleep 1
rm -rf "$0"
"""


def _watch_over(root: Path) -> None:
    """Have the servers below a folder stopped when this process ends, even by a kill."""
    ours, _ = os.pipe()  # the other end stays open until then, and no child has it
    subprocess.run(  # noqa: S603
        ["/usr/bin/setsid", "--fork", "/bin/sh", "-c", _WATCH, str(root)],
        stdin=ours,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    os.close(ours)


def pytest_configure(config: pytest.Config) -> None:
    """Know of no connection yet that a thread has left open."""
    config.stash[LEFT] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have a worker of xdist tell what was left open there."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = session.config.stash[LEFT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it from a worker; one that was killed tells nothing."""
    node.config.stash[LEFT] += getattr(node, "workeroutput", {}).get("left", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell which threads have ended with a connection to the database open."""
    if left := config.stash[LEFT]:
        terminalreporter.section("threads that left a connection to the database open")
        terminalreporter.write("\n".join(left) + "\n")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while the tests are found, and among what lives as long as they do never."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with whole nodes and browsers, which take longest, that no worker idles at the end; the rest is random.

    Of the files that are marked long, `--long fifth` takes those whose turn it is today.
    """
    items.sort(key=lambda item: "node" not in item.path.parts and not item.get_closest_marker("browser"))
    if config.getoption("--long") == "all":
        return
    files = sorted({item.path for item in items if item.get_closest_marker("long")})
    due = set(files[datetime.now(UTC).toordinal() % LONG_TURNS :: LONG_TURNS])
    left = [item for item in items if item.get_closest_marker("long") and item.path not in due]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public test data beside the checkout; tests that need it skip where it is absent."""
    root = Path(os.environ.get("TUETINH_SHARED", Path(__file__).parents[4] / "shared"))
    if not (root / "data").is_dir():
        pytest.skip("public test data (../shared) is not on this machine")
    return root


@pytest.fixture(autouse=True, scope="session")
def _quick_hashes() -> None:
    """Hash passwords for less, here as in the nodes that tests start."""
    from tuetinh.node.tests import quick

    quick.apply()


@pytest.fixture(autouse=True, scope="session")
def _certificates_read_once() -> Iterator[None]:
    """Have httpx read the certificates of the world once: each client and each call without one reads them anew."""
    import httpx

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe nothing that the process keeps of what another test has made: policy, rules and names.

    What it keeps for seconds it keeps for the whole of a test, so that counts of queries do not depend on the time.
    """
    from tuetinh.commons.access.places import forget_names
    from tuetinh.commons.access.proof import policy
    from tuetinh.commons.access.sight import rules

    for kept in (policy, rules):
        kept.forget()
        monkeypatch.setattr(kept, "KEEP", 3600.0)
    forget_names()


@dataclass(frozen=True)
class _Made:
    """Whose a connection of Django's is: a thread's, or that of an event loop that runs in it; and of which test."""

    thread: threading.Thread
    loop: asyncio.AbstractEventLoop | None
    test: str

    @property
    def ended(self) -> bool:
        """Whether nobody can use it any more."""
        return not self.thread.is_alive() or (self.loop is not None and self.loop.is_closed())


@pytest.fixture(autouse=True, scope="session")
def _connections_made() -> Iterator[dict[weakref.ref[BaseDatabaseWrapper], _Made]]:
    """Django's connections to the database."""
    from django.db.backends.signals import connection_created

    made: dict[weakref.ref[BaseDatabaseWrapper], _Made] = {}

    def note(connection: BaseDatabaseWrapper, **_: object) -> None:
        loop = None
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
        test = os.environ.get("PYTEST_CURRENT_TEST", "")
        made[weakref.ref(connection)] = _Made(threading.current_thread(), loop, test)

    connection_created.connect(note)
    yield made
    connection_created.disconnect(note)


@pytest.fixture(autouse=True)
def _none_is_left_open(
    _connections_made: dict[weakref.ref[BaseDatabaseWrapper], _Made], pytestconfig: pytest.Config
) -> Iterator[None]:
    """Close what a thread has left open when it ended, and have it told: Python would fail any other test by it."""
    yield
    for known, made in list(_connections_made.items()):
        connection = known()
        if connection is None or connection.connection is None:
            del _connections_made[known]
        elif made.ended:
            pytestconfig.stash[LEFT].append(f"{made.thread.name}, in {made.test}")
            connection.connection.close()
            del _connections_made[known]


@pytest.fixture(autouse=True)
def _emptied(request: pytest.FixtureRequest) -> None:
    """Have what a committing test leaves taken away by `_emptying`."""
    marker = request.node.get_closest_marker("django_db")
    commits = marker and (marker.kwargs.get("transaction") or (marker.args and marker.args[0]))
    if commits or {"transactional_db", "live_server"} & set(request.fixturenames):
        request.getfixturevalue("_emptying")


@pytest.fixture(scope="session")
def _emptying(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Delete what a committing test leaves, in place of Django's flush: that truncates hundreds of tables.

    One connection does it after every test, because a new one first learns of thousands of tables. Permissions and
    content types, which come with the tables, stay.
    """
    import psycopg
    from django.db import connection
    from django.test import TransactionTestCase

    from tuetinh.record import sight
    from tuetinh.record.asker import SYSTEM

    with django_db_blocker.unblock():
        tables = set(connection.introspection.django_table_names(only_existing=True))
        connected = psycopg.connect(**connection.get_connection_params(), autocommit=True)
    named = ", ".join(f"'{table}'" for table in tables - {"auth_permission", "django_content_type"})
    with connected, pytest.MonkeyPatch.context() as patch:
        connected.execute(sight.ENTER, sight.settings(SYSTEM))
        patch.setattr(
            TransactionTestCase, "_fixture_teardown", lambda _: connected.execute(_EMPTY.format(tables=named))
        )
        yield


# A table that refuses to have rows deleted is truncated, and that before others are waiting for their constraints.
# Rows of partitions are deleted from the whole, whose policies let them; its statement names the types to look at.
_EMPTY = """
DO $$
DECLARE one record;
BEGIN
  FOR one IN
    SELECT coalesce(i.inhparent, c.oid)::regclass AS name,
      string_agg(substring(pg_get_expr(c.relpartbound, c.oid) FROM 'IN [(](.*)[)]$'), ', ') AS types,
      bool_or(EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
                      AND t.tgtype & 10 = 10)) AS refuses  -- BEFORE DELETE
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relkind = 'r' AND (c.relnamespace = 'record'::regnamespace AND c.relname <> 'content_key'
      OR c.relnamespace = 'public'::regnamespace AND (c.relname ~ '^identity_' OR c.relname IN ({tables})))
      AND pg_relation_size(c.oid) > 0
    GROUP BY 1 ORDER BY refuses DESC
  LOOP
    EXECUTE format(CASE WHEN one.refuses THEN 'TRUNCATE %s CASCADE' ELSE 'DELETE FROM %s' END, one.name)
      || coalesce(' WHERE type IN (' || one.types || ')', '');
  END LOOP;
END $$
"""


@pytest.fixture
def cast(db: None) -> dict[str, Account]:
    """One account of each role in a world of two facilities: the district health centre, and a hospital elsewhere.

    Everyone is of the health centre (`12104`) but the outsider, who is of the hospital (`12001`) and has no desk, and
    `province`, its administrator; the citizen is the patient `cast-citizen`. The passwords are `PASSWORD`.
    """
    from tuetinh.commons.access.models import Account
    from tuetinh.commons.access.roles import ROLES
    from tuetinh.record import api as record
    from tuetinh.record import r4
    from tuetinh.record.asker import SYSTEM

    names = {"12104": "Trung tâm Y tế huyện Than Uyên", "12001": "Bệnh viện đa khoa tỉnh"}
    for id_, name in names.items():
        record.create(SYSTEM, r4.Organization(id=id_, active=True, name=name))
    record.create(
        SYSTEM,
        r4.Location(
            id="12104-noi2",
            status="active",
            name="Phòng khám Nội 2",
            managingOrganization=r4.Reference(reference="Organization/12104"),
        ),
    )
    record.create(
        SYSTEM,
        r4.Patient(id="cast-citizen", name=[r4.HumanName(text="Lò Thị Pâng")], gender="female", birthDate="1972-03-12"),
    )
    people = {}
    for name in (*ROLES, "province"):
        role = "admin" if name == "province" else name
        account = Account(username=f"cast.{name}", full_name=f"Lò Văn {name.title()}", role=role, password=_hashed())
        account.facility = {"outsider": "12001", "citizen": "", "province": ""}.get(name, "12104")
        account.room = "12104-noi2" if role in ("doctor", "nurse") else ""
        account.practitioner = "" if role in ("citizen", "outsider") else f"cast-{name}"
        account.patient = "cast-citizen" if role == "citizen" else ""
        people[name] = account
    Account.objects.bulk_create(people.values())
    return people


@pytest.fixture
def seeing_everybody(db: None) -> Iterator[None]:
    """A province whose administrator lets every desk see what it works with of everybody, not by relation only."""
    from tuetinh.commons.access.models import SightRule
    from tuetinh.commons.access.sight import rules
    from tuetinh.commons.access.sight.administering import RULED

    for role in RULED:
        rule = rules.shipped(role)
        SightRule.objects.create(
            role=role,
            by_relation=False,
            whole=" ".join(rule.whole),
            labels=" ".join(rule.labels),
            own_labels=" ".join(rule.own_labels),
            purpose=rule.purpose,
            after_days=rule.after_days,
            glass_hours=rule.glass_hours,
        )
    rules.forget()
    yield
    rules.forget()


@pytest.fixture
def as_role(cast: dict[str, Account]) -> Callable[[str], Client]:
    """A browser, as Django's test client, in which the account of a role is logged in; `""` is nobody."""
    from django.test import Client

    def browser(role: str) -> Client:
        client = Client()
        if role:
            client.force_login(cast[role], backend="django.contrib.auth.backends.ModelBackend")
        return client

    return browser


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a desk in a real browser; fails the test on a script error."""
    with _opened(1440, 900) as page:
        yield page


@pytest.fixture
def phone() -> Iterator[Page]:
    """A page on a phone in a real browser; fails the test on a script error."""
    with _opened(390, 844) as page:
        yield page


@contextmanager
def _opened(width: int, height: int) -> Iterator[Page]:
    from django.db import connections
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in this thread
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=BROWSER)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
        connections.close_all()  # while a loop runs in this thread, Django keeps a connection apart for it
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    if errors:
        pytest.fail("\n".join(errors))


@pytest.fixture
def axe() -> Callable[..., list[str]]:
    """Check a Playwright page with axe-core; returns its serious and critical findings, one line each.

    colours: whether contrasts are measured too, which is half of the work.
    """
    from tuetinh.commons import ui

    script = (Path(ui.__file__).parent / "static" / "vendor" / "axe.js").read_text(encoding="utf-8")

    def check(page: Page, *, colours: bool = True) -> list[str]:
        if page.evaluate("typeof axe === 'undefined'"):
            page.evaluate(script)
        rules = {"color-contrast": {"enabled": colours}}
        asked = {"resultTypes": ["violations"], "preload": False, "rules": rules}
        found = page.evaluate("asked => axe.run(document, asked)", asked)
        return [
            f"{problem['id']}: {node['target']} {node['failureSummary']}"
            for problem in found["violations"]
            if problem["impact"] in ("serious", "critical")
            for node in problem["nodes"]
        ]

    return check


def _compile_messages() -> None:
    """Make the English of the pages ready, as `make` does."""
    tool = Path(__file__).parents[3] / "tools" / "messages.py"
    if tool.exists():
        subprocess.run([sys.executable, str(tool), "--compile"], check=True)  # noqa: S603


@cache
def _hashed() -> str:
    """The password of the cast, hashed once: Argon2 is slow on purpose."""
    from django.contrib.auth.hashers import make_password

    return make_password(PASSWORD)
