"""The libraries of DICOM are loaded through one door: threads that begin with parts of one are given half of others."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuetinh.care import imaging

FOLDER = Path(imaging.__file__).parent
DOOR = "tuetinh.care.imaging.library"
LIBRARIES = {"pydicom": {DOOR, f"{DOOR}.network", f"{DOOR}.documents"}, "pynetdicom": {f"{DOOR}.network"}}
LIBRARIES["highdicom"] = {f"{DOOR}.documents"}
SEVERAL = """
import sys, threading, time
from importlib import import_module

faults, begin = [], threading.Barrier(len(sys.argv) - 1)

def load(number, name):
    begin.wait()
    time.sleep(number / 50)  # while the first ones are half loaded
    try:
        import_module(name)
    except Exception as error:
        faults.append(f"{name}: {error!r}")

sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=load, args=one) for one in enumerate(sys.argv[1:])]
[one.start() for one in threads]
[one.join() for one in threads]
print(*faults, sep="\\n")
"""
PARTS = ("library", "library.network", "library.documents", "archive.lenient", "archive.heads", "dicomweb.native")


def imports(block: list[ast.stmt]) -> Iterator[str]:
    """The modules that a block loads when it runs, in their order; with those of the blocks in it."""
    for one in block:
        if isinstance(one, ast.Import):
            yield from (name.name for name in one.names)
        elif isinstance(one, ast.ImportFrom):
            yield str(one.module)
        elif not (isinstance(one, ast.If) and ast.unparse(one.test) == "TYPE_CHECKING"):
            for name in ("body", "orelse", "finalbody"):
                yield from imports(getattr(one, name, []))


def beside_the_door(block: list[ast.stmt]) -> Iterator[str]:
    """The parts that a block loads before their library as a whole."""
    loaded: set[str] = set()
    for name in imports(block):
        library = name.partition(".")[0]
        if library in LIBRARIES and name != library and not loaded & LIBRARIES[library]:
            yield name
        loaded.add(name)


def test_parts_of_libraries_are_loaded_after_the_whole() -> None:
    found = {}
    for path in FOLDER.rglob("*.py"):
        if "tests" not in path.parts and "library" not in path.parts:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if parts := list(beside_the_door(tree.body)):
                found[path.relative_to(FOLDER)] = parts
    assert found == {}


@pytest.mark.parametrize("first", PARTS)
def test_threads_load_them_at_once(first: str) -> None:
    names = [f"tuetinh.care.imaging.{part}" for part in (first, *PARTS)]
    done = subprocess.run([sys.executable, "-c", SEVERAL, *names], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")
