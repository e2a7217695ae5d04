"""What the access log costs reads: the same ones of one node with it and without, in turn.

usage: python -m bench.access_log [--rounds N] [--seconds S] [--clients N]

A node cannot be told to log nothing. The one that is measured begins with statements of this file that take its log
away on a signal, and give it back on another.
"""

from __future__ import annotations

import os
import signal
import time

from bench import pairs
from bench.node import own_folder, running

BEFORE = f"""{pairs.UNPACED}
import signal
from tuetinh.record import audit
kept = audit.note
def without(*_): audit.note = lambda *_, **__: None
def with_(*_): audit.note = kept
signal.signal(signal.SIGUSR1, without)
signal.signal(signal.SIGUSR2, with_)
"""
SETTLE_SECONDS = 0.5


def main() -> None:
    """Measure and print a line for each case."""
    options = pairs.parser("bench.access_log", __doc__).parse_args()
    with own_folder() as scratch, running(scratch / "node", 300, BEFORE, workers=1) as node:

        def switch(on: bool) -> None:  # noqa: FBT001 - a switch
            os.kill(node.process, signal.SIGUSR2 if on else signal.SIGUSR1)
            time.sleep(SETTLE_SECONDS)

        pairs.compare(node, scratch, switch, options)


if __name__ == "__main__":
    main()
