"""Set up `.venv` from the locked requirements, with nothing but Python's standard library.

usage: setup.py run|dev
Where Debian's Python comes without `ensurepip`, installs `python3-venv` if it may, else says what to install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def main(kind: str) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may have an older one
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    if not (VENV / "bin" / "pip").exists():
        make_venv()
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    print(f"Installing the locked requirements ({kind}) …", flush=True)
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements" / f"{kind}.lock")], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
    (VENV / f"{kind}.stamp").touch()


def make_venv() -> None:
    """Make the virtual environment; installs Debian's package for it where that is missing and allowed."""
    try:
        import ensurepip  # noqa: F401
    except ModuleNotFoundError:
        install_debian(["python3-venv"], "make a virtual environment")
    print("Making .venv …", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)


def install_debian(packages: list[str], reason: str) -> None:
    """Install Debian packages as root or by passwordless sudo; else say what is missing and leave."""
    prefix: list[str] = []
    if os.geteuid() != 0:
        if not shutil.which("sudo") or subprocess.run(["sudo", "-n", "true"], check=False).returncode:
            sys.exit(f"To {reason}, please run:  sudo apt-get install {' '.join(packages)}")
        prefix = ["sudo", "-n"]
    if not shutil.which("apt-get"):
        sys.exit(f"To {reason}, please install: {' '.join(packages)}")
    print(f"Installing Debian packages: {' '.join(packages)} …", flush=True)
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        subprocess.run([*prefix, "apt-get", *step], check=True, stdout=subprocess.DEVNULL, env=env)


if __name__ == "__main__":
    main(sys.argv[1])
