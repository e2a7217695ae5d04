"""What other modules may call: `publish` when something on an open page has changed; who may follow it."""

from __future__ import annotations

from django.db import connection

from tuetinh.commons.messages.channels import register as register_channel
from tuetinh.commons.messages.live import TOPIC

__all__ = ["publish", "register_channel"]


def publish(channel: str) -> None:
    """Tell every page that follows the channel to fetch itself again, once the caller's transaction is committed.

    channel: what changed, e.g. `visit:ENCOUNTERID`, `queue:LOCATIONID`. It carries no content: pages ask for it with
    their own permission.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [TOPIC, channel])
