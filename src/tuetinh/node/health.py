"""Waiting for a node that runs in another process."""

from __future__ import annotations

import contextlib
import subprocess
import time

import httpx


def wait_for(url: str, seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until the node at an address says at `/healthz` that it is well.

    process: that which is to become the node. Raises RuntimeError when it ends or the time is over.
    """
    limit = time.monotonic() + seconds
    with httpx.Client(timeout=5) as client:
        while time.monotonic() < limit:
            if process is not None and process.poll() is not None:
                message = f"the node left with {process.returncode}"
                raise RuntimeError(message)
            with contextlib.suppress(httpx.HTTPError):
                if client.get(f"{url}/healthz").status_code == httpx.codes.OK:
                    return
            time.sleep(0.1)
    message = f"the node did not become healthy within {seconds:.0f} seconds"
    raise RuntimeError(message)
