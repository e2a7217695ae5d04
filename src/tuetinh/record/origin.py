"""From where the request comes that is being answered: what the access log tells beside who asks.

`Asker` says who it is and stays the same from request to request; this is of one request, and goes with its context.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

QUERY_LENGTH: Final = 2000
"""Characters of what was asked that the access log keeps."""


@dataclass(slots=True)
class Origin:
    """One request. address: of the peer, as it is known here; asked: addresses with their queries, and forms."""

    address: str = ""
    asked: list[str] = field(default_factory=list)

    def ask(self, text: str) -> None:
        """Say what is asked now: an address with its query, or the form of a search."""
        if text and text not in self.asked:
            self.asked.append(text)

    @property
    def query(self) -> str | None:
        """What was asked, one thing a line."""
        return "\n".join(self.asked)[:QUERY_LENGTH].replace("\0", "\ufffd") or None


current: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - nobody asks anything of it


def address() -> str | None:
    """The address that the request comes from, None where none is known."""
    return current.get().address or None
