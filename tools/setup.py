"""Set up `.venv` from the locked requirements, with nothing but Python's standard library.

usage: setup.py run|dev
Debian's Python comes without pip and `ensurepip`; then pip itself is fetched from PyPI, of the digest below, so that
nobody needs to be root.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PIP = "https://files.pythonhosted.org/packages/07/25/ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
OLD = """Python 3.11 or newer is needed; this is {}. Where another is installed, name it:  make demo PYTHON=python3.11
On Ubuntu 22.04 it comes by:  sudo apt-get install python3.11"""


def main(kind: str) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may have an older one
        sys.exit(OLD.format(sys.version.split()[0]))
    if not _has_pip():
        make_venv()
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    print(f"Installing the locked requirements ({kind}) …", flush=True)
    for what in (
        ["--require-hashes", "-r", str(ROOT / "requirements" / f"{kind}.lock")],
        ["--no-deps", "--no-build-isolation", "-e", str(ROOT)],
    ):
        if subprocess.run([*pip, *what], check=False).returncode:
            sys.exit("The requirements could not be installed (pip says why above); run the same command to go on.")
    (VENV / f"{kind}.stamp").touch()


def _has_pip() -> bool:
    """Whether the environment works; one that was broken off or whose Python has left is made again."""
    try:
        asked = subprocess.run([str(PYTHON), "-c", "import pip"], check=False, stderr=subprocess.DEVNULL)
    except OSError:
        return False
    return asked.returncode == 0


def make_venv() -> None:
    """Make the virtual environment, with pip in it."""
    print("Making .venv …", flush=True)
    try:
        import ensurepip  # noqa: F401
    except ModuleNotFoundError:
        try:
            with urllib.request.urlopen(PIP, timeout=60) as answer:
                wheel = answer.read()
        except OSError:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            install_debian([f"python{version}-venv"], "make a virtual environment (PyPI itself was not reached)")
        else:
            subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], check=True)
            put_pip(wheel)
            return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)


def put_pip(wheel: bytes) -> None:
    """Put pip into the environment, out of its wheel."""
    if hashlib.sha256(wheel).hexdigest() != PIP_SHA256:
        sys.exit(f"{PIP} is not what it was; its digest differs")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, PIP.rpartition("/")[2])
        path.write_bytes(wheel)
        command = [str(PYTHON), f"{path}/pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"]
        subprocess.run([*command, str(path)], check=True)


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
