"""Django's backend, which forgets who asks when a transaction is rolled back: the settings of the session are then
those of before."""

from __future__ import annotations

from django.db.backends.postgresql import base

from tuetinh.record.steps import forget


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    def _rollback(self) -> None:
        forget(self.connection)
        super()._rollback()  # type: ignore[misc]

    def _savepoint_rollback(self, sid: str) -> None:
        forget(self.connection)
        super()._savepoint_rollback(sid)  # type: ignore[misc]
