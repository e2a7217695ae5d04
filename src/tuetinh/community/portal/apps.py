"""Django application of the citizen's pages."""

from __future__ import annotations

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Named `portal`."""

    name = "tuetinh.community.portal"
    label = "portal"

    def ready(self) -> None:
        """Let what is shared follow merged people, and patients see by a code what imaging gives them."""
        from tuetinh.care.imaging.api import doors
        from tuetinh.community.portal.handing import Door
        from tuetinh.record.api import Follower, register_follower

        doors.register_door(Door())
        register_follower(Follower("portal_share", relation="Share"))
