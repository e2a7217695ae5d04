"""Reads inside of a transaction: the handlers of the door, on the transaction's own connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from tuetinh.record.asker import Asker
from tuetinh.record.door import routes
from tuetinh.record.door.call import Call
from tuetinh.record.errors import BadRequest
from tuetinh.record.steps import Step, arun

if TYPE_CHECKING:
    from tuetinh.record.door.app import Connection, Door

T = TypeVar("T")


class _Within:
    """The door as handlers know it; whoever asks on its connection stays who asks."""

    def __init__(self, door: Door, conn: Connection) -> None:
        self._door, self._conn = door, conn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def run(self, asker: Asker, step: Step[T]) -> T:
        return await arun(step, self._conn)


def within(door: Door, conn: Connection) -> Door:
    """The door on the connection of a transaction that has begun."""
    return cast("Door", _Within(door, conn))


def check(call: Call, route: routes.Route) -> None:
    """Raise BadRequest for what a transaction cannot do beside its writes."""
    if route.name in ("bundle", "openapi") or route.name.startswith("bulk_"):
        raise BadRequest("neither a Bundle nor bulk data can be inside of a transaction")
    if call.operation is not None and call.operation.affects:
        raise BadRequest(f"${call.operation.name} changes something; in a transaction operations only read")
