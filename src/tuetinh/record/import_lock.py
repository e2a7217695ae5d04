"""Whether a long import goes on: work that can wait leaves it the processors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connection, transaction

_LOCK = "hashtext('record import')"


@contextmanager
def importing() -> Iterator[None]:
    """Let others see that an import goes on."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock_shared({_LOCK})")
    try:
        yield
    finally:
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_unlock_shared({_LOCK})")


def is_importing() -> bool:
    """Whether a long import goes on in any process."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
        return not cursor.fetchone()[0]
