"""`tuetinh claims COMMAND …`: the insurance files. A command is a module beside this one, named in COMMANDS.

Each has `HELP`, `arguments(parser)` and `run(arguments) -> exit code`; its name is the module's.
"""

from __future__ import annotations

import argparse
from importlib import import_module

COMMANDS = ("benefit", "build", "check", "fields", "import", "recheck", "send")


def arguments_of_claims(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `claims` its commands."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        command = import_module(f"{__name__}.{name}")
        sub = commands.add_parser(name, help=command.HELP, description=command.HELP)
        sub.add_argument("--data", default=argparse.SUPPRESS, help="data folder (default ./var)")
        sub.set_defaults(command=command)
        command.arguments(sub)


def claims(arguments: argparse.Namespace) -> int:
    """Run the command that was asked for; returns its exit code."""
    return int(arguments.command.run(arguments))
