"""Runs the roles of a node in one process, or some of them, until SIGTERM.

Roles: `web` (pages, FHIR API), `mllp` (HL7 v2 listener), `astm` (LIS1-A listener, serial lines and folders of
machines), `dicom` (the archive of pictures, over DIMSE), `worker` (background jobs), `gateway`, `bank` and `machines`
(simulators of the insurance gateway, of a bank and of laboratory machines, for demonstrations and tests).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from granian.constants import Interfaces
from granian.server.embed import Server

from tuetinh.node import database
from tuetinh.record import audit, memory

log = logging.getLogger(__name__)

ROLES = ("web", "mllp", "astm", "dicom", "worker", "gateway", "bank", "machines")
SHARED = ("web", "dicom")  # whose port several processes share (SO_REUSEPORT)
PRESENCE = "tuetinh "  # begins the name of the connection by which a process tells its roles
DRAIN_SECONDS = 2.0  # in which requests that are under way are answered
GRACE_SECONDS = 3.5
LEAVE_SECONDS = 4.3  # after which the process goes though a thread of it still works
HEARTBEAT_SECONDS = 2.0  # a worker tells that it lives
DEAD_SECONDS = 10.0  # without a heartbeat, after which its jobs are given to others
# How many jobs of a queue a worker does at once, and how many seconds it waits for them when it leaves. Bulk data goes
# on from any turn, and has a queue of its own, so that its hours keep nothing else waiting.
QUEUES = {"default": (4, 2.0), "bulk": (2, 0.0)}
CONNECTIONS = 4096  # each open page keeps one for its events; beyond this nobody new is let in


def web_workers() -> int:
    """How many web processes suit this machine: one for each core and 4 GiB of memory, four at most.

    Each holds about 200 MB, and one alone uses no more than one core.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(4, len(os.sched_getaffinity(0)), memory // (4 * 2**30)))


@dataclass(frozen=True, slots=True)
class Options:
    """What a node runs and where it listens."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8000
    roles: tuple[str, ...] = ROLES
    workers: int = 1
    mllp_port: int = 2575
    astm_port: int = 2576
    dicom_port: int = 11112
    mqtt_port: int = 1883
    gateway_port: int = 8091
    bank_port: int = 8092
    machines_port: int = 8093
    ready: Callable[[], None] = field(default=lambda: None)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the node."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{host}:{self.port}"


def check_ports(options: Options) -> None:
    """Raise ConnectionError for a port of the roles that is taken or that this machine does not have.

    The web server itself would share a port with another node (SO_REUSEPORT), and half of the requests be lost to it.
    """
    if "TUETINH_PARENT" in os.environ:
        return
    for host, port, option in _places(options):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as probe:
                if os.name != "nt":  # where the option means something else
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            message = f"cannot listen on {host}:{port} ({error.strerror}); choose another with {option}"
            raise ConnectionError(message) from error


def _places(options: Options) -> list[tuple[str, int, str]]:
    """Where the roles listen, and the option that chooses it."""
    places = {
        "web": (options.host, options.port, "--bind"),
        "mllp": (options.host, options.mllp_port, "--mllp-port"),
        "astm": (options.host, options.astm_port, "--astm-port"),
        "dicom": (options.host, options.dicom_port, "--dicom-port"),
        "gateway": ("127.0.0.1", options.gateway_port, "--gateway-port"),
        "bank": ("127.0.0.1", options.bank_port, "--bank-port"),
        "machines": ("127.0.0.1", options.machines_port, "--machines-port"),
    }
    return [places[role] for role in options.roles if role in places]


def serve(options: Options) -> int:
    """Run until SIGTERM or SIGINT; what is in flight is finished, and the process has left within five seconds."""
    _allow_many_files()
    os.environ.setdefault("TUETINH_GATEWAY_URL", f"http://127.0.0.1:{options.gateway_port}")
    os.environ.setdefault("TUETINH_URL", options.url)
    os.environ.setdefault("TUETINH_BANK_URL", f"http://127.0.0.1:{options.bank_port}")
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.run(_main(options))
    return asyncio.run(_main(options))


def _allow_many_files() -> None:
    """Each connection is an open file; many systems let a process have 1,024 unless it asks for more."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * CONNECTIONS if hard == resource.RLIM_INFINITY else min(2 * CONNECTIONS, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def _main(options: Options) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    starters: dict[str, Callable[[Options, asyncio.Event], Coroutine[Any, Any, None]]] = {
        "web": _web,
        "mllp": _mllp,
        "astm": _astm,
        "dicom": _dicom,
        "worker": _worker,
        "gateway": _gateway,
        "bank": _bank,
        "machines": _machines,
    }
    _share_dicom(options)
    tasks = [asyncio.create_task(starters[role](options, stop), name=role) for role in options.roles]
    children = _spawn_workers(options)
    keeping = (_stop_with_parent(stop), _keep_database(), _keep_workers(options, children), _present(options))
    watches = [asyncio.create_task(watch) for watch in keeping]
    waiting = asyncio.create_task(stop.wait())
    if "web" in options.roles:
        asyncio.create_task(_answers(options.host, options.port)).add_done_callback(lambda _: options.ready())
    await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in tasks if task.done()] if not stop.is_set() else []
    for task in failed:
        log.error("role %s ended: %s", task.get_name(), str(task.exception()).partition("\n")[0])
    stop.set()
    _leave_in_time(options, 1 if failed else 0)
    for watch in watches:
        watch.cancel()
    for _, child in children:
        child.terminate()
    done, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS) if tasks else (set(), set())
    for task in late:
        log.warning("role %s did not end in time", task.get_name())
        task.cancel()
    for task in done:
        if (error := task.exception()) and task not in failed:
            log.error("role %s ended with %r", task.get_name(), error)
    for _, child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1)
    return 1 if failed else 0


def _leave_in_time(options: Options, code: int) -> None:
    """Bound the end of the process: Python waits for every thread, and long computing in one cannot be stopped.

    What was acknowledged is stored by then. What the access log still holds is stored first.
    """

    def leave() -> None:
        log.warning("something did not end in time; the process leaves without it")
        audit.writer.close()
        database.leave(options.data)
        os._exit(code)

    timer = threading.Timer(LEAVE_SECONDS, leave)
    timer.daemon = True
    timer.start()


def _share_dicom(options: Options) -> None:
    """Listen for machines on sockets that further processes take over, so that one which is free answers."""
    if "dicom" in options.roles and options.workers > 1 and os.name == "posix":
        from tuetinh.care.imaging.dimse.listening import SHARED, sockets

        shared = [one.detach() for one in sockets(options.host, options.dicom_port)]
        os.environ[SHARED] = ",".join(map(str, shared))


def _spawn_workers(options: Options) -> list[tuple[str, subprocess.Popen[bytes]]]:
    """Further processes of the roles that can use more than one core."""
    roles = [role for role in SHARED if role in options.roles]
    return [(role, _spawn_worker(options, role)) for role in roles for _ in range(options.workers - 1)]


def _spawn_worker(options: Options, role: str) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "tuetinh.node.cli", "serve", "--roles", role, "--workers", "1", "--no-browser"),
        *("--data", str(options.data), "--bind", f"{options.host}:{options.port}"),
        *("--dicom-port", str(options.dicom_port)),
    ]
    env = os.environ | {"TUETINH_PARENT": str(os.getpid())}
    shared = os.environ.get("TUETINH_DICOM_SOCKETS", "") if role == "dicom" else ""
    return subprocess.Popen(command, env=env, pass_fds=[int(one) for one in shared.split(",") if one])  # noqa: S603


async def _keep_workers(options: Options, children: list[tuple[str, subprocess.Popen[bytes]]]) -> None:
    """Start a process again that was killed alone."""
    while True:
        await asyncio.sleep(1)
        for place, (role, child) in enumerate(children):
            if child.poll() is not None:
                log.warning("a process of %s ended with %s; starting another", role, child.returncode)
                children[place] = (role, _spawn_worker(options, role))


async def _stop_with_parent(stop: asyncio.Event) -> None:
    """A worker process whose parent was killed leaves as well."""
    parent = int(os.environ.get("TUETINH_PARENT", "0"))
    while parent and not stop.is_set():
        if os.getppid() != parent:
            stop.set()
        await asyncio.sleep(0.5)


async def _keep_database() -> None:
    """Bring an embedded server that was killed alone back, so that the node heals without hands."""
    while True:
        await asyncio.sleep(1)
        try:
            await asyncio.to_thread(database.keep)
        except ConnectionError as error:
            log.error("%s", error)


async def _present(options: Options) -> None:
    """Tell by the name of a connection which roles live in this process: `/healthz` of any process reads them.

    The connection ends with the process, however that ends.
    """
    for host, port, _ in _places(options):
        await _answers(host, port)
    memory.settle()
    url, name = os.environ["TUETINH_DATABASE_URL"], PRESENCE + " ".join(options.roles)
    while True:
        with contextlib.suppress(psycopg.Error):
            async with await psycopg.AsyncConnection.connect(url, autocommit=True, application_name=name) as conn:
                while True:
                    await conn.execute("SELECT 1")
                    await asyncio.sleep(2)
        await asyncio.sleep(1)


async def _answers(host: str, port: int) -> None:
    """Wait until a port answers."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    while True:
        try:
            _, writer = await asyncio.open_connection(reached, port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def _http(
    app: Callable[..., Awaitable[None]], host: str, port: int, stop: asyncio.Event, *, websockets: bool = False
) -> None:
    """Serve an ASGI application until told to stop."""
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        log_enabled=False,
        websockets=websockets,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
    )
    server.workers_kill_timeout = None
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        server.stop()  # type: ignore[no-untyped-call]
    stopping.cancel()
    done, _ = await asyncio.wait({serving}, timeout=DRAIN_SECONDS)
    for task in done:
        task.result()


async def _web(options: Options, stop: asyncio.Event) -> None:
    from tuetinh.node.asgi import Application

    app = Application(frozenset(options.roles))
    await app.startup()
    try:
        end_streams = asyncio.create_task(_when(stop, app.end_streams))
        await _http(app, options.host, options.port, stop, websockets=True)
        end_streams.cancel()
    finally:
        await app.shutdown()


async def _when(event: asyncio.Event, then: Callable[[], Awaitable[None]]) -> None:
    await event.wait()
    await then()


async def _mllp(options: Options, stop: asyncio.Event) -> None:
    from tuetinh.care.lab.api import serve_mllp

    await serve_mllp(options.host, options.mllp_port, stop)


async def _astm(options: Options, stop: asyncio.Event) -> None:
    from tuetinh.care.lab.api import serve_lis1, watch_folders

    await asyncio.gather(serve_lis1(options.host, options.astm_port, stop), watch_folders(stop))


async def _dicom(options: Options, stop: asyncio.Event) -> None:
    from tuetinh.care.imaging.dimse.listening import serve_dicom

    await serve_dicom(options.host, options.dicom_port, stop)


async def _worker(options: Options, stop: asyncio.Event) -> None:
    from procrastinate.contrib.django import app

    from tuetinh.node import access_log, contents
    from tuetinh.node.backup import service as backups
    from tuetinh.record.search import reindex
    from tuetinh.record.subscriptions import service

    jobs = app.with_connector(app.connector.get_worker_connector())  # type: ignore[attr-defined]
    async with jobs.open_async():
        working = [asyncio.create_task(_work(jobs, queue, stop)) for queue in QUEUES]
        others = [
            asyncio.create_task(access_log.keep(options.data, stop)),
            asyncio.create_task(contents.keep(stop)),
            asyncio.create_task(backups.keep(options.data, stop)),
            asyncio.create_task(service.keep(os.environ["TUETINH_DATABASE_URL"], stop)),
            asyncio.create_task(reindex.keep(os.environ["TUETINH_DATABASE_URL"], stop)),
            asyncio.create_task(_inherit(jobs, stop)),
        ]
        await stop.wait()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await asyncio.gather(*others)


async def _work(jobs: Any, queue: str, stop: asyncio.Event) -> None:
    """Do the jobs of a queue. A worker ends when the database goes away; then another begins."""
    jobs_at_once, patience = QUEUES[queue]
    while not stop.is_set():
        try:
            await jobs.run_worker_async(
                queues=[queue],
                concurrency=jobs_at_once,
                shutdown_graceful_timeout=patience,
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=DEAD_SECONDS,
            )
        except Exception as error:
            log.warning("the jobs of queue %s wait: %s", queue, type(error).__name__)
        await asyncio.sleep(1)


async def _inherit(jobs: Any, stop: asyncio.Event) -> None:
    """Give the jobs of workers that were killed back to the queue: a living one takes them up where they stand.

    Of work that waits there once at most, one that waits already does for both.
    """
    from procrastinate.exceptions import ConnectorException, UniqueViolation
    from procrastinate.jobs import Status

    while not stop.is_set():
        with contextlib.suppress(ConnectorException):
            for job in await jobs.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_SECONDS):
                log.warning("job %s (%s) was left by its worker; it is taken up again", job.id, job.task_name)
                try:
                    await jobs.job_manager.retry_job(job)
                except UniqueViolation:
                    await jobs.job_manager.finish_job(job, Status.FAILED, delete_job=False)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), HEARTBEAT_SECONDS)


async def _gateway(options: Options, stop: asyncio.Event) -> None:
    from tuetinh.care.insurance.simulator import app

    await _http(app, "127.0.0.1", options.gateway_port, stop)


async def _bank(options: Options, stop: asyncio.Event) -> None:
    from tuetinh.care.billing.simulator import app

    await _http(app, "127.0.0.1", options.bank_port, stop)


async def _machines(options: Options, stop: asyncio.Event) -> None:
    from tuetinh.care.lab.machines.simulator import app

    await _http(app, "127.0.0.1", options.machines_port, stop)
