"""x"""

from __future__ import annotations

HELP = "x"


def arguments(p): ...
def run(a):
    return 0
