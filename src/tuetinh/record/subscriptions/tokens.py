"""Tokens by which a websocket proves for which subscriptions it may be told (`$get-ws-binding-token`)."""

from __future__ import annotations

from collections.abc import Sequence

from django.core import signing

SECONDS = 1800
_SALT = "tuetinh.record.subscriptions"


def write(ids: Sequence[str]) -> str:
    """A token that is good for a while."""
    return signing.dumps(list(ids), salt=_SALT, compress=True)


def read(token: str) -> list[str]:
    """The ids of the subscriptions; none when the token is not ours, or too old."""
    try:
        ids: list[str] = signing.loads(token, salt=_SALT, max_age=SECONDS)
    except signing.BadSignature:
        return []
    return ids
