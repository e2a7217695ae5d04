"""Django application of the reception module."""

from __future__ import annotations

from django.apps import AppConfig


class ReceptionConfig(AppConfig):
    """Named `reception`."""

    name = "tuetinh.care.reception"
    label = "reception"

    def ready(self) -> None:
        """Let the queue follow people who are merged; nobody waits twice in one room."""
        from tuetinh.record.api import Follower, register_follower

        waiting = "IN ('waiting', 'called', 'in-progress', 'away')"
        clash = f"s.room = t.room AND s.day = t.day AND s.state {waiting} AND t.state {waiting}"
        register_follower(Follower("reception_turn", by=("encounter", "Encounter"), clash=clash))
