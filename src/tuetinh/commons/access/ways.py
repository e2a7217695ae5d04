"""Where a browser goes on: only to a page of this node."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def within(request: HttpRequest, path: str, otherwise: str = "/") -> str:
    """The path that a form or an address names, where it is one of this node; else the other."""
    hosts = {request.get_host()}
    fits = path.startswith("/") and url_has_allowed_host_and_scheme(path, hosts, require_https=request.is_secure())
    return path if fits else otherwise
