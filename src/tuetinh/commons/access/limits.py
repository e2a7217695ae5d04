"""How often things may be tried: allowances in the database, which all processes of a node share.

An allowance of `n` an hour can be spent at once and comes back evenly; one row holds when it will be whole again
(the generic cell rate algorithm of ITU-T I.371). Only what fails is counted where people log in, so that a whole
hospital behind one address is not shut out by its own morning.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from typing import TYPE_CHECKING

from django.db import connection
from django.shortcuts import render

from tuetinh.record import origin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

HOUR = 3600.0
# Spends one of an allowance unless it is used up; seconds until there is one again, 0 when there was.
_SPEND = """
INSERT INTO access_pace AS p (kind, key, "full") VALUES (%(kind)s, %(key)s, now() + %(each)s * interval '1 s')
ON CONFLICT (kind, key) DO UPDATE SET "full" = greatest(p."full", now()) + %(each)s * interval '1 s'
WHERE greatest(p."full", now()) + %(each)s * interval '1 s' <= now() + %(whole)s * interval '1 s'
"""
_WAIT = """
SELECT greatest(0, extract(epoch FROM "full" - now()) + %(each)s - %(whole)s)
FROM access_pace WHERE kind = %(kind)s AND key = %(key)s
"""


class Slow(Exception):
    """An allowance is used up. seconds: until there is something left of it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:.0f} s")
        self.seconds = max(1, math.ceil(seconds))


def spend(kind: str, key: str, hourly: int) -> None:
    """Take one of the allowance of so many an hour. Raises Slow when nothing is left; then nothing is taken."""
    with connection.cursor() as cursor:
        cursor.execute(_SPEND, _values(kind, key, hourly))
        if cursor.rowcount:
            return
    check(kind, key, hourly)
    raise Slow(1)


def check(kind: str, key: str, hourly: int) -> None:
    """Take nothing, but raise Slow when nothing is left."""
    with connection.cursor() as cursor:
        cursor.execute(_WAIT, _values(kind, key, hourly))
        row = cursor.fetchone()
    if row and row[0] > 0:
        raise Slow(float(row[0]))


def restore(kind: str, key: str) -> None:
    """Give the whole allowance back."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM access_pace WHERE kind = %(kind)s AND key = %(key)s", _values(kind, key, 1))


def tidy() -> int:
    """Forget allowances that are whole; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute('DELETE FROM access_pace WHERE "full" < now()')
        return int(cursor.rowcount)


def answer(request: HttpRequest, slow: Slow) -> HttpResponse:
    """The page that says how long to wait (429, RFC 6585, 4)."""
    context = {"minutes": math.ceil(slow.seconds / 60)}
    response = render(request, "access/slow.html", context, status=429)
    response["Retry-After"] = str(slow.seconds)
    return response


def address_of(request: HttpRequest) -> str:
    """The network address that a request comes from, also behind a proxy of ours (`record.origin`)."""
    return origin.address_of(str(request.META.get("REMOTE_ADDR") or ""), request.headers.get("X-Forwarded-For", ""))


def network_of(request: HttpRequest) -> str:
    """Whose allowance a request spends: the address, or of IPv6 the /64 that one customer has."""
    found = origin.parsed(address_of(request))
    if found and found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found or "")


def _values(kind: str, key: str, hourly: int) -> dict[str, str | bytes | float]:
    return {"kind": kind, "key": hashlib.sha256(key.encode()).digest(), "each": HOUR / hourly, "whole": HOUR}
