"""Machines that were told of a tube are told again when its orders have changed."""

from __future__ import annotations

from datetime import UTC, datetime

from tuetinh.care.lab.models import Download, Tube


def tell_again(tube: Tube) -> None:
    """Let the machines that know a locked tube learn what was added to its orders or taken back."""
    Download.objects.filter(tube=tube).update(sent_at=None, next_at=datetime.now(UTC), tries=0)
