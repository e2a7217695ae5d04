"""What clients asked, when, and what they were told."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["read", "find", "versions", "group", "put", "put if", "delete", "create", "create once"]
Outcome = Literal["ok", "fail", "info"]
WRITES = frozenset({"put", "put if", "delete", "create", "create once"})


@dataclass(slots=True, eq=False)
class Operation:
    """One thing that a client asked of one resource.

    key: the resource as `Type/id`; for creates the identifier by which it is found, for a group its ids.
    value: what is written, or looked for. Every write has a value that no other has.
    expected: the version of If-Match.
    outcome: `ok` it was done, `fail` it surely was not, `info` nobody knows (no answer, or a 5xx).
    version: the version that was written or seen, 0 where there is no such resource.
    seen: the value that was read; None where there is none, or it is deleted. Of a group, all values; of a create,
        the id.
    versions: number and value of each version that a history told of, oldest first.
    bundle: the transaction that the write is part of, "" for none.
    began, ended: seconds of one clock; `ended` is None until an answer is here.
    """

    client: int
    kind: Kind
    key: str
    value: str | None = None
    expected: int | None = None
    bundle: str = ""
    began: float = 0.0
    ended: float | None = None
    outcome: Outcome = "info"
    status: int = 0
    version: int | None = None
    seen: str | None = None
    versions: list[tuple[int, str | None]] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether it changes the resource when it is done."""
        return self.kind in WRITES


class History:
    """The operations of all clients, in the order in which they began."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._lock = threading.Lock()

    def begin(self, *operations: Operation) -> None:
        """Note that these are being asked now, together."""
        with self._lock:
            now = time.monotonic()
            for operation in operations:
                operation.began = now
            self.operations += operations

    def forget(self, *operations: Operation) -> None:
        """Take back what never left the client."""
        with self._lock:
            for operation in operations:
                self.operations.remove(operation)

    @staticmethod
    def end(*operations: Operation) -> None:
        """Note that the answer is here; what it was is in the operations already."""
        now = time.monotonic()
        for operation in operations:
            operation.ended = now

    def by_key(self) -> dict[str, list[Operation]]:
        """The operations on each resource."""
        found: dict[str, list[Operation]] = {}
        for operation in self.operations:
            found.setdefault(operation.key, []).append(operation)
        return found
