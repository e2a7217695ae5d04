"""A module is entered through its `api.py` alone."""

from __future__ import annotations

import ast
from pathlib import Path

import tuetinh
from tuetinh.node.modules import MODULES

ROOT = Path(tuetinh.__file__).parent
# What the record offers to those above it beside `api`: its types, who asks, access notes, errors, words.
SUITES = {"subscriptions", "terminology"}  # packages of the record with an api.py of their own
# `merging`, and what an operation of a module's own needs to answer at the door.
OPERATIONS = {"merging", "operations", "bundling", "locks", "permits", "reads", "store", "statements"}
RECORD = OPERATIONS | {
    "contents",
    "api",
    "r4",
    "asker",
    "sight",
    "labels",
    "pace",
    "origin",
    "relations",
    "relabelling",
    "seals",
    "audit",
    "errors",
    "granular",
    "postgresql",  # row policies of tables beside it
    "projections",
    "steps",
    "text",
    "types",
}
# node/ puts the installation together: it starts listeners and simulators, and hands the door its parts.
ASSEMBLES = ROOT / "node"


def _module_of(name: str) -> str:
    return next((m for m in MODULES if name == m or name.startswith(f"{m}.")), "")


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if _module_of(name)]


def test_other_modules_are_entered_through_their_api() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        own = _module_of(".".join(("tuetinh", *path.relative_to(ROOT).with_suffix("").parts)))
        if "tests" in path.parts or path.name == "conftest.py" or path.is_relative_to(ASSEMBLES) or not own:
            continue
        for name in _imports(path):
            module = _module_of(name)
            rooms = name.removeprefix(module).lstrip(".").split(".")
            door = rooms[1] if rooms[0] in SUITES and rooms[1:] else rooms[0]
            if module != own and door not in (RECORD if module == "tuetinh.record" else {"api"}):
                wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert wrong == []
