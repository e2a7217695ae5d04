"""What other modules may call: `publish` when something on an open page has changed; who may follow it."""

from __future__ import annotations

from django.db import connection

from tuetinh.commons.messages.channels import register as register_channel
from tuetinh.commons.messages.live import TOPIC

__all__ = ["publish", "register_channel"]


def publish(*channels: str) -> None:
    """Tell every page that follows a channel to fetch itself again, once the caller's transaction is committed.

    channels: what changed, e.g. `visit:ENCOUNTERID`, `queue:LOCATIONID`. They carry no content: pages ask for it with
    their own permission.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, c) FROM unnest(%s::text[]) c", [TOPIC, list(channels)])
