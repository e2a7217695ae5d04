"""Django application of the laboratory."""

from __future__ import annotations

from django.apps import AppConfig


class LabConfig(AppConfig):
    """Named `lab`."""

    name = "tuetinh.care.lab"
    label = "lab"

    def ready(self) -> None:
        """Let tubes follow people who are merged."""
        from tuetinh.record.api import Follower, register_follower

        register_follower(Follower("lab_tube", by=("encounter", "Encounter")))
        register_follower(Follower("lab_bloodorder", by=("encounter", "Encounter")))
        register_follower(Follower("lab_pathologycase", by=("encounter", "Encounter")))
