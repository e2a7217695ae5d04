"""From where the request comes that is being answered: what the access log tells beside who asks.

`Asker` says who it is and stays the same from request to request; this is of one request, and goes with its context.
"""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from django.conf import settings

AGENT_LENGTH: Final = 300
QUERY_LENGTH: Final = 2000
"""Characters of what was asked that the access log keeps."""


@dataclass(slots=True)
class Origin:
    """One request. address: from which it came; agent: what the browser or program calls itself (User-Agent).

    asked: addresses with their queries, and forms.
    """

    address: str = ""
    agent: str = ""
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


def come_from(peer: str, forwarded: str, agent: str) -> Origin:
    """The origin of a request from its peer's address and its headers X-Forwarded-For and User-Agent."""
    return Origin(address_of(peer, forwarded), agent[:AGENT_LENGTH].replace("\0", "\ufffd"))


def address_of(peer: str, forwarded: str) -> str:
    """The network address that a request comes from, "" where it is none.

    Behind a proxy of `TUETINH_PROXIES` it is the last address in X-Forwarded-For that is no such proxy's; from anybody
    else the header says nothing.
    """
    address = peer
    for hop in reversed([one.strip() for one in forwarded.split(",") if one.strip()]):
        if not _is_proxy(address):
            break
        address = hop
    return address if parsed(address) else ""


def scheme_of(peer: str, forwarded: str, own: str) -> str:
    """`http` or `https`, as a request came: what a proxy of `TUETINH_PROXIES` says, else how it reached the node.

    forwarded: the header X-Forwarded-Proto.
    """
    return forwarded if forwarded in ("http", "https") and _is_proxy(peer) else own


@lru_cache(4096)
def parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address as a number, None for what is none."""
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _is_proxy(address: str) -> bool:
    found = parsed(address)
    return bool(found) and any(found in network for network in settings.PROXIES)


def where() -> tuple[str | None, str | None]:
    """The address and the agent of the request, None for what is not known."""
    now = current.get()
    return now.address or None, now.agent or None
