"""How a process that looks at claims begins and ends. It imports nothing that needs settings before they are there."""

from __future__ import annotations

from multiprocessing.util import Finalize


def begin() -> None:
    """Load the modules; what the process reads is in the access log before it has left."""
    import django

    django.setup()
    from tuetinh.record import api as record
    from tuetinh.record import audit

    record.settle()
    Finalize(None, audit.writer.close, exitpriority=10)
