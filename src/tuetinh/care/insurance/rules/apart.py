"""How a process of a re-check begins and ends. It imports nothing that needs the settings before they are there."""

from __future__ import annotations

from multiprocessing.util import Finalize


def begin() -> None:
    """Load the modules; what the process reads is in the access log before it has left."""
    import django

    django.setup()
    from tuetinh.record import audit

    Finalize(None, audit.writer.close, exitpriority=10)
