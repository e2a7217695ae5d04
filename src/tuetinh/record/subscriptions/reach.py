"""Which receivers may be reached: by https, and not inside of our own network (server-side request forgery).

`TUETINH_SUBSCRIPTION_HOSTS` names exceptions, separated by commas: host names and networks (`10.2.0.0/16`) that may be
inside and spoken to by http as well.
"""

from __future__ import annotations

import asyncio
import os
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from tuetinh.record.errors import Issue, Unprocessable

Address = IPv4Address | IPv6Address


class OutOfReach(Exception):
    """The receiver may not be reached."""


def check_address(url: str) -> None:
    """Raise Unprocessable for a receiver that is named in a way that is never allowed. Asks no name server."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    literal = _literal(host)
    if _is_excepted(host, literal):
        return
    if parts.scheme != "https":
        raise _wrong("the receiver must be reached by https")
    if literal is not None and not is_outside(literal):
        raise _wrong("the receiver is inside of this network")


async def resolve(url: str) -> str:
    """The address to connect to, looked at: who asks once and connects to what was answered cannot be misled.

    Raises OutOfReach, or OSError where the name is not known.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if _is_excepted(host, address) or (parts.scheme == "https" and is_outside(address)):
            return str(address)
    raise OutOfReach


def is_outside(address: Address) -> bool:
    """Whether an address is of the public internet, also where it carries another one inside."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in ip_network("64:ff9b::/96"):
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_outside(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_excepted(host: str, address: Address | None) -> bool:
    for name in os.environ.get("TUETINH_SUBSCRIPTION_HOSTS", "").replace(" ", "").split(","):
        if not name:
            continue
        if name.lower() == host.lower():
            return True
        if address is not None:
            try:
                if address in ip_network(name, strict=False):
                    return True
            except ValueError:
                continue
    return False


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _wrong(text: str) -> Unprocessable:
    return Unprocessable(issues=[Issue("error", "security", text, "Subscription.channel.endpoint")])
