"""The command line: `tuetinh COMMAND …`."""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import signal
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tuetinh.node import operations
from tuetinh.node.backup.arguments import arguments_of_backup, arguments_of_restore
from tuetinh.node.claims import arguments_of_claims, claims
from tuetinh.node.errors import Refused
from tuetinh.node.prepare import prepare
from tuetinh.node.serve import ROLES, Options, check_ports, web_workers


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    options.data = Path(options.data).resolve()
    os.environ["TUETINH_DATA"] = str(options.data)
    signal.signal(signal.SIGTERM, _told_to_end)
    if sys.__stderr__:
        faulthandler.enable(sys.__stderr__)  # a process that a library crashes tells where it was
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (PermissionError, FileNotFoundError, ConnectionError, Refused, ValueError) as error:
        print(f"tuetinh: {error}", file=sys.stderr)
        return 1


def _told_to_end(sign: int, _: FrameType | None) -> NoReturn:
    """End in order, so that the embedded database is left; a running node has a way of its own."""
    sys.exit(128 + sign)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tuetinh", description="The open health platform of a Vietnamese province.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--data", default=os.environ.get("TUETINH_DATA", "var"), help="data folder (default ./var)")
        sub.set_defaults(run=run)
        return sub

    demo = command("demo", _demo, "build a living province and run it")
    _listening(demo)
    demo.add_argument("--population", type=int, default=2000, help="people of the province (default 2000)")
    demo.add_argument("--seed", type=int, default=2026, help="the same seed builds the same province")
    demo.add_argument("--build-only", action="store_true", help="build the data and leave")
    serve = command("serve", _serve, "run the node")
    _listening(serve)
    journey = command("journey", _journey, "drive one patient through a running node, step by step")
    journey.add_argument("--keep-going", action="store_true", help="go on after a step that fails")
    imports = command("import", _import, "bring FHIR resources into the record")
    imports.add_argument("paths", nargs="+", help="Bundles, resources, NDJSON, folders, .gz; - reads standard input")
    export = command("export", _export, "write the record as NDJSON, one file a resource type")
    export.add_argument("folder", type=Path)
    export.add_argument("--types", default="", help="only these, separated by commas")
    export.add_argument("--since", default="", metavar="TIME", help="only what changed since YYYY-MM-DD[Thh:mm:ss]")
    export.add_argument("--patient", default="", metavar="ID", help="only this patient and what is about them")
    export.add_argument("--gzip", action="store_true", help="write .ndjson.gz")
    view = "instead, the rows of the ViewDefinition (SQL on FHIR) in this file; may stand several times"
    export.add_argument("--view", action="append", default=[], type=Path, metavar="FILE", help=view)
    export.add_argument(
        "--format", choices=("parquet", "ndjson", "csv"), default="parquet", help="of the rows of --view"
    )
    deidentified = "instead, the de-identified export of this number, which a second officer has approved"
    export.add_argument("--deidentified", type=int, metavar="NUMBER", help=deidentified)
    arguments_of_backup(command("backup", _backup, "back the node up, while it runs; see that it comes back"))
    arguments_of_restore(command("restore", _restore, "bring a moment of an archive, or a backup in one file, back"))
    arguments_of_claims(command("claims", claims, "build, check and look again at insurance files"))
    admin = command("admin", _admin, "make an administrator of the whole node, or let one in again who is locked out")
    admin.add_argument("username")
    admin.add_argument("--name", default="", help="full name, of a new one")
    _audit_parser(command)
    told = "measure this machine (in a checkout), `conformance SUITE DIR`, `safety`, or `linkage [DIR | PEOPLE]`"
    bench = command("bench", _bench, told)
    bench.add_argument("arguments", nargs=argparse.REMAINDER)
    manage = command("manage", _manage, "run a Django management command")
    manage.add_argument("arguments", nargs=argparse.REMAINDER)
    check = command("check", _check, "check the installation, and every byte of its files")
    check.add_argument("--quick", action="store_true", help="look at the size of files only")
    return parser


def _listening(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bind", default="127.0.0.1:8000", metavar="HOST:PORT")
    parser.add_argument("--roles", default=",".join(ROLES), help=f"any of {','.join(ROLES)}")
    parser.add_argument("--workers", type=int, default=web_workers(), help="web processes (default %(default)s here)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    for name, port in (
        ("mllp", 2575),
        ("astm", 2576),
        ("dicom", 11112),
        ("mqtt", 1883),
        ("gateway", 8091),
        ("bank", 8092),
        ("machines", 8093),
    ):
        parser.add_argument(f"--{name}-port", type=int, default=port)


def _options(arguments: argparse.Namespace) -> Options:
    host, _, port = arguments.bind.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        sys.exit(f"tuetinh: {arguments.bind!r} is not of the form HOST:PORT")
    roles = tuple(role for role in arguments.roles.split(",") if role)
    if unknown := set(roles) - set(ROLES):
        sys.exit(f"tuetinh: unknown roles: {', '.join(sorted(unknown))}; known: {', '.join(ROLES)}")
    names = ("mllp", "astm", "dicom", "mqtt", "gateway", "bank", "machines")
    ports = {f"{name}_port": getattr(arguments, f"{name}_port") for name in names}
    options = Options(arguments.data, host or "127.0.0.1", int(port), roles, arguments.workers, **ports)
    os.environ["TUETINH_BIND"] = options.host  # before the settings are read, which tell our names from it
    if not getattr(arguments, "build_only", False):
        check_ports(options)
    return options


def _demo(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    options = _options(arguments)
    os.environ.setdefault("TUETINH_READS", "0")  # its accounts are for whoever tries and measures
    prepare(options.data)
    from tuetinh.node import demo

    demo.build(options.data, arguments.population, arguments.seed)
    demo.write_demo_json(options)
    if arguments.build_only:
        return 0
    return _run(replace(options, ready=lambda: _welcome(options, browser=not arguments.no_browser)))


def _serve(arguments: argparse.Namespace) -> int:
    from tuetinh.node.backup.service import check_settings

    options = _options(arguments)
    check_settings()
    prepare(options.data, migrate="TUETINH_PARENT" not in os.environ)
    return _run(options)


def _run(options: Options) -> int:
    from tuetinh.node.serve import serve

    code = serve(options)
    logging.shutdown()
    return code


def _welcome(options: Options, *, browser: bool) -> None:
    """Say where the province is and who can log in."""
    accounts = json.loads((options.data / "demo.json").read_text())["accounts"]
    width = max(len(a["username"]) for a in accounts)
    print(f"\nTuệ Tĩnh: {options.url}\n")
    for account in accounts:
        print(f"  {account['role']:<11} {account['username']:<{width}}  {account['password']}")
    print("\nCtrl+C dừng / stops.\n", flush=True)
    if browser:
        webbrowser.open(options.url)


def _journey(arguments: argparse.Namespace) -> int:
    from tuetinh.node import journey

    return journey.main(arguments.data, keep_going=arguments.keep_going)


def _import(arguments: argparse.Namespace) -> int:
    prepare(arguments.data)
    from tuetinh.record import imports

    return imports.main(arguments.paths)


def _export(arguments: argparse.Namespace) -> int:
    prepare(arguments.data, migrate=False)
    from tuetinh.node import export

    if arguments.deidentified is not None:
        return _deidentified(arguments)
    if arguments.view:
        if arguments.types or arguments.patient or arguments.gzip:
            raise Refused("--view goes with --format and --since alone: the view says what is exported")
        since = export.instant(arguments.since)
        for name, count in export.export_views(arguments.folder, arguments.view, arguments.format, since).items():
            print(f"{name:<36}{count:>12}")
        return 0
    types = tuple(name for name in arguments.types.split(",") if name)
    patient = arguments.patient.removeprefix("Patient/")
    wanted = export.Wanted(types, export.instant(arguments.since), patient, arguments.gzip)
    for type_, count in export.export(arguments.folder, wanted).items():
        print(f"{type_:<36}{count:>12}")
    return 0


def _deidentified(arguments: argparse.Namespace) -> int:
    from tuetinh.governance.privacy.api import PrivacyError, write_deidentified

    if arguments.types or arguments.since or arguments.patient or arguments.gzip:
        raise Refused("--deidentified stands alone: what is in the export is what was approved")
    try:
        counts = write_deidentified(arguments.deidentified, arguments.folder)
    except PrivacyError as error:
        raise Refused(str(error.message)) from error
    for type_, count in counts.items():
        print(f"{type_:<36}{count:>12}")
    return 0


def _backup(arguments: argparse.Namespace) -> int:
    from tuetinh.node.backup.commands import backup

    for line in backup(arguments):
        print(line, flush=True)
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from tuetinh.node.backup.commands import restore

    for line in restore(arguments):
        print(line, flush=True)
    return 0


def _admin(arguments: argparse.Namespace) -> int:
    """Whoever has the data folder has the node, and may say who administers it."""
    prepare(arguments.data, migrate=(arguments.data / "keys").exists())  # it must help also after an upgrade
    username, password = operations.administrator(arguments.username, arguments.name)
    print(f"{username}  {password}\nto be changed at the first login; shown this once")
    return 0


def _audit_parser(command: Callable[..., argparse.ArgumentParser]) -> None:
    audit = command(
        "audit",
        _audit,
        "list who has looked at what, newest first; verify the log; tell witnesses its head; archive a month",
    )
    audit.add_argument("what", nargs="?", choices=("list", "verify", "anchor", "archive"), default="list")
    audit.add_argument("--heads", type=Path, action="append", default=[], help="verify: a further file of a witness")
    audit.add_argument(
        "--archive", type=Path, action="append", default=[], help="verify: the file of an archived month"
    )
    audit.add_argument(
        "--unwitnessed", action="store_true", help="verify: after a restore, without the node's own files of heads"
    )
    audit.add_argument("--month", default="", metavar="YYYY-MM", help="archive: the month that leaves the database")
    audit.add_argument("--folder", type=Path, help="archive: where its file goes (default audit/archive of the data)")
    audit.add_argument("--patient", default="")
    audit.add_argument("--account", default="")
    audit.add_argument("--from", dest="since", default="", metavar="TIME", help="from YYYY-MM-DD[Thh:mm:ss]")
    audit.add_argument("--to", dest="until", default="", metavar="TIME", help="to the end of a day, or before a time")
    audit.add_argument("--limit", type=int, default=1000, help="at most so many (default 1000; 0: all)")
    audit.add_argument("--json", action="store_true", help="one JSON object a line")


def _audit(arguments: argparse.Namespace) -> int:
    from tuetinh.node import access_log

    prepare(arguments.data, migrate=False)
    if arguments.what == "verify":
        whole = True
        found = access_log.verify(arguments.data, arguments.heads, arguments.archive, unwitnessed=arguments.unwitnessed)
        for good, line in found:
            print(line, flush=True)
            whole = whole and good
        return 0 if whole else 1
    if arguments.what == "archive":
        print(access_log.take_out(arguments.data, arguments.month, arguments.folder))
        return 0
    if arguments.what == "anchor":
        head, wrong = access_log.anchor(arguments.data)
        print(head)
        for one in wrong:
            print(f"tuetinh: not told: {one}", file=sys.stderr)
        return 1 if wrong else 0
    return _list_accesses(arguments)


def _list_accesses(arguments: argparse.Namespace) -> int:
    from datetime import timedelta

    from tuetinh.node.export import instant

    since, until = instant(arguments.since), instant(arguments.until)
    if until and len(arguments.until) == len("2026-01-31"):
        until += timedelta(days=1)  # a day that is named belongs to it
    for row in operations.accesses(arguments.patient, arguments.account, since, until, arguments.limit):
        print(json.dumps(row, ensure_ascii=False) if arguments.json else "\t".join(row.values()))
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    match arguments.arguments:
        case ["conformance", suite, folder]:
            from tuetinh.record import conformance

            return conformance.report(suite, Path(folder))
        case ["conformance", *_]:
            raise Refused("bench conformance SUITE DIR")
        case ["safety", *rest]:
            from tuetinh.node.safety import run

            return run.main(rest)
        case ["linkage", *rest] if len(rest) <= 1:
            return operations.bench_linkage(rest[0] if rest else "20000")
        case ["linkage", *_]:
            raise Refused("bench linkage [DIR | PEOPLE]")
    return operations.bench(arguments.arguments)


def _manage(arguments: argparse.Namespace) -> int:
    prepare(arguments.data, migrate=False)
    from django.core.management import execute_from_command_line

    execute_from_command_line(["tuetinh manage", *arguments.arguments])
    return 0


def _check(arguments: argparse.Namespace) -> int:
    prepare(arguments.data, migrate=False)
    from django.core.management import CommandError, call_command

    try:
        call_command("check", deploy=False)
    except CommandError as error:
        print(f"tuetinh check: {error}", file=sys.stderr)
        return 1
    found = list(operations.examine(arguments.data, hashed=not arguments.quick))
    for what, good, told in found:
        print(f"{'ok  ' if good else 'FAIL'}  {what}: {told}")
    return 0 if all(good for _, good, _ in found) else 1


if __name__ == "__main__":
    sys.exit(main())
