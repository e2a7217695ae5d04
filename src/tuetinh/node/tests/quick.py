"""`tuetinh` as tests start it: passwords are hashed with the same algorithm, for less than it takes on purpose.

A province makes two dozen accounts, each of which costs a third of a second of a processor.
"""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher

from tuetinh.node.cli import main


def apply() -> None:
    """Hash passwords for less in this process."""
    Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.parallelism = 1, 1024, 1


if __name__ == "__main__":
    apply()
    raise SystemExit(main())
