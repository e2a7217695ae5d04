"""`tuetinh` as tests start it: passwords are hashed with the same algorithm, for less than it takes on purpose.

A province makes two dozen accounts, each of which costs a third of a second of a processor.
"""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher

from tuetinh.node.cli import main

COST = {"time_cost": 1, "memory_cost": 1024, "parallelism": 1}

if __name__ == "__main__":
    for name, cost in COST.items():
        setattr(Argon2PasswordHasher, name, cost)
    raise SystemExit(main())
