"""Django application of the citizen's pages."""

from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Named `portal`."""

    name = "tuetinh.community.portal"
    label = "portal"

    def ready(self) -> None:
        """Let what is shared follow merged people."""
        from tuetinh.record.api import Follower, register_follower

        register_follower(Follower("portal_share"))
