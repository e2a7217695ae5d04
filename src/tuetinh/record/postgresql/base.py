"""Django's backend, which forgets who asks when a transaction is rolled back: the settings of the session are then
those of before."""

from __future__ import annotations

from django.db.backends.postgresql import base

from tuetinh.record.asker import Asker
from tuetinh.record.sight import ENTER, settings
from tuetinh.record.steps import forget

NODE = Asker("node", "system")


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PostgreSQL, which begins as the node's own work: for that nothing of the record exists."""

    def init_connection_state(self) -> None:
        super().init_connection_state()
        self.connection.execute(ENTER, settings(NODE))
        if not self.connection.autocommit:
            self.connection.commit()

    def _rollback(self) -> None:
        forget(self.connection)
        super()._rollback()  # type: ignore[misc]

    def _savepoint_rollback(self, sid: str) -> None:
        forget(self.connection)
        super()._savepoint_rollback(sid)  # type: ignore[misc]
